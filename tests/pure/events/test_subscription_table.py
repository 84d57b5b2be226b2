"""Every situation of the notifier's machine, and all that can happen in it.

A cell of the table reads: what the input says itself (`204` or `200` to a Suppress-If-Match, what became of a NOTIFY);
the NOTIFY that goes at once, `-` for none; after a comma the one that goes 40 seconds later, when all answers are in.
A NOTIFY reads: state, reason, [SIP-ETag], and for a body the tags that it leads from and to.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from abserver.domain.view import View
from abserver.events.subscription import FIRST_RETRY, Notice, Outcome, Subscription
from abserver.sip.headers import EventReason

if TYPE_CHECKING:
    from collections.abc import Callable

OLD, NEW = View(b"<old/>", "old"), View(b"<new/>", "new")


# -- situations: what came before half a second ago, the last NOTIFY just before that ---------------------------------


def new() -> Subscription:
    machine = Subscription(pace=1.0)
    machine.subscribed(expires_at=100.0, holds=None, full=False)
    return machine


def told(machine: Subscription) -> Subscription:
    assert machine.next_notice(0.0)
    machine.answered(200, 0.0)
    return machine


def pending() -> Subscription:
    machine = new()
    machine.set_pending()
    return told(machine)


def active() -> Subscription:
    machine = new()
    machine.set_active(OLD)
    return told(machine)


def early() -> Subscription:
    machine = active()
    machine.set_active(NEW)
    return machine


def in_flight() -> Subscription:
    machine = Subscription(pace=1.0, told=active().told, delivered="old", expires_at=100.0)
    machine.set_active(NEW)
    assert machine.next_notice(0.0)
    return machine


def failed() -> Subscription:
    machine = in_flight()
    machine.answered(500, 0.0)
    return machine


def silenced() -> Subscription:
    machine = active()
    assert machine.suppress("*", expires_at=100.0)
    return machine


def leaving() -> Subscription:
    machine = active()
    machine.subscribed(expires_at=0.0, holds="old", full=False, leaving=True)
    return machine


def ending() -> Subscription:
    machine = active()
    machine.terminate(EventReason.REJECTED)
    return machine


def over() -> Subscription:
    return told(ending())


SITUATIONS = (new, pending, active, early, in_flight, failed, silenced, leaving, ending, over)
NOW = 0.5


# -- inputs -----------------------------------------------------------------------------------------------------------


def subscribe(machine: Subscription, *, leaving: bool = False, condition: str | None = None) -> None:
    machine.subscribed(expires_at=100.0, holds=machine.delivered, full=False, leaving=leaving, condition=condition)


INPUTS: dict[str, Callable[[Subscription], object]] = {
    "pending": lambda machine: machine.set_pending(),
    "old": lambda machine: machine.set_active(OLD),
    "new": lambda machine: machine.set_active(NEW),
    "end": lambda machine: machine.terminate(EventReason.NORESOURCE),
    "subscribe": lambda machine: subscribe(machine),
    "leave": lambda machine: subscribe(machine, leaving=True),
    "silence": lambda machine: subscribe(machine, condition="*"),
    "if old": lambda machine: machine.suppress("old", expires_at=100.0),
    "if new": lambda machine: machine.suppress("new", expires_at=100.0),
    "if *": lambda machine: machine.suppress("*", expires_at=100.0),
    "200": lambda machine: machine.answered(200, NOW),
    "500": lambda machine: machine.answered(500, NOW),
    "481": lambda machine: machine.answered(481, NOW),
    "lost": lambda machine: machine.answered(None, NOW),
    "pace": lambda machine: machine.expire(1.0),
    "expiry": lambda machine: machine.expire(100.0),
}
TIMES = {"pace": 1.0, "expiry": 100.0}

TABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "new": {
        "pending": ("pending", "subscribe", "silence", "200", "500", "481", "lost", "pace"),
        "active [old] >old": ("old",),
        "active [new] >new": ("new",),
        "terminated noresource": ("end",),
        "terminated timeout": ("leave", "expiry"),
        "200 pending": ("if old", "if new", "if *"),
    },
    "pending": {
        "-": ("pending", "200", "500", "481", "lost", "pace"),
        "active [old] >old": ("old",),
        "active [new] >new": ("new",),
        "terminated noresource": ("end",),
        "pending": ("subscribe", "silence"),
        "terminated timeout": ("leave", "expiry"),
        "200 -": ("if old", "if new"),
        "204 -": ("if *",),
    },
    "active": {
        "-": ("old", "200", "500", "481", "lost", "pace"),
        "-, pending": ("pending",),
        "-, active [new] old>new": ("new",),
        "terminated noresource": ("end",),
        "active [old]": ("subscribe", "silence"),
        "terminated timeout [old]": ("leave",),
        "200 -": ("if new",),
        "204 -": ("if old", "if *"),
        "terminated timeout": ("expiry",),
    },
    "early": {
        "-": ("old",),
        "-, pending": ("pending",),
        "-, active [new] old>new": ("new", "200", "500", "481", "lost"),
        "active [new] old>new": ("subscribe", "pace"),
        "terminated noresource": ("end",),
        "terminated timeout [new] old>new": ("leave",),
        "active [new]": ("silence",),
        "200 -, active [new] old>new": ("if old",),
        "204 -": ("if new", "if *"),
        "terminated timeout": ("expiry",),
    },
    "in_flight": {
        "-": ("new", "pace"),
        "-, pending": ("pending",),
        "-, active [old] new>old": ("old",),
        "-, terminated noresource": ("end",),
        "-, active [new]": ("subscribe", "silence"),
        "-, terminated timeout [new]": ("leave",),
        "-, terminated timeout": ("expiry",),
        "200 -": ("if old",),
        "204 -": ("if new", "if *"),
        "delivered -": ("200",),
        "later -, active [new] >new": ("500",),
        "refused": ("481",),
        "silent": ("lost",),
    },
    "failed": {
        "-, pending": ("pending",),
        "-, active [old] >old": ("old",),
        "-, active [new] >new": ("new", "200", "500", "481", "lost", "pace"),
        "active [new] >new": ("subscribe",),
        "terminated noresource": ("end",),
        "terminated timeout [new] >new": ("leave",),
        "active [new]": ("silence",),
        "200 -, active [new] >new": ("if old",),
        "204 -": ("if new", "if *"),
        "terminated timeout": ("expiry",),
    },
    "silenced": {
        "-": ("old", "new", "200", "500", "481", "lost", "pace"),
        "-, pending": ("pending",),
        "terminated noresource": ("end",),
        "active [old]": ("subscribe", "silence"),
        "terminated timeout [old]": ("leave",),
        "200 -": ("if new",),
        "204 -": ("if old", "if *"),
        "terminated timeout": ("expiry",),
    },
    "leaving": {
        "terminated timeout": ("pending",),
        "terminated timeout [old]": ("old", "subscribe", "leave", "silence", *TIMES, "200", "500", "481", "lost"),
        "terminated timeout [new] old>new": ("new",),
        "terminated noresource": ("end",),
        "200 terminated timeout [old]": ("if old", "if new", "if *"),
    },
    "ending": {
        "terminated rejected": (
            *("pending", "old", "new", "end", "subscribe", "leave", "silence"),
            *("200", "500", "481", "lost", *TIMES),
        ),
        "200 terminated rejected": ("if old", "if new", "if *"),
    },
    "over": {
        "-": (
            *("pending", "old", "new", "end", "subscribe", "leave", "silence"),
            *("200", "500", "481", "lost", *TIMES),
        ),
        "200 -": ("if old", "if new", "if *"),
    },
}


def said(answer: object, *, sent: bool) -> str:
    match answer:
        case bool():
            return "204 " if answer else "200 "
        case Outcome(gone=None) if sent:
            return "delivered " if answer.delivered else "later "
        case Outcome(gone=gone) if gone is not None:
            return gone.name.lower()
        case _:
            return ""


def shown(notice: Notice | None) -> str:
    if notice is None:
        return "-"
    words: list[str] = [notice.standing]
    if notice.reason is not None:
        words.append(notice.reason)
    if notice.tag is not None:
        words.append(f"[{notice.tag}]")
    if notice.view is not None and not notice.unchanged:
        words.append(f"{notice.base or ''}>{notice.view.tag}")
    return " ".join(words)


def play(situation: Callable[[], Subscription], given: str) -> str:
    machine = situation()
    first = said(INPUTS[given](machine), sent=situation is in_flight)
    if first in ("refused", "silent"):
        return first
    now = TIMES.get(given, NOW)
    first += shown(machine.next_notice(now))
    machine.answered(200, now)
    later = now + FIRST_RETRY + 8.0
    machine.expire(later)
    second = shown(machine.next_notice(later))
    return first if second == "-" else f"{first}, {second}"


CELLS = {
    (situation, given): cell for situation, row in TABLE.items() for cell, inputs in row.items() for given in inputs
}


@pytest.mark.parametrize(("situation", "given"), list(itertools.product(SITUATIONS, INPUTS)))
def test_the_table(situation: Callable[[], Subscription], given: str) -> None:
    assert play(situation, given) == CELLS[situation.__name__, given]


def test_the_table_names_each_case_once() -> None:
    assert sum(len(inputs) for row in TABLE.values() for inputs in row.values()) == len(SITUATIONS) * len(INPUTS)
