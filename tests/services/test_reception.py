"""Whom requests are about that name a GRUU, and which way NOTIFYs leave that may leave on one way only."""

from __future__ import annotations

import pytest

from abserver.sip.headers import NameAddr
from abserver.sip.uri import SipUri
from tests.support.documents import ANN, BOB, allow, card, rules
from tests.support.server import ADDRESS
from tests.support.world import World, story


@pytest.mark.rfc("3261", "12.1.1", "a Contact at which we are found")
@story
async def test_the_local_target_of_a_notifier_is_a_gruu_rfc6665_4_5_1(world: World) -> None:
    """In the answer to SUBSCRIBE and in each NOTIFY."""
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    response = await bob.subscribe(ANN)
    await world.pass_time()
    targets = [response.contact, bob.last.request.contact]
    assert [str(each) for each in targets] == [f"<sip:ann@{ADDRESS};gr=example.com>"] * 2


@pytest.mark.rfc("3261", "8.1.1.8", "a Contact of our own, secure where it has to be")
@story
async def test_a_new_subscribe_to_the_gruu_of_a_dialog_is_for_the_same_resource_rfc6665_4_5_1(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    response = await bob.subscribe(ANN)
    await world.pass_time()
    assert response.contact is not None
    tablet = await world.phone(BOB)
    again = await tablet.subscribe(response.contact.uri)  # type: ignore[arg-type]  # the URI of a device of ours
    await world.pass_time()
    assert (again.status, tablet.last.state) == (200, "active")
    assert len(world.server.followers.by(ANN, BOB)) == 2


@story
async def test_within_a_dialog_the_request_uri_is_the_gruu_and_the_dialog_decides(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN)
    await world.pass_time()
    assert bob.dialog is not None
    assert "gr" in SipUri.parse(bob.dialog.remote_target).params
    assert (await bob.refresh()).status == 200


@pytest.mark.parametrize("gr", [";gr=nowhere.example", ";gr", ";gr=x/y"])
@story
async def test_a_gruu_that_names_nothing_here_gets_404_rfc5627_6_1(world: World, gr: str) -> None:
    world.put_card(ANN, card("1"))
    bob = await world.phone(BOB)
    assert (await bob.subscribe(f"sip:ann@{ADDRESS}{gr}")).status == 404  # type: ignore[arg-type]


@story
async def test_requests_to_a_contact_with_ob_leave_on_the_flow_rfc5626_5_3(world: World) -> None:
    """The phone's Contact is an address behind a NAT, which nobody reaches from here."""
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    contact = NameAddr("sip:bob@192.168.1.7:5060;ob", "", {"+sip.instance": '"<urn:uuid:7>"'})
    assert (await bob.subscribe(ANN, Contact=str(contact))).status == 200
    await world.pass_time()
    assert bob.last.state == "active"
    assert bob.last.request.uri == contact.uri


@story
async def test_without_ob_the_contact_says_where_requests_go(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await world.phone(BOB)
    assert (await bob.subscribe(ANN, Contact="<sip:bob@192.168.1.7:5060>")).status == 200
    await world.pass_time()
    assert bob.notifies == []


@story
async def test_a_recorded_route_goes_before_ob(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob, proxy = await world.phone(BOB), await world.phone(BOB)
    fields = {"Contact": "<sip:bob@192.168.1.7:5060;ob>", "Record_Route": f"<sip:{proxy.address};lr>"}
    assert (await bob.subscribe(ANN, **fields)).status == 200
    await world.pass_time()
    assert bob.notifies == []
    assert len(proxy.notifies) == 1
