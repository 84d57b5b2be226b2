"""SIP over WebSocket at the HTTP listener (RFC 7118): the one place where the two sides meet."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING

from xcap.http.upgrading import Refusal, Switch

if TYPE_CHECKING:
    from abserver.config.sections.sip import SipSettings
    from abserver.net.websocket import WebSocketShell
    from xcap.http.upgrading import Offer, Upgrades


def websocket_upgrades(settings: SipSettings, websockets: WebSocketShell) -> Upgrades:
    """What the HTTP listener takes: WebSockets at the configured path, and at the root."""
    origins = frozenset(settings.websocket_origins)

    def upgrade(offer: Offer) -> Switch | Refusal | None:
        handshake = websockets.answer(offer.method, offer.fields, offer.host, origins)
        if handshake is None:
            return None
        if handshake.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return Switch(handshake.fields, functools.partial(websockets.connection, secure=offer.secure))
        return Refusal(HTTPStatus(handshake.status), handshake.fields, handshake.reason)

    path = settings.websocket_path
    return {place.encode(): upgrade for place in (path, "/")} if path else {}
