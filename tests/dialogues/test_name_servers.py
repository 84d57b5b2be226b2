"""RFC 3263 against a name server of ours on loopback: dnspython's messages, a zone of this file."""

from __future__ import annotations

import pytest

from abserver.net.resolver import Unresolvable
from abserver.sip.locating import Hop
from abserver.sip.transport import Address, Transport
from tests.support.name_server import name_server

BOTH = frozenset({Transport.UDP, Transport.TCP})
ZONE = {
    ("example.test.", "NAPTR"): (60, '10 10 "s" "SIP+D2T" "" _sip._tcp.example.test.'),
    ("_sip._tcp.example.test.", "SRV"): (60, "0 1 5070 a.example.test."),
    ("a.example.test.", "A"): (60, "192.0.2.1"),
    ("brief.example.test.", "A"): (0, "192.0.2.2"),
}


@pytest.mark.rfc("3261", "8.1.2", "the DNS tells the destination")
async def test_4_1_naptr_leads_to_srv_and_that_to_an_address() -> None:
    async with name_server(ZONE) as (_, resolver):
        [hop] = await resolver.locate("sip:alice@example.test", BOTH, lambda address: True)
    assert hop == Hop(Transport.TCP, Address("192.0.2.1", 5070))


async def test_answers_are_asked_for_once_in_their_lifetime() -> None:
    async with name_server(ZONE) as (server, resolver):
        for _ in range(3):
            await resolver.locate("sip:alice@example.test", BOTH, lambda address: True)
        assert server.asked.count(("example.test.", "NAPTR")) == 1
        assert server.asked.count(("a.example.test.", "A")) == 1


async def test_an_answer_without_a_lifetime_is_asked_for_again() -> None:
    async with name_server(ZONE) as (server, resolver):
        for _ in range(2):
            await resolver.locate("sip:brief.example.test:5060", BOTH, lambda address: True)
        assert server.asked.count(("brief.example.test.", "A")) == 2


async def test_a_name_that_nobody_knows_is_unresolvable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(name: str) -> list[str]:
        raise OSError(name)

    monkeypatch.setattr("abserver.net.resolver._lookup", nothing)
    async with name_server(ZONE) as (_, resolver):
        with pytest.raises(Unresolvable):
            await resolver.locate("sip:nowhere.test", BOTH, lambda address: True)
