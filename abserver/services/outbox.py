"""The way to the journal: records are written in the order in which they came, whether anybody waits for them or not.

The law: of two records of one key, the one that was handed in last is the one that lasts. `put` is for those that
nobody waits for, acknowledgements above all: losing one to a crash costs a device one NOTIFY that it did not need,
since what it acknowledged is compared again with what it should have. `write` is for those that an answer waits for.

What waits is bounded by what the server has, not by how much happens: when much has collected, of the records of one
key only the last stays.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from abserver.domain.relation import Relation
from abserver.domain.view import View
from abserver.ports import (
    BindingsRecord,
    DecisionRecord,
    Departure,
    DeviceRecord,
    OwnerRecord,
    SecretRecord,
    SubscriptionRecord,
    SubscriptionRemoved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from abserver.ports import Journal, Record

log = logging.getLogger(__name__)

MOST = 500
"""Records in one write: their rows are made in one go, which takes a millisecond or two from all other work."""

MUCH = 250_000
"""Records that may wait before those that are out of date are looked for: more than a burst, less than 50 MB."""


class Outbox:
    """Writes to the journal one batch after the other; while one is on its way the next one collects."""

    def __init__(self, journal: Journal, much: int = MUCH) -> None:
        self._journal = journal
        self._waiting: list[Record] = []
        self._least = self._much = much
        self._under_way = 0
        """Writes of records that were put."""
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    def put(self, *records: Record) -> None:
        """Have `records` written soon."""
        if not records:
            return
        if not self._waiting:
            self._filled.set()
            self._idle.clear()
        self._waiting += records
        if len(self._waiting) >= self._much:
            self._waiting = _last_of_each(self._waiting)
            self._much = max(self._least, 2 * len(self._waiting))

    async def write(self, *records: Record) -> None:
        """Write `records` after all that was put before; returns when they are durable. Raises the journal's errors."""
        while self._waiting:
            self._send_some()
        await self._journal.write(*records)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._filled.wait()
            while self._waiting:
                await asyncio.wait([self._send_some()])
            self._filled.clear()

    def _send_some(self) -> asyncio.Future[None]:
        """Begin to write what waits longest; its place in the order is taken, whoever writes next."""
        batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        self._under_way += 1
        writing = self._journal.write(*batch)
        writing.add_done_callback(lambda done: self._sent(len(batch), done))
        return writing

    def _sent(self, records: int, writing: asyncio.Future[None]) -> None:
        self._under_way -= 1
        if not writing.cancelled() and (fault := writing.exception()):
            # The journal has its own ways to fail; a restart finds less done than was, and does it again.
            log.error("records could not be written", exc_info=fault, extra={"records": records})
        if not self._waiting and not self._under_way:
            self._idle.set()

    async def drained(self) -> None:
        """Wait until everything that was put is written, or was tried."""
        await self._idle.wait()


def _last_of_each(records: Iterable[Record]) -> list[Record]:
    """Of the records of one key the last; a view stays before the records that name it."""
    last: dict[Hashable, Record] = {}
    for record in records:
        key = _KEYS[type(record)](record)
        if not isinstance(record, View):
            last.pop(key, None)
        last.setdefault(key, record)
    return list(last.values())


_KEYS: Mapping[type[Record], Callable[[Any], Hashable]] = {
    Relation: lambda record: (Relation, record.owner, record.watcher),
    OwnerRecord: lambda record: (OwnerRecord, record.owner),
    DeviceRecord: lambda record: (DeviceRecord, record.key),
    Departure: lambda record: (Departure, record.key),
    SubscriptionRecord: lambda record: (SubscriptionRecord, record.dialog.id),
    SubscriptionRemoved: lambda record: (SubscriptionRecord, record),
    DecisionRecord: id,  # all of them are kept
    BindingsRecord: lambda record: (BindingsRecord, record.user),
    SecretRecord: lambda record: (SecretRecord, record.name),
    View: lambda view: (View, view.tag),
}
