"""How many NOTIFYs are on their way at once: in all, and to one destination.

A change of a card that fifty thousand follow is fifty thousand NOTIFYs. Sent at once they would drown the proxy that
all of them go through, fill the buffers on the way and be sent again when they are lost. So each destination has a
window: whoever finds it full waits in line, and every answer lets the next one go.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter", bound=Hashable)

PER_DESTINATION = 128
"""As many messages of a kilobyte as the smallest usual receive buffer holds."""
IN_ALL = 4096


class Windows(Generic[Waiter]):
    """Counts what is on its way, and keeps the lines of those who wait."""

    def __init__(self, per_destination: int = PER_DESTINATION, in_all: int = IN_ALL) -> None:
        self._per_destination = per_destination
        self._in_all = in_all
        self._under_way: dict[str, int] = {}
        self._total = 0
        self._lines: dict[str, OrderedDict[Waiter, None]] = {}
        self._starved: deque[str] = deque()
        """Destinations with room of their own, whose line waits for the total; one entry for each that is in line."""

    def has_room(self, destination: str) -> bool:
        """Whether one more may be sent there now."""
        return self._total < self._in_all and self._under_way.get(destination, 0) < self._per_destination

    def enter(self, destination: str, waiter: Waiter) -> bool:
        """Whether one more may be sent there now, which counts it; if not, `waiter` is in line, once."""
        under_way = self._under_way.get(destination, 0)
        if self._total < self._in_all and under_way < self._per_destination:
            self._under_way[destination] = under_way + 1
            self._total += 1
            return True
        self.wait(destination, waiter)
        return False

    def wait(self, destination: str, waiter: Waiter) -> None:
        """Put `waiter` in line, unless it is."""
        line = self._lines.get(destination)
        if line is None:
            line = self._lines[destination] = OrderedDict()
        line[waiter] = None
        if self._under_way.get(destination, 0) < self._per_destination:
            self._starved.append(destination)

    def is_waiting(self, destination: str, waiter: Waiter) -> bool:
        """Whether `waiter` is in line."""
        return waiter in self._lines.get(destination, ())

    def leave(self, destination: str) -> None:
        """One that was counted is answered."""
        self._total -= 1
        under_way = self._under_way.pop(destination) - 1
        if under_way:
            self._under_way[destination] = under_way

    def next(self, destination: str) -> Waiter | None:
        """Take the first of those out of line who may go after `leave`; None if nobody waits for that."""
        if not self._lines:
            return None
        if self.has_room(destination) and (waiter := self._first(destination)) is not None:
            return waiter
        while self._starved and self._total < self._in_all:
            starved = self._starved.popleft()
            if self.has_room(starved) and (waiter := self._first(starved)) is not None:
                return waiter
        return None

    def _first(self, destination: str) -> Waiter | None:
        line = self._lines.get(destination)
        if line is None:
            return None
        waiter, _ = line.popitem(last=False)
        if not line:
            del self._lines[destination]
        return waiter
