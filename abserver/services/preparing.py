"""What has to be durable before a NOTIFY leaves: CSeq numbers that no restart uses again, and departures.

A NOTIFY is cheap and a commit is not, so both are written in groups: numbers for a block of requests at a time, the
departures (`update_lists`) of a whole fan-out in one go. Who lacks something waits for the next group.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from abserver.domain.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from abserver.ports import Clock, Departure
    from abserver.services.followers import Followed, Followers
    from abserver.services.outbox import Outbox
    from abserver.services.update_lists import UpdateLists

log = logging.getLogger(__name__)

TURN = 200
"""Devices handled before other work gets a turn."""


class Preparing:
    """Writes ahead for devices, then has the notifier go on with them."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        followers: Followers,
        update_lists: UpdateLists,
        clock: Clock,
        ready: Callable[[Followed], None],
        failed: Callable[[Collection[Followed]], None],
    ) -> None:
        """ready: goes on with one device; failed: told of those for whom the journal could not be written."""
        self._outbox = outbox
        self._followers = followers
        self._lists = update_lists
        self._clock = clock
        self._ready = ready
        self._failed = failed
        self._waiting: dict[Followed, None] = {}
        self._task: asyncio.Task[None] | None = None

    def is_ready(self, followed: Followed) -> bool:
        """Whether the device may be told what its machine owes; if not, `prepare` it."""
        return not followed.is_out_of_numbers and self._departure(followed) is None

    def prepare(self, followed: Followed) -> None:
        """Have written what the device lacks, together with all others that lack something now."""
        self._waiting[followed] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def _departure(self, followed: Followed) -> Departure | None:
        view = followed.machine.view
        return self._lists.departure(followed.key, view) if isinstance(view, View) else None

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = [each for each in self._waiting if each in self._followers]
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
        departures = [found for each in group if (found := self._departure(each)) is not None]
        try:
            await self._outbox.write(*numbers.values(), *departures)
        except Exception:
            log.exception("preparation failed")
            return False
        for followed, record in numbers.items():
            followed.ceiling = record.dialog.local_cseq or 0
        for departure in departures:
            self._lists.departed(departure)
        return True

    async def _go_on(self, group: list[Followed]) -> None:
        for number, followed in enumerate(group, start=1):
            self._ready(followed)
            if number % TURN == 0:
                await asyncio.sleep(0)
