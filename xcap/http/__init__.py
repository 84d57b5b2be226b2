"""XCAP over HTTP (RFC 4825): an ASGI application, how requesters prove who they are, and the listener."""

from __future__ import annotations

from xcap.http.app import XcapApp
from xcap.http.authenticator import AuthenticationRules, DigestAuthenticator

__all__ = ["AuthenticationRules", "DigestAuthenticator", "XcapApp"]
