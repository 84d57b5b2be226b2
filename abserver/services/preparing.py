"""What has to be durable before a NOTIFY leaves: CSeq numbers that no restart uses again, and departures, be it from
the view that the device has or from the standing that it was told.

A NOTIFY is cheap and a commit is not, so both are written in groups: numbers for a block of requests at a time, the
departures (`update_lists`) of a whole fan-out in one go. Who lacks something waits for the next group.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from abserver.ports import SubscriptionRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from abserver.ports import Clock, Record
    from abserver.services.followers import Followed
    from abserver.services.outbox import Outbox

Prepared = tuple["Followed", "Sequence[Record]"]

log = logging.getLogger(__name__)

TURN = 200
"""Devices handled before other work gets a turn."""


class Preparing:
    """Writes ahead for devices, then has the notifier go on with them."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        clock: Clock,
        ready: Callable[[Followed], None],
        failed: Callable[[Collection[Followed]], None],
    ) -> None:
        """ready: goes on with one device; failed: told of those for whom the journal could not be written."""
        self._outbox = outbox
        self._clock = clock
        self._ready = ready
        self._failed = failed
        self._waiting: dict[Followed, Sequence[Record]] = {}
        self._task: asyncio.Task[None] | None = None

    def missing(self, followed: Followed) -> Sequence[Record]:
        """What has to be durable before the device is told what its machine owes, and is not yet."""
        records = followed.server.preparations(followed)
        if followed.is_out_of_numbers or followed.is_recorded_otherwise:
            return (followed.record(self._clock.now(), self._clock.utc()), *records)
        return records

    def prepare(self, followed: Followed, records: Sequence[Record]) -> None:
        """Have what is `missing` written, together with that of all others, then go on."""
        self._waiting[followed] = records
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = [(each, records) for each, records in self._waiting.items() if each.living]
                self._waiting.clear()
                if await self._written(group):
                    await self._go_on(group)
                else:
                    self._failed([followed for followed, _ in group])
        finally:
            self._task = None

    async def _written(self, group: Sequence[Prepared]) -> bool:
        try:
            await self._outbox.write(*(record for _, records in group for record in records))
        except Exception:
            log.exception("preparation failed")
            return False
        for followed, records in group:
            for record in records:
                if isinstance(record, SubscriptionRecord):
                    followed.durable(record)
                else:
                    followed.server.prepared(record)
        return True

    async def _go_on(self, group: Sequence[Prepared]) -> None:
        for number, (followed, _) in enumerate(group, start=1):
            self._ready(followed)
            if number % TURN == 0:
                await asyncio.sleep(0)
