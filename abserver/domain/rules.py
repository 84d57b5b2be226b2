"""Card rules: who is let in and what he may see (RFC 4745, with an action and transformations of our own).

A ruleset only ever grants. All rules whose conditions match add up (RFC 4745 §10): the handling is the maximum, the
grant is the union. So a `block` rule does not take away what another rule allows. The action is a new one, as
RFC 5025 §3.2.1 asks of new uses: `card-handling`, with the values and the meanings that `sub-handling` has there.
A rule without it decides nothing and adds its transformations only; when no matching rule has it, the owner has not
decided and is asked (`CONFIRM`).

What a watcher is shown follows from the handling first: only `ALLOW` shows anything. A polite-blocked watcher gets
the view of an empty card, and whoever is allowed always gets the level `public`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from abserver.domain import trees
from abserver.domain.conditions import COMMON_POLICY, Request, read_condition
from abserver.domain.identity import NO_ALIASES
from abserver.domain.ruleset import Rule, Ruleset
from abserver.domain.trees import InvalidDocument

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping, Sequence

    from abserver.domain.conditions import Members
    from abserver.domain.identity import Identities, Watcher

CARD_RULES_NAMESPACE = "urn:abserver:xml:ns:card-rules"

PUBLIC = "public"
"""The level that every allowed watcher has."""


class Handling(enum.IntEnum):
    """Values of the card-handling action, as RFC 5025 §3.2.1 orders them; the larger wins."""

    BLOCK = 0
    """The subscription is rejected."""
    CONFIRM = 10
    """The subscription is pending until the owner decides."""
    POLITE_BLOCK = 20
    """The subscription looks accepted; the card looks empty."""
    ALLOW = 30
    """The subscription is active and shows what the grant gives."""


_WIRE = {
    Handling.BLOCK: "block",
    Handling.CONFIRM: "confirm",
    Handling.POLITE_BLOCK: "polite-block",
    Handling.ALLOW: "allow",
}
_HANDLINGS = {text: handling for handling, text in _WIRE.items()}


@dataclass(frozen=True, slots=True)
class Provided:
    """Properties given by name, whatever their level."""

    name: str
    """Lower case, as in the card: `tel`."""
    type: str | None = None
    """Only those with this TYPE value, lower case; None for all."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Grant:
    """What a watcher may see. Equal grants give equal views, so a grant is the key by which views are shared."""

    levels: frozenset[str] = frozenset()
    properties: frozenset[Provided] = frozenset()
    everything: bool = False
    _hash: int = field(init=False, repr=False, compare=False)
    """Made once: a grant is looked up for every watcher at every change."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.levels, self.properties, self.everything)))

    def __hash__(self) -> int:
        return self._hash

    def provides(self, name: str, types: frozenset[str]) -> bool:
        """Whether a property of this name and these TYPE values is given by name."""
        return bool(self.properties) and any(
            provided.name == name and (provided.type is None or provided.type in types) for provided in self.properties
        )


NOTHING = Grant()
"""Shows an empty card."""
EVERYTHING = Grant(everything=True)
"""Shows the card as its owner sees it."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Decision:
    """What all matching rules say of one watcher."""

    handling: Handling
    grant: Grant
    rule: str | None
    """The first rule, in document order, that has this handling; None when no rule decided."""


UNDECIDED = Decision(Handling.CONFIRM, NOTHING, None)
"""Nobody has said anything about this watcher: the owner is asked."""


NO_LISTS: Mapping[str, Members] = MappingProxyType({})


def decide(
    ruleset: Ruleset | None,
    watcher: Watcher | None,
    utc: datetime.datetime,
    *,
    sphere: str | None = None,
    lists: Mapping[str, Members] = NO_LISTS,
) -> Decision:
    """What the rules say of the watcher (RFC 4745 §10.2).

    ruleset: None where the owner has no rules. watcher: None if not authenticated. utc: aware.
    sphere: the one the owner is in, None if not known. lists: who is on the lists that the rules refer to (`anchors`).
    """
    return combined(matching(ruleset, watcher, utc, sphere, lists)) if ruleset else UNDECIDED


def matching(
    ruleset: Ruleset,
    watcher: Watcher | None,
    utc: datetime.datetime,
    sphere: str | None,
    lists: Mapping[str, Members],
) -> Sequence[Rule]:
    """The rules whose conditions all hold, in document order."""
    candidates = ruleset.candidates(watcher)
    request = circumstances(ruleset, candidates, watcher, utc, sphere, lists)
    return [rule for rule in candidates if all(condition.holds(request) for condition in rule.conditions)]


def circumstances(
    ruleset: Ruleset,
    candidates: Iterable[Rule],
    watcher: Watcher | None,
    utc: datetime.datetime,
    sphere: str | None,
    lists: Mapping[str, Members],
) -> Request:
    """In which the conditions of the ruleset are evaluated; `candidates` are its own for this watcher."""
    other = ruleset.has_default and not _is_named(candidates, watcher, lists)
    return Request(watcher, utc, sphere, lists, other)


def _is_named(candidates: Iterable[Rule], watcher: Watcher | None, lists: Mapping[str, Members]) -> bool:
    """Whether anything in the ruleset names the watcher, for all that is known; then he is a candidate of that rule."""
    return watcher is not None and any(each.may_name(watcher, lists) for rule in candidates for each in rule.naming)


