"""TCP: connections that carry SIP messages framed by Content-Length (RFC 3261 §18.3), both accepted and opened.

Law of the file: that of `net.connections`. CRLF keep-alives are answered as RFC 5626 §3.5.1 says and go no further.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from abserver.net.connections import Connection, Connections
from abserver.net.listeners import BACKLOG, bound_address
from abserver.sip.codec import PONG_BYTES, KeepAlive, StreamFramer
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    import socket

STREAMS = (Transport.TCP,)
"""The transports of this file."""


class StreamShell:
    """Accepts and opens the stream connections of one driver."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._servers: list[asyncio.Server] = []

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections on a listening socket."""
        port = bound_address(sock).port
        loop = asyncio.get_running_loop()
        self._servers.append(
            await loop.create_server(
                lambda: StreamConnection(self._connections, Transport.TCP, accepted=True, local_port=port),
                sock=sock,
                backlog=BACKLOG,  # it listens anew
            )
        )

    async def connect(self, remote: Address, *, local_port: int) -> Flow:
        """Open a connection; its Flow names `local_port`, where we listen. Raises OSError, TimeoutError among them."""
        if not self._connections.has_room(remote.host, accepted=False):
            raise ConnectionRefusedError("too many connections")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connections.limits.connect):
            _, connection = await loop.create_connection(
                lambda: StreamConnection(self._connections, Transport.TCP, accepted=False, local_port=local_port),
                remote.host,
                remote.port,
            )
        if connection.flow is None:
            raise ConnectionAbortedError("closed as it was opened")
        return connection.flow

    async def stop(self) -> None:
        """Close the listeners, then the connections after what is already written."""
        for server in self._servers:
            server.close()
        await self._connections.close(*STREAMS)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()


class StreamConnection(Connection):
    """One connection of these: frames in."""

    def __init__(
        self, connections: Connections, transport: Transport, *, accepted: bool, local_port: int | None = None
    ) -> None:
        super().__init__(connections, transport, accepted=accepted, local_port=local_port)
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
