"""Requests that await a decision: how many there are of each watcher and for each owner, and which is the oldest.

Unauthorized requests take up memory (RFC 3857 §4.7.1 warns of it), so they are counted for limits and given up in time.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abserver.domain.identity import Owner, Watcher


class Requests:
    """Pairs of owner and watcher, in the order in which they were added."""

    def __init__(self) -> None:
        self._open: dict[tuple[Owner, Watcher], None] = {}
        self._owners: Counter[Owner] = Counter()
        self._watchers: Counter[Watcher] = Counter()

    def add(self, owner: Owner, watcher: Watcher) -> None:
        """A request that is not among them."""
        self._open[owner, watcher] = None
        self._owners[owner] += 1
        self._watchers[watcher] += 1

    def remove(self, owner: Owner, watcher: Watcher) -> None:
        """A request that is among them: it was decided or given up."""
        del self._open[owner, watcher]
        self._owners[owner] -= 1
        self._watchers[watcher] -= 1
        if not self._owners[owner]:
            del self._owners[owner]
        if not self._watchers[watcher]:
            del self._watchers[watcher]

    def of_owner(self, owner: Owner) -> int:
        """How many await this owner."""
        return self._owners[owner]

    def of_watcher(self, watcher: Watcher) -> int:
        """How many this watcher has made."""
        return self._watchers[watcher]

    def oldest(self) -> tuple[Owner, Watcher] | None:
        """The one that was added first."""
        return next(iter(self._open), None)
