"""Writing documents: a group of writes is decided, then stored.

The etags and the users' quotas are compared inside the transaction that stores. All writes of a group are decided
first, in their order, each against what those before it leave; what they come to is then stored with one statement for
each kind of row, whatever their number.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from xcap.core.errors import OverQuota
from xcap.ports import Claimed, DocumentKey, EtagMismatch, StoreLimits, Use
from xcap.storage.claims import open_ledger
from xcap.storage.compiling import among
from xcap.storage.tables import documents, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, Table

    from xcap.storage.claims import Ledger
    from xcap.storage.database import Transaction

Row = dict[str, Any]

GLOBAL = ""
"""How the global tree stands in the `user` column: a part of a primary key is never NULL."""


@dataclass(frozen=True, slots=True)
class Newest:
    """What is known of a document's newest version."""

    etag: str
    size: int
    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class Write:
    """Store `content` under `etag`, or remove the document when they are None, if its etag is `expected`."""

    key: DocumentKey
    expected: str | None
    etag: str | None
    content: bytes | None
    claims: frozenset[str] | None
    """Values to hold alone; None leaves what it holds as it is."""

    def following(self, newest: Newest | None) -> Newest | None:
        """What is the newest version after this write, if `newest` was before."""
        if self.etag is None or self.content is None:
            return None
        number, offset = (newest.number + 1, newest.offset + newest.size) if newest else (1, 0)
        return Newest(self.etag, len(self.content), number, offset)


def place_of(key: DocumentKey) -> Row:
    """The columns that hold a document's key."""
    return {"auid": key.auid, "user": key.user or GLOBAL, "name": key.name}


def at_place(table: Table, prefix: str = "") -> ColumnElement[bool]:
    """That a row is of the document whose place stands in the parameters of these names, after `prefix`."""
    return and_(*(table.c[name] == bindparam(prefix + name) for name in ("auid", "user", "name")))


def read_newest(transaction: Transaction, users: Iterable[str | None]) -> dict[DocumentKey, Newest]:
    """The newest versions of all documents of these users; None is the global tree."""
    trees = json.dumps([user or GLOBAL for user in users])
    rows = transaction.rows(_select_newest, {"trees": trees})
    return {DocumentKey(auid, user or None, name): Newest(*newest) for auid, user, name, *newest in rows}


def read_ledger(transaction: Transaction, writes: Iterable[Write]) -> Ledger:
    """Who holds the values that the writes are about; of those that change none, nothing is asked."""
    claiming = [write for write in writes if write.claims is not None]
    wanted = {(write.key.auid, value) for write in claiming for value in write.claims or ()}
    return open_ledger(transaction, {write.key for write in claiming}, wanted)


class Group:
    """What the writes of a group come to.

    newest: all that is stored of the users concerned.
    ledger: who holds the values concerned.
    """

    def __init__(self, limits: StoreLimits, newest: Mapping[DocumentKey, Newest], ledger: Ledger) -> None:
        self._limits = limits
        self._stored = newest
        self._newest: dict[DocumentKey, Newest | None] = {**newest}
        self._use: dict[str | None, Use] = {}
        for key, document in newest.items():
            self._use[key.user] = self._use.get(key.user, Use()).changed(None, document.size)
        self._ledger = ledger
        self._versions: dict[DocumentKey, list[Row]] = {}
        self._removed: set[DocumentKey] = set()
        """Stored documents that go with their versions, also where a new one comes in their place."""
        self._now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)

    def take(self, write: Write) -> Exception | None:
        """Decide the next write; gives what it fails of: EtagMismatch, Claimed, OverQuota."""
        try:
            self._take(write)
        except (EtagMismatch, Claimed, OverQuota) as error:
            return error
        return None

    def store(self, transaction: Transaction) -> None:
        """Write the rows, one statement for each kind."""
        changed = {key: newest for key, newest in self._newest.items() if newest and key in self._versions}
        known = self._stored.keys() - self._removed
        transaction.run(_delete_versions, [_at(key) for key in self._removed])
        transaction.run(_delete_document, [_at(key) for key in self._removed])
        transaction.run(_insert_version, [row for rows in self._versions.values() for row in rows])
        transaction.run(_insert_document, [self._row(key, changed[key]) for key in changed.keys() - known])
        transaction.run(_update_document, [self._row(key, changed[key]) for key in changed.keys() & known])
        transaction.run(_delete_old_versions, [*self._outdated(changed)])
        self._ledger.store(transaction)

    def _take(self, write: Write) -> None:
        newest = self._newest.get(write.key)
        current = newest.etag if newest else None
        if write.expected != current:
            raise EtagMismatch(current)
        if write.etag == current:
            return
        following = write.following(newest)
        taken = self._ledger.taken(write.key, write.claims or ())
        if taken:
            raise Claimed(taken)
        self._count(write.key, newest, following)
        if write.claims is not None:
            self._ledger.hold(write.key, write.claims)
        self._newest[write.key] = following
        if following is None or write.content is None:
            self._remove(write.key)
        else:
            self._add(write.key, following, write.content)

    def _count(self, key: DocumentKey, before: Newest | None, after: Newest | None) -> None:
        """Raises OverQuota."""
        if key.user is None:
            return
        use = self._use.get(key.user, Use())
        changed = use.changed(before.size if before else None, after.size if after else None)
        self._limits.check(use, changed)
        self._use[key.user] = changed

    def _remove(self, key: DocumentKey) -> None:
        self._versions.pop(key, None)
        if key in self._stored:
            self._removed.add(key)

    def _add(self, key: DocumentKey, version: Newest, content: bytes) -> None:
        row = {**place_of(key), "etag": version.etag, "modified": self._now, "content": content}
        self._versions.setdefault(key, []).append({**row, "number": version.number, "offset": version.offset})

    def _row(self, key: DocumentKey, newest: Newest) -> Row:
        row = {"etag": newest.etag, "size": newest.size, "number": newest.number, "offset": newest.offset}
        return {**_at(key), **{f"new_{name}": value for name, value in row.items()}, "new_modified": self._now}

    def _outdated(self, changed: Mapping[DocumentKey, Newest]) -> Iterator[Row]:
        """For documents that have versions over the limits: what the number and offset of those is below."""
        for key, newest in changed.items():
            number, offset = newest.number - self._limits.versions, newest.offset - self._limits.version_octets
            if number > 1 or offset > 0:
                yield {**_at(key), "kept_number": number, "kept_offset": offset}


def _at(key: DocumentKey) -> Row:
    """The parameters of `at_place` with the prefix `at_`."""
    return {f"at_{name}": value for name, value in place_of(key).items()}


_placing: Row = {name: bindparam(f"at_{name}") for name in ("auid", "user", "name")}
_changing: Row = {name: bindparam(f"new_{name}") for name in ("etag", "size", "number", "offset", "modified")}

_insert_version = insert(versions)
_insert_document = insert(documents).values(**_placing, **_changing)
_update_document = update(documents).where(at_place(documents, "at_")).values(**_changing)
_delete_document = delete(documents).where(at_place(documents, "at_"))
_delete_versions = delete(versions).where(at_place(versions, "at_"))
_delete_old_versions = _delete_versions.where(
    or_(versions.c.number < bindparam("kept_number"), versions.c.offset < bindparam("kept_offset"))
)

_select_newest = select(
    *documents.primary_key.columns, documents.c.etag, documents.c.size, documents.c.number, documents.c.offset
).where(among(documents.c.user, "trees"))