def combined(rules: Sequence[Rule]) -> Decision:
    """The maximum of the handlings and the union of the grants of rules that match."""
    deciding = max((rule for rule in rules if rule.handling is not None), key=_strength, default=None)
    if deciding is None or deciding.handling is None:
        return UNDECIDED
    grant = _united(rules) if deciding.handling is Handling.ALLOW else NOTHING
    return Decision(deciding.handling, grant, deciding.id)


def _strength(rule: Rule) -> int:
    return -1 if rule.handling is None else rule.handling


def _united(rules: Iterable[Rule]) -> Grant:
    """The union; what another part of it covers already is left out, so that equal permissions are equal grants."""
    grants = [rule.grant for rule in rules]
    if any(grant.everything for grant in grants):
        return EVERYTHING
    properties = frozenset().union(*(grant.properties for grant in grants))
    return Grant(
        frozenset({PUBLIC}).union(*(grant.levels for grant in grants)),
        frozenset(each for each in properties if each.type is None or Provided(each.name) not in properties),
    )


# Reading


def parse_rules(content: bytes, identities: Identities = NO_ALIASES) -> Ruleset:
    """Read a card rules document. Raises InvalidDocument if it is no ruleset; its details are the schema's to check.

    identities: who is meant by the addresses in it.
    """
    root = trees.parse(content)
    if root.tag != f"{{{COMMON_POLICY}}}ruleset":
        raise InvalidDocument(f"the document element must be <ruleset xmlns='{COMMON_POLICY}'>")
    return Ruleset(tuple(_rule(element, identities) for element in root.findall(f"{{{COMMON_POLICY}}}rule")))


def _rule(element: Element, identities: Identities) -> Rule:
    conditions = element.find(f"{{{COMMON_POLICY}}}conditions")
    return Rule(
        id=element.get("id", ""),
        conditions=() if conditions is None else tuple(read_condition(child, identities) for child in conditions),
        handling=_handling(element.find(f"{{{COMMON_POLICY}}}actions/{{{CARD_RULES_NAMESPACE}}}card-handling")),
        grant=_grant(element.find(f"{{{COMMON_POLICY}}}transformations")),
    )


def _handling(element: Element | None) -> Handling | None:
    """None for a value of some later version too: it decides nothing here."""
    return None if element is None else _HANDLINGS.get((element.text or "").strip())


def _grant(transformations: Element | None) -> Grant:
    if transformations is None:
        return NOTHING
    levels = transformations.findall(f"{{{CARD_RULES_NAMESPACE}}}provide-levels/{{{CARD_RULES_NAMESPACE}}}level")
    properties = transformations.findall(f"{{{CARD_RULES_NAMESPACE}}}provide-property")
    return Grant(
        levels=frozenset(name for level in levels if (name := (level.text or "").strip().lower())),
        properties=frozenset(
            Provided(each.get("name", "").strip().lower(), (each.get("type") or "").strip().lower() or None)
            for each in properties
        ),
        everything=transformations.find(f"{{{CARD_RULES_NAMESPACE}}}provide-all") is not None,
    )


# Writing


def empty_ruleset() -> bytes:
    """A card rules document without rules: everybody who asks is pending."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ruleset xmlns="{COMMON_POLICY}">\n</ruleset>\n'.encode()


def decision_rule(watcher: Watcher, handling: Handling, levels: Iterable[str] = ()) -> tuple[str, bytes]:
    """The rule by which an owner decides about one watcher: its id, and the <rule> element to PUT.

    The id is the same for every decision about this watcher, so that the next one replaces this one.
    levels: what the watcher sees beside `public`; said of `ALLOW` only.
    """
    rule = Element(f"{{{COMMON_POLICY}}}rule", id=rule_id(watcher))
    identity = SubElement(SubElement(rule, f"{{{COMMON_POLICY}}}conditions"), f"{{{COMMON_POLICY}}}identity")
    SubElement(identity, f"{{{COMMON_POLICY}}}one", id=watcher)
    SubElement(
        SubElement(rule, f"{{{COMMON_POLICY}}}actions"), f"{{{CARD_RULES_NAMESPACE}}}card-handling"
    ).text = _WIRE[handling]
    transformations = SubElement(rule, f"{{{COMMON_POLICY}}}transformations")
    if handling is Handling.ALLOW:
        provided = SubElement(transformations, f"{{{CARD_RULES_NAMESPACE}}}provide-levels")
        for level in sorted({PUBLIC, *levels}):
            SubElement(provided, f"{{{CARD_RULES_NAMESPACE}}}level").text = level
    return rule_id(watcher), trees.canonical(rule).encode()


def rule_id(watcher: Watcher) -> str:
    """An XML id (an NCName) for the rule about this watcher; no two watchers share one.

    Letters, digits, `.` and `-` stand for themselves, every other octet is `_` and two hexadecimal digits.
    """
    address = watcher.removeprefix("sip:")
    return "w-" + re.sub(
        r"[^A-Za-z0-9.\-]", lambda other: "".join(f"_{octet:02x}" for octet in other[0].encode()), address
    )
