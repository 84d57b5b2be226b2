"""The connections of one driver, whatever carries SIP on them: counted, numbered, and cut when their peers misbehave.

Law of the file: everything a peer can make grow has a bound. Connections are counted; a connection nobody speaks on is
closed; a message that was begun has to be finished in time; a peer that does not take what is sent is cut off.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from abserver.sip.errors import SipSyntaxError
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from abserver.net.listeners import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one server spends on connections."""

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
    """Seconds that opening a connection may take: some attempts of the kernel, well below Timer F. Closing one in order
    gets as long."""
    handshake: float = 10.0
    """Seconds that a peer has for each of its parts of a TLS handshake, of which there are two or three; old phones
    reckon for some."""
    ping: float = 30.0
    """Seconds of silence after which a peer on a WebSocket is asked for life: it holds the way through proxies and NATs
    open, of which many forget one that rests for a minute."""
    pong: float = 30.0
    """Seconds that it has for the answer."""


class Connections:
    """The connections of one driver: `received` gets each message, `closed` each flow that ends."""

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
        self._connections: dict[int, Connection] = {}
        self._admitted: set[Connection] = set()
        """Those that are counted and have no flow yet."""
        self._by_remote: dict[tuple[Transport, Address], tuple[Flow, ...]] = {}
        """By the address at the other end; one flow for each set of names that peers there have proven."""
        self._by_peer: Counter[str] = Counter()
        """How many connections each peer has."""

    def is_live(self, flow: Flow) -> bool:
        """Whether this very connection is still open."""
        return flow.connection in self._connections

    def flow_to(self, transport: Transport, remote: Address, name: str | None = None) -> Flow | None:
        """A live connection with that address at its other end, whoever opened it (§18.1.1: reuse is recommended).

        name: an identity that the peer has proven; None for any peer.
        """
        for flow in self._by_remote.get((transport, remote), ()):
            if name is None or name in flow.names:
                return flow
        return None

    def send(self, data: bytes, flow: Flow) -> bool:
        """Write to a connection; False when it is no longer there."""
        connection = self._connections.get(flow.connection)
        if connection is None:
            return False
        connection.send(data)
        return True

    async def close(self, *transports: Transport) -> None:
        """Close all connections of these transports, after what is already written."""
        every = (*self._connections.values(), *self._admitted)
        closing = [each for each in every if each.transport in transports]
        for connection in closing:
            connection.close()
        for connection in closing:
            await connection.gone()

    def has_room(self, host: str, *, accepted: bool) -> bool:
        """Whether there may be one more connection; says so in the log if not."""
        crowded = accepted and self._by_peer[peer_of(host)] >= self.limits.of_one_peer
        if crowded or len(self._connections) + len(self._admitted) >= self.limits.connections:
            self.refused += 1
            log.warning("connection refused: too many", extra={"remote": host, "of_this_peer": crowded})
            return False
        return True

    def admit(self, connection: Connection, host: str) -> bool:
        """Count a connection that has no flow yet; False when there are too many, of all or of that peer."""
        if not self.has_room(host, accepted=connection.accepted):
            return False
        self._by_peer[peer_of(host)] += 1
        self._admitted.add(connection)
        return True

    def dismiss(self, connection: Connection, host: str) -> None:
        """Forget a connection that was admitted and got no flow."""
        self._admitted.discard(connection)
        self._count_down(host)

    def opened(self, connection: Connection, local: Address, remote: Address) -> Flow | None:
        """Number a new connection and keep it; None when there are too many, of all or of that peer."""
        if connection not in self._admitted and not self.admit(connection, remote.host):
            return None
        self._admitted.discard(connection)
        number, transport = next(self._numbers), connection.transport
        flow = Flow(transport, local, remote, number, connection.names, opened=not connection.accepted)
        self._connections[number] = connection
        self._note(flow, remote)
        return flow

    def lost(self, flow: Flow) -> None:
        """Forget a connection and tell that its flow is gone."""
        alias = self._connections.pop(flow.connection).alias
        self._count_down(flow.remote.host)
        self._forget(flow, flow.remote)
        if alias is not None:
            self._forget(flow, alias)
        self.closed(flow)

    def alias(self, flow: Flow, advertised: Address) -> None:
        """Have a connection found by the address that its peer advertises, too (RFC 5923 §8.2): by the latest one."""
        connection = self._connections.get(flow.connection)
        if connection is None or advertised in (connection.alias, flow.remote):
            return
        if connection.alias is not None:
            self._forget(flow, connection.alias)
        connection.alias = advertised
        self._note(flow, advertised)

    def _count_down(self, host: str) -> None:
        peer = peer_of(host)
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]

    def _note(self, flow: Flow, remote: Address) -> None:
        """Have a flow found by an address; of those whose peers proved the same, the newest is."""
        key = flow.transport, remote
        others = (each for each in self._by_remote.get(key, ()) if each.names != flow.names)
        self._by_remote[key] = (flow, *others)

    def _forget(self, flow: Flow, remote: Address) -> None:
        key = flow.transport, remote
        others = tuple(each for each in self._by_remote.get(key, ()) if each != flow)
        if others:
            self._by_remote[key] = others
        else:
            self._by_remote.pop(key, None)


