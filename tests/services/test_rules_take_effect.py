"""What rules rest on takes effect by itself: spheres, lists and the clock, without an edit of the rules; and limits."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING

from abserver.domain.relation import RelationState
from abserver.ports import Ground
from tests.support.documents import ANN, BOB, CAROL, allow, block, card, rules
from tests.support.world import World, story

if TYPE_CHECKING:
    from abserver.domain.identity import Watcher
    from tests.support.phone import Phone

PRESENCE, LISTS = Ground("pidf-manipulation", "index"), Ground("resource-lists", "index")
HALF_AN_HOUR = datetime.timedelta(minutes=30)


def rule(condition: str) -> bytes:
    return (
        f'<rule id="r"><conditions xmlns:o="urn:oma:xml:xdm:common-policy">{condition}</conditions><actions>'
        '<h:card-handling xmlns:h="urn:abserver:xml:ns:card-rules">allow</h:card-handling></actions></rule>'
    ).encode()


def presence(sphere: str, until: datetime.datetime | None = None) -> bytes:
    ends = f' until="{until.isoformat()}"' if until else ""
    return (
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model"'
        ' xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:ann@example.com">'
        f'<d:person id="p"><r:sphere{ends}><r:{sphere}/></r:sphere></d:person></presence>'
    ).encode()


def friends(*watchers: Watcher) -> bytes:
    entries = "".join(f'<entry uri="{each}"/>' for each in watchers)
    inside = f"<list>{entries}</list>"
    return f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">{inside}</resource-lists>'.encode()


async def following(world: World, condition: str) -> Phone:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(rule(condition)))
    phone = await world.phone(BOB)
    await phone.subscribe(ANN)
    await world.pass_time()
    assert (phone.last.state, phone.last.body) == ("pending", b"")
    return phone


@story
async def test_a_watcher_sees_the_card_while_the_owner_is_in_the_sphere_rfc4745_7_3(world: World) -> None:
    phone = await following(world, '<sphere value="work travel"/>')
    for sphere, state in (("work", "active"), ("home", "pending"), ("travel", "active")):
        world.documents.put_ground(ANN, PRESENCE, presence(sphere))
        await world.pass_time(2)
        assert phone.last.state == state


@story
async def test_a_sphere_that_ends_ends_what_it_showed_without_an_edit_rfc4480_3_1(world: World) -> None:
    phone = await following(world, '<sphere value="work"/>')
    world.documents.put_ground(ANN, PRESENCE, presence("work", until=world.clock.utc() + HALF_AN_HOUR))
    await world.pass_time(1790)
    assert phone.last.state == "active"
    await world.pass_time(20)
    assert phone.last.state == "pending"
    history = await world.journal.decisions(ANN, BOB)
    assert [(each.state.value, each.by) for each in history] == [("confirmed", "xcap"), ("pending", "clock")]


@story
async def test_who_comes_onto_a_list_is_let_in_and_who_leaves_it_is_not(world: World) -> None:
    anchor = f"http://example.com/resource-lists/users/{ANN}/index/~~/resource-lists/list"
    phone = await following(world, f'<o:external-list><o:entry anc="{anchor}"/></o:external-list>')
    for on_list, state in (([CAROL, BOB], "active"), ([CAROL], "pending")):
        world.documents.put_ground(ANN, LISTS, friends(*on_list))
        await world.pass_time(2)
        assert phone.last.state == state


@story
async def test_a_rejected_watcher_who_keeps_asking_costs_nothing(world: World) -> None:
    """Neither a document is read for him nor a record written."""
    world.put_card(ANN, card())
    phone = await world.phone(BOB)
    await phone.subscribe(ANN)
    await world.pass_time()
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(2)
    assert phone.last.reason == "rejected"
    relation = world.journal.relation(ANN, BOB)
    reads, writes = world.documents.reads, len(world.journal.writes)
    for _ in range(5):
        assert (await phone.subscribe(ANN)).status == 403
        await world.pass_time(60)
    assert (world.documents.reads, len(world.journal.writes)) == (reads, writes)
    assert world.journal.relation(ANN, BOB) is relation


@story
async def test_a_request_that_nobody_decides_about_is_given_up_rfc3857_4_7_1(world: World) -> None:
    """A device that is there hears so, and may ask again."""
    world.put_card(ANN, card())
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    await bob.subscribe(ANN, Expires="86400")
    for _ in range(2 * 30 - 1):
        await world.pass_time(43200)
        assert (await bob.refresh(Expires="86400")).status == 200
    await carol.subscribe(ANN)
    await world.pass_time(43180)
    assert bob.last.state == "pending"
    await world.pass_time(40)
    assert (bob.last.state, bob.last.reason) == ("terminated", "giveup")
    given_up = world.journal.relation(ANN, BOB)
    assert given_up is not None
    assert given_up.state is RelationState.ENDED
    assert world.server.relating.requests(ANN) == 1
    assert not world.server.followers.by(ANN, BOB)
    await bob.subscribe(ANN)
    await world.pass_time()
    assert bob.last.state == "pending"
    await world.pass_time(31 * 24 * 3600)
    assert world.server.relating.requests(ANN) == 0


@story
async def test_an_owner_is_not_flooded_with_requests(world: World) -> None:
    world.limits = dataclasses.replace(world.limits, requests=1)
    await world.restart()
    world.put_card(ANN, card())
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    assert (await bob.subscribe(ANN)).status == 200
    refused = await carol.subscribe(ANN)
    assert (refused.status, refused.headers.get("Retry-After")) == (503, "120")
    assert (await bob.refresh()).status == 200
    assert (await bob.subscribe(ANN)).status == 200, "his request is there already"
    world.put_rules(ANN, rules(allow(CAROL)))
    assert (await carol.subscribe(ANN)).status == 200, "she asks nothing any more"


@story
async def test_approving_one_of_many_tells_only_that_one(world: World) -> None:
    world.put_card(ANN, card())
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    for phone in (bob, carol):
        await phone.subscribe(ANN)
    await world.pass_time()
    told = len(carol.notifies)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(2)
    assert bob.last.state == "active"
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    world.put_card(ANN, card("2"))
    await world.pass_time(2)
    assert carol.last.state == "active"
    assert b"tel:2" in carol.last.body
    assert len(carol.notifies) == told + 1
    assert b"tel:2" in bob.last.body
    world.put_rules(ANN, rules(allow(CAROL)))
    await world.pass_time(2)
    assert (bob.last.state, carol.last.state) == ("pending", "active")
