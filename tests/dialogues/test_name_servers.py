"""RFC 3263 against a name server of ours on loopback: dnspython's messages, a zone of this file."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

import dns.message
import dns.rcode
import dns.rrset
import pytest

from abserver.net.resolver import Resolver, Unresolvable
from abserver.sip.locating import Hop
from abserver.sip.transport import Address, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BOTH = frozenset({Transport.UDP, Transport.TCP})
ZONE = {
    ("example.test.", "NAPTR"): (60, '10 10 "s" "SIP+D2T" "" _sip._tcp.example.test.'),
    ("_sip._tcp.example.test.", "SRV"): (60, "0 1 5070 a.example.test."),
    ("a.example.test.", "A"): (60, "192.0.2.1"),
    ("brief.example.test.", "A"): (0, "192.0.2.2"),
}


class NameServer(asyncio.DatagramProtocol):
    """Answers from the zone, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        key = (question.name.to_text(), question.rdtype.name)
        self.asked.append(key)
        response = dns.message.make_response(query)
        if key in ZONE:
            ttl, text = ZONE[key]
            response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", key[1], text))
        elif key[0] not in {name for name, _ in ZONE}:
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(), addr)


@contextlib.asynccontextmanager
async def name_server() -> AsyncIterator[tuple[NameServer, Resolver]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield server, Resolver([Address(*transport.get_extra_info("sockname")[:2])])
    finally:
        transport.close()


async def test_4_1_naptr_leads_to_srv_and_that_to_an_address() -> None:
    async with name_server() as (_, resolver):
        hop = await resolver.locate("sip:alice@example.test", BOTH, lambda address: True)
    assert hop == Hop(Transport.TCP, Address("192.0.2.1", 5070))


async def test_answers_are_asked_for_once_in_their_lifetime() -> None:
    async with name_server() as (server, resolver):
        for _ in range(3):
            await resolver.locate("sip:alice@example.test", BOTH, lambda address: True)
        assert server.asked.count(("example.test.", "NAPTR")) == 1
        assert server.asked.count(("a.example.test.", "A")) == 1


async def test_an_answer_without_a_lifetime_is_asked_for_again() -> None:
    async with name_server() as (server, resolver):
        for _ in range(2):
            await resolver.locate("sip:brief.example.test:5060", BOTH, lambda address: True)
        assert server.asked.count(("brief.example.test.", "A")) == 2


async def test_a_name_that_nobody_knows_is_unresolvable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(name: str) -> list[str]:
        raise OSError(name)

    monkeypatch.setattr("abserver.net.resolver._lookup", nothing)
    async with name_server() as (_, resolver):
        with pytest.raises(Unresolvable):
            await resolver.locate("sip:nowhere.test", BOTH, lambda address: True)
