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


TURN = 200
"""Calls before other work gets a turn: after a stop of the server, all that expired meanwhile is due at once."""


class Sweeper(Generic[Subject]):
    """Calls `due` for each subject when its time comes; may call it too early or twice, never too late.

    A subject that moved its deadline is simply booked again; the old booking rings and finds nothing to do. One that
    is called in between, and books its last deadline again and again, has one booking for that.
    """

    def __init__(self, clock: Clock, due: Callable[[Subject], None]) -> None:
        self._clock = clock
        self._due = due
        self._bookings: list[tuple[float, int, Subject]] = []
        self._last: dict[Subject, float] = {}
        """The time of each subject's last booking."""
        self._order = itertools.count()
        self._earlier = asyncio.Event()

    def book(self, at: float, subject: Subject) -> None:
        """Have `subject` called at `at` (monotonic seconds)."""
        last = self._last.get(subject)
        if last == at:
            return
        if last is None or last < at:
            self._last[subject] = at
        if not self._bookings or at < self._bookings[0][0]:
            self._earlier.set()
        heapq.heappush(self._bookings, (at, next(self._order), subject))

    def next_deadline(self) -> float | None:
        """When the next call is due."""
        return self._bookings[0][0] if self._bookings else None

    def sweep(self) -> None:
        """Call all that are due now."""
        while self._sweep_some():
            pass

    def _sweep_some(self) -> bool:
        """Call some of those that are due now; whether there are more."""
        now = self._clock.now()
        for _ in range(TURN):
            if not self._bookings or self._bookings[0][0] > now:
                return False
            at, _, subject = heapq.heappop(self._bookings)
            if self._last.get(subject) == at:
                del self._last[subject]
            self._due(subject)
        return True

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            self._earlier.clear()
            self._sweep_some()
            deadline = self.next_deadline()
            wait = None if deadline is None else max(0.0, deadline - self._clock.now())
            try:
                async with asyncio.timeout(wait):
                    await self._earlier.wait()
            except TimeoutError:
                continue
