"""SIP over WebSocket (RFC 7118): connections that begin as HTTP requests and are handed over once they carry SIP.

The HTTP listener is another program part's: it shows the opening handshake (`answer`), and gives the connection to the
protocol (`connection`) that it gets. Law of the file: that of `net.connections`. Two things beside it: a silent peer is
asked for life, and a connection ends with a Close of both sides if the peer gives its own in time (RFC 6455 §7.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.net.connections import Connection, Connections
from abserver.sip.codec import PONG_BYTES, KeepAlive
from abserver.sip.transport import WEBSOCKETS, Flow, Transport
from abserver.sip.websocket import Handshake, Reply, WebSocketFramer, answer_handshake

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Sequence

BUSY_SECONDS = "10"
"""Retry-After where there is no room for one more connection."""


class WebSocketShell:
    """Takes over the WebSocket connections of one driver."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._stopping = False

    def answer(
        self, method: bytes, fields: Sequence[tuple[bytes, bytes]], host: str, origins: Collection[str] = ()
    ) -> Handshake | None:
        """Answer the opening handshake of the client at `host`; None for an offer of something else.

        fields: names in lower case. origins: of the pages that may connect, in lower case; empty for any.
        """
        handshake = answer_handshake(method, fields, origins)
        if handshake is None or handshake.status != 101:
            return handshake
        if self._stopping or not self._connections.has_room(host, accepted=True):
            return Handshake(503, (("Retry-After", BUSY_SECONDS),), "there are too many connections")
        return handshake

    def connection(self, *, secure: bool) -> asyncio.Protocol:
        """The protocol that takes a connection over after the 101. secure: it is one over TLS."""
        return WebSocketConnection(self._connections, Transport.WSS if secure else Transport.WS)

    async def stop(self) -> None:
        """Take over no more connections, and close those that there are."""
        self._stopping = True
        await self._connections.close(*WEBSOCKETS)


class WebSocketConnection(Connection):
    """One connection of these: frames in and out."""

    def __init__(self, connections: Connections, transport: Transport) -> None:
        super().__init__(connections, transport, accepted=True)
        self._framer = WebSocketFramer()
        self._asked: float | None = None
        """Since when the peer, silent until then, owes a sign of life."""
        self._closing: asyncio.TimerHandle | None = None

    def take(self, data: bytes, flow: Flow) -> bool:
        if self._asked is not None:
            self._asked = None
            self._watch()
        complete = False
        for frame in self._framer.feed(data):
            if isinstance(frame, Reply):
                self._answer(frame)
                continue
            complete = True
            if not isinstance(frame, KeepAlive):
                self._connections.received(frame, flow)
            elif frame is KeepAlive.PING:
                self.send(PONG_BYTES)
        return complete

    def _answer(self, reply: Reply) -> None:
        self.write(reply.data)
        if reply.over:
            super().close()
        elif self._framer.closing:
            self._await_close()

    @property
    def pending(self) -> bool:
        return self._framer.pending

    def send(self, data: bytes) -> None:
        self.write(self._framer.write(data))

    def close(self) -> None:
        """Say Close, and end the connection when the peer has said it too, or has had its time to."""
        self.write(self._framer.close())
        self._await_close()

    def _await_close(self) -> None:
        if self._closing is None:
            self._closing = self._loop.call_later(self._connections.limits.connect, self.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._closing is not None:
            self._closing.cancel()
        super().connection_lost(exc)

    def due(self) -> float:
        due = super().due()
        return due if self._asked is None else min(due, self._asked + self._connections.limits.pong)

    def wake(self) -> float:
        due = self.due()
        return due if self._asked is not None else min(due, self._heard + self._connections.limits.ping)

    def looked_at(self, now: float) -> None:
        if self._asked is None and now >= self._heard + self._connections.limits.ping:
            self._asked = now
            self.write(self._framer.ping())
