"""The journal (`abserver.ports.Journal`) in SQL: records are upserted in groups, one statement per table and group.

It shares the group commit of the document server, so that one flush of the disk serves both rooms: SQLite has one
writer, and two of them in one process would only wait for each other (design: each room had its own connection).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Table, bindparam, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite

from abserver.domain.relation import Relation
from abserver.domain.view import View
from abserver.ports import Departure, DeviceRecord, OwnerRecord, Snapshot, SubscriptionRecord, SubscriptionRemoved
from abserver.storage import rows, tables
from xcap.storage import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import UpdateBase

    from abserver.domain.identity import Owner
    from abserver.ports import Record
    from xcap.storage.commit import GroupCommit
    from xcap.storage.database import Database, Transaction

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "abserver_version"


async def upgrade(database: Database) -> None:
    """Bring this room's tables to the schema of this program. Raises migrate.IncompatibleDatabase."""
    await migrate.upgrade(database, MIGRATIONS, VERSION_TABLE)


class SqlJournal:
    """One journal per database and process."""

    def __init__(self, database: Database, committer: GroupCommit) -> None:
        self._database = database
        self._committer = committer

    async def write(self, *records: Record) -> None:
        await self._committer.do(_write_all, records)

    async def collect(self) -> None:
        await self._committer.do(_collect, None)

    async def view(self, tag: str) -> View | None:
        found = await self._database.rows(_SELECT_VIEW, {"tag": tag})
        return View(content=found[0][0], tag=tag) if found else None

    async def load(self) -> Snapshot:
        return Snapshot(
            relations=await self.relations(),
            owners=[rows.owner_of(row) for row in await self._all(tables.owners)],
            devices=await self.devices(),
            departures=[rows.departure_of(row) for row in await self._all(tables.departures)],
            subscriptions=[rows.subscription_of(row) for row in await self._all(tables.subscriptions)],
        )

    async def relations(self, owner: Owner | None = None) -> list[Relation]:
        """The subscription relation list: of one owner, or of all."""
        return [rows.relation_of(row) for row in await self._all(tables.relations, owner)]

    async def owner(self, owner: Owner) -> OwnerRecord | None:
        """The synchronization update list of one owner; None when nothing of that owner was ever watched."""
        found = await self._all(tables.owners, owner)
        return rows.owner_of(found[0]) if found else None

    async def devices(self, owner: Owner | None = None) -> list[DeviceRecord]:
        """The synchronization update lists of the devices that follow one owner, or all owners."""
        return [rows.device_of(row) for row in await self._all(tables.devices, owner)]

    async def _all(self, table: Table, owner: Owner | None = None) -> list[rows.Row]:
        query, parameters = select(table).order_by(*table.primary_key.columns), {}
        if owner is not None:
            query, parameters = query.where(table.c.owner == bindparam("owner")), {"owner": owner}
        found = await self._database.rows(query, parameters)
        return [dict(zip(table.columns.keys(), row, strict=True)) for row in found]


def _write_all(transaction: Transaction, groups: Sequence[Sequence[Record]]) -> Sequence[None]:
    """Carry out the records of all groups. Within a transaction only the last record of a key can be seen."""
    last: dict[tuple[object, ...], Record] = {}
    for records in groups:
        for record in records:
            last[_identity(record)] = record
    for statement, parameters in _statements(list(last.values()), transaction.dialect):
        transaction.run(statement, parameters)
    return [None] * len(groups)


def _identity(record: Record) -> tuple[object, ...]:
    match record:
        case Relation():
            return (Relation, record.owner, record.watcher)
        case OwnerRecord():
            return (OwnerRecord, record.owner)
        case DeviceRecord():
            return (DeviceRecord, record.key)
        case Departure():
            return (Departure, record.key)
        case SubscriptionRecord():
            return (SubscriptionRecord, record.dialog.call_id, record.dialog.local_tag, record.dialog.remote_tag)
        case SubscriptionRemoved():
            return (SubscriptionRecord, record.call_id, record.local_tag, record.remote_tag)
        case View():
            return (View, record.tag)


def _statements(records: Sequence[Record], dialect: str) -> Iterator[tuple[UpdateBase, list[rows.Row]]]:
    """The statements that store `records`, each with the rows it runs over."""
    kept = (
        (tables.relations, [rows.relation_row(each) for each in records if isinstance(each, Relation)]),
        (tables.owners, [rows.owner_row(each) for each in records if isinstance(each, OwnerRecord)]),
        (tables.views, [{"tag": each.tag, "content": each.content} for each in records if isinstance(each, View)]),
        (tables.departures, [rows.departure_row(each) for each in records if isinstance(each, Departure)]),
        (tables.devices, [rows.device_row(each) for each in records if isinstance(each, DeviceRecord)]),
        (
            tables.subscriptions,
            [rows.subscription_row(each) for each in records if isinstance(each, SubscriptionRecord)],
        ),
    )
    for table, found in kept:
        if found:
            yield _upsert(table, dialect), found
    removed = [
        {f"_{name}": getattr(each, name) for name in _DIALOG}
        for each in records
        if isinstance(each, SubscriptionRemoved)
    ]
    if removed:
        yield _REMOVE_SUBSCRIPTION, removed


@functools.cache
def _upsert(table: Table, dialect: str) -> UpdateBase:
    """Insert, or replace the row of the same key; SQLite and PostgreSQL spell it alike in modules of their own."""
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


_DIALOG = ("call_id", "local_tag", "remote_tag")

_REMOVE_SUBSCRIPTION = delete(tables.subscriptions).where(
    *(tables.subscriptions.c[name] == bindparam(f"_{name}") for name in _DIALOG)
)

_SELECT_VIEW = select(tables.views.c.content).where(tables.views.c.tag == bindparam("tag"))

_devices, _departures = tables.devices.c, tables.departures.c
_doubted = exists().where(
    *(_devices[name] == _departures[name] for name in ("owner", "watcher", "device", "tag")),
    _devices.version <= _departures.version,
)
_COLLECT_VIEWS = delete(tables.views).where(tables.views.c.tag.not_in(select(_devices.tag)))
_COLLECT_DEPARTURES = delete(tables.departures).where(~_doubted)


def _collect(transaction: Transaction, intents: Sequence[None]) -> Sequence[None]:
    transaction.run(_COLLECT_VIEWS, [{}])
    transaction.run(_COLLECT_DEPARTURES, [{}])
    return [None] * len(intents)
