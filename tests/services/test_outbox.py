"""The way to the journal: order, durability, and what a fault does."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime

import pytest

from abserver.domain.relation import Relation, RelationState
from abserver.domain.view import View
from abserver.events.terms import Terms
from abserver.ports import (
    DecisionRecord,
    Departure,
    DeviceKey,
    DeviceRecord,
    OwnerRecord,
    SubscriptionRecord,
    SubscriptionRemoved,
)
from abserver.services.outbox import MOST, Outbox
from abserver.sip.dialog import Dialog
from abserver.sip.transport import Address, Flow, Transport
from tests.support.documents import ANN, BOB, DAN
from tests.support.virtual_time import BEGINNING
from tests.support.world import World, story

MUCH = 2 * MOST

RELATION = Relation(ANN, BOB, RelationState.CONFIRMED, frozenset(), None, BEGINNING, None, None)


def subscription(event_id: str) -> SubscriptionRecord:
    dialog = Dialog("call", "ours", "theirs", ANN, BOB, BOB)
    flow = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("192.0.2.7", 5060))
    key = DeviceKey(ANN, BOB, "d")
    return SubscriptionRecord(key, dialog, "contact-card", event_id, Terms(), None, BEGINNING, flow)


def record(version: int) -> OwnerRecord:
    return OwnerRecord(owner=ANN, version=version, modified_at=BEGINNING, card_etag=None, rules_etag=None)


def running(world: World, latency: float = 0.1, much: int = 100 * MOST) -> Outbox:
    world.journal.latency = latency
    outbox = Outbox(world.journal, much)
    world.background.append(asyncio.create_task(outbox.run()))
    return outbox


@story
async def test_what_is_put_while_a_write_is_on_its_way_goes_into_the_next_one(world: World) -> None:
    outbox = running(world)
    outbox.put(record(1))
    await world.pass_time(0.05)
    outbox.put(record(2))
    outbox.put(record(3))
    await outbox.drained()
    assert [[each.version for each in write if isinstance(each, OwnerRecord)] for write in world.journal.writes] == [
        [1],
        [2, 3],
    ]


@story
async def test_nothing_is_written_for_nothing(world: World) -> None:
    outbox = running(world)
    outbox.put()
    await outbox.drained()
    await world.pass_time()
    assert world.journal.writes == []


@story
async def test_a_flood_is_cut_into_writes_of_bounded_size(world: World) -> None:
    outbox = running(world)
    outbox.put(*map(record, range(2 * MOST + 1)))
    await outbox.drained()
    assert [len(write) for write in world.journal.writes] == [MOST, MOST, 1]


@story
async def test_of_a_flood_only_what_is_in_force_waits(world: World) -> None:
    """While the journal is slow, what waits for it is bounded by what the server has."""
    outbox = running(world, latency=10.0, much=MUCH)
    outbox.put(record(0))
    await world.pass_time(1)
    view, key = View(b"", "t"), DeviceKey(ANN, BOB, "d")
    decision = DecisionRecord(ANN, BOB, BEGINNING, RelationState.CONFIRMED, None, "cli")
    first, second = SubscriptionRemoved("call", "a", "b"), SubscriptionRemoved("call", "a", "c")
    outbox.put(decision, first, dataclasses.replace(decision, by="xcap"))
    for number in range(MUCH):
        outbox.put(view, DeviceRecord(key, "t", number, BEGINNING), Departure(key, "t", number), record(number))
    outbox.put(second, dataclasses.replace(RELATION, rule="old"), RELATION, subscription("old"), subscription("new"))
    outbox.put(*[view] * MUCH)
    await outbox.drained()
    [written] = world.journal.writes[1:]
    assert [each for each in written if not isinstance(each, View)] == [
        decision,
        first,
        dataclasses.replace(decision, by="xcap"),
        DeviceRecord(key, "t", MUCH - 1, BEGINNING),
        Departure(key, "t", MUCH - 1),
        record(MUCH - 1),
        second,
        RELATION,
        subscription("new"),
    ]
    assert written.index(view) < written.index(DeviceRecord(key, "t", MUCH - 1, BEGINNING))


@story
async def test_a_removal_takes_the_place_of_a_subscription(world: World) -> None:
    outbox = running(world, latency=10.0, much=MUCH)
    outbox.put(record(0))
    await world.pass_time(1)
    dialog = subscription("").dialog
    outbox.put(subscription(""), *[record(1)] * MUCH, SubscriptionRemoved(*dialog.id), *[record(2)] * MUCH)
    await outbox.drained()
    assert list(world.journal.writes[1]) == [SubscriptionRemoved(*dialog.id), record(2)]


@story
async def test_a_write_returns_when_its_records_are_durable_and_all_that_was_put_before(world: World) -> None:
    outbox = running(world)
    outbox.put(record(1))
    await world.pass_time(0.05)
    outbox.put(record(2))
    before = world.clock.now()
    await outbox.write(record(3))
    assert world.clock.now() - before == pytest.approx(0.1)
    written = world.journal.owner(ANN)
    assert written is not None
    assert written.version == 3
    await world.pass_time()
    assert world.journal.owner(ANN) == record(3)


@story
async def test_a_write_that_fails_raises_and_fails_alone(world: World) -> None:
    world.expected_errors = {"records could not be written"}
    outbox = running(world)
    outbox.put(record(1))
    world.journal.fault = OSError("disk full")
    with pytest.raises(OSError, match="disk full"):
        await outbox.write(record(2))
    world.journal.fault = None
    await outbox.write(record(3))
    outbox.put(record(4))
    await outbox.drained()
    assert world.journal.owner(ANN) == record(4)


@story
async def test_drained_waits_for_what_a_write_took_along(world: World) -> None:
    """Else garbage would be collected that a record on its way still needs."""
    outbox = running(world)
    outbox.put(record(1))
    await world.pass_time(0.05)
    outbox.put(OwnerRecord(owner=DAN, version=1, modified_at=BEGINNING, card_etag=None, rules_etag=None))
    writing = asyncio.create_task(outbox.write(record(2)))
    await world.pass_time(0.01)
    await outbox.drained()
    assert world.journal.owner(DAN) is not None
    await writing


@story
async def test_drained_does_not_wait_for_a_journal_that_fails(world: World) -> None:
    world.expected_errors = {"records could not be written"}
    outbox = running(world)
    world.journal.fault = OSError("disk full")
    outbox.put(record(1))
    await outbox.drained()
    assert world.journal.owner(ANN) is None
    assert datetime.timedelta(0) < world.clock.utc() - BEGINNING < datetime.timedelta(seconds=1)
