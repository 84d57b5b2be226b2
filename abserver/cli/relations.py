"""`abserver relations` and `abserver sync`: the lists that the server keeps, read from its database.

Reading needs no server; with one running, what is shown is what it has committed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import typer

from abserver.cli import common, database

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from abserver.config import Settings
    from abserver.domain.identity import Owner
    from abserver.domain.relation import Relation
    from abserver.ports import DeviceRecord, OwnerRecord


def relations(owner: common.OwnerAddress, as_json: common.Json = False, config: common.ConfigFile = None) -> None:
    """The subscription relation list: who asked for OWNER's card, and what became of it."""
    address = common.owner(owner)
    found = asyncio.run(_relations(common.settings_from(config), address))
    if as_json:
        common.print_json([_relation_value(relation) for relation in found])
    elif found:
        columns = ("watcher", "state", "levels", "rule", "requested", "decided")
        common.print_table(columns, map(_relation_cells, found))
    else:
        typer.echo(f"nobody has asked for the card of {address}")


def sync(owner: common.OwnerAddress, as_json: common.Json = False, config: common.ConfigFile = None) -> None:
    """The synchronization update lists: OWNER's modification version, and the view each device acknowledged."""
    address = common.owner(owner)
    record, devices = asyncio.run(_update_lists(common.settings_from(config), address))
    if as_json:
        common.print_json({"owner": _owner_value(record), "devices": [_device_value(device) for device in devices]})
        return
    if record is None:
        typer.echo(f"nothing of {address} was ever watched")
    else:
        typer.echo(f"{address}: version {record.version}, modified {_time(record.modified_at)}")
    if devices:
        columns = ("watcher", "device", "version", "acknowledged", "view")
        common.print_table(columns, map(_device_cells, devices))


async def _relations(settings: Settings, owner: Owner) -> Sequence[Relation]:
    async with database.journal(settings) as journal:
        return await journal.relations(owner)


async def _update_lists(settings: Settings, owner: Owner) -> tuple[OwnerRecord | None, Sequence[DeviceRecord]]:
    async with database.journal(settings) as journal:
        return await journal.owner(owner), await journal.devices(owner)


def _relation_cells(relation: Relation) -> tuple[str | None, ...]:
    levels = ", ".join(sorted(relation.levels))
    requested, decided = _time(relation.requested_at), _time(relation.decided_at)
    return relation.watcher, relation.state.value, levels, relation.rule, requested, decided


def _relation_value(relation: Relation) -> dict[str, Any]:
    return {
        "watcher": relation.watcher,
        "state": relation.state.value,
        "levels": sorted(relation.levels),
        "rule": relation.rule,
        "requested_at": _iso(relation.requested_at),
        "decided_at": _iso(relation.decided_at),
        "ended_at": _iso(relation.ended_at),
    }


def _owner_value(record: OwnerRecord | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        "version": record.version,
        "modified_at": _iso(record.modified_at),
        "card_etag": record.card_etag,
        "rules_etag": record.rules_etag,
    }


def _device_cells(record: DeviceRecord) -> tuple[str, ...]:
    return record.key.watcher, record.key.device, str(record.version), _time(record.at), record.tag


def _device_value(record: DeviceRecord) -> dict[str, Any]:
    return {
        "watcher": record.key.watcher,
        "device": record.key.device,
        "version": record.version,
        "acknowledged_at": _iso(record.at),
        "view": record.tag,
    }


def _time(time: datetime.datetime | None) -> str:
    """For people: their own time zone, to the second."""
    return "" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def _iso(time: datetime.datetime | None) -> str | None:
    return None if time is None else time.isoformat()
