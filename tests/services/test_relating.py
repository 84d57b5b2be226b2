"""The subscription relation list follows the rules and the subscriptions, and is durable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abserver.domain.relation import Relation, RelationState
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, confirm, polite_block, rules
from tests.support.world import World, story

if TYPE_CHECKING:
    from abserver.domain.identity import Owner, Watcher
    from tests.support.phone import Phone


def relation(world: World, owner: Owner = ANN, watcher: Watcher = BOB) -> Relation:
    """As it is, in memory and in the journal alike."""
    found = world.server.relating.of(owner, watcher)
    assert found is not None
    assert found == world.journal.relation(owner, watcher)
    return found


async def asking(world: World, owner: Owner = ANN, watcher: Watcher = BOB) -> Phone:
    """A phone whose request is on the owner's list."""
    world.put_card(owner, card())
    phone = await world.phone(watcher)
    assert (await phone.subscribe(owner)).status == 200
    await world.pass_time()
    return phone


@story
async def test_a_request_is_pending_since_it_was_made(world: World) -> None:
    asked_at = world.clock.utc()
    await asking(world)
    found = relation(world)
    assert (found.state, found.levels, found.rule, found.decided_at) == (RelationState.PENDING, frozenset(), None, None)
    assert 0 <= (found.requested_at - asked_at).total_seconds() < 1


@pytest.mark.parametrize(
    ("rule", "state", "levels"),
    [
        (allow(BOB, "friends"), RelationState.CONFIRMED, frozenset({"public", "friends"})),
        (block(BOB), RelationState.REJECTED, frozenset()),
        (polite_block(BOB), RelationState.POLITE_BLOCKED, frozenset()),
    ],
)
@story
async def test_a_decision_is_noted_with_levels_rule_and_time(
    world: World, rule: bytes, state: RelationState, levels: frozenset[str]
) -> None:
    await asking(world)
    asked_at = relation(world).requested_at
    await world.pass_time(60)
    decided_at = world.clock.utc()
    world.put_rules(ANN, rules(rule))
    await world.pass_time()
    found = relation(world)
    assert (found.state, found.levels, found.rule) == (state, levels, "w-bob_40example.com")
    assert (found.requested_at, found.decided_at) == (asked_at, decided_at)


@story
async def test_every_way_through_the_decisions_ends_where_the_last_one_says(world: World) -> None:
    await asking(world)
    for rule, state in (
        (allow(BOB), RelationState.CONFIRMED),
        (polite_block(BOB), RelationState.POLITE_BLOCKED),
        (confirm(BOB), RelationState.PENDING),
        (allow(BOB), RelationState.CONFIRMED),
        (b"", RelationState.PENDING),
        (block(BOB), RelationState.REJECTED),
        (allow(BOB), RelationState.CONFIRMED),
    ):
        world.put_rules(ANN, rules(rule))
        await world.pass_time()
        assert relation(world).state is state


@story
async def test_a_relation_stands_while_no_device_is_on(world: World) -> None:
    bob = await asking(world)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time()
    await bob.unsubscribe()
    await world.pass_time()
    assert relation(world).state is RelationState.CONFIRMED
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time()
    assert relation(world).state is RelationState.REJECTED
    world.put_rules(ANN, rules())
    await world.pass_time()
    assert relation(world).state is RelationState.ENDED


@story
async def test_a_pending_request_waits_only_when_the_last_device_is_gone(world: World) -> None:
    first, second = await asking(world), await asking(world)
    await first.unsubscribe()
    await world.pass_time()
    assert relation(world).state is RelationState.PENDING
    await second.unsubscribe()
    await world.pass_time()
    assert relation(world).state is RelationState.WAITING
    await first.subscribe(ANN)
    await world.pass_time()
    assert relation(world).state is RelationState.PENDING


@pytest.mark.parametrize("rule", [allow(CAROL), confirm(BOB)])
@story
async def test_a_request_stays_pending_when_its_owner_edits_meanwhile(world: World, rule: bytes) -> None:
    world.journal.latency = 0.1
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    world.loop.call_later(0.05, world.put_rules, ANN, rules(rule))  # before the subscription is durable
    await bob.subscribe(ANN)
    await world.pass_time()
    assert relation(world).state is RelationState.PENDING


@story
async def test_a_request_stays_pending_when_another_device_leaves_meanwhile(world: World) -> None:
    await asking(world)
    world.journal.latency = 0.1
    second = await world.phone(BOB)
    [first] = world.server.followers.by(ANN, BOB)
    world.loop.call_later(0.05, world.server.events.notifier.dropped, first)
    await second.subscribe(ANN)
    await world.pass_time()
    assert relation(world).state is RelationState.PENDING


@story
async def test_a_pre_approved_watcher_is_confirmed_at_once(world: World) -> None:
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await asking(world)
    assert relation(world).state is RelationState.CONFIRMED
    assert bob.last.state == "active"


@story
async def test_open_requests_are_counted_per_watcher(world: World) -> None:
    bob, _ = await asking(world), await asking(world, DAN)
    await asking(world, DAN, CAROL)
    relating = world.server.relating
    assert (relating.pending(BOB), relating.pending(CAROL)) == (2, 1)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time()
    assert relating.pending(BOB) == 1
    await bob.unsubscribe()
    await world.pass_time()
    assert relating.pending(BOB) == 1
    assert set(relating.owners()) == {ANN, DAN}
