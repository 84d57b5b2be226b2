"""The machine's clocks."""

from __future__ import annotations

import datetime
import time


class SystemClock:
    """`abserver.ports.Clock`: the event loop's scale, and the wall clock."""

    def now(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)
