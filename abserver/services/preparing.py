"""What has to be durable before a NOTIFY leaves: CSeq numbers that no restart uses again, and departures.

A NOTIFY is cheap and a commit is not, so both are written in groups: numbers for a block of requests at a time, the
departures (`update_lists`) of a whole fan-out in one go. Who lacks something waits for the next group.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from abserver.ports import Clock
    from abserver.services.followers import Followed
    from abserver.services.outbox import Outbox

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
        self._waiting: dict[Followed, None] = {}
        self._task: asyncio.Task[None] | None = None

    def is_ready(self, followed: Followed) -> bool:
        """Whether the device may be told what its machine owes; if not, `prepare` it."""
        return not followed.is_out_of_numbers and not followed.server.preparations(followed)

    def prepare(self, followed: Followed) -> None:
        """Have written what the device lacks, together with all others that lack something now."""
        self._waiting[followed] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = [each for each in self._waiting if each.living]
                self._waiting.clear()
                if await self._written(group):
                    await self._go_on(group)
                else:
                    self._failed(group)
        finally:
            self._task = None

    async def _written(self, group: list[Followed]) -> bool:
        now, utc = self._clock.now(), self._clock.utc()
        numbers = {each: each.record(now, utc) for each in group if each.is_out_of_numbers}
        others = [(each.server, record) for each in group for record in each.server.preparations(each)]
        try:
            await self._outbox.write(*numbers.values(), *(record for _, record in others))
        except Exception:
            log.exception("preparation failed")
            return False
        for followed, record in numbers.items():
            followed.ceiling = record.dialog.local_cseq or 0
        for server, prepared in others:
            server.prepared(prepared)
        return True

    async def _go_on(self, group: list[Followed]) -> None:
        for number, followed in enumerate(group, start=1):
            self._ready(followed)
            if number % TURN == 0:
                await asyncio.sleep(0)
