"""Rounds, medians, and what another process uses."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 5

_QUIET = 0.002
"""Seconds of CPU time, in 50 ms, below which a server is done with what it was given."""
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    value: float
    unit: str
    remark: str = ""


def microseconds(work: Callable[[], object], *, seconds: float = 0.2) -> float:
    """The time of one call: the median over rounds of about `seconds` each."""
    started = time.perf_counter()
    work()
    calls = max(1, int(seconds / max(time.perf_counter() - started, 1e-7)))
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        rounds.append((time.perf_counter() - started) / calls)
    return statistics.median(rounds) * 1e6


def cpu_seconds(pid: int) -> float:
    """User and system time that all threads of a process have used so far, by its CPU clock: to the nanosecond, where
    /proc counts in hundredths of a second."""
    return time.clock_gettime(~pid << 3 | 2)


def cpu_when_quiet(pid: int) -> float:
    """The same once the process is done with what it was given: what nobody waits for is work too."""
    deadline = time.monotonic() + _PATIENCE
    before = cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.05)
        after = cpu_seconds(pid)
        if after - before < _QUIET:
            return after
        before = after
    raise TimeoutError("the server has no rest")


def resident_kilobytes(pid: int) -> int:
    """The resident set of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which that part of the others lies."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
