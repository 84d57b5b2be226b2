"""Documents in a database, with as many of their former versions as the limits allow."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select

from xcap.ports import Document, DocumentKey, Listed, StoreLimits
from xcap.storage.claims import SELECT_HOLDERS
from xcap.storage.document_writes import GLOBAL, Group, Write, at_place, place_of, read_ledger, read_newest
from xcap.storage.tables import documents, versions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from xcap.storage.commit import GroupCommit
    from xcap.storage.database import Database, Transaction


class SqlDocumentStore:
    """The DocumentStore in a database that was upgraded to this room's tables."""

    def __init__(self, database: Database, committer: GroupCommit, limits: StoreLimits | None = None) -> None:
        self._database = database
        self._committer = committer
        self._limits = limits or StoreLimits()

    async def load(self, key: DocumentKey) -> Document | None:
        rows = await self._database.rows(_select_newest, place_of(key))
        return _document(rows[0]) if rows else None

    async def since(self, key: DocumentKey, etag: str) -> Sequence[Document]:
        return [_document(row) for row in await self._database.rows(_select_since, {**place_of(key), "etag": etag})]

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        rows = await self._database.rows(_select_names, place_of(DocumentKey(auid, user, "")))
        return [(DocumentKey(auid, user, name), etag) for name, etag in rows]

    async def list_named(self, auid: str, name: str) -> Sequence[tuple[str, str]]:
        rows = await self._database.rows(_select_named, {"auid": auid, "name": name})
        return [(user, etag) for user, etag in rows]

    async def list_user(self, user: str) -> Sequence[Listed]:
        rows = await self._database.rows(_select_of_user, {"user": user})
        return [
            Listed(DocumentKey(auid, user, name), etag, modified.replace(tzinfo=datetime.UTC), size)
            for auid, name, etag, modified, size in rows
        ]

    async def holders(self, auid: str, values: Collection[str]) -> Mapping[str, DocumentKey]:
        rows = await self._database.rows(SELECT_HOLDERS, {"auid": auid, "values": json.dumps(list(values))})
        return {value: DocumentKey(auid, user or None, name) for value, user, name in rows}

    async def save(
        self,
        key: DocumentKey,
        content: bytes,
        etag: str,
        *,
        expected: str | None,
        claims: frozenset[str] | None = None,
    ) -> None:
        await self._committer.do(self._write, Write(key, expected, etag, content, claims))

    async def delete(self, key: DocumentKey, *, expected: str) -> None:
        await self._committer.do(self._write, Write(key, expected, None, None, frozenset()))

    def _write(self, transaction: Transaction, writes: Sequence[Write]) -> Sequence[Exception | None]:
        users = {write.key.user for write in writes}
        values = {f"values of {write.key.auid}" for write in writes if write.claims is not None}
        transaction.hold({user or GLOBAL for user in users} | values)
        group = Group(self._limits, read_newest(transaction, users), read_ledger(transaction, writes))
        results = [group.take(write) for write in writes]
        group.store(transaction)
        return results


def _document(row: Sequence[Any]) -> Document:
    content, etag, modified = row
    return Document(content, etag, modified.replace(tzinfo=datetime.UTC))


_version = (versions.c.content, versions.c.etag, versions.c.modified)

_select_newest = select(*_version).where(
    at_place(documents), at_place(versions), versions.c.number == documents.c.number
)
_last_with_etag = (
    select(func.max(versions.c.number))
    .where(at_place(versions), versions.c.etag == bindparam("etag"))
    .scalar_subquery()
)
_select_since = (
    select(*_version).where(at_place(versions), versions.c.number >= _last_with_etag).order_by(versions.c.number)
)
_select_names = (
    select(documents.c.name, documents.c.etag)
    .where(documents.c.auid == bindparam("auid"), documents.c.user == bindparam("user"))
    .order_by(documents.c.name)
)
_select_named = (
    select(documents.c.user, documents.c.etag)
    .where(documents.c.auid == bindparam("auid"), documents.c.user != GLOBAL, documents.c.name == bindparam("name"))
    .order_by(documents.c.user)
)
_select_of_user = (
    select(documents.c.auid, documents.c.name, documents.c.etag, documents.c.modified, documents.c.size)
    .where(documents.c.user == bindparam("user"))
    .order_by(documents.c.auid, documents.c.name)
)
