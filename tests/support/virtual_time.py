"""An event loop whose time does not pass but jumps: to the next timer, as soon as nothing else is left to do.

So a test of a subscription that lasts a day takes milliseconds, and always goes the same way. Whatever uses the loop's
timers (`asyncio.sleep`, `asyncio.timeout`, `call_at`) lives in virtual time without knowing it.
"""

from __future__ import annotations

import asyncio
import datetime
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGINNING = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
"""The wall clock's time when a loop begins."""
START = 1000.0
"""The monotonic clock's time then."""


class Stuck(Exception):
    """Nothing can happen any more, and the test waits for something."""


class FakeClock:
    """`abserver.ports.Clock` that stands still until it is moved."""

    def __init__(self, now: float = START) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def utc(self) -> datetime.datetime:
        return BEGINNING + datetime.timedelta(seconds=self._now - START)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: what the loop would wait for is moved to."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stuck
            self._clock.advance(max(0.0, timeout))
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on a clock of its own; faults that nobody awaited are kept for the end of the test."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.faults: list[Mapping[str, object]] = []
        super().__init__(_JumpingSelector(self.clock))
        self.set_exception_handler(lambda _, context: self.faults.append(context))

    def time(self) -> float:
        return self.clock.now()
