"""What has to be durable before a NOTIFY leaves: CSeq numbers that no restart uses again, and departures, be it from
the view that the device has or from the standing that it was told.

A NOTIFY is cheap and a commit is not, so both are written in groups: numbers for a block of requests at a time, the
departures (`update_lists`) of a fan-out some thousands at a time. Who lacks something waits for the next group. While
one group is being written the one before it is told, and other writers find a commit between two groups.
"""

from __future__ import annotations

import asyncio
import itertools
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

GROUP = 500
"""Devices written ahead for in one go: some milliseconds of commit for others to wait."""


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
        written: Sequence[Prepared] = ()
        try:
            while self._waiting or written:
                group = self._next_group()
                writing = asyncio.ensure_future(self._write(group))
                await self._go_on(written)
                written = group if await writing else ()
        finally:
            self._task = None

    def _next_group(self) -> Sequence[Prepared]:
        chosen = list(itertools.islice(self._waiting, GROUP))
        group = [(each, self._waiting.pop(each)) for each in chosen]
        return [(each, records) for each, records in group if each.living]

    async def _write(self, group: Sequence[Prepared]) -> bool:
        """Have the records of a group written; False if that failed."""
        try:
            if group:
                await self._outbox.write(*(record for _, records in group for record in records))
        except Exception:
            log.exception("preparation failed")
            self._failed([followed for followed, _ in group])
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
