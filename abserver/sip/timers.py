"""Timer values (RFC 3261 Table 4) and the tables of what is due when.

No clock is read here: `now` and every deadline are monotonic seconds on the caller's scale.
"""

from __future__ import annotations

import enum
import heapq
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T1 = 0.5
"""Seconds: an estimate of the round-trip time."""
T2 = 4.0
"""Seconds: the longest interval between retransmissions of a non-INVITE request."""
T4 = 5.0
"""Seconds: how long a message may linger in the network."""
TRANSACTION_TIMEOUT = 64 * T1
"""Seconds: timers F and J."""

Timer = TypeVar("Timer", bound=enum.Enum)
Key = TypeVar("Key", bound=tuple[str, ...])


class Deadlines(Generic[Timer]):
    """The running timers of one machine."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: dict[Timer, float] = {}

    def set(self, timer: Timer, at: float) -> None:
        """Start the timer, or move it."""
        self._running[timer] = at

    def clear(self) -> None:
        """Stop every timer."""
        self._running = {}

    def next(self) -> float | None:
        """When the first timer fires; None if none runs."""
        return min(self._running.values(), default=None)

    def pop_due(self, now: float) -> Timer | None:
        """Stop and return the earliest timer that has fired by `now`."""
        timer = min(self._running, key=self._running.__getitem__, default=None)
        if timer is None or self._running[timer] > now:
            return None
        del self._running[timer]
        return timer


class Agenda(Generic[Key]):
    """When to look at whom: one heap for all the machines of an endpoint.

    An entry is a reminder, not a promise: whoever is looked at tells when it wants to be looked at again. So a machine
    that stops or postpones a timer, as nearly all do, never has to find its entry.
    """

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, Key]] = []

    def add(self, at: float, key: Key) -> None:
        heapq.heappush(self._heap, (at, key))

    def next(self) -> float | None:
        """When to look next: never after the earliest deadline, at times before it."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Key | None:
        """Take out the earliest entry that is due by `now`."""
        if not self._heap or self._heap[0][0] > now:
            return None
        return heapq.heappop(self._heap)[1]

    def keep(self, lives: Callable[[Key], bool]) -> None:
        """Drop the entries of all that live no more."""
        self._heap = [entry for entry in self._heap if lives(entry[1])]
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)
