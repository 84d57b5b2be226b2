"""Timer values (RFC 3261 Table 4) and the agenda of what is due when.

No clock is read here: `now` and every deadline are monotonic seconds on the caller's scale.
"""

from __future__ import annotations

import math
from collections import deque
from operator import itemgetter
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

Subject = TypeVar("Subject")

_by_time = itemgetter(0)


class Agenda(Generic[Subject]):
    """When to look at whom, for all the machines of an endpoint.

    An entry is a reminder, not a promise: whoever is looked at tells when it wants to be looked at again. So a machine
    that stops or postpones a timer, as nearly all do, never has to find its entry.

    Timers have a handful of lengths, and those of one length end in the order in which they were started. So a handful
    of queues hold all entries in order: a new one goes to the end of the first queue that does not end after it. With
    the latest queue first that is the best fit, and there are never more queues than lengths. An entry costs no search.
    """

    __slots__ = ("_queues", "_size", "next")

    def __init__(self) -> None:
        self._queues: list[deque[tuple[float, Subject]]] = []
        self._size = 0
        self.next = math.inf
        """When to look next: never after the earliest deadline, at times before it; infinity if there is no entry."""

    def add(self, at: float, subject: Subject) -> None:
        """Look at the subject at that time; infinity for never."""
        if at == math.inf:
            return
        for queue in self._queues:
            if queue[-1][0] <= at:
                queue.append((at, subject))
                break
        else:
            self._queues.append(deque([(at, subject)]))
        self._size += 1
        if at < self.next:
            self.next = at

    def take_due(self, now: float) -> list[Subject]:
        """Take out all whose time has come, in the order of their times."""
        due: list[tuple[float, Subject]] = []
        for queue in self._queues:
            while queue and queue[0][0] <= now:
                due.append(queue.popleft())
        due.sort(key=_by_time)
        self._tidy()
        return [subject for _, subject in due]

    def keep(self, lives: Callable[[Subject], bool]) -> None:
        """Drop the entries of all that live no more."""
        self._queues = [deque(entry for entry in queue if lives(entry[1])) for queue in self._queues]
        self._tidy()
        self._queues.sort(key=lambda queue: queue[-1][0], reverse=True)

    def _tidy(self) -> None:
        self._queues = [queue for queue in self._queues if queue]
        self._size = sum(map(len, self._queues))
        self.next = min((queue[0][0] for queue in self._queues), default=math.inf)

    def __len__(self) -> int:
        return self._size
