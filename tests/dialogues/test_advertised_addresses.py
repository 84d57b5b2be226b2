"""Listeners that peers know by another address: `10.0.0.1:5060 advertise 203.0.113.7`, as behind a NAT."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from abserver.net.listeners import bind_sip
from abserver.net.sip_driver import SipDriver
from abserver.sip.transport import Address, Flow, Listener, Transport
from abserver.sip.uas import Capabilities
from tests.support.certificates import installed
from tests.support.outcomes import Served, outcome_of, request_to, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CAPABILITIES = Capabilities(methods=("OPTIONS", "NOTIFY", "SUBSCRIBE"), body_types=("text/plain",))
HERE, HERE_V6 = Address("127.0.0.1", 0), Address("::1", 0)
OUTSIDE = Address("203.0.113.7", 5070)
KINDS = [(Transport.UDP, "udp"), (Transport.TCP, "tcp"), (Transport.TLS, "tls")]


@asynccontextmanager
async def node(
    handler: Served | None = None, *listeners: Listener, one: Transport | None = None
) -> AsyncIterator[SipDriver]:
    """With these listeners for each transport, or for one."""
    wanted = listeners or (Listener(HERE),)
    udp, tcp, tls = (wanted if one in (None, each) else () for each in (Transport.UDP, Transport.TCP, Transport.TLS))
    driver = SipDriver(
        handler or Served(), CAPABILITIES, udp=udp, tcp=tcp, tls=tls, security=installed(clients="authority").security
    )
    await driver.start()
    try:
        yield driver
    finally:
        await driver.stop()


def place_of(driver: SipDriver, transport: Transport, *, v6: bool = False) -> Address:
    return next(
        each.address for each in driver.ready if each.transport is transport and (":" in each.address.host) is v6
    )


@pytest.mark.parametrize(("transport", "parameter"), KINDS)
@pytest.mark.parametrize("advertised", [OUTSIDE, Address("sip.example.com", 5070), Address("2001:db8::7", 5070)])
async def test_via_and_flow_name_what_is_advertised_and_answers_are_heard(
    transport: Transport, parameter: str, advertised: Address
) -> None:
    """RFC 3261 §18.1.1, §18.1.2."""
    there, here = Served(), Served()
    listener = Listener(HERE, advertised)
    async with node(there) as peer, node(here, listener) as server:
        sent = request_to(f"sip:bob@{place_of(peer, transport)};transport={parameter}")
        assert status(await outcome_of(server, sent)) == 200
        back = request_to(f"sip:ann@{place_of(server, transport)};transport={parameter}")
        assert status(await outcome_of(peer, back)) == 200
    [(request, _)], [(_, flow)] = there.requests, here.requests
    assert (request.via.host.strip("[]"), request.via.port) == advertised
    assert flow.local == advertised
    assert flow.remote.host == "127.0.0.1"


@pytest.mark.parametrize("listener", [HERE, HERE_V6])
async def test_a_request_in_a_dialog_leaves_by_the_socket_that_advertises_what_the_peer_spoke_to(
    listener: Address,
) -> None:
    """Two listeners of one family: the flow alone tells which."""
    there, here = Served(), Served()
    both = (Listener(listener, Address("203.0.113.1", 0)), Listener(listener, Address("203.0.113.2", 0)))
    async with node(there, Listener(listener)) as peer, node(here, *both, one=Transport.UDP) as server:
        for each in server.ready:
            await outcome_of(peer, request_to(f"sip:{each.address}"))
        for _, flow in here.requests:
            await outcome_of(server, request_to(f"sip:{place_of(peer, Transport.UDP, v6=':' in listener.host)}"), flow)
    assert [flow.remote for _, flow in there.requests] == [each.address for each in server.ready]
    assert [request.via.host for request, _ in there.requests] == ["203.0.113.1", "203.0.113.2"]


async def test_one_name_may_be_advertised_for_both_families() -> None:
    there, here = Served(), Served()
    named = [Listener(each, Address("sip.example.com", 5060)) for each in (HERE, HERE_V6)]
    async with node(there, Listener(HERE), Listener(HERE_V6)) as peer, node(here, *named) as server:
        for v6 in (False, True, False):
            uri = f"sip:{place_of(server, Transport.UDP, v6=v6)}"
            assert status(await outcome_of(peer, request_to(uri))) == 200
        for _, flow in here.requests:
            back = request_to(f"sip:{place_of(peer, Transport.UDP, v6=':' in flow.remote.host)}")
            assert status(await outcome_of(server, back, flow)) == 200
    assert [":" in flow.remote.host for _, flow in there.requests] == [False, True, False]


async def test_a_flow_from_before_the_address_was_advertised_still_leaves_by_its_socket() -> None:
    """A subscription that was stored under another configuration."""
    there = Served()
    async with node(there) as peer, node(None, Listener(HERE, OUTSIDE)) as server:
        bound, target = place_of(server, Transport.UDP), place_of(peer, Transport.UDP)
        for local in (bound, Address("198.51.100.1", 5060)):
            old = Flow(Transport.UDP, local, target)
            assert status(await outcome_of(server, request_to(f"sip:{target}"), old)) == 200
    assert [flow.remote for _, flow in there.requests] == [bound, bound]


async def test_stun_tells_the_peer_its_own_address_as_ever() -> None:
    """RFC 5626 §3.5.2 has nothing to do with what we are called."""
    async with node(None, Listener(HERE, OUTSIDE)) as server:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(HERE)
            peer.setblocking(False)
            request = struct.pack("!HHI12s", 1, 0, 0x2112A442, b"twelve bytes")
            await loop.sock_sendto(peer, request, place_of(server, Transport.UDP))
            answer = await loop.sock_recv(peer, 1000)
            assert answer[:2] == b"\x01\x01"
            assert struct.pack("!H", peer.getsockname()[1] ^ 0x2112) in answer


async def test_without_a_port_the_one_is_advertised_that_is_listened_at() -> None:
    async with node(None, Listener(HERE, Address("sip.example.com", 0))) as server:
        for each in server.ready:
            assert each.advertised == Address("sip.example.com", each.address.port)
            assert str(each) == f"{each.transport.value.lower()} {each.address} advertise {each.advertised}"


def test_each_of_a_pair_on_one_free_port_advertises_its_own() -> None:
    bound = bind_sip([Listener(HERE, OUTSIDE)], [Listener(HERE), Listener(HERE, Address("a.example", 0))])
    try:
        assert [(each.transport, each.advertised) for each in bound] == [
            (Transport.UDP, OUTSIDE),
            (Transport.TCP, None),
            (Transport.TCP, Address("a.example", bound[2].address.port)),
        ]
        assert bound[0].address == bound[1].address
    finally:
        for each in bound:
            each.sock.close()
