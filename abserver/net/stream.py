"""TCP: connections that carry SIP messages framed by Content-Length (RFC 3261 §18.3), both accepted and opened.

Law of the file: everything a peer can make grow has a bound. Connections are counted; a connection nobody speaks on is
closed; a message that was begun has to be finished in time; a peer that does not take what is sent is cut off. CRLF
keep-alives are answered as RFC 5626 §3.5.1 says and go no further.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from abserver.net.listeners import bound_address
from abserver.sip.codec import PONG_BYTES, KeepAlive, StreamFramer
from abserver.sip.errors import SipSyntaxError
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one server spends on stream connections."""

    connections: int = 20_000
    """Open at once, accepted and opened together."""
    of_one_peer: int = 2_000
    """Accepted from one peer at once, so that nobody alone takes all; many phones share the address of a NAT."""
    idle: float = 3600.0
    """Seconds without a byte from a peer, after which a connection is closed; keep-alives are more frequent."""
    unfinished: float = 30.0
    """Seconds that a message may take from its first byte to its last."""
    unsent: int = 4 * 1024 * 1024
    """Bytes that may wait for a peer to take them."""
    untaken: float = 30.0
    """Seconds for which more than asyncio's high-water mark (64 kB) may wait without falling to its low-water mark:
    sending keep-alives does not hold the memory of a peer that reads nothing."""
    connect: float = 4.0
    """Seconds that opening a connection may take: some attempts of the kernel, well below Timer F."""


