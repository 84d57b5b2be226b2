"""The journal (`abserver.ports.Journal`) in SQL. How it writes is told in `writing`; here it is read and tidied up.

It shares the group commit of the document server, so that one flush of the disk serves both rooms: SQLite has one
writer, and two of them in one process would only wait for each other (design: each room had its own connection).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, exists, func, select

from abserver.domain.view import View
from abserver.ports import MOST_DECISIONS, DeviceRecord, OwnerRecord, SecretRecord, Snapshot
from abserver.storage import rows, tables
from abserver.storage.writing import Writer
from xcap.storage import migrate

if TYPE_CHECKING:
    import asyncio
    import datetime
    from collections.abc import AsyncGenerator, Sequence

    from sqlalchemy import Select, Table

    from abserver.domain.identity import Aor, Owner, Watcher
    from abserver.domain.relation import Relation
    from abserver.ports import BindingsRecord, DecisionRecord, DeviceKey, Record
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
        self._writer = Writer()

    def write(self, *records: Record) -> asyncio.Future[None]:
        return self._committer.do(self._writer.write, records)

    async def collect(self) -> None:
        await self._committer.do(_collect, None)

    async def forget(self, before: datetime.datetime) -> Sequence[DeviceKey]:
        return await self._committer.do(self._writer.forget, before)

    async def view(self, tag: str) -> View | None:
        found = await self._database.rows(_SELECT_VIEW, {"tag": tag})
        return View(content=found[0][0], tag=tag) if found else None

    async def load(self) -> Snapshot:
        same = rows.sharing()
        keys = {number: rows.key_of(same, *key) async for number, *key in self._every(tables.devices)}
        self._writer.remember({key: number for number, key in keys.items()})
        return Snapshot(
            relations=[rows.relation_of(same, row) async for row in self._every(tables.relations)],
            owners=[rows.owner_of(same, row) async for row in self._every(tables.owners)],
            devices=[rows.device_of(same, keys[number], *row) async for number, *row in self._every(tables.deliveries)],
            departures=[
                rows.departure_of(same, keys[number], *row) async for number, *row in self._every(tables.departures)
            ],
            subscriptions=[rows.subscription_of(same, row) async for row in self._every(tables.subscriptions)],
            bindings=[rows.bindings_of(row) async for row in self._every(tables.bindings)],
            secrets=[SecretRecord(*row) async for row in self._every(tables.secrets)],
        )

    async def relations(self, owner: Owner) -> list[Relation]:
        """The subscription relation list of one owner."""
        same = rows.sharing()
        return [rows.relation_of(same, row) for row in await self._of(tables.relations, owner=owner)]

    async def owner(self, owner: Owner) -> OwnerRecord | None:
        """The synchronization update list of one owner; None when nothing of that owner was ever watched."""
        found = await self._of(tables.owners, owner=owner)
        return rows.owner_of(rows.sharing(), found[0]) if found else None

    async def devices(self, owner: Owner) -> list[DeviceRecord]:
        """The synchronization update lists of the devices that follow one owner."""
        return _devices_of(await self._database.rows(_SELECT_DELIVERIES, {"owner": owner}))

    async def held_by(self, watcher: Watcher, owner: Owner) -> list[DeviceRecord]:
        return _devices_of(await self._database.rows(_SELECT_HELD, {"owner": owner, "watcher": watcher}))

    async def decisions(self, owner: Owner, watcher: Watcher | None = None) -> list[DecisionRecord]:
        same = rows.sharing()
        return [rows.decision_of(same, row) for row in await self._of(tables.decisions, owner=owner, watcher=watcher)]

    async def bindings(self, user: Aor | None = None) -> list[BindingsRecord]:
        """What is registered, for one user or for all; by user."""
        return [rows.bindings_of(row) for row in await self._of(tables.bindings, user=user)]

    async def _every(self, table: Table) -> AsyncGenerator[Sequence[Any], None]:
        """All rows of a table."""
        async for part in self._database.parts(_selection(table, ())):
            for row in part:
                yield row

    async def _of(self, table: Table, **of: str | None) -> Sequence[Sequence[Any]]:
        """The rows whose columns have these values, None for any; in the order of the table's key."""
        values = {name: value for name, value in of.items() if value is not None}
        return await self._database.rows(_selection(table, tuple(values)), values)


@functools.cache
def _selection(table: Table, columns: tuple[str, ...]) -> Select[Any]:
    chosen = (table.c[name] == bindparam(name) for name in columns)
    return select(table).where(*chosen).order_by(*table.primary_key.columns)


_SELECT_VIEW = select(tables.views.c.content).where(tables.views.c.tag == bindparam("tag"))

_devices, _deliveries, _departures = tables.devices.c, tables.deliveries.c, tables.departures.c
_SELECT_DELIVERIES = (
    select(
        *(_devices.owner, _devices.watcher, _devices.device),
        *(_deliveries.tag, _deliveries.version, _deliveries.at),
    )
    .join_from(tables.devices, tables.deliveries, _devices.id == _deliveries.device)
    .where(_devices.owner == bindparam("owner"))
    .order_by(_devices.watcher, _devices.device)
)

_SELECT_HELD = _SELECT_DELIVERIES.where(_devices.watcher == bindparam("watcher"))

_COLLECT_VIEWS = delete(tables.views).where(tables.views.c.tag.not_in(select(_deliveries.tag)))
_doubted = exists().where(
    _deliveries.device == _departures.device,
    _deliveries.tag == _departures.tag,
    _deliveries.version <= _departures.version,
)
_COLLECT_DEPARTURES = delete(tables.departures).where(~_doubted)


_decided = tables.decisions.c
_newest_first = func.row_number().over(partition_by=(_decided.owner, _decided.watcher), order_by=_decided.id.desc())
_ranked = select(_decided.id, _newest_first.label("place")).subquery()
_COLLECT_DECISIONS = delete(tables.decisions).where(
    _decided.id.in_(select(_ranked.c.id).where(_ranked.c.place > MOST_DECISIONS))
)


def _devices_of(found: Sequence[Sequence[Any]]) -> list[DeviceRecord]:
    same = rows.sharing()
    return [rows.device_of(same, rows.key_of(same, *row[:3]), *row[3:]) for row in found]


def _collect(transaction: Transaction, intents: Sequence[None]) -> Sequence[None]:
    transaction.run(_COLLECT_VIEWS, [{}])
    transaction.run(_COLLECT_DEPARTURES, [{}])
    transaction.run(_COLLECT_DECISIONS, [{}])
    return [None] * len(intents)
