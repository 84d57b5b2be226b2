"""Hints: something of an owner may have changed, so whoever follows it may be behind.

Level-triggered: an edit, a confirmation, a restart, a rule's clock and a lost hint all end in `reconcile` of a
package's server, which compares what each subscriber was told with what it should have been told. So a hint may come
twice, late or never; the next one heals it, and many in a row are one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from abserver.services.sweeping import Sweeper

if TYPE_CHECKING:
    from abserver.domain.identity import Owner
    from abserver.ports import Clock
    from abserver.services.packages import PackageServer

log = logging.getLogger(__name__)

RETRY = 30.0
"""Seconds until an owner is reconciled again for whom it failed, with the database gone for example."""


class Hint(NamedTuple):
    """The subscriptions of one package to what this owner has should be looked at."""

    server: PackageServer
    owner: Owner


class Reconciler:
    """Has owners reconciled one after the other, as they are hinted at or booked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hints: OrderedDict[Hint, None] = OrderedDict()
        self._hinted = asyncio.Event()
        self._sweeper: Sweeper[Hint] = Sweeper(clock, self._take)

    def hint(self, server: PackageServer, owner: Owner) -> None:
        """Reconcile soon."""
        self._take(Hint(server, owner))

    def book(self, seconds: float, server: PackageServer, owner: Owner) -> None:
        """Reconcile in so many seconds."""
        self._sweeper.book(self._clock.now() + seconds, Hint(server, owner))

    def _take(self, hint: Hint) -> None:
        self._hints[hint] = None
        self._hinted.set()

    async def run(self) -> None:
        """Reconcile, until cancelled."""
        while True:
            await self._hinted.wait()
            self._hinted.clear()
            while self._hints:
                hint, _ = self._hints.popitem(last=False)
                await self._reconcile(hint)

    async def _reconcile(self, hint: Hint) -> None:
        try:
            await hint.server.reconcile(hint.owner)
        except Exception:  # one owner's trouble must not silence all others; the next hint tries again
            log.exception("reconcile failed", extra={"owner": hint.owner, "package": hint.server.package.name})
            self.book(RETRY, *hint)

    async def watch_the_clock(self) -> None:
        """Hint at what was booked when its time comes, until cancelled."""
        await self._sweeper.run()
