"""The law of authorizing: nobody is shown anything by rules that were replaced before."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING

import pytest

from abserver.domain.card import DEFAULT_LEVELS
from abserver.domain.identity import Watcher, parse_aor
from abserver.domain.rules import Handling
from abserver.domain.trees import InvalidDocument
from abserver.ports import Ground
from abserver.services import authorizing
from abserver.services.authorizing import OWN, Authorizer
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, during, rules
from tests.support.world import World, story

if TYPE_CHECKING:
    from abserver.services.authorizing import Rulings

DAN_TOO, EVE = Watcher(DAN), Watcher(parse_aor("sip:eve@example.com"))


def authorizer(world: World) -> Authorizer:
    made = Authorizer(world.documents, DEFAULT_LEVELS)
    world.documents.publish = made.forget
    return made


@story
async def test_a_policy_is_read_once_and_kept(world: World) -> None:
    made = authorizer(world)
    world.put_card(ANN, card())
    reads = world.documents.reads
    assert await made.policy(ANN) is await made.policy(ANN)
    assert made.current(ANN) is await made.policy(ANN)
    assert world.documents.reads == reads + 2


@story
async def test_an_edit_is_in_force_before_it_is_answered(world: World) -> None:
    made = authorizer(world)
    world.put_rules(ANN, rules(allow(BOB)))
    assert (await made.policy(ANN)).decide(BOB, world.clock.utc()).handling is Handling.ALLOW
    world.put_rules(ANN, rules(block(BOB)))
    assert made.current(ANN) is None
    assert (await made.policy(ANN)).decide(BOB, world.clock.utc()).handling is Handling.BLOCK


@pytest.mark.parametrize("moment", [0.25, 0.75, 1.25, 1.75])
@story
async def test_a_policy_that_was_being_read_when_an_edit_came_is_read_again(world: World, moment: float) -> None:
    made = authorizer(world)
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    world.documents.latency = 1.0
    reading = [asyncio.create_task(made.policy(ANN)) for _ in range(3)]
    await world.pass_time(moment)
    world.put_rules(ANN, rules(block(BOB)))
    world.put_card(ANN, card("2"))
    for policy in await asyncio.gather(*reading):
        decision = policy.decide(BOB, world.clock.utc())
        assert decision.handling is Handling.BLOCK
        assert b"tel:2" in policy.view(OWN.grant).content


@story
async def test_edits_that_never_end_do_not_let_an_old_policy_through(world: World) -> None:
    made = authorizer(world)
    world.documents.latency = 1.0
    reading = asyncio.create_task(made.policy(ANN))
    for number in range(20):
        world.put_card(ANN, card(str(number)))
        await world.pass_time(0.9)
    assert not reading.done()
    assert b"tel:19" in (await reading).view(OWN.grant).content


@story
async def test_a_document_that_cannot_be_read_is_a_fault_each_time_and_no_policy(world: World) -> None:
    made = authorizer(world)
    world.put_card(ANN, b"<broken/>")
    for _ in range(2):
        with pytest.raises(InvalidDocument):
            await made.policy(ANN)
    world.put_card(ANN, card())
    assert (await made.policy(ANN)).card_etag is not None


@story
async def test_watchers_with_equal_grants_share_one_view(world: World) -> None:
    made = authorizer(world)
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB, "friends"), allow(CAROL, "friends")))
    policy = await made.policy(ANN)
    views = [policy.view(policy.decide(watcher, world.clock.utc()).grant) for watcher in (BOB, CAROL)]
    assert views[0] is views[1]


@story
async def test_a_decision_lasts_until_the_rules_clock_passes_a_boundary_rfc4745_7_3(world: World) -> None:
    made, hour = authorizer(world), datetime.timedelta(hours=1)
    begins = world.clock.utc() + hour
    world.put_rules(ANN, rules(during(allow(BOB), begins, begins + hour)))
    policy = await made.policy(ANN)
    decided = [policy.decide(BOB, begins + hour * step / 4).handling for step in (-1, 0, 1, 3, 4, 5)]
    assert decided == [
        Handling.CONFIRM,
        Handling.ALLOW,
        Handling.ALLOW,
        Handling.ALLOW,
        Handling.CONFIRM,
        Handling.CONFIRM,
    ]
    assert policy.next_change(world.clock.utc()) == begins
    assert policy.next_change(begins) == begins + hour
    assert policy.next_change(begins + hour) is None


SPHERE = Ground("pidf-manipulation", "index")
LISTS = Ground("resource-lists", "index")
OTHER_LISTS = Ground("resource-lists", "others")


def presence(sphere: str, *, until: datetime.datetime | None = None) -> bytes:
    qualified = f' until="{until.isoformat()}"' if until else ""
    return (
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:ann@example.com"'
        ' xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid">'
        f'<d:person id="p"><r:sphere{qualified}><r:{sphere}/></r:sphere></d:person></presence>'
    ).encode()


def at(sphere: str) -> bytes:
    """Everybody sees the card while the owner is there."""
    return conditional("at", f'<sphere value="{sphere}"/>')


def conditional(name: str, condition: str) -> bytes:
    return (
        f'<rule id="{name}"><conditions>{condition}</conditions><actions>'
        '<h:card-handling xmlns:h="urn:abserver:xml:ns:card-rules">allow</h:card-handling></actions></rule>'
    ).encode()


def on_list(name: str = "index") -> bytes:
    anchor = f"http://example.com/resource-lists/users/{ANN}/{name}/~~/resource-lists/list"
    return conditional(
        "listed",
        f'<l:external-list xmlns:l="urn:oma:xml:xdm:common-policy"><l:entry anc="{anchor}"/></l:external-list>',
    )


def resource_list(*watchers: Watcher, external: str = "") -> bytes:
    entries = "".join(f'<entry uri="{each}"/>' for each in watchers)
    inside = f"<list>{entries}{external}</list>"
    return f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">{inside}</resource-lists>'.encode()


async def handling(made: Authorizer, world: World, watcher: Watcher | None = BOB) -> Handling:
    return (await made.policy(ANN)).decide(watcher, world.clock.utc()).handling


@story
async def test_a_sphere_counts_from_the_moment_of_its_edit_rfc5025_3_1_2(world: World) -> None:
    made = authorizer(world)
    world.put_rules(ANN, rules(at("work")))
    assert await handling(made, world) is Handling.CONFIRM
    assert made.rests_on(ANN, SPHERE)
    assert not made.rests_on(ANN, LISTS)
    assert not made.rests_on(DAN, SPHERE)
    for sphere, expected in (("work", Handling.ALLOW), ("home", Handling.CONFIRM)):
        world.documents.put_ground(ANN, SPHERE, presence(sphere))
        assert await handling(made, world) is expected
    world.documents.put_ground(ANN, SPHERE, None)
    assert await handling(made, world) is Handling.CONFIRM


@story
async def test_a_sphere_that_ends_by_itself_is_a_boundary_rfc4480_3_1(world: World) -> None:
    made, hour = authorizer(world), datetime.timedelta(hours=1)
    ends = world.clock.utc() + hour
    world.put_rules(ANN, rules(at("work"), during(allow(CAROL), ends + hour, ends + 2 * hour)))
    world.documents.put_ground(ANN, SPHERE, presence("work", until=ends))
    policy = await made.policy(ANN)
    periods = [policy.rulings.period(ends + step * hour / 2) for step in (-1, 0, 1)]
    assert policy.next_change(ends - hour / 2) == ends
    assert policy.next_change(ends) == ends + hour
    assert [each is periods[1] for each in periods] == [False, True, True]
    assert policy.decide(BOB, ends).handling is Handling.CONFIRM


@story
async def test_a_list_counts_from_the_moment_of_its_edit_wherever_a_reference_leads(world: World) -> None:
    made = authorizer(world)
    world.put_rules(ANN, rules(on_list()))
    assert await handling(made, world) is Handling.CONFIRM
    assert (made.rests_on(ANN, LISTS), made.rests_on(ANN, OTHER_LISTS)) == (True, False)
    others = f'<external anchor="http://x/resource-lists/users/{ANN}/others/~~/resource-lists/list"/>'
    world.documents.put_ground(ANN, LISTS, resource_list(CAROL, external=others))
    assert await handling(made, world, CAROL) is Handling.ALLOW
    assert (made.rests_on(ANN, LISTS), made.rests_on(ANN, OTHER_LISTS)) == (True, True)
    world.documents.put_ground(ANN, OTHER_LISTS, resource_list(BOB))
    assert await handling(made, world, BOB) is Handling.ALLOW
    world.documents.put_ground(ANN, LISTS, resource_list())
    assert await handling(made, world, BOB) is Handling.CONFIRM
    world.put_rules(ANN, rules(allow(BOB)))
    assert await handling(made, world, BOB) is Handling.ALLOW
    assert not made.rests_on(ANN, LISTS)


@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5])
@story
async def test_a_list_that_is_edited_while_the_policy_is_read_is_read_again(world: World, moment: float) -> None:
    made = authorizer(world)
    world.put_rules(ANN, rules(on_list()))
    world.documents.put_ground(ANN, LISTS, resource_list(BOB))
    world.documents.latency = 1.0
    reading = asyncio.create_task(made.policy(ANN))
    await world.pass_time(moment)
    assert made.rests_on(ANN, LISTS), "it may, for all that is known so far"
    world.documents.put_ground(ANN, LISTS, resource_list())
    assert (await reading).decide(BOB, world.clock.utc()).handling is Handling.CONFIRM


@story
async def test_an_edit_of_the_card_decides_nothing_anew_and_reads_no_list_anew(world: World) -> None:
    made = authorizer(world)
    world.put_rules(ANN, rules(on_list(), at("work")))
    world.documents.put_ground(ANN, LISTS, resource_list(BOB))
    rulings = (await made.policy(ANN)).rulings
    period = rulings.period(world.clock.utc())
    world.put_card(ANN, card("2"))
    policy = await made.policy(ANN)
    assert policy.rulings is rulings
    assert policy.rulings.period(world.clock.utc()) is period


@story
async def test_who_is_not_authenticated_is_decided_about_too(world: World) -> None:
    made = authorizer(world)
    anonymous = '<l:anonymous-request xmlns:l="urn:oma:xml:xdm:common-policy"/>'
    world.put_rules(ANN, rules(conditional("anybody", anonymous)))
    assert await handling(made, world, None) is Handling.ALLOW
    assert await handling(made, world, BOB) is Handling.CONFIRM


@story
async def test_equal_decisions_and_equal_grants_are_one_object(world: World) -> None:
    made = authorizer(world)
    world.put_rules(ANN, rules(allow(BOB, "friends"), allow(CAROL, "friends")))
    policy, utc = await made.policy(ANN), world.clock.utc()
    bob, carol = policy.decide(BOB, utc), policy.decide(CAROL, utc)
    assert bob.grant is carol.grant
    assert bob is not carol
    assert policy.decide(DAN_TOO, utc) is policy.decide(EVE, utc)
    world.put_rules(ANN, rules(allow(CAROL, "friends"), allow(BOB, "friends")))
    assert (await made.policy(ANN)).decide(BOB, utc).grant is bob.grant, "of later rules, too"


@story
async def test_an_edit_tells_whom_it_may_have_touched(world: World) -> None:
    made, utc = authorizer(world), world.clock.utc()

    async def after(*rule: bytes) -> Rulings:
        world.put_rules(ANN, rules(*rule))
        return (await made.policy(ANN)).rulings

    first = await after(allow(CAROL))
    start = first.period(utc)
    assert first.touched_since(start) is None, "nothing led there"
    kept = first.decide(CAROL, utc)
    second = await after(allow(CAROL), allow(BOB))
    middle = second.period(utc)
    assert middle is not start
    assert second.touched_since(start) == frozenset({BOB})
    assert second.decide(CAROL, utc) is kept
    assert second.decide(BOB, utc).handling is Handling.ALLOW
    third = await after(allow(EVE), allow(BOB))
    assert third.touched_since(start) == frozenset({BOB, CAROL, EVE})
    assert third.touched_since(middle) == frozenset({CAROL, EVE})
    assert third.touched_since(object()) is None
    assert third.decide(CAROL, utc).handling is Handling.CONFIRM
    everybody = await after(conditional("all", ""))
    assert everybody.touched_since(third.period(utc)) is None


@story
async def test_time_that_passes_may_touch_anybody(world: World) -> None:
    made, hour = authorizer(world), datetime.timedelta(hours=1)
    utc = world.clock.utc()
    world.put_rules(ANN, rules(during(allow(CAROL), utc + hour, utc + 2 * hour)))
    before = (await made.policy(ANN)).rulings.period(utc)
    world.put_rules(ANN, rules(during(allow(CAROL), utc + hour, utc + 2 * hour), allow(BOB)))
    rulings = (await made.policy(ANN)).rulings
    assert rulings.touched_since(before) == frozenset({BOB})
    assert rulings.decide(CAROL, utc).handling is Handling.CONFIRM
    assert rulings.decide(CAROL, utc + hour).handling is Handling.ALLOW
    assert rulings.touched_since(before) is None


@story
async def test_a_rule_that_began_before_its_edit_holds_at_once(world: World) -> None:
    made, hour = authorizer(world), datetime.timedelta(hours=1)
    utc = world.clock.utc()
    world.put_rules(ANN, rules())
    assert (await made.policy(ANN)).decide(BOB, utc).handling is Handling.CONFIRM
    world.put_rules(ANN, rules(during(allow(BOB), utc + hour, utc + 2 * hour)))
    assert (await made.policy(ANN)).decide(BOB, utc + 1.5 * hour).handling is Handling.ALLOW
    assert (await made.policy(ANN)).decide(BOB, utc + 2 * hour).handling is Handling.CONFIRM


@story
async def test_decisions_are_not_remembered_without_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorizing, "KEPT_DECISIONS", 2)
    made = authorizer(world)
    world.put_rules(ANN, rules(allow(BOB)))
    for watcher in (BOB, CAROL, EVE, BOB):
        expected = Handling.ALLOW if watcher is BOB else Handling.CONFIRM
        assert await handling(made, world, watcher) is expected


@story
async def test_owners_see_all_of_their_own_card_whatever_their_rules_say(world: World) -> None:
    made = authorizer(world)
    world.put_rules(ANN, rules(block(type(BOB)(ANN))))
    policy = await made.policy(ANN)
    assert policy.decide(type(BOB)(ANN), world.clock.utc()) == OWN
