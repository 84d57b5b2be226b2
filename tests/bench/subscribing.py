"""SUBSCRIBE: new subscriptions, each with its durable relation and its first NOTIFY, and refreshes of them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tests.bench.measuring import ROUNDS, Row, cpu_seconds, cpu_when_quiet
from tests.bench.messages import OWNER_DOMAIN, owner
from tests.bench.owners import put_card, put_rules, rules_for_domains
from tests.bench.serving import Documents, server
from tests.bench.watchers import WINDOW, Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.serving import Served
    from tests.bench.watchers import Outcome

COUNT = 5_000


def rows() -> Iterator[Row]:
    """New subscriptions at one owner and at many, and refreshes."""
    for owners in (1, 500):
        with server() as served:
            set_up(served, owners)
            with Watchers(served.sip, owners=owners) as watchers:
                yield from _asked(served, watchers, owners)


def set_up(served: Served, owners: int) -> None:
    """Owners who let everybody of the domain see the same."""
    with Documents(served) as documents:
        for number in range(owners):
            put_card(documents, [0], user=owner(number))
            put_rules(documents, rules_for_domains(OWNER_DOMAIN), user=owner(number))


def _asked(served: Served, watchers: Watchers, owners: int) -> Iterator[Row]:
    where = f"{owners} owner{'s' if owners > 1 else ''}"
    rounds = iter(range(ROUNDS + 1))
    yield _row(
        served,
        f"new subscriptions at {where}",
        lambda: watchers.subscribe(next(rounds) * COUNT, COUNT),
        "relation durable, first NOTIFY answered",
    )
    if owners == 1:
        yield _row(served, "refreshes", lambda: watchers.refresh(COUNT, suppress=False), "NOTIFY answered")
        yield _row(served, "refreshes that nothing is new for", lambda: watchers.refresh(COUNT, suppress=True), "204")


def _row(served: Served, what: str, ask: Callable[[], Outcome], remark: str) -> Row:
    """The median of the rounds, after one for warming up."""
    outcomes, costs = [], []
    for _ in range(ROUNDS + 1):
        cpu_when_quiet(served.pid)
        cpu = cpu_seconds(served.pid)
        outcomes.append(ask())
        costs.append((cpu_when_quiet(served.pid) - cpu) / COUNT)
    rate = statistics.median(COUNT / each.seconds for each in outcomes[1:])
    p99 = statistics.median(each.latencies[1] for each in outcomes[1:])
    load = statistics.median(each.share for each in outcomes[1:])
    return Row(
        what,
        rate,
        "/s",
        f"{statistics.median(costs[1:]) * 1e6:.0f} µs of CPU each, p99 {p99 * 1e3:.1f} ms with {WINDOW} at once; "
        f"{remark}; load: {load:.0%} CPU",
    )
