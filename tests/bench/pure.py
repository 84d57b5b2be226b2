"""The pure hot paths: parse, build, view, difference."""

from __future__ import annotations

import datetime
import itertools
from typing import TYPE_CHECKING

from abserver.domain.card import parse_card
from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.rules import Grant, Handling, decide, decision_rule, empty_ruleset, parse_rules
from abserver.domain.view import view_of
from abserver.events.subscription import Subscription
from abserver.sip.codec import parse, serialize, write_fields
from abserver.sip.dialog import Dialog
from abserver.sip.message import Headers, Request
from abserver.sip.plain import read_plain
from tests.bench.measuring import Row, microseconds
from xcap.core import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from abserver.domain.view import View

DIALOG_FIELDS = ("Max-Forwards", "From", "To", "Call-ID", "CSeq")
OWNER = Owner(Aor("sip:ann@example.com"))


def card_of(number: str = "+15550100", *, notes: int = 8) -> bytes:
    """A card of about 1.5 kB: `number` is for friends."""
    level = "<parameters><x-level><text>friends</text></x-level></parameters>"
    note = "".join(
        f"<note>{level}<text>Remark {each}: ring twice, then wait a while.</text></note>" for each in range(notes)
    )
    return (
        '<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann Example</text></fn>'
        f"<tel>{level}<uri>tel:{number}</uri></tel>{note}</vcard></vcards>"
    ).encode()


def notify_of(body: bytes) -> Request:
    """A NOTIFY as the server sends it."""
    fields = [
        ("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK0123456789abcdef;rport"),
        ("Max-Forwards", "70"),
        ("From", "<sip:ann@example.com>;tag=0123456789abcdef"),
        ("To", "<sip:w1@example.com>;tag=fedcba98"),
        ("Call-ID", "0123456789abcdef@127.0.0.1"),
        ("CSeq", "17 NOTIFY"),
        ("SIP-ETag", "0123456789abcdef0123456789abcdef"),
        ("Event", "contact-card;base=0123456789abcdef0123456789abcdef"),
        ("Subscription-State", "active;expires=3599"),
        ("Contact", "<sip:127.0.0.1:5060>"),
        ("Content-Type", "application/xml-patch+xml"),
    ]
    return Request("NOTIFY", "sip:w1@127.0.0.1:6000", Headers(fields), body)


def change_told(before: View, after: View) -> Callable[[], None]:
    """One change at the notifier's machine: noticed, told, acknowledged."""
    machine = Subscription(pace=1.0)
    machine.subscribed(expires_at=1e12, holds=None, full=False)
    turns = itertools.cycle([before, after])
    clock = itertools.count(0.0, 1.0)

    def change() -> None:
        now = next(clock)
        machine.set_active(next(turns))
        if machine.behind:
            machine.next_notice(now)
            machine.answered(200, now)

    return change


DIALOG = Dialog(
    "0123456789abcdef@127.0.0.1", "0123456789abcdef", "fedcba98", OWNER, "sip:w1@example.com", "sip:w1@127.0.0.1:6000"
)
FIELDS = write_fields((name, value) for name, value in notify_of(b"").headers if name not in ("Via", *DIALOG_FIELDS))


def written_of(body: bytes) -> bytes:
    """The same by way of its dialog, with the fields that NOTIFYs of one change share."""
    via = "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK0123456789abcdef;rport"
    return DIALOG.next_outgoing("NOTIFY", FIELDS, body).written(via)


def rows() -> Iterator[Row]:
    """One row for each path."""
    old, new = card_of(), card_of("+15550199")
    grant = Grant(levels=frozenset({"public", "friends"}))
    card = parse_card(old)
    before, after = view_of(card, grant, OWNER), view_of(parse_card(new), grant, OWNER)
    notify = notify_of(patch.diff(before.content, after.content))
    wire = serialize(notify)
    answer = wire.replace(b"NOTIFY sip:w1@127.0.0.1:6000 SIP/2.0", b"SIP/2.0 200 OK", 1).partition(b"SIP-ETag")[0]
    answer += b"Content-Length: 0\r\n\r\n"
    watcher = Watcher(Aor("sip:bob@example.com"))
    rule = decision_rule(watcher, Handling.ALLOW, ["friends"])[1]
    ruleset = parse_rules(empty_ruleset().replace(b"</ruleset>", rule + b"</ruleset>"))
    utc = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    difference = patch.diff(before.content, after.content)

    yield Row(f"parse a NOTIFY of {len(wire)} octets", microseconds(lambda: parse(wire)), "µs")
    yield Row(f"parse its 200 of {len(answer)} octets", microseconds(lambda: parse(answer)), "µs")
    yield Row("match it without parsing", microseconds(lambda: read_plain(answer)), "µs")
    yield Row("build a NOTIFY", microseconds(lambda: serialize(notify)), "µs")
    yield Row("write one within its dialog", microseconds(lambda: written_of(notify.body)), "µs")
    yield Row(f"parse a card of {len(old)} octets", microseconds(lambda: parse_card(old)), "µs")
    yield Row("tell a change: the notifier's machine", microseconds(change_told(before, after)), "µs")
    yield Row("decide for one watcher", microseconds(lambda: decide(ruleset, watcher, utc)), "µs")
    yield Row("view", microseconds(lambda: view_of(card, grant, OWNER)), "µs")
    yield Row(
        "difference, one number changed",
        microseconds(lambda: patch.diff(before.content, after.content)),
        "µs",
        f"{len(difference)} octets for a view of {len(after.content)}",
    )
    yield Row("apply it", microseconds(lambda: patch.apply(difference, before.content)), "µs")
