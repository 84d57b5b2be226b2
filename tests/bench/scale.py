"""Many: 100,000 subscriptions in memory and over a crash, changes that 50,000 watch, and who is served meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.bench.fanout import PACE, tell
from tests.bench.measuring import Row, cpu_seconds, cpu_when_quiet, percentile, resident_kilobytes
from tests.bench.messages import OWNER_DOMAIN
from tests.bench.neighbour import Neighbour
from tests.bench.owners import put_card, put_rules, rules_for_domains
from tests.bench.serving import Documents, server
from tests.bench.subscribing import set_up
from tests.bench.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.floor import Floor
    from tests.support.process import ServerProcess

OWNERS, EACH = 1_000, 100
"""Subscriptions to each owner, of as many watchers."""
TIMER_J = 32.0
"""Seconds for which a server remembers what it answered (RFC 3261 §17.2.2): that is no memory of subscriptions."""
STORM = 5.0
"""Seconds after a restart in which NOTIFYs are counted."""

CURVE = (100, 1_000, 5_000, 10_000, 50_000)
SEEING, OTHERS = OWNER_DOMAIN, "example.org"
CROWD, CROWD_ROUNDS = 50_000, 5
EDITS = 4
"""Of which the first is for warming up."""


def rows(floor: Floor) -> Iterator[Row]:
    """Minutes for each."""
    yield from _restart()
    for watchers in CURVE:
        yield from _curve(watchers)
    yield from _crowd(floor)


# -- 100,000 subscriptions ------------------------------------------------------------------------------------------


def _restart() -> Iterator[Row]:
    count = OWNERS * EACH
    with server() as served:
        empty = resident_kilobytes(served.pid)
        set_up(served, OWNERS)
        with Watchers(served.sip, owners=OWNERS) as watchers:
            cpu = cpu_seconds(served.pid)
            outcome = watchers.subscribe(0, count)
            cpu = (cpu_seconds(served.pid) - cpu) / count
            yield Row(
                f"{count:,} new subscriptions at {OWNERS:,} owners",
                count / outcome.seconds,
                "/s",
                f"{cpu * 1e6:.0f} µs of CPU each, p99 {outcome.latencies[1] * 1e3:.1f} ms, load: {outcome.share:.0%}",
            )
            busy = resident_kilobytes(served.pid) - empty
            time.sleep(TIMER_J + 3.0)
            cpu_when_quiet(served.pid)
            rest = resident_kilobytes(served.pid) - empty
            remark = (
                f"RSS over the empty server, {OWNERS:,} cards and rules included; {TIMER_J:.0f} s after the last one"
            )
            yield Row("memory of a subscription", rest / count, "kB", f"{remark}, {busy / count:.1f} kB before")
            yield from _after_a_crash(served, watchers, empty)


def _after_a_crash(served: ServerProcess, watchers: Watchers, empty: int) -> Iterator[Row]:
    count = OWNERS * EACH
    served.kill()
    watchers.unasked()
    started = time.monotonic()
    served.start()
    ready = time.monotonic() - started
    time.sleep(STORM)
    remark = f"kill -9, start, until it is ready; {watchers.unasked()} NOTIFYs in the {STORM:.0f} s after"
    yield Row(f"restart with {count:,} subscriptions", ready, "s", remark)
    more = resident_kilobytes(served.pid) - empty
    yield Row("memory of a subscription, restored", more / count, "kB", "likewise")


# -- a change, by the number of those who watch -----------------------------------------------------------------------


def _curve(count: int) -> Iterator[Row]:
    """Half of the watchers see one number, half another one; nobody sees the third."""
    with (
        server() as served,
        Documents(served) as documents,
        Watchers(served.sip, domains=(SEEING, OTHERS)) as watchers,
    ):
        put_rules(documents, rules_for_domains(SEEING, OTHERS))
        put_card(documents, [0, 0, 0])
        watchers.subscribe(0, count)
        half = count // 2
        told = tell(served, documents, watchers, [[edit, 0, 0] for edit in range(1, EDITS + 1)], hear=half)
        yield Row(
            f"a change that {half:,} of {count:,} see",
            told.seconds * 1e3,
            "ms",
            f"{told.cpu * 1e3:.1f} ms of CPU, {told.cpu / half * 1e6:.1f} µs for each who hears",
        )
        time.sleep(PACE)
        hidden = tell(served, documents, watchers, [[EDITS, 0, edit] for edit in range(1, EDITS + 1)], hear=0)
        if watchers.unasked():
            raise RuntimeError("somebody heard of what nobody sees")
        yield Row(f"a change that nobody sees, {count:,} watch", hidden.cpu * 1e3, "ms", "of CPU, its PUT included")


# -- who is served during a fan-out -----------------------------------------------------------------------------------


def _crowd(floor: Floor) -> Iterator[Row]:
    """Somebody else reads and writes a list of 2 kB all the time."""
    with server() as served, Documents(served) as documents, Watchers(served.sip) as watchers:
        put_rules(documents, rules_for_domains(OWNER_DOMAIN))
        put_card(documents, [0])
        watchers.subscribe(0, CROWD)
        cpu_when_quiet(served.pid)
        with Neighbour(served) as neighbour:
            spans = []
            for edit in range(1, CROWD_ROUNDS + 1):
                time.sleep(PACE)
                watchers.begin_waiting(CROWD)
                begun = time.monotonic()
                put_card(documents, [edit])
                spans.append((begun, watchers.finish().finished))
        rate = CROWD / percentile([end - begin for begin, end in spans], 0.5)
        what = f"fan-out to {CROWD:,} watchers, others served meanwhile"
        yield Row(what, rate, "NOTIFY/s", f"from the PUT; {rate / floor.rate:.0%} of the floor")
        for method in ("GET", "PUT"):
            times = neighbour.during(method, spans)
            yield Row(
                f"XCAP {method} meanwhile, p99",
                percentile(times, 0.99) * 1e3,
                "ms",
                f"of {len(times)}, {Neighbour.RATE} each second; median {percentile(times, 0.5) * 1e3:.1f} ms, "
                f"slowest {max(times) * 1e3:.1f} ms",
            )
