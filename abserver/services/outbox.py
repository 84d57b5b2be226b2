"""The way to the journal: records are written in the order in which they came, whether anybody waits for them or not.

The law: of two records of one key, the one that was handed in last is the one that lasts. `put` is for those that
nobody waits for, acknowledgements above all: losing one to a crash costs a device one NOTIFY that it did not need,
since what it acknowledged is compared again with what it should have. `write` is for those that an answer waits for.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abserver.ports import Journal, Record

log = logging.getLogger(__name__)

MOST = 2_000
"""Records in one write."""


class Outbox:
    """Writes to the journal one batch after the other; while one is on its way the next one collects."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[Record] = []
        self._under_way = 0
        """Writes of records that were put."""
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, *records: Record) -> None:
        """Have `records` written soon."""
        if records:
            self._waiting.extend(records)
            self._filled.set()
            self._idle.clear()

    async def write(self, *records: Record) -> None:
        """Write `records` after all that was put before; returns when they are durable. Raises the journal's errors."""
        before, self._waiting = self._waiting, []
        self._under_way += 1
        try:
            await self._journal.write(*before, *records)  # one call: two could be overtaken by what is put meanwhile
        except Exception:
            if before:
                log.error("records could not be written", extra={"records": len(before)})
            raise
        finally:
            self._done()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._filled.wait()
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if batch:  # else somebody's `write` took it along
                await self._write_put(batch)
            if not self._waiting:
                self._filled.clear()

    async def _write_put(self, batch: list[Record]) -> None:
        self._under_way += 1
        try:
            await self._journal.write(*batch)
        except Exception:  # the journal has its own ways to fail; a restart finds less done than was, and does it again
            log.exception("records could not be written", extra={"records": len(batch)})
        finally:
            self._done()

    def _done(self) -> None:
        self._under_way -= 1
        if not self._waiting and not self._under_way:
            self._idle.set()

    async def drained(self) -> None:
        """Wait until everything that was put is written, or was tried."""
        await self._idle.wait()
