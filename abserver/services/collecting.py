"""Garbage collection of the journal: devices that went for good, views that no device holds, departures that put no
record in doubt, old decisions."""

from __future__ import annotations

import asyncio
import datetime
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abserver.ports import Clock, Journal
    from abserver.services.outbox import Outbox
    from abserver.services.update_lists import UpdateLists

log = logging.getLogger(__name__)

INTERVAL = 3600.0
"""Seconds between collections."""

KEEP = datetime.timedelta(days=365)
"""How long a device without a subscription may be silent before it is forgotten; should it come back, it gets the full
view. A phone without `+sip.instance` is another device after each restart."""


class Collector:
    """Collects while the server runs; at a start, `Journal.collect` alone does."""

    def __init__(
        self, journal: Journal, outbox: Outbox, lists: UpdateLists, clock: Clock, keep: datetime.timedelta = KEEP
    ) -> None:
        self._journal = journal
        self._outbox = outbox
        self._lists = lists
        self._clock = clock
        self._keep = keep

    async def collect(self) -> None:
        """Collect once.

        Order matters: a departure that the journal holds may be collected as soon as no record there needs it, and a
        record that needs it may still be on its way. So first the way is emptied, then departures are taken for
        missing again: whoever needs one from now on writes it after its record.
        """
        await self._outbox.drained()
        self._lists.forget(await self._journal.forget(self._clock.utc() - self._keep))
        self._lists.forget_departures()
        await self._journal.collect()

    async def run(self) -> None:
        """Collect every hour, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.collect()
            except Exception:  # there is more space on the disk than patience for a server that ends for this
                log.exception("collection failed")
