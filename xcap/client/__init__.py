"""A client for XCAP servers, sync and async: documents and nodes, conditional requests, digest authentication.

    with XcapClient("http://xcap.example.com/xcap-root", "alice@example.com", "open sesame") as client:
        card = DocumentKey("org.example.card", "sip:alice@example.com", "index")
        version = client.put(card, b"<card/>", media_type="application/card+xml")
        client.put(ResourceUri(card, "card/tel[1]"), b"<tel>1</tel>", if_match=version.etag)

The names below are the public API; `docs/xcap-client.md` shows it in use. What the server says no to is a `Refused`;
failures of the connection are httpx's own exceptions (`httpx.HTTPError`).
"""

from __future__ import annotations

from xcap.client.answers import Fetched, Refused, Written
from xcap.client.blocking import XcapClient
from xcap.client.digest import DigestAuth, Secret
from xcap.client.waiting import AsyncXcapClient
from xcap.core.errors import NotUnique
from xcap.core.uri import DocumentKey, ResourceUri

__all__ = [
    "AsyncXcapClient",
    "DigestAuth",
    "DocumentKey",
    "Fetched",
    "NotUnique",
    "Refused",
    "ResourceUri",
    "Secret",
    "Written",
    "XcapClient",
]
