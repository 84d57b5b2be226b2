"""The way of a request of ours: which flow takes it to its next hop (RFC 3261 §8.1.2, §18.1.1, RFC 3263).

A live connection is used again; a target is looked up if it is a name; a large request leaves by TCP although its
target is reached by UDP, and by UDP after all if the peer takes no TCP. Most requests find their flow without waiting.

What asks for TLS, by its scheme or its transport, leaves by TLS to whoever proves the name in the URI, or not at all
(RFC 3261 §26.2.2, RFC 5922 §7.3).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from abserver.net.listeners import Place, is_wildcard, source_towards
from abserver.net.resolver import Resolver, Target, Unresolvable, target_of
from abserver.net.tls import reason_of
from abserver.net.trails import FailedHops, Trail
from abserver.ports import SendFailure
from abserver.sip.identities import identity_of
from abserver.sip.locating import default_port
from abserver.sip.outgoing import ON_FLOW
from abserver.sip.routing import is_large
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from abserver.net.connections import Connections
    from abserver.net.stream import StreamShell
    from abserver.net.udp import UdpSocket
    from abserver.sip.outgoing import Outgoing

    Found = Callable[[Flow | None], None]
    """Told once: the flow, or None when the next hop cannot be reached. Maybe at once, maybe later."""
    FoundFirst = Callable[[Flow | None, Trail | None], None]
    """Told once: the flow as above, and the trail that goes on to other hops, if there may be some."""

log = logging.getLogger(__name__)

REFUSAL_KEPT = 300.0
"""Seconds for which a peer that took no TCP connection gets large requests by UDP without another attempt."""
MAX_KNOWN = 131_072
"""Next hops of which the flow is remembered."""
MAX_REFUSALS = 65_536
"""Peers of which that is remembered."""


class Ways:
    """Knows our sockets and which peers they reach."""

    def __init__(
        self,
        connections: Connections,
        streams: StreamShell,
        spawn: Callable[[Coroutine[object, object, None]], None],
        name_servers: Sequence[Address] = (),
    ) -> None:
        """spawn: runs what has to wait, in a task of the driver's. name_servers: of the DNS; empty for the system's."""
        self._connections = connections
        self._streams = streams
        self._spawn = spawn
        self._resolver = Resolver(name_servers)
        self._datagrams: list[UdpSocket] = []
        self._at: dict[Address, UdpSocket | None] = {}
        """Answers of `datagrams_at`; as many as this machine has addresses."""
        self._listeners: list[tuple[Transport, Address, Place]] = []
        self._known: dict[tuple[str, Address | None], Flow] = {}
        """UDP flows by next hop and our address that the peer spoke to."""
        self._connecting: dict[tuple[Address, str | None], list[tuple[Flow | None, Found]]] = {}
        """Who waits for a connection, each with the UDP flow that it would do with; by address, and the identity that
        the peer has to prove if it is one over TLS."""
        self._refusals: dict[Address, float] = {}
        self._failed = FailedHops()

    def add_datagrams(self, datagrams: UdpSocket) -> None:
        """A UDP socket of ours."""
        self._datagrams.append(datagrams)

    def add_listener(self, transport: Transport, address: Address, place: Place) -> None:
        """A stream listener of ours: where it is bound, and what peers call it."""
        self._listeners.append((transport, address, place))

    def close(self) -> None:
        """Close the UDP sockets."""
        for datagrams in self._datagrams:
            datagrams.close()

    def delay(self, seconds: float) -> float:
        """Seconds that datagrams wait at most until they are taken, by the `seconds` since the last call."""
        return max((each.delay(seconds) for each in self._datagrams), default=0.0)

    # -- from a request to a flow -----------------------------------------------------------------------------------

    def known(self, request: Outgoing, came_on: Flow | None) -> Flow | None:
        """The flow for a request, if that is known at once: `came_on`, the flow of what it answers to, while that is
        a live connection, or the one by which the next hop was reached before. None if `find` has to see.
        """
        if came_on is not None and came_on.connection and self._connections.is_live(came_on):
            return came_on
        flow = self._known.get((request.next_hop, came_on.local if came_on else None))
        return None if flow is None or is_large(request) else flow

    def find(self, request: Outgoing, *, came_on: Flow | None, found: FoundFirst) -> None:
        """Find the flow for a request of which it is not `known`."""
        if request.next_hop == ON_FLOW:
            found(self._pinned(came_on), None)
            return
        try:
            target = target_of(request.next_hop)
        except Unresolvable as error:
            log.info("request has nowhere to go", extra={"next_hop": request.next_hop, "why": str(error)})
            found(None, None)
            return
        if target.transport is Transport.TLS and self._streams.security is None:
            log.info("request has nowhere to go", extra={"next_hop": request.next_hop, "why": "there is no TLS here"})
            found(None, None)
        elif target.numeric:
            learned = self._learn(request, target, came_on)
            if learned is not None and not is_large(request):
                found(learned, None)
            else:
                self._choose(request, target.transport, target.address, came_on, lambda flow: found(flow, None))
        else:
            self._spawn(self._look_up(request, came_on, found))

    def _pinned(self, flow: Flow | None) -> Flow | None:
        """The flow itself, if it is one of datagrams: a connection that lives is `known`."""
        if flow is None or flow.transport is not Transport.UDP or self.datagrams_of(flow) is None:
            return None
        return flow

    def _learn(self, request: Outgoing, target: Target, came_on: Flow | None) -> Flow | None:
        """Remember by which UDP flow this next hop, whose address is its name, is reached; None if by no such one."""
        if target.transport is not Transport.UDP:
            return None
        address = target.address
        datagrams = self._datagrams_towards(address, came_on)
        if datagrams is None:
            return None
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        flow = self._known[request.next_hop, came_on.local if came_on else None] = datagrams.flow_to(address)
        return flow

    async def _look_up(self, request: Outgoing, came_on: Flow | None, found: FoundFirst) -> None:
        try:
            hops = await self._resolver.locate(request.next_hop, self._transports(), self._reaches)
        except Unresolvable:
            log.info("host not found", extra={"next_hop": request.next_hop})
            found(None, None)
        else:
            trail = Trail(hops, self._failed, asyncio.get_running_loop().time())
            self.follow(trail, request, came_on=came_on, found=lambda flow: found(flow, trail))

    def follow(self, trail: Trail, request: Outgoing, *, came_on: Flow | None, found: Found) -> None:
        """Find the flow to the next hop of a trail, and pass over hops that no connection can be had to."""
        hop = trail.next(asyncio.get_running_loop().time())
        if hop is None:
            found(None)
            return

        def tried(flow: Flow | None) -> None:
            if flow is None:
                trail.fails(SendFailure.UNREACHABLE, asyncio.get_running_loop().time(), heard=False)
                self.follow(trail, request, came_on=came_on, found=found)
            else:
                found(flow)

        self._choose(request, hop.transport, hop.address, came_on, tried)

    def _choose(
        self, request: Outgoing, transport: Transport, remote: Address, came_on: Flow | None, found: Found
    ) -> None:
        datagrams = self._datagrams_towards(remote, came_on) if transport is Transport.UDP else None
        if transport is Transport.TLS:
            self._by_stream(remote, identity_of(target_of(request.next_hop).host), None, found)
        elif datagrams is None:
            self._by_stream(remote, None, None, found)
        elif is_large(request) and not self._takes_no_tcp(remote):
            self._by_stream(remote, None, datagrams.flow_to(remote), found)
        else:
            found(datagrams.flow_to(remote))

    def find_anew(self, transport: Transport, remote: Address, host: str, found: Found) -> None:
        """Find a connection for a response whose own is gone (RFC 3261 §18.2.2). host: of the sent-by, which the peer
        has to prove over TLS (RFC 5922 §7.3)."""
        self._by_stream(remote, identity_of(host) if transport is Transport.TLS else None, None, found)

    def _by_stream(self, remote: Address, server: str | None, otherwise: Flow | None, found: Found) -> None:
        """By TLS if there is a `server`, the identity that the peer has to prove (RFC 5923 §8.1), else by TCP."""
        flow = self._connections.flow_to(Transport.TLS if server else Transport.TCP, remote, server)
        if flow is not None:
            found(flow)
        elif (remote, server) in self._connecting:
            self._connecting[remote, server].append((otherwise, found))
        else:
            self._connecting[remote, server] = [(otherwise, found)]
            self._spawn(self._connect(remote, server))

    async def _connect(self, remote: Address, server: str | None) -> None:
        """Open a connection for all requests that wait for it; those that only are large go by UDP if it fails.

        RFC 3261 §18.1.1 speaks of refusal; a peer that lets the attempt time out is no better off.
        """
        flow: Flow | None = None
        transport = Transport.TLS if server else Transport.TCP
        try:
            place = self._place_for_answers(transport, remote)
            flow = await self._streams.connect(remote, place=place, server=server)
        except OSError as error:
            facts = {"remote": str(remote), "server": server, "why": reason_of(error)}
            log.info("no %s connection", transport.value, extra=facts)
            if transport is Transport.TCP:
                self._remember_refusal(remote)
        finally:
            waiting = self._connecting.pop((remote, server))
        for otherwise, found in waiting:
            found(flow or otherwise)

    def _takes_no_tcp(self, remote: Address) -> bool:
        until = self._refusals.get(remote)
        if until is None:
            return False
        if until > asyncio.get_running_loop().time():
            return True
        del self._refusals[remote]
        return False

    def _remember_refusal(self, remote: Address) -> None:
        if len(self._refusals) >= MAX_REFUSALS:
            self._refusals.clear()
        self._refusals[remote] = asyncio.get_running_loop().time() + REFUSAL_KEPT

    # -- our sockets ------------------------------------------------------------------------------------------------

    def datagrams_of(self, flow: Flow) -> UdpSocket | None:
        """The UDP socket of a flow: the one that is its `local` to the peer."""
        try:
            return self._at[flow.local]
        except KeyError:
            local = flow.local
            fitting = [each for each in self._datagrams if each.advertised == local or _is_at(each.address, local)]
            if len(fitting) > 1:  # they are advertised by one name, which has addresses of both families
                return next((each for each in fitting if _same_family(each.address, flow.remote)), fitting[0])
            return self._at.setdefault(local, fitting[0] if fitting else None)

    def _datagrams_towards(self, remote: Address, came_on: Flow | None) -> UdpSocket | None:
        """The UDP socket to reach a peer by: the one that the peer spoke to, else one on the way to it."""
        if came_on is not None and came_on.transport is Transport.UDP:
            datagrams = self.datagrams_of(came_on)
            if datagrams is not None and _same_family(datagrams.address, remote):
                return datagrams
        fitting = [each for each in self._datagrams if _same_family(each.address, remote)]
        if len(fitting) < 2:
            return fitting[0] if fitting else None
        anywhere = Address("::" if ":" in remote.host else "0.0.0.0", 0)  # noqa: S104 - asks for a route, binds nothing
        source = source_towards(remote, anywhere)
        on_route = (each for each in fitting if _is_at(each.address, Address(source.host, each.address.port)))
        return next(on_route, fitting[0])

    def _transports(self) -> frozenset[Transport]:
        """By which requests of ours can leave."""
        datagrams = (Transport.UDP,) if self._datagrams else ()
        secure = (Transport.TLS,) if self._streams.security is not None else ()
        return frozenset((*datagrams, Transport.TCP, *secure))

    def _reaches(self, remote: Address) -> bool:
        """Whether we have a listener of that address family."""
        return any(_same_family(address, remote) for _, address, _ in self._places())

    def _place_for_answers(self, transport: Transport, remote: Address) -> Place:
        """What our sent-by names on a connection we open: where we listen for that transport, else for UDP."""
        fitting = [(each, place) for each, address, place in self._places() if _same_family(address, remote)]
        for wanted in (transport, Transport.UDP):
            for each, place in fitting:
                if each is wanted:
                    return place
        return Place(default_port(transport))

    def _places(self) -> list[tuple[Transport, Address, Place]]:
        datagrams = ((Transport.UDP, each.address, each.place) for each in self._datagrams)
        return [*self._listeners, *datagrams]


def _same_family(one: Address, other: Address) -> bool:
    return (":" in one.host) == (":" in other.host)


def _is_at(bound: Address, local: Address) -> bool:
    """Whether a bound address is `local`, or stands for it as a wildcard."""
    return bound == local or (bound.port == local.port and is_wildcard(bound.host) and _same_family(bound, local))
