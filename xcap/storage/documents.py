"""Documents in a database: reads and writes in groups, and the etag compared inside the transaction that stores."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, func, insert, select, tuple_, update

from xcap.ports import Claimed, Document, DocumentKey, EtagMismatch, Listed
from xcap.storage.claims import holders, open_ledger
from xcap.storage.tables import documents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

    from xcap.storage.claims import Ledger
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
    claims: frozenset[str] | None
    """Values to hold alone; None leaves it as it is."""


class SqlDocumentStore:
    """The DocumentStore of an engine that was upgraded to this room's tables."""

    def __init__(self, committer: GroupCommit, reader: GroupRead) -> None:
        self._committer = committer
        self._reader = reader

    async def load(self, key: DocumentKey) -> Document | None:
        return await self._reader.do(_load, key)

    async def save(
        self,
        key: DocumentKey,
        content: bytes,
        etag: str,
        *,
        expected: str | None,
        claims: frozenset[str] | None = None,
    ) -> None:
        await self._committer.do(_write, _Write(key, expected, etag, content, claims))

    async def delete(self, key: DocumentKey, *, expected: str) -> None:
        await self._committer.do(_write, _Write(key, expected, None, None, frozenset()))

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        return await self._reader.do(_list, (auid, user))

    async def list_named(self, auid: str, name: str) -> Sequence[tuple[DocumentKey, str]]:
        return await self._reader.do(_list_named, (auid, name))

    async def list_user(self, user: str) -> Sequence[Listed]:
        return await self._reader.do(_list_user, user)

    async def claimed(self, auid: str, values: Collection[str]) -> frozenset[str]:
        return await self._reader.do(_claimed, (auid, frozenset(values)))


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
_select_named = (
    select(documents.c.user, documents.c.etag)
    .where(documents.c.auid == bindparam("auid"), documents.c.user != _GLOBAL, documents.c.name == bindparam("name"))
    .order_by(documents.c.user)
)
_select_user = (
    select(
        documents.c.auid,
        documents.c.user,
        documents.c.name,
        documents.c.etag,
        documents.c.modified,
        func.length(documents.c.content).label("size"),
    )
    .where(documents.c.user == bindparam("user"))
    .order_by(documents.c.auid, documents.c.name)
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


async def _list_named(
    connection: AsyncConnection, wanted: Sequence[tuple[str, str]]
) -> Sequence[Sequence[tuple[DocumentKey, str]] | Exception]:
    listings = []
    for auid, name in wanted:
        rows = await connection.execute(_select_named, {"auid": auid, "name": name})
        listings.append([(DocumentKey(auid, row.user, name), row.etag) for row in rows])
    return listings


async def _list_user(connection: AsyncConnection, users: Sequence[str]) -> Sequence[Sequence[Listed] | Exception]:
    listings = []
    for user in users:
        rows = await connection.execute(_select_user, {"user": user})
        listings.append(
            [
                Listed(_key(row), row["etag"], row["modified"].replace(tzinfo=datetime.UTC), row["size"])
                for row in rows.mappings()
            ]
        )
    return listings


async def _claimed(
    connection: AsyncConnection, wanted: Sequence[tuple[str, frozenset[str]]]
) -> Sequence[frozenset[str] | Exception]:
    return [frozenset(value for _, value in await holders(connection, auid, values)) for auid, values in wanted]


# ---------------------------------------------------------------------------------------------- writing


async def _write(connection: AsyncConnection, writes: Sequence[_Write]) -> Sequence[Exception | None]:
    """Decide the writes in their order against the stored etags, then store what is left of each document at the end.

    A later write may expect the etag that an earlier one of the same group makes.
    """
    rows = await connection.execute(_select_etags, {"places": _places({write.key for write in writes})})
    stored = {_key(row): str(row["etag"]) for row in rows.mappings()}
    ledger = await _ledger(connection, writes)
    current: dict[DocumentKey, str | None] = dict(stored)
    last: dict[DocumentKey, _Write] = {}
    results: list[Exception | None] = []
    for write in writes:
        refusal = _refusal(write, current.get(write.key), ledger)
        results.append(refusal)
        if refusal is None:
            current[write.key] = write.etag
            last[write.key] = write
            if write.claims is not None:
                ledger.hold(write.key, write.claims)
    await _store(connection, stored, last.values())
    await ledger.store(connection)
    return results


async def _ledger(connection: AsyncConnection, writes: Sequence[_Write]) -> Ledger:
    """What the writes that change claims, and only those, need to know."""
    claiming = [write for write in writes if write.claims is not None]
    wanted = {(write.key.auid, value) for write in claiming for value in write.claims or ()}
    return await open_ledger(connection, {write.key for write in claiming}, wanted)


def _refusal(write: _Write, current: str | None, ledger: Ledger) -> Exception | None:
    if current != write.expected:
        return EtagMismatch(current)
    taken = ledger.taken(write.key, write.claims or ())
    return Claimed(taken) if taken else None


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
