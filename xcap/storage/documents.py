"""Documents in a database: reads and writes in groups, and the etag compared inside the transaction that stores."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, insert, select, tuple_, update

from xcap.ports import Document, DocumentKey, EtagMismatch
from xcap.storage.tables import documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

    from xcap.storage.commit import GroupCommit, GroupRead

_GLOBAL = ""
"""How the global tree stands in the `user` column: a part of a primary key is never NULL."""


@dataclass(frozen=True, slots=True)
class _Write:
    """Store `content` under `etag`, or remove the document when they are None, if its etag is `expected`."""

    key: DocumentKey
    expected: str | None
    etag: str | None
    content: bytes | None


class SqlDocumentStore:
    """The DocumentStore of an engine that was upgraded to this room's tables."""

    def __init__(self, committer: GroupCommit, reader: GroupRead) -> None:
        self._committer = committer
        self._reader = reader

    async def load(self, key: DocumentKey) -> Document | None:
        return await self._reader.do(_load, key)

    async def save(self, key: DocumentKey, content: bytes, etag: str, *, expected: str | None) -> None:
        await self._committer.do(_write, _Write(key, expected, etag, content))

    async def delete(self, key: DocumentKey, *, expected: str) -> None:
        await self._committer.do(_write, _Write(key, expected, None, None))

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        return await self._reader.do(_list, (auid, user))


# ---------------------------------------------------------------------------------------------- reading

_place = tuple_(documents.c.auid, documents.c.user, documents.c.name)
_in_places = _place.in_(bindparam("places", expanding=True))
_select_documents = select(documents).where(_in_places)
_select_etags = select(documents.c.auid, documents.c.user, documents.c.name, documents.c.etag).where(_in_places)
_select_names = (
    select(documents.c.name, documents.c.etag)
    .where(documents.c.auid == bindparam("auid"), documents.c.user == bindparam("user"))
    .order_by(documents.c.name)
)


async def _load(connection: AsyncConnection, keys: Sequence[DocumentKey]) -> Sequence[Document | Exception | None]:
    rows = await connection.execute(_select_documents, {"places": _places(keys)})
    found = {
        _key(row): Document(row["content"], row["etag"], row["modified"].replace(tzinfo=datetime.UTC))
        for row in rows.mappings()
    }
    return [found.get(key) for key in keys]


async def _list(
    connection: AsyncConnection, trees: Sequence[tuple[str, str | None]]
) -> Sequence[Sequence[tuple[DocumentKey, str]] | Exception]:
    listings = []
    for auid, user in trees:
        rows = await connection.execute(_select_names, {"auid": auid, "user": user or _GLOBAL})
        listings.append([(DocumentKey(auid, user, row.name), row.etag) for row in rows])
    return listings


# ---------------------------------------------------------------------------------------------- writing


async def _write(connection: AsyncConnection, writes: Sequence[_Write]) -> Sequence[Exception | None]:
    """Decide the writes in their order against the stored etags, then store what is left of each document at the end.

    A later write may expect the etag that an earlier one of the same group makes.
    """
    rows = await connection.execute(_select_etags, {"places": _places({write.key for write in writes})})
    stored = {_key(row): str(row["etag"]) for row in rows.mappings()}
    current: dict[DocumentKey, str | None] = dict(stored)
    last: dict[DocumentKey, _Write] = {}
    results: list[Exception | None] = []
    for write in writes:
        if current.get(write.key) != write.expected:
            results.append(EtagMismatch(current.get(write.key)))
            continue
        current[write.key] = write.etag
        last[write.key] = write
        results.append(None)
    await _store(connection, stored, last.values())
    return results


_at_place = and_(
    documents.c.auid == bindparam("at_auid"),
    documents.c.user == bindparam("at_user"),
    documents.c.name == bindparam("at_name"),
)
_insert = insert(documents)
_update = update(documents).where(_at_place)
_delete = delete(documents).where(_at_place)


async def _store(connection: AsyncConnection, stored: Mapping[DocumentKey, str], writes: Iterable[_Write]) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    inserts, updates, deletes = [], [], []
    for write in writes:
        place = dict(zip(("auid", "user", "name"), _places([write.key])[0], strict=True))
        version = {"etag": write.etag, "content": write.content, "modified": now}
        at_place = {f"at_{column}": value for column, value in place.items()}
        if write.etag is None:
            deletes.append(at_place)
        elif write.key in stored:
            updates.append({**at_place, **version})
        else:
            inserts.append({**place, **version})
    for statement, parameters in ((_insert, inserts), (_update, updates), (_delete, deletes)):
        if parameters:
            await connection.execute(statement, parameters)


def _places(keys: Iterable[DocumentKey]) -> Sequence[tuple[str, str, str]]:
    return [(key.auid, key.user or _GLOBAL, key.name) for key in keys]


def _key(row: RowMapping) -> DocumentKey:
    return DocumentKey(row["auid"], row["user"] or None, row["name"])
