"""New subscriptions, and what one edit costs: to many watchers, in one view and in five."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from abserver.domain.conditions import COMMON_POLICY
from abserver.domain.rules import CARD_RULES_NAMESPACE
from abserver.domain.usages import CARD_RULES_AUID, CONTACT_CARD_AUID
from tests.bench.measuring import Row, cpu_seconds
from tests.bench.serving import put, server
from tests.bench.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.process import ServerProcess

EDITS = 5
SIZES = (1_000, 5_000)


def rows(floor: float) -> Iterator[Row]:
    """floor: datagram pairs per second of a plain socket."""
    for watchers in SIZES:
        for views in (1, 5):
            with server() as served:
                yield from _run(served, watchers, views, floor)


def _run(served: ServerProcess, count: int, views: int, floor: float) -> Iterator[Row]:
    put(served, CARD_RULES_AUID, "application/auth-policy+xml", rules_of(count, views))
    put(served, CONTACT_CARD_AUID, "application/vcard+xml", card_of(0, views))
    watchers = Watchers(served.sip)
    try:
        cpu = cpu_seconds(served.pid)
        watchers.begin_subscribing(0, count)
        outcome = watchers.finish()
        cpu = (cpu_seconds(served.pid) - cpu) / count
        if views == 1:
            yield Row(
                f"new subscriptions, {count} at one owner",
                count / outcome.seconds,
                "/s",
                f"{cpu * 1e6:.0f} µs of CPU each, durable, first NOTIFY answered",
            )
        rates, costs = [], []
        for edit in range(1, EDITS + 1):
            cpu = cpu_seconds(served.pid)
            watchers.begin_waiting(count)
            put(served, CONTACT_CARD_AUID, "application/vcard+xml", card_of(edit, views))
            outcome = watchers.finish()
            rates.append(count / outcome.seconds)
            costs.append((cpu_seconds(served.pid) - cpu) / count)
        rate, cost = statistics.median(rates), statistics.median(costs)
        yield Row(
            f"fan-out to {count} watchers, {views} view{'s' if views > 1 else ''}",
            rate,
            "NOTIFY/s",
            f"{cost * 1e6:.0f} µs of CPU each; {rate / floor:.0%} of the floor",
        )
    finally:
        watchers.close()


def rules_of(count: int, views: int) -> bytes:
    """Everybody of the domain in one rule; or as many rules, each of which names its share of the watchers."""
    if views == 1:
        rules = _rule("all", '<many domain="example.com"/>', 0)
    else:
        rules = "".join(
            _rule(f"r{view}", "".join(_one(number) for number in range(view, count, views)), view)
            for view in range(views)
        )
    return f'<ruleset xmlns="{COMMON_POLICY}" xmlns:r="{CARD_RULES_NAMESPACE}">{rules}</ruleset>'.encode()


def _one(number: int) -> str:
    return f'<one id="sip:w{number}@example.com"/>'


def _rule(rule_id: str, identity: str, view: int) -> str:
    return (
        f'<rule id="{rule_id}"><conditions><identity>{identity}</identity></conditions>'
        "<actions><r:card-handling>allow</r:card-handling></actions><transformations>"
        f"<r:provide-levels><r:level>level{view}</r:level></r:provide-levels></transformations></rule>"
    )


def card_of(edit: int, views: int) -> bytes:
    """A card of about 1.5 kB with one number for each level; the edit changes them all."""
    numbers = "".join(
        f"<tel><parameters><x-level><text>level{view}</text></x-level></parameters>"
        f"<uri>tel:+1555{edit:04d}{view}</uri></tel>"
        for view in range(views)
    )
    shared = "<parameters><x-level><text>public</text></x-level></parameters>"
    notes = "".join(f"<note>{shared}<text>Remark {each}: ring twice, then wait.</text></note>" for each in range(8))
    head = '<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann Example</text></fn>'
    return f"{head}{numbers}{notes}</vcard></vcards>".encode()
