"""Whom a notifier has to tell of: the watchers of one resource in one package, and what changed between two moments.

RFC 3857 §4.7.1 has a machine for each subscription; here it is one for each watcher, since what is decided is decided
for the watcher and not for one of his phones. `WatcherTable.note` is given what is true now, how the watcher stands
and whether a subscription of his lasts, and finds the transition of Figure 1 that led there:

- A poll is never shown as active or pending: those states are gone before anybody could be told (§4.7.2). An undecided
  one leaves a request that waits.
- A waiting request that is made again becomes pending under the id that it had. The FSM that waited ends with `giveup`
  in the same instant; that is a transient state.
- Whoever is approved while he waits goes out of the table as `terminated` by `approved`; he is not there.
- Politely blocked and confirmed are the same: active (RFC 5025 §3.2.1), and a change from one to the other is none.

Laws: an id is the same for a watcher for as long as there is this resource, over restarts too, and says nothing to
somebody who does not have the row; states with equal tags have equal rows; what was true in between two moments and is
not any more is not told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.domain.relation import ACCEPTED, RelationState, WinfoEvent
from abserver.events.winfo.document import Row, Status, WatcherInfo, WatcherList

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKETS = 256
"""Parts of a table that change apart from each other: a state shares with the one before it all that stayed."""

_SPACE = 1 << 128

Bucket = dict[str, Row]
"""Rows by id; not to be changed once it is part of a state."""

_NOBODY: Bucket = {}


def row_id(resource: str, package: str, watcher: str) -> str:
    """The id of a watcher's row: a token that differs from resource to resource."""
    return hashlib.sha256(f"{package} {resource} {watcher}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Watchers:
    """What a subscriber of watcher information should know: an `events.subscription.State`."""

    resource: str
    package: str
    tag: str
    buckets: tuple[Bucket, ...]
    """All watchers who are pending, active or waiting, and terminated those who ever were."""

    @property
    def rows(self) -> Iterator[Row]:
        """Everybody, those who left too."""
        return (row for bucket in self.buckets for row in bucket.values())

    @property
    def present(self) -> tuple[Row, ...]:
        """All but those who left."""
        return tuple(row for row in self.rows if row.status is not Status.TERMINATED)

    def since(self, base: Watchers) -> tuple[Row, ...] | None:
        """The rows that take a table from `base` to this; None: they do not continue each other, and all are needed.

        Watchers who left are among them once, terminated; those who came and left since are not.
        """
        changed: list[Row] = []
        for old, new in zip(base.buckets, self.buckets, strict=True):
            if old is new:
                continue
            if old.keys() - new.keys():
                return None
            changed.extend(row for name, row in new.items() if _is_news(row, old.get(name)))
        return tuple(changed)


def _is_news(row: Row, known: Row | None) -> bool:
    if row.status is Status.TERMINATED and (known is None or known.status is Status.TERMINATED):
        return False
    return row != known


class WatcherTable:
    """The watchers of one resource in one package as they are now."""

    def __init__(self, resource: str, package: str, *, buckets: int = BUCKETS) -> None:
        """package: the name of the package that is watched. buckets: 1 for a table that has one row."""
        self._resource = resource
        self._package = package
        self._buckets = [_NOBODY] * buckets
        self._own: set[int] = set()
        """The buckets that are in no state yet."""
        self._sum = 0
        self._state: Watchers | None = None

    def note(
        self, watcher: str, standing: RelationState | None, *, watched: bool, came_by: WinfoEvent = WinfoEvent.SUBSCRIBE
    ) -> bool:
        """Take in what is true of a watcher now; whether that changed anything.

        standing: None if there is no such relation or resource; watched: whether a subscription of his lasts, polls
        apart; came_by: what made him active, if this table did not see it happen.
        """
        name = row_id(self._resource, self._package, watcher)
        number = int(name[:8], 16) % len(self._buckets)
        known = self._buckets[number].get(name) or Row(name, watcher, Status.TERMINATED, came_by)
        new = _next_row(known, standing, watched, came_by)
        if new is known:
            return False
        if number not in self._own:
            self._own.add(number)
            self._buckets[number] = self._buckets[number].copy()
        self._buckets[number][name] = new
        self._sum += _digest(new) - _digest(known)
        self._state = None
        return True

    def state(self) -> Watchers:
        """All rows of this moment, the same object until one changes."""
        if self._state is None:
            self._own.clear()
            self._state = Watchers(self._resource, self._package, _tag(self._sum), tuple(self._buckets))
        return self._state


def _next_row(row: Row, standing: RelationState | None, watched: bool, came_by: WinfoEvent) -> Row:
    """Figure 1 of RFC 3857; terminated is init as well. The same object if nothing changes."""
    match standing:
        case RelationState.PENDING if not watched:
            return row  # a request on its way: it will be pending, or wait if it is a poll
        case RelationState.PENDING:
            return _row(row, Status.PENDING, WinfoEvent.SUBSCRIBE)
        case RelationState.WAITING:
            return _row(row, Status.WAITING, WinfoEvent.TIMEOUT)
        case RelationState.CONFIRMED | RelationState.POLITE_BLOCKED if watched:
            return _row(row, Status.ACTIVE, WinfoEvent.APPROVED if row.status is Status.PENDING else came_by)
        case _:
            return _row(row, Status.TERMINATED, _ending(row, standing))


def _ending(row: Row, standing: RelationState | None) -> WinfoEvent:
    if standing is None:
        return WinfoEvent.NORESOURCE
    if standing is RelationState.REJECTED:
        return WinfoEvent.REJECTED
    if standing in ACCEPTED:
        return WinfoEvent.APPROVED if row.status is Status.WAITING else WinfoEvent.TIMEOUT
    return WinfoEvent.DEACTIVATED if row.status is Status.ACTIVE else WinfoEvent.GIVEUP


def _row(row: Row, status: Status, event: WinfoEvent) -> Row:
    """The row in this status; an event that leaves the status as it is changes nothing."""
    return row if row.status is status else Row(row.id, row.uri, status, event)


def _digest(row: Row) -> int:
    """A number for the row; none for those who left."""
    if row.status is Status.TERMINATED:
        return 0
    told = f"{row.id} {row.status.value} {row.event.value} {row.uri}"
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:16])


