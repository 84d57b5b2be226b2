"""What one edit of a card costs that many watch: in one view, and in five.

The time is that from the edit's 200 to the answer to the last NOTIFY; the CPU time is that of all threads of the
server, the edit and what is written after the last answer included.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.measuring import ROUNDS, Row, cpu_seconds, cpu_when_quiet
from tests.bench.messages import OWNER_DOMAIN
from tests.bench.owners import put_card, put_rules, rules_by_name, rules_for_domains
from tests.bench.serving import Documents, server
from tests.bench.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.floor import Floor
    from tests.bench.watchers import LoadProcess
    from tests.support.process import ServerProcess

SIZES = (1_000, 5_000)
PACE = 1.1
"""Seconds between two edits: the package tells a device of one change in a second."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one edit came to: the medians of its rounds."""

    seconds: float
    cpu: float
    """Seconds of the server."""
    load: float
    """Part of a core that the load needed."""


def rows(floor: Floor) -> Iterator[Row]:
    """One row for each number of watchers and of views."""
    for watchers in SIZES:
        for views in (1, 5):
            yield _fan_out(watchers, views, floor)


def _fan_out(count: int, views: int, floor: Floor) -> Row:
    rules = rules_for_domains(OWNER_DOMAIN) if views == 1 else rules_by_name(count, views)
    with server() as served, Documents(served) as documents, Watchers(served.sip) as watchers:
        put_rules(documents, rules)
        put_card(documents, [0] * views)
        watchers.subscribe(0, count)
        edits = [[edit] * views for edit in range(1, ROUNDS + 2)]
        told = tell(served, documents, watchers, edits, hear=count)
    rate = count / told.seconds
    return Row(
        f"fan-out to {count} watchers, {views} view{'s' if views > 1 else ''}",
        rate,
        "NOTIFY/s",
        f"{told.cpu / count * 1e6:.1f} µs of CPU each; {rate / floor.rate:.0%} of the floor; load: {told.load:.0%} CPU",
    )


def tell(
    served: ServerProcess, documents: Documents, watchers: LoadProcess, edits: Sequence[Sequence[int]], *, hear: int
) -> Told:
    """Edit again and again, each time with as many who hear. The first edit is for warming up, and to have an idea of
    all watchers."""
    times, costs, loads = [], [], []
    for edit in edits:
        quiet = time.monotonic() + PACE
        cpu = cpu_when_quiet(served.pid)
        time.sleep(max(0.0, quiet - time.monotonic()))
        cpu = cpu_seconds(served.pid)
        watchers.begin_waiting(hear)
        put_card(documents, edit)
        edited = time.monotonic()
        outcome = watchers.finish()
        times.append(outcome.finished - edited)
        loads.append(outcome.share)
        costs.append(cpu_when_quiet(served.pid) - cpu)
        if outcome.unasked:
            raise RuntimeError(f"{outcome.unasked} NOTIFYs were sent again")
    return Told(*(statistics.median(each[1:]) for each in (times, costs, loads)))