def peer_of(host: str) -> str:
    """Whose connections are counted together: an IPv4 address, or the /64 network that one IPv6 subscriber has."""
    return str(ipaddress.IPv6Interface(f"{host}/64").network) if ":" in host else host


class Connection(asyncio.Protocol):
    """One connection: messages out, and the clock that cuts it. How messages come out of its bytes is its kind's."""

    def __init__(
        self, connections: Connections, transport: Transport, *, accepted: bool, place: Place | None = None
    ) -> None:
        """place: what the listener is called; None where that is this end's address."""
        self.flow: Flow | None = None
        self.transport = transport
        self.accepted = accepted
        self.names: frozenset[str] = frozenset()
        """The SIP domain identities that the peer has proven; the flow gets them."""
        self.alias: Address | None = None
        """The address that the peer advertises, if it wants this connection used for requests to there (RFC 5923)."""
        self._connections = connections
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._socket: asyncio.Transport | None = None
        self._heard = self._loop.time()
        self._begun: float | None = None
        """Since when a message is here in part."""
        self._full: float | None = None
        """Since when more waits than the high-water mark."""
        self._alarm: asyncio.TimerHandle | None = None
        self._lost: asyncio.Future[None] | None = None
        """Awaited by whoever waits for the end."""

    # -- what a kind of connection adds ------------------------------------------------------------------------------

    def take(self, data: bytes, flow: Flow) -> bool:
        """Take what came; whether a message ended in it. Raises SipSyntaxError for a stream that can't be cut."""
        raise NotImplementedError

    @property
    def pending(self) -> bool:
        """Whether a message is here in part."""
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """Send a message."""
        self.write(data)

    # -- bytes -------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = transport = cast("asyncio.Transport", transport)
        peer, name = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not (peer and name):  # gone before it came
            transport.abort()
            return
        local = Address(name[0], name[1]) if self._place is None else self._place.seen_as(name[0])
        self.flow = self._connections.opened(self, local, Address(peer[0], peer[1]))
        if self.flow is None:
            transport.abort()
            return
        self._heard = self._loop.time()
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self.flow is None:
            return
        self._heard = self._loop.time()
        try:
            complete = self.take(data, self.flow)
        except SipSyntaxError as error:
            self._connections.broken(error, self.flow)
            self.close()
            return
        self._note_progress(complete=complete)

    def _note_progress(self, *, complete: bool) -> None:
        """Start the clock of a message when its first bytes are here and others are missing."""
        if not self.pending:
            self._begun = None
        elif complete or self._begun is None:
            self._begun = self._heard
            self._watch()

    def write(self, data: bytes) -> None:
        """Write bytes; a peer that lets more than `unsent` of them wait is cut off."""
        if self._socket is None or self._socket.is_closing():
            return
        self._socket.write(data)
        if self._socket.get_write_buffer_size() > self._connections.limits.unsent:
            log.info("stream cut: the peer does not read", extra={"remote": str(self.flow and self.flow.remote)})
            self.abort()

    def pause_writing(self) -> None:
        self._full = self._loop.time()
        self._watch()

    def resume_writing(self) -> None:
        self._full = None

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection after what is written, but wait no longer than for opening one."""
        if self._socket is not None:
            self._socket.close()
            if self._socket.get_write_buffer_size():
                self._loop.call_later(self._connections.limits.connect, self.abort)

    def abort(self) -> None:
        """End it at once."""
        if self._socket is not None:
            self._socket.abort()

    async def gone(self) -> None:
        """Wait for the end."""
        if self._socket is not None:
            self._lost = self._lost or self._loop.create_future()
            await self._lost

    def connection_lost(self, exc: Exception | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._socket = None
        if self.flow is not None:
            self._connections.lost(self.flow)
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    # -- the clock ---------------------------------------------------------------------------------------------------

    def due(self) -> float:
        """When the connection has to have shown life."""
        limits = self._connections.limits
        due = self._heard + limits.idle
        if self._begun is not None:
            due = min(due, self._begun + limits.unfinished)
        return due if self._full is None else min(due, self._full + limits.untaken)

    def wake(self) -> float:
        """When to look at it again."""
        return self.due()

    def looked_at(self, now: float) -> None:
        """Called when it was, and goes on."""

    def _watch(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(self.wake(), self._check)

    def _check(self) -> None:
        now = self._loop.time()
        if now < self.due():
            self.looked_at(now)
            self._watch()
            return
        log.info(
            "stream cut: silent, or not reading, for too long", extra={"remote": str(self.flow and self.flow.remote)}
        )
        self.abort()
