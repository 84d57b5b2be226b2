"""`abserver registrations`: what is registered, read from the database."""

from __future__ import annotations

import asyncio
import datetime
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abserver.app.stores import open_stores
from abserver.domain.identity import Aor
from abserver.ports import BindingsRecord
from abserver.sip.bindings import Binding
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from tests.cli.conftest import Abserver

NOW = datetime.datetime.now(datetime.UTC)
LATER = NOW + datetime.timedelta(hours=1)
FLOW = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("203.0.113.7", 40_000))
PHONE = Binding(
    uri="sip:bob@10.0.0.2;ob",
    params=(("+sip.instance", '"<urn:uuid:1>"'), ("reg-id", "1"), ("q", "0.5")),
    call_id="call",
    cseq=7,
    expires_at=LATER,
    updated_at=NOW,
    flow=FLOW,
    reg_id=1,
    agent="Phone/1.0",
)
TABLET = replace(PHONE, uri="sip:bob@tablet", params=(), reg_id=None, path=("<sip:edge;lr>",), direct=False)
GONE = replace(PHONE, expires_at=NOW - datetime.timedelta(seconds=1))
CAROLS = replace(PHONE, uri="sip:carol@h", params=(("+sip.instance", '"<urn:uuid:2>"'),), reg_id=None)


@pytest.fixture
def registered(abserver: Abserver) -> Abserver:
    """Bob has two devices and one that expired, Carol has one."""

    async def write() -> None:
        async with open_stores(f"sqlite:///{abserver.database}") as stores:
            await stores.journal.write(
                BindingsRecord(Aor("sip:bob@example.com"), (PHONE, TABLET, GONE)),
                BindingsRecord(Aor("sip:carol@example.com"), (CAROLS,)),
            )

    asyncio.run(write())
    return abserver


def test_all_registrations_are_listed_the_preferred_first(registered: Abserver) -> None:
    ran = registered("registrations")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [
        ["sip:bob@example.com", "sip:bob@tablet"],
        ["sip:bob@example.com", "sip:bob@10.0.0.2;ob"],
        ["sip:carol@example.com", "sip:carol@h"],
    ]
    assert "udp 203.0.113.7:40000 by <sip:edge;lr>" in lines[2]
    assert "urn:uuid:1 flow 1" in lines[3]
    assert "Phone/1.0" in lines[3]


def test_those_of_one_user_are_listed(registered: Abserver) -> None:
    found = json.loads(registered("registrations", "carol@example.com", "--json").out)
    assert found == [
        {
            "user": "sip:carol@example.com",
            "contact": '<sip:carol@h>;+sip.instance="<urn:uuid:2>"',
            "instance": "urn:uuid:2",
            "reg_id": None,
            "q": 1.0,
            "path": [],
            "transport": "udp",
            "flow": "203.0.113.7:40000",
            "direct": True,
            "call_id": "call",
            "cseq": 7,
            "registered_at": NOW.isoformat(),
            "expires_at": LATER.isoformat(),
            "agent": "Phone/1.0",
        }
    ]


def test_nothing_is_said_to_be_nothing(abserver: Abserver) -> None:
    abserver("user", "add", "bob@example.com", "--password", "x")
    assert abserver("registrations").out == (
        "nothing is registered: this server is no registrar ([registrar] enabled)\n"
    )
    with abserver.config.open("a", encoding="utf-8") as config:
        config.write("[registrar]\nenabled = true\n")
    assert abserver("registrations").out == "nothing is registered\n"
    assert abserver("registrations", "bob@example.com").out == "nothing is registered for sip:bob@example.com\n"
    assert abserver("registrations", "bob@example.com", "--json").out == "[]\n"


def test_a_user_that_is_no_address_is_a_mistake(abserver: Abserver) -> None:
    ran = abserver("registrations", "bob@")
    assert (ran.code, "is no SIP address" in ran.err) == (1, True)
