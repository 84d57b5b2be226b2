"""Stream connections that carry SIP messages, over TCP and TLS: those accepted and those opened (RFC 3261 §18).

Law of the file: that of `net.connections`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from abserver.net.framed import StreamConnection
from abserver.net.listeners import BACKLOG, Place, bound_address
from abserver.net.tls import Security, TlsConnection
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    import socket

    from abserver.net.connections import Connections

STREAMS = (Transport.TCP, Transport.TLS)
"""The transports of this file."""


class StreamShell:
    """Accepts and opens the stream connections of one driver."""

    def __init__(self, connections: Connections, security: Security | None = None) -> None:
        """security: what TLS needs; None where there is no TLS."""
        self._connections = connections
        self._servers: list[asyncio.Server] = []
        self.security = security

    async def listen(
        self, sock: socket.socket, transport: Transport = Transport.TCP, *, advertised: Address | None = None
    ) -> None:
        """Accept connections on a listening socket. advertised: what peers are to call it, if not by its address."""
        place = Place(bound_address(sock).port, advertised)

        def connection() -> StreamConnection:
            return self._connection(transport, accepted=True, place=place)

        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(connection, sock=sock, backlog=BACKLOG))  # it listens anew

    async def connect(self, remote: Address, *, place: Place, server: str | None = None) -> Flow:
        """Open a connection; its Flow names `place`, where we listen.

        server: the identity that the peer has to prove by its certificate (RFC 5922 §7.3); None for plain TCP.
        Raises OSError, TimeoutError among them.
        """
        if not self._connections.has_room(remote.host, accepted=False):
            raise ConnectionRefusedError("too many connections")
        transport = Transport.TCP if server is None else Transport.TLS
        connection = self._connection(transport, accepted=False, place=place, server=server)
        try:
            async with asyncio.timeout(self._connections.limits.connect):
                await asyncio.get_running_loop().create_connection(lambda: connection, remote.host, remote.port)
                if isinstance(connection, TlsConnection):
                    return await connection.opened()
        except TimeoutError:
            connection.abort()
            await connection.gone()
            raise
        if connection.flow is None:
            raise ConnectionAbortedError("closed as it was opened")
        return connection.flow

    def _connection(
        self, transport: Transport, *, accepted: bool, place: Place, server: str | None = None
    ) -> StreamConnection:
        if transport is Transport.TCP:
            return StreamConnection(self._connections, transport, accepted=accepted, place=place)
        if self.security is None:
            raise ValueError("TLS without a certificate")
        return TlsConnection(self._connections, self.security, accepted=accepted, place=place, server=server)

    async def stop(self) -> None:
        """Close the listeners, then the connections after what is already written."""
        for server in self._servers:
            server.close()
        await self._connections.close(*STREAMS)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
