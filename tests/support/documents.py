"""Cards and rules as owners write them, in short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import Owner, Watcher, parse_aor
from abserver.domain.rules import Handling, decision_rule, empty_ruleset

if TYPE_CHECKING:
    import datetime

ANN, DAN = Owner(parse_aor("sip:ann@example.com")), Owner(parse_aor("sip:dan@example.com"))
BOB, CAROL = Watcher(parse_aor("sip:bob@example.com")), Watcher(parse_aor("sip:carol@example.com"))

_PUBLIC = "<parameters><x-level><text>public</text></x-level></parameters>"
FILLER = "".join(f"<note>{_PUBLIC}<text>Remark {n} that stays as it is.</text></note>" for n in range(8))
"""Makes a card so long that a patch of one number is shorter."""


def card(public: str = "1", *, friends: str | None = None, private: str | None = None, filler: str = FILLER) -> bytes:
    """A card with one number at each of these levels."""
    numbers = {"public": public, "friends": friends, "private": private}
    items = "".join(
        f"<tel><parameters><x-level><text>{level}</text></x-level></parameters><uri>tel:{number}</uri></tel>"
        for level, number in numbers.items()
        if number is not None
    )
    return (
        '<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0">\n'
        f"<vcard><fn><text>Ann</text></fn>{filler}{items}</vcard></vcards>"
    ).encode()


def rules(*rule: bytes) -> bytes:
    """A ruleset of these rules."""
    return empty_ruleset().replace(b"</ruleset>", b"".join(rule) + b"</ruleset>")


def allow(watcher: Watcher, *levels: str) -> bytes:
    return decision_rule(watcher, Handling.ALLOW, levels)[1]


def block(watcher: Watcher) -> bytes:
    return decision_rule(watcher, Handling.BLOCK)[1]


def polite_block(watcher: Watcher) -> bytes:
    return decision_rule(watcher, Handling.POLITE_BLOCK)[1]


def confirm(watcher: Watcher) -> bytes:
    return decision_rule(watcher, Handling.CONFIRM)[1]


def during(rule: bytes, begins: datetime.datetime, ends: datetime.datetime) -> bytes:
    """The rule, valid in this period only (RFC 4745 §7.3)."""
    validity = f"<validity><from>{begins.isoformat()}</from><until>{ends.isoformat()}</until></validity></conditions>"
    return rule.replace(b"</conditions>", validity.encode())
