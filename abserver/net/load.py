"""The load of this process, measured at a steady beat for the gate, and the log lines about what the gate did.

Overload is told twice in an episode, as it begins and as it ends, with figures. A source that sends too much is told by
its address, first at once and then every ten seconds, in lines that fail2ban can read.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from abserver.sip.shedding import Load

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from abserver.sip.gate import Gate

log = logging.getLogger(__name__)

BEAT = 0.1
"""Seconds between two measurements; each takes some microseconds."""


class LoadMeter:
    """Measures from `start` to `stop`."""

    def __init__(
        self, gate: Gate, handling: Callable[[], int], waiting: Callable[[], int], delay: Callable[[float], float]
    ) -> None:
        """What to measure, as `Load` says; how late the loop is shows by the beat itself. delay: seconds that datagrams
        wait, by the seconds since the last call."""
        self._gate = gate
        self._handling = handling
        self._waiting = waiting
        self._delay = delay
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wait(loop.time())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, now: float) -> None:
        self._due = now + BEAT
        self._timer = self._loop.call_at(self._due, self._measure)

    def _measure(self) -> None:
        now = self._loop.time()
        late = max(0.0, now - self._due)
        load = Load(max(late, self._delay(late + BEAT)), self._handling(), self._waiting())
        shedder = self._gate.shedder
        before = shedder.overloaded
        episode = shedder.measured(load, now)
        if shedder.overloaded and not before:
            figures = {"lag_ms": round(load.lag * 1000), "handling": load.handling, "waiting": load.waiting}
            log.warning("overload begins", extra=figures)
        if episode is not None:
            refused = {f"refused_{kind.name.lower()}": count for kind, count in episode.refused.items()}
            facts = {"seconds": round(episode.seconds, 1), "worst_percent": episode.worst, **refused}
            log.warning("overload ends", extra=facts)
        for excess in self._gate.sources.reports(now) if self._gate.sources is not None else ():
            told = {"peer": excess.peer, "refused": excess.refused, "ignored": excess.ignored}
            log.warning("too many requests", extra=told)
        self._wait(now)
