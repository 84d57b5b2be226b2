"""The law of authorizing: nobody is shown anything by rules that were replaced before."""

from __future__ import annotations

import asyncio
import datetime

import pytest

from abserver.domain.card import DEFAULT_LEVELS
from abserver.domain.rules import Handling
from abserver.domain.trees import InvalidDocument
from abserver.services.authorizing import OWN, Authorizer
from tests.support.documents import ANN, BOB, CAROL, allow, block, card, during, rules
from tests.support.world import World, story


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


@story
async def test_owners_see_all_of_their_own_card_whatever_their_rules_say(world: World) -> None:
    made = authorizer(world)
    world.put_rules(ANN, rules(block(type(BOB)(ANN))))
    policy = await made.policy(ANN)
    assert policy.decide(type(BOB)(ANN), world.clock.utc()) == OWN