class StreamShell:
    """The stream connections of one driver: `received` gets each message, `closed` each flow that ends."""

    def __init__(
        self,
        *,
        received: Callable[[bytes, Flow], None],
        broken: Callable[[SipSyntaxError, Flow], None],
        closed: Callable[[Flow], None],
        limits: StreamLimits | None = None,
    ) -> None:
        self.received = received
        self.broken = broken
        self.closed = closed
        self.limits = limits or StreamLimits()
        self.refused = 0
        """Accepted connections that were closed at once because there were too many, of all or of that peer."""
        self._numbers = itertools.count(1)
        self._connections: dict[int, _Connection] = {}
        self._by_remote: dict[tuple[Transport, Address], Flow] = {}
        self._by_peer: Counter[str] = Counter()
        """How many connections each peer has."""
        self._servers: list[asyncio.Server] = []
        self._emptied = asyncio.Event()

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections on a listening socket."""
        port = bound_address(sock).port
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(lambda: _Connection(self, port, accepted=True), sock=sock))

    async def connect(self, remote: Address, *, local_port: int) -> Flow:
        """Open a connection; its Flow names `local_port`, where we listen. Raises OSError, TimeoutError among them."""
        if len(self._connections) >= self.limits.connections:
            raise ConnectionRefusedError("too many connections")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self.limits.connect):
            _, connection = await loop.create_connection(
                lambda: _Connection(self, local_port, accepted=False), remote.host, remote.port
            )
        if connection.flow is None:
            raise ConnectionAbortedError("closed as it was opened")
        return connection.flow

    def is_live(self, flow: Flow) -> bool:
        """Whether this very connection is still open."""
        return flow.connection in self._connections

    def flow_to(self, remote: Address) -> Flow | None:
        """A live connection with that address at its other end, whoever opened it (§18.1.1: reuse is recommended)."""
        return self._by_remote.get((Transport.TCP, remote))

    def send(self, data: bytes, flow: Flow) -> bool:
        """Write to a connection; False when it is no longer there."""
        connection = self._connections.get(flow.connection)
        if connection is None:
            return False
        connection.send(data)
        return True

    async def stop(self) -> None:
        """Close the listeners, then the connections after what is already written."""
        for server in self._servers:
            server.close()
        for connection in list(self._connections.values()):
            connection.close()
        while self._connections:
            self._emptied.clear()
            await self._emptied.wait()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def opened(self, connection: _Connection, local: Address, remote: Address) -> Flow | None:
        """Number a new connection and keep it; None when there are too many, of all or of that peer."""
        peer = peer_of(remote.host)
        crowded = connection.accepted and self._by_peer[peer] >= self.limits.of_one_peer
        if crowded or len(self._connections) >= self.limits.connections:
            self.refused += 1
            log.warning("connection refused: too many", extra={"remote": str(remote), "of_this_peer": crowded})
            return None
        self._by_peer[peer] += 1
        flow = Flow(Transport.TCP, local, remote, next(self._numbers))
        self._connections[flow.connection] = connection
        self._by_remote[Transport.TCP, remote] = flow
        return flow

    def lost(self, flow: Flow) -> None:
        """Forget a connection and tell that its flow is gone."""
        del self._connections[flow.connection]
        peer = peer_of(flow.remote.host)
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]
        if self._by_remote.get((Transport.TCP, flow.remote)) == flow:
            del self._by_remote[Transport.TCP, flow.remote]
        if not self._connections:
            self._emptied.set()
        self.closed(flow)


def peer_of(host: str) -> str:
    """Whose connections are counted together: an IPv4 address, or the /64 network that one IPv6 subscriber has."""
    return str(ipaddress.IPv6Interface(f"{host}/64").network) if ":" in host else host


class _Connection(asyncio.Protocol):
    """One connection: frames in, messages out, and the clock that cuts it."""

    def __init__(self, shell: StreamShell, local_port: int, *, accepted: bool) -> None:
        self.flow: Flow | None = None
        self.accepted = accepted
        self._shell = shell
        self._local_port = local_port
        self._loop = asyncio.get_running_loop()
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._heard = self._loop.time()
        self._begun: float | None = None
        self._full: float | None = None
        """Since when more waits than the high-water mark."""
        self._alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)
        peer, name = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not (peer and name):  # gone before it came
            transport.abort()
            return
        local = Address(name[0], self._local_port)
        self.flow = self._shell.opened(self, local, Address(peer[0], peer[1]))
        if self.flow is None:
            transport.abort()
            return
        self._heard = self._loop.time()
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self.flow is None:
            return
        self._heard = self._loop.time()
        complete = False
        try:
            for frame in self._framer.feed(data):
                complete = True
                self._take(frame, self.flow)
        except SipSyntaxError as error:
            self._shell.broken(error, self.flow)
            self.close()
            return
        self._note_progress(complete=complete)

    def _take(self, frame: bytes | KeepAlive, flow: Flow) -> None:
        if not isinstance(frame, KeepAlive):
            self._shell.received(frame, flow)
        elif frame is KeepAlive.PING:
            self.send(PONG_BYTES)

    def _note_progress(self, *, complete: bool) -> None:
        """Start the clock of a message when its first bytes are here and others are missing."""
        if not self._framer.pending:
            self._begun = None
        elif complete or self._begun is None:
            self._begun = self._heard
            self._watch()

    def send(self, data: bytes) -> None:
        """Write; a peer that lets more than `unsent` bytes wait is cut off."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._shell.limits.unsent:
            log.info("stream cut: the peer does not read", extra={"remote": str(self.flow and self.flow.remote)})
            self._abort()

    def pause_writing(self) -> None:
        self._full = self._loop.time()
        self._watch()

    def resume_writing(self) -> None:
        self._full = None

    def close(self) -> None:
        """End the connection after what is written, but wait no longer than for opening one."""
        if self._transport is not None:
            self._transport.close()
            if self._transport.get_write_buffer_size():
                self._loop.call_later(self._shell.limits.connect, self._abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._transport = None
        if self.flow is not None:
            self._shell.lost(self.flow)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _due(self) -> float:
        """When the connection has to have shown life."""
        limits = self._shell.limits
        due = self._heard + limits.idle
        if self._begun is not None:
            due = min(due, self._begun + limits.unfinished)
        return due if self._full is None else min(due, self._full + limits.untaken)

    def _watch(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(self._due(), self._check)

    def _check(self) -> None:
        if self._loop.time() < self._due():
            self._watch()
            return
        log.info(
            "stream cut: silent, or not reading, for too long", extra={"remote": str(self.flow and self.flow.remote)}
        )
        self._abort()
