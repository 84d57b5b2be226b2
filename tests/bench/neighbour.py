"""Somebody who reads and writes a document of 2 kB at a steady pace, whatever else the server has to do.

Requests leave when they are due, whatever became of those before; one that is late counts from when it was due.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.bench.serving import Documents
from tests.bench.xcap_load import document
from xcap.core.usages import resource_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from tests.bench.serving import Served

USER = "sip:bea@example.com"


class Neighbour:
    """Threads that take turns, each with a connection of its own; a context manager that stops them."""

    RATE = 20
    """Requests that read, and as many that write, per second."""
    CONNECTIONS = 10
    """For each of both: so that one request need not wait for the one before it."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._times: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        with Documents(self._served) as documents:
            _put(documents, 0)
        self._begun = time.monotonic()
        self._threads = [
            threading.Thread(target=self._ask, args=(method, ask, turn))
            for method, ask in (("GET", _get), ("PUT", _put))
            for turn in range(self.CONNECTIONS)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def during(self, method: str, spans: Sequence[tuple[float, float]]) -> list[float]:
        """Seconds that the requests took that were due within one of these spans of the monotonic clock."""
        return [taken for due, taken in self._times[method] if any(begin <= due <= end for begin, end in spans)]

    def _ask(self, method: str, ask: Callable[[Documents, int], None], turn: int) -> None:
        with Documents(self._served) as documents:
            for number in itertools.count(turn, self.CONNECTIONS):
                due = self._begun + number / self.RATE
                if self._stopping.wait(max(0.0, due - time.monotonic())):
                    return
                ask(documents, number)
                self._times[method].append((due, time.monotonic() - due))


def _get(documents: Documents, _: int) -> None:
    documents.get(resource_lists.AUID, user=USER)


def _put(documents: Documents, number: int) -> None:
    documents.put(resource_lists.AUID, resource_lists.RESOURCE_LISTS.media_type, document(number), user=USER)
