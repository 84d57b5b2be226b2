"""What SIP shows and believes over TLS: our certificate, and whose signatures count (RFC 3261 §26.3.1).

One certificate is for both roles: servers that we connect to are shown it too, if they ask. It is read anew on request;
connections that live go on with what they began with.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from abserver.net.tls import Security
from xcap.http.tls import load_authorities, load_chain, server_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from abserver.config.sections.sip import SipSettings


class SipCertificate:
    """The files that the settings name, and what they hold."""

    def __init__(self, certificate: Path, settings: SipSettings) -> None:
        """Raises TlsError."""
        self._certificate = certificate
        self._settings = settings
        self.security = Security(self._server(), self._client())

    def prepare(self) -> Callable[[], None]:
        """Read the files again; connections use them when what is returned has been called. Raises TlsError."""
        server, client = self._server(), self._client()

        def use() -> None:
            self.security.server, self.security.client = server, client

        return use

    def _server(self) -> ssl.SSLContext:
        """For connections that are accepted: a client's certificate is asked for if there is somebody to believe, but
        phones have none (RFC 5922 §7.4)."""
        context = server_context()
        load_chain(context, self._certificate, self._settings.tls_key)
        if self._settings.tls_client_ca is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            load_authorities(context, self._settings.tls_client_ca)
        return context

    def _client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False  # by the connection itself, since SIP compares in its own way
        load_chain(context, self._certificate, self._settings.tls_key)
        if self._settings.tls_ca is not None:
            load_authorities(context, self._settings.tls_ca)
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context


def sip_certificate(settings: SipSettings) -> SipCertificate | None:
    """What SIP needs over TLS; None where there is none. Raises TlsError."""
    return SipCertificate(settings.tls_certificate, settings) if settings.tls_certificate and settings.tls else None
