"""Records that nobody waits for: acknowledgements on their way to the journal, written in the order they came.

Losing one to a crash costs a device one NOTIFY that it did not need: what it acknowledged is compared again with what
it should have. Whoever needs durability before an answer writes to the journal directly.
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
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, *records: Record) -> None:
        """Have `records` written soon."""
        self._waiting.extend(records)
        self._filled.set()
        self._idle.clear()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._filled.wait()
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                await self._journal.write(*batch)
            except Exception:  # the journal has its own ways to fail; what it loses is healed by the next reconcile
                log.exception("records could not be written", extra={"records": len(batch)})
            if not self._waiting:
                self._filled.clear()
                self._idle.set()

    async def drained(self) -> None:
        """Wait until everything that was put is written."""
        await self._idle.wait()
