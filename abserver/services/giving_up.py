"""Requests that nobody decided about are given up in time (RFC 3857 §4.7.1, the `giveup` event).

The time has to be long, days rather than hours: an owner is to find out later who asked. It counts from the request,
whether the watcher's devices are still there or not; one that is hears that its subscription is over (RFC 6665 §4.1.3),
and may ask again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from abserver.sip.headers import EventReason

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable

    from abserver.ports import Clock
    from abserver.services.followers import Followed, Followers
    from abserver.services.outbox import Outbox
    from abserver.services.relating import Relating

INTERVAL = 3600.0
"""Longest time in seconds between two looks."""


class GivingUp:
    """Gives up requests while the server runs."""

    def __init__(
        self,
        *,
        relating: Relating,
        followers: Followers,
        outbox: Outbox,
        clock: Clock,
        pump: Callable[[Followed], object],
        after: datetime.timedelta,
    ) -> None:
        """followers: those whom the relations are about. pump: sends one what is due. after: the age of a request."""
        self._relating = relating
        self._followers = followers
        self._outbox = outbox
        self._clock = clock
        self._pump = pump
        self._after = after

    async def run(self) -> None:
        """Give up what is due, until cancelled."""
        while True:
            pause = 0.0 if self.give_up() else self._pause()
            await asyncio.sleep(pause)

    def give_up(self) -> int:
        """Give up some of the requests that are due, if any are; how many."""
        given_up = self._relating.give_up(self._clock.utc(), self._after)
        self._outbox.put(*given_up)
        for relation in given_up:
            for followed in self._followers.by(relation.owner, relation.watcher):
                followed.machine.terminate(EventReason.GIVEUP)
                self._pump(followed)
        return len(given_up)

    def _pause(self) -> float:
        due = self._relating.next_give_up(self._after)
        return INTERVAL if due is None else min(INTERVAL, max(0.0, (due - self._clock.utc()).total_seconds()))
