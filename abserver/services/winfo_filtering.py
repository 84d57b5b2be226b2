"""The filters of watcher information: what a follower is held to in place of the whole table (RFC 4660 §7.2).

A part of a table has to be whole: a difference between two tables does not show who left the part, for instance. So
who has a filter is told everything that it selects, each time that this changes, as the RFC's examples show. Watchers
who left since the last such document are looked at too, terminated, and go with it if they are selected.

Times within a document pass without anything happening: a filter by them is applied when something else does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.events import filters
from abserver.events.winfo.document import Row, Status, WatcherInfo, WatcherList, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from abserver.events.filters import Criteria
    from abserver.events.winfo.table import Watchers
    from abserver.services.followers import Followed

DEPTH = 3
"""Of a row in its document: what it adds to the document's weight."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What a filter selects of a table (an `events.subscription.State`)."""

    tag: str
    watchers: Watchers
    rows: tuple[Row, ...]
    """Those that were looked at: all who are there, and who left since the last document."""
    present: frozenset[Row]
    """Those of them that are selected and did not leave."""
    criteria: Criteria


class WatcherFiltering:
    """Applies the filters of all followers; whoever has none costs one look."""

    def __init__(self, timed: Callable[[WatcherInfo], WatcherInfo]) -> None:
        """timed: gives a document the times of this moment."""
        self._timed = timed
        self._told: dict[Followed, Selected] = {}
        """What each follower with a filter acknowledged last."""

    def held_to(self, followed: Followed, watchers: Watchers, *, asked: bool) -> Watchers | Selected | None:
        """What the follower is held to while `watchers` is what it may see; None: still to what it was.

        asked: a NOTIFY is due whatever the triggers say, since it follows a SUBSCRIBE (§5.3.1).
        """
        criteria = self._criteria_of(followed)
        told = self._told.get(followed)
        rows = (*watchers.present, *_left(watchers, told))
        if criteria is None or len(rows) * DEPTH * criteria.weight > filters.MOST_WORK:
            self.forget(followed)
            return watchers
        whole = self._written(watchers, rows)
        if told is not None and not asked and criteria.triggers:
            before = self._written(told.watchers, told.rows)
            if not filters.due(before, whole, criteria, filters.WATCHERS):
                return None
        [shown] = read(filters.select(whole, criteria, filters.WATCHERS)).lists
        present = frozenset(row for row in shown.rows if row.status is not Status.TERMINATED)
        if told is not None and not asked and present == told.present and len(present) == len(shown.rows):
            return None
        return Selected(_tag(shown.rows), watchers, rows, present, criteria)

    def document(self, selected: Selected, version: int) -> bytes:
        """The document that is told, with the times of this moment."""
        whole = self._written(selected.watchers, selected.rows, version)
        return filters.select(whole, selected.criteria, filters.WATCHERS)

    def delivered(self, followed: Followed, selected: Selected) -> None:
        """The follower acknowledged it."""
        self._told[followed] = selected

    def forget(self, followed: Followed) -> None:
        """The subscription is over, or has no filter any more."""
        self._told.pop(followed, None)

    def _criteria_of(self, followed: Followed) -> Criteria | None:
        if followed.terms.body_type != filters.MEDIA_TYPE:
            return None
        return filters.filters_of(followed.terms.body).criteria_for(followed.key.owner)

    def _written(self, watchers: Watchers, rows: tuple[Row, ...], version: int = 0) -> bytes:
        shown = WatcherList(watchers.resource, watchers.package, rows)
        return write(self._timed(WatcherInfo(version, True, (shown,))))


def _left(watchers: Watchers, told: Selected | None) -> tuple[Row, ...]:
    """The rows, terminated now, of those who were there when the last document was told."""
    since = None if told is None else watchers.since(told.watchers)
    return tuple(row for row in since or () if row.status is Status.TERMINATED)


def _tag(rows: Iterable[Row]) -> str:
    told = sorted(f"{row.id} {row.status.value} {row.event.value}" for row in rows)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]