def _tag(total: int) -> str:
    """The name of a set of rows, made of the sum of their numbers: a change costs the same in a list of any size."""
    return f"{total % _SPACE:032x}"


class Telling:
    """What one subscription was sent: gives each document its version, and finds out what it has to hold."""

    __slots__ = ("_known", "_sent", "_version")

    def __init__(self, version: int = 0) -> None:
        """version: of the first document to come. 0 for a new subscription; after a restart one that is higher than any
        that was sent before (RFC 3858 §3)."""
        self._version = version
        self._known: Watchers | None = None
        """What the subscriber has; None if that is in doubt."""
        self._sent: Watchers | None = None
        """What it has as soon as it acknowledges the last document."""

    def start_over(self) -> None:
        """The subscriber asks for everything, whatever it has and whatever is on its way to it (RFC 3857 §4.3)."""
        self._known = self._sent = None

    def document(self, state: Watchers) -> WatcherInfo | None:
        """The next document to send: what is new to the subscriber, or everything; None if it has that already."""
        if self._known is not None and self._known.tag == state.tag:
            return None
        changed = None if self._known is None else state.since(self._known)
        version = self.take_version()
        self._sent = state
        rows = state.present if changed is None else changed
        return WatcherInfo(version, changed is None, (WatcherList(state.resource, state.package, rows),))

    def take_version(self) -> int:
        """The version of the next document, after which the subscriber's table is in doubt until it is acknowledged."""
        self._known = self._sent = None
        self._version += 1
        return self._version - 1

    def acknowledged(self) -> None:
        """The subscriber took the last document."""
        if self._sent is not None:
            self._known, self._sent = self._sent, None
