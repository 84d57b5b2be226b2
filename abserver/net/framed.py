"""A connection whose bytes are SIP messages framed by Content-Length (RFC 3261 §18.3).

CRLF keep-alives are answered as RFC 5626 §3.5.1 says and go no further.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.net.connections import Connection, Connections
from abserver.sip.codec import PONG_BYTES, KeepAlive, StreamFramer

if TYPE_CHECKING:
    from abserver.net.listeners import Place
    from abserver.sip.transport import Flow, Transport


class StreamConnection(Connection):
    """One connection of these: frames in."""

    def __init__(
        self, connections: Connections, transport: Transport, *, accepted: bool, place: Place | None = None
    ) -> None:
        super().__init__(connections, transport, accepted=accepted, place=place)
        self._framer = StreamFramer()

    def take(self, data: bytes, flow: Flow) -> bool:
        complete = False
        for frame in self._framer.feed(data):
            complete = True
            if not isinstance(frame, KeepAlive):
                self._connections.received(frame, flow)
            elif frame is KeepAlive.PING:
                self.write(PONG_BYTES)
        return complete

    @property
    def pending(self) -> bool:
        return self._framer.pending
