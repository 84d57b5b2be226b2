"""What stands on the stage: cards and rules in short, and how a page tells of those that were there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import Watcher, parse_aor
from abserver.domain.rules import Handling, decision_rule, empty_ruleset
from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from abserver.domain.vcard import import_vcard
from abserver.domain.vcard_text import export_vcard
from tests.dialogues.flows.expecting import lines_of
from tests.dialogues.flows.record import Given, indented
from xcap.core.xml import parse_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANN, BOB, CAROL, DAN = (f"sip:{name}@example.com" for name in ("ann", "bob", "carol", "dan"))


def card(*lines: str) -> bytes:
    """A contact card from lines of text/vcard, with X-LEVEL where an item has a level of its own."""
    text = "\r\n".join(("BEGIN:VCARD", "VERSION:4.0", *lines, "END:VCARD", ""))
    [content] = import_vcard(text.encode())
    return content


def rules(*rule: bytes) -> bytes:
    """Card rules."""
    return empty_ruleset().replace(b"</ruleset>", b"".join(rule) + b"</ruleset>")


def allow(watcher: str, *levels: str) -> bytes:
    """A rule that shows the watcher the items of these levels, and the public ones."""
    return _rule(watcher, Handling.ALLOW, *levels)


def block(watcher: str) -> bytes:
    return _rule(watcher, Handling.BLOCK)


def polite_block(watcher: str) -> bytes:
    return _rule(watcher, Handling.POLITE_BLOCK)


def confirm(watcher: str) -> bytes:
    return _rule(watcher, Handling.CONFIRM)


def _rule(watcher: str, handling: Handling, *levels: str) -> bytes:
    return decision_rule(Watcher(parse_aor(watcher)), handling, levels)[1]


def shows_relation(watcher: str, state: str) -> Callable[[bytes], None]:
    """A list of relations in which this watcher has this state."""

    def check(content: bytes) -> None:
        states = {each.get("watcher"): each.get("state") for each in parse_document(content).iter("{*}relation")}
        assert states[watcher] == state

    return check


def described(name: str, auid: str, content: bytes) -> Given:
    """A document that was there before."""
    match auid:
        case CONTACT_CARD.auid:
            return Given(f"{name}'s card:", "\n".join(lines_of(export_vcard(content))))
        case CARD_RULES.auid:
            return Given(f"{name}'s rules: {'; '.join(_in_words(content))}.")
        case _:
            return Given(f"{name}'s document of the usage `{auid}`:", indented(content))


def _in_words(content: bytes) -> Iterator[str]:
    """Each rule, which is one of those above."""
    for rule in parse_document(content).iter("{*}rule"):
        [who] = [one.get("id") for one in rule.iter("{*}one")]
        [handling] = [action.text for action in rule.iter("{*}card-handling")]
        levels = [f"`{level.text}`" for level in rule.iter("{*}level")]
        yield f"{handling} `{who}`" + (f", who sees the levels {' and '.join(levels)}" if levels else "")
