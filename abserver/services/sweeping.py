"""What happens because time passes: subscriptions expire, refused NOTIFYs are tried again, rules begin and end."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from abserver.ports import Clock

Subject = TypeVar("Subject")


class Sweeper(Generic[Subject]):
    """Calls `due` for each subject when its time comes; may call it too early or twice, never too late.

    A subject that moved its deadline is simply booked again; the old booking rings and finds nothing to do.
    """

    def __init__(self, clock: Clock, due: Callable[[Subject], None]) -> None:
        self._clock = clock
        self._due = due
        self._bookings: list[tuple[float, int, Subject]] = []
        self._order = itertools.count()
        self._earlier = asyncio.Event()

    def book(self, at: float, subject: Subject) -> None:
        """Have `subject` called at `at` (monotonic seconds)."""
        if not self._bookings or at < self._bookings[0][0]:
            self._earlier.set()
        heapq.heappush(self._bookings, (at, next(self._order), subject))

    def next_deadline(self) -> float | None:
        """When the next call is due."""
        return self._bookings[0][0] if self._bookings else None

    def sweep(self) -> None:
        """Call all that are due now."""
        now = self._clock.now()
        while self._bookings and self._bookings[0][0] <= now:
            self._due(heapq.heappop(self._bookings)[2])

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            self._earlier.clear()
            self.sweep()
            deadline = self.next_deadline()
            wait = None if deadline is None else max(0.0, deadline - self._clock.now())
            try:
                async with asyncio.timeout(wait):
                    await self._earlier.wait()
            except TimeoutError:
                continue
