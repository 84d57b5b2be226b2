"""Binding listeners and looking up targets: what is named, shared, kept and refused."""

from __future__ import annotations

import asyncio
import socket

import pytest

from abserver.net import listeners, resolver
from abserver.net.listeners import PortTaken, bind, bind_sip, bound_address, source_towards
from abserver.net.resolver import Resolver, Target, Unresolvable, target_of
from abserver.sip.transport import Address, Listener, Transport

ANY = Address("127.0.0.1", 0)


@pytest.mark.rfc("3261", "18.2.1", "one port for UDP and TCP")
def test_a_udp_port_that_is_taken_beside_a_free_tcp_port_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3261 §18.2.1: both on one port."""
    bound: list[Address] = []

    def bind_tcp_first(kind: socket.SocketKind, listener: Address) -> socket.socket:
        if kind is socket.SOCK_DGRAM and len(bound) < 2:
            bound.append(listener)
            raise PortTaken(OSError("taken"), str(listener))
        return bind(kind, listener)

    monkeypatch.setattr(listeners, "bind", bind_tcp_first)
    datagrams, streams = (each.sock for each in bind_sip([Listener(ANY)], [Listener(ANY)]))
    assert bound_address(datagrams) == bound_address(streams)
    datagrams.close()
    streams.close()


def test_no_free_pair_of_ports_is_an_error_after_some_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_free(kind: socket.SocketKind, listener: Address) -> socket.socket:
        if kind is socket.SOCK_DGRAM:
            raise PortTaken(OSError("taken"), str(listener))
        return bind(kind, listener)

    monkeypatch.setattr(listeners, "bind", nothing_free)
    with pytest.raises(PortTaken):
        bind_sip([Listener(ANY)], [Listener(ANY)])


def test_a_wildcard_without_a_route_stays_as_it_is() -> None:
    anywhere = Address("0.0.0.0", 5060)
    assert source_towards(Address("255.255.255.255", 5060), anywhere) == anywhere


@pytest.mark.rfc("3261", "8.1.1.2", "sip and sips")
@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:bob@192.0.2.1", Target(Transport.UDP, "192.0.2.1", 5060, numeric=True)),
        ("sip:192.0.2.1:5070;transport=TCP", Target(Transport.TCP, "192.0.2.1", 5070, numeric=True)),
        ("sip:bob@[2001:db8::1]:5070", Target(Transport.UDP, "2001:db8::1", 5070, numeric=True)),
        ("sip:bob@example.com;maddr=192.0.2.9", Target(Transport.UDP, "192.0.2.9", 5060, numeric=True)),
        ("sip:bob@phone.example.com", Target(Transport.UDP, "phone.example.com", 5060, numeric=False)),
        ("sip:192.0.2.1;transport=tls", Target(Transport.TLS, "192.0.2.1", 5061, numeric=True)),
        ("sips:bob@192.0.2.1", Target(Transport.TLS, "192.0.2.1", 5061, numeric=True)),
        ("sips:192.0.2.1:5070;transport=tcp", Target(Transport.TLS, "192.0.2.1", 5070, numeric=True)),
    ],
)
def test_a_uri_names_transport_host_and_port(uri: str, target: Target) -> None:
    """RFC 3263 §4.1, §4.2; RFC 3261 §26.2.2."""
    assert target_of(uri) == target


@pytest.mark.parametrize("uri", ["sips:192.0.2.1;transport=udp", "sip:192.0.2.1;transport=sctp", "tel:+1", "sip:"])
def test_a_uri_that_names_no_way_of_ours_is_unresolvable(uri: str) -> None:
    """RFC 3261 §26.2.2: UDP is no transport for SIPS."""
    with pytest.raises(Unresolvable):
        target_of(uri)


def test_a_port_for_tls_that_is_taken_is_named() -> None:
    taken = bind(socket.SOCK_STREAM, ANY)
    with pytest.raises(PortTaken, match=f"tls {bound_address(taken)}: the port is taken"):
        bind_sip([Listener(ANY)], [Listener(ANY)], [Listener(bound_address(taken))])
    taken.close()


class Names:
    """Stands in for the system's resolver."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.asked: list[str] = []

    async def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        await asyncio.sleep(0)
        if not self.hosts:
            raise socket.gaierror("no such host")
        return list(self.hosts)


BOTH = frozenset({Transport.UDP, Transport.TCP})


async def address_of(lookups: Resolver, name: str, *, ipv4_only: bool = False) -> Address:
    hops = await lookups.locate(f"sip:{name}", BOTH, lambda address: not ipv4_only or ":" not in address.host)
    return hops[0].address


async def test_one_lookup_serves_all_who_ask_and_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names("2001:db8::1", "192.0.2.1")
    monkeypatch.setattr(resolver, "_lookup", names)
    lookups = Resolver()
    found = await asyncio.gather(*(address_of(lookups, "a", ipv4_only=True) for _ in range(5)))
    found.append(await address_of(lookups, "a"))
    assert found == [Address("192.0.2.1", 5060)] * 5 + [Address("2001:db8::1", 5060)]
    assert names.asked == ["a"]


async def test_a_lookup_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names()
    monkeypatch.setattr(resolver, "_lookup", names)
    lookups = Resolver()
    for _ in range(2):
        with pytest.raises(Unresolvable):
            await address_of(lookups, "a")
    assert names.asked == ["a", "a"]


async def test_a_host_of_the_wrong_family_is_unresolvable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_lookup", Names("2001:db8::1"))
    with pytest.raises(Unresolvable):
        await address_of(Resolver(), "a", ipv4_only=True)


async def test_names_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names("192.0.2.1")
    monkeypatch.setattr(resolver, "_lookup", names)
    monkeypatch.setattr(resolver, "MAX_NAMES", 2)
    lookups = Resolver()
    for name in ("a", "b", "c", "a"):
        await address_of(lookups, name)
    assert names.asked == ["a", "b", "c", "a"]


async def test_who_gives_up_waiting_does_not_end_the_lookup_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_lookup", Names("192.0.2.1"))
    lookups = Resolver()
    impatient = asyncio.create_task(address_of(lookups, "a"))
    patient = asyncio.create_task(address_of(lookups, "a"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == Address("192.0.2.1", 5060)
