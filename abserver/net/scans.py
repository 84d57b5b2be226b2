"""Lines for what no client sends and scanners do: one for each such request, and never more than a few a second.

A request is of that kind if it is for a host that is not ours, or of a method that nobody uses here, or if a stream
holds what is no SIP at all. Whoever watches the log (docs/fail2ban.md) can tell the source of many such from a mistake.
"""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

MOST = 20
"""Lines in a second, whoever is behind them: a flood must not fill the disk. It takes fewer to be noticed."""

SUSPECT = frozenset({404, 405, 501})
"""Statuses of requests that were refused before anybody asked who sends them (RFC 3261 §8.2.1, §8.2.2)."""


class Scans:
    """Writes the lines of one server."""

    def __init__(self) -> None:
        self._second = 0
        self._lines = 0

    def note(self, host: str, status: int, now: float) -> None:
        """A request from `host` was refused with `status`. now: monotonic seconds."""
        second = int(now)
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= MOST:
            log.warning("scan", extra={"peer": host, "status": status})
