"""What happens because time passes: called when due, in order, never too late."""

from __future__ import annotations

import asyncio

from abserver.services.sweeping import TURN, Sweeper
from tests.support.virtual_time import FakeClock
from tests.support.world import World, story


def test_those_that_are_due_are_called_in_order_and_once() -> None:
    clock, called = FakeClock(0.0), list[str]()
    sweeper = Sweeper(clock, called.append)
    for at, subject in ((3.0, "third"), (1.0, "first"), (2.0, "second"), (2.0, "beside")):
        sweeper.book(at, subject)
    assert sweeper.next_deadline() == 1.0
    sweeper.sweep()
    assert called == []
    clock.advance(2.0)
    sweeper.sweep()
    assert called == ["first", "second", "beside"]
    assert sweeper.next_deadline() == 3.0
    clock.advance(5.0)
    sweeper.sweep()
    sweeper.sweep()
    assert called == ["first", "second", "beside", "third"]
    assert sweeper.next_deadline() is None


def test_what_is_booked_while_sweeping_is_called_if_it_is_due() -> None:
    clock, called = FakeClock(0.0), list[str]()

    def due(subject: str) -> None:
        called.append(subject)
        if subject == "first":
            sweeper.book(0.0, "second")
            sweeper.book(9.0, "later")

    sweeper: Sweeper[str] = Sweeper(clock, due)
    sweeper.book(0.0, "first")
    sweeper.sweep()
    assert called == ["first", "second"]


def test_a_deadline_that_is_booked_again_after_an_earlier_call_is_one_booking() -> None:
    """Else a subscription that is woken every second would leave a booking for its expiry behind each time."""
    clock, called = FakeClock(0.0), list[float]()
    sweeper: Sweeper[str] = Sweeper(clock, lambda _: called.append(clock.now()))
    for second in range(1, 10):
        sweeper.book(second, "it")
        sweeper.book(100.0, "it")
        sweeper.book(100.0, "it")
        clock.advance(1.0)
        sweeper.sweep()
    sweeper.book(50.0, "other")
    clock.advance(200.0)
    sweeper.sweep()
    assert called == [*range(1, 10), 209.0, 209.0]
    sweeper.book(300.0, "it")
    assert sweeper.next_deadline() == 300.0


@story
async def test_when_many_are_due_at_once_other_work_gets_its_turns(world: World) -> None:
    called: list[int] = []
    sweeper: Sweeper[int] = Sweeper(world.clock, called.append)
    for number in range(3 * TURN):
        sweeper.book(0.0, number)
    world.background.append(asyncio.create_task(sweeper.run()))
    seen = set()
    for _ in range(20):
        await asyncio.sleep(0)
        seen.add(len(called))
    assert {TURN, 2 * TURN, 3 * TURN} <= seen


@story
async def test_a_running_sweeper_sleeps_until_the_next_deadline_and_wakes_for_an_earlier_one(world: World) -> None:
    called: list[tuple[str, float]] = []
    sweeper: Sweeper[str] = Sweeper(world.clock, lambda subject: called.append((subject, world.clock.now())))
    world.background.append(asyncio.create_task(sweeper.run()))
    began = world.clock.now()
    await world.pass_time(10)
    sweeper.book(began + 100, "late")
    await world.pass_time(10)
    sweeper.book(began + 50, "early")
    await world.pass_time(100)
    assert called == [("early", began + 50), ("late", began + 100)]
