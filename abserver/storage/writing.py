"""How records reach the tables: by kind, each kind in a few steps of the database (`Transaction.store`).

Acknowledgements and departures come by the thousand with each change of a card. So they are stored under the number of
their device, and the numbers are remembered: of all devices that the journal held when it was loaded, and of those that
came since. A number that was given in a transaction counts when that is durable.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, exists, func, insert, select

from abserver.domain.relation import Relation
from abserver.domain.view import View
from abserver.ports import (
    BindingsRecord,
    DecisionRecord,
    Departure,
    DeviceKey,
    DeviceRecord,
    OwnerRecord,
    SecretRecord,
    SubscriptionRecord,
    SubscriptionRemoved,
)
from abserver.storage import rows, tables
from xcap.storage.compiling import among

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import BindParameter, Table

    from abserver.ports import Record
    from xcap.storage.database import Transaction


class Writer:
    """Writes records; one per journal. Used inside transactions, one after the other."""

    def __init__(self) -> None:
        self._numbers: dict[DeviceKey, int] = {}

    def remember(self, numbers: Mapping[DeviceKey, int]) -> None:
        """The numbers of devices that the database has."""
        self._numbers.update(numbers)

    def write(self, transaction: Transaction, groups: Sequence[Sequence[Record]]) -> Sequence[None]:
        """Carry out the records of all groups, those of a key in their order."""
        kinds: dict[type[Record], list[Any]] = {kind: [] for kind in _KINDS}
        kinds[SubscriptionRemoved] = kinds[SubscriptionRecord]  # one list, for their order
        for records in groups:
            for record in records:
                kinds[type(record)].append(record)
        transaction.store(tables.relations, [rows.relation_row(each) for each in kinds[Relation]])
        transaction.store(tables.owners, [rows.owner_row(each) for each in kinds[OwnerRecord]])
        views: dict[str, View] = {view.tag: view for view in kinds[View]}  # one came with each acknowledgement
        transaction.store(tables.views, [(tag, view.content) for tag, view in views.items()])
        self._update_lists(transaction, kinds[DeviceRecord], kinds[Departure])
        _subscriptions(transaction, kinds[SubscriptionRecord])
        _decisions(transaction, kinds[DecisionRecord])
        _bindings(transaction, kinds[BindingsRecord])
        transaction.store(
            tables.secrets, list({each.name: (each.name, each.value) for each in kinds[SecretRecord]}.values())
        )
        return [None] * len(groups)

    def forget(self, transaction: Transaction, intents: Sequence[datetime.datetime]) -> Sequence[Sequence[DeviceKey]]:
        """Forget the devices of which nothing was heard since then, one time for each intent; gives them."""
        return [self._forget(transaction, before) for before in intents]

    def _forget(self, transaction: Transaction, before: datetime.datetime) -> Sequence[DeviceKey]:
        silent = transaction.rows(_SILENT, {"before": rows.micros(before)})
        numbers = [{"of_device": number} for number, *_ in silent]
        for table in (tables.deliveries, tables.departures):
            transaction.run(delete(table).where(table.c.device == bindparam("of_device")), numbers)
        transaction.run(_FORGET_DEVICE, numbers)
        forgotten = [DeviceKey(*key) for _, *key in silent]
        transaction.on_commit(lambda: self._forget_numbers(forgotten))
        return forgotten

    def _forget_numbers(self, keys: Sequence[DeviceKey]) -> None:
        for key in keys:
            self._numbers.pop(key, None)

    def _update_lists(
        self, transaction: Transaction, records: Sequence[DeviceRecord], departures: Sequence[Departure]
    ) -> None:
        try:
            deliveries = rows.device_rows(records, self._numbers)
            left = rows.departure_rows(departures, self._numbers)
        except KeyError:
            numbers = self._numbers_of(
                transaction, [*(each.key for each in records), *(each.key for each in departures)]
            )
            deliveries, left = rows.device_rows(records, numbers), rows.departure_rows(departures, numbers)
        transaction.store(tables.deliveries, deliveries)
        transaction.store(tables.departures, left)

    def _numbers_of(self, transaction: Transaction, keys: Sequence[DeviceKey]) -> Mapping[DeviceKey, int]:
        """The numbers of these devices, of which some are new."""
        known = {key: self._numbers[key] for key in keys if key in self._numbers}
        given = _given(transaction, dict.fromkeys(key for key in keys if key not in known))
        transaction.on_commit(lambda: self.remember(given))
        return known | given


_KINDS: Sequence[type[Record]] = (
    Relation,
    OwnerRecord,
    DeviceRecord,
    Departure,
    SubscriptionRecord,
    DecisionRecord,
    BindingsRecord,
    SecretRecord,
    View,
)


def _given(transaction: Transaction, keys: Iterable[DeviceKey]) -> dict[DeviceKey, int]:
    """The numbers of devices that have none yet, or that another process gave one."""
    transaction.hold([tables.devices.name])
    wanted = list(keys)
    found = transaction.rows(_NUMBERS, {"devices": json.dumps(sorted({key.device for key in wanted}))})
    numbers = {DeviceKey(owner, watcher, device): number for number, owner, watcher, device in found}
    ((last,),) = transaction.rows(_LAST_NUMBER)
    new = [key for key in wanted if key not in numbers]
    given = dict(zip(new, itertools.count((last or 0) + 1)))
    transaction.store(tables.devices, [(number, *key) for key, number in given.items()])
    return {key: numbers[key] for key in wanted if key in numbers} | given


def _subscriptions(transaction: Transaction, records: Sequence[SubscriptionRecord | SubscriptionRemoved]) -> None:
    last: dict[tuple[str, str, str], SubscriptionRecord | None] = {}
    for record in records:
        if isinstance(record, SubscriptionRemoved):
            last[record] = None
        else:
            last[record.dialog.id] = record
    transaction.store(tables.subscriptions, [rows.subscription_row(each) for each in last.values() if each is not None])
    transaction.run(_REMOVE, [dict(zip(_DIALOG, dialog, strict=True)) for dialog, each in last.items() if each is None])


def _decisions(transaction: Transaction, records: Sequence[DecisionRecord]) -> None:
    transaction.run(_ADD_DECISION, [rows.decision_row(each) for each in records])


def _bindings(transaction: Transaction, records: Sequence[BindingsRecord]) -> None:
    last = {record.user: record for record in records}
    transaction.store(tables.bindings, [rows.bindings_row(each) for each in last.values() if each.bindings])
    transaction.run(_REMOVE_BINDINGS, [{"of_user": user} for user, each in last.items() if not each.bindings])


def _values(table: Table) -> dict[str, BindParameter[Any]]:
    """All but the number, which the database gives."""
    return {column.name: bindparam(column.name) for column in table.columns if not column.primary_key}


_devices, _decided = tables.devices, tables.decisions
_NUMBERS = select(_devices).where(among(_devices.c.device, "devices"))
_LAST_NUMBER = select(func.max(_devices.c.id))

_subscribed = exists().where(
    *(tables.subscriptions.c[name] == _devices.c[name] for name in ("owner", "watcher", "device"))
)
_SILENT = (
    select(_devices)
    .join_from(_devices, tables.deliveries, _devices.c.id == tables.deliveries.c.device)
    .where(tables.deliveries.c.at < bindparam("before"), ~_subscribed)
)
_FORGET_DEVICE = delete(_devices).where(_devices.c.id == bindparam("of_device"))

_DIALOG = ("of_call", "of_local", "of_remote")
_REMOVE = delete(tables.subscriptions).where(
    *(column == bindparam(name) for column, name in zip(tables.subscriptions.primary_key.columns, _DIALOG, strict=True))
)

_REMOVE_BINDINGS = delete(tables.bindings).where(tables.bindings.c.user == bindparam("of_user"))

_ADD_DECISION = insert(_decided).values(_values(_decided))
