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

import bisect
import enum
import re
from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from abserver.domain import trees
from abserver.domain.conditions import (
    COMMON_POLICY,
    Condition,
    ExternalList,
    Identity,
    OtherIdentity,
    Request,
    Sphere,
    Validity,
    comparable,
    read_condition,
)
from abserver.domain.identity import Aor, Watcher, domain_of
from abserver.domain.trees import InvalidDocument

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping, Sequence

    from abserver.domain.conditions import Members

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


@dataclass(frozen=True, slots=True)
class Rule:
    """If all conditions hold, this handling and this grant."""

    id: str
    conditions: tuple[Condition, ...]
    """None of them: the rule is for everybody, authenticated or not."""
    handling: Handling | None
    grant: Grant

    @property
    def naming(self) -> Sequence[Identity | ExternalList]:
        """The conditions that say of whom the rule is."""
        return [each for each in self.conditions if isinstance(each, Identity | ExternalList)]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Rules in document order, with the indexes that make a decision cheap among thousands of rules."""

    rules: tuple[Rule, ...]
    by_one: Mapping[str, Sequence[int]] = field(init=False, repr=False, compare=False)
    """identity -> places of the rules that name it, of those that can match nobody but whom they name."""
    by_domain: Mapping[str, Sequence[int]] = field(init=False, repr=False, compare=False)
    """domain -> places of the rules about it, of the same."""
    for_many: Sequence[int] = field(init=False, repr=False, compare=False)
    """Places of all other rules."""
    boundaries: Sequence[datetime.datetime] = field(init=False, repr=False, compare=False)
    """All times at which a period begins or ends, ascending."""
    anchors: frozenset[str] = field(init=False, repr=False, compare=False)
    """The lists that rules refer to."""
    asks_sphere: bool = field(init=False, repr=False, compare=False)
    """Whether a decision may depend on the owner's sphere."""
    has_default: bool = field(init=False, repr=False, compare=False)
    """Whether there is a rule for those whom no other one names."""

    def __post_init__(self) -> None:
        by_one: defaultdict[str, list[int]] = defaultdict(list)
        by_domain: defaultdict[str, list[int]] = defaultdict(list)
        for_many: list[int] = []
        for place, rule in enumerate(self.rules):
            named = _named(rule)
            if named is None:
                for_many.append(place)
            else:
                for one in named.ones:
                    by_one[one].append(place)
                for domain in {each.domain for each in named.many if each.domain}:
                    by_domain[domain].append(place)
        conditions = [condition for rule in self.rules for condition in rule.conditions]
        for name, value in {
            "by_one": dict(by_one),
            "by_domain": dict(by_domain),
            "for_many": for_many,
            "boundaries": sorted({time for each in conditions if isinstance(each, Validity) for time in each.times}),
            "anchors": frozenset(
                anchor for each in conditions if isinstance(each, ExternalList) for anchor in each.anchors
            ),
            "asks_sphere": any(isinstance(each, Sphere) for each in conditions),
            "has_default": any(isinstance(each, OtherIdentity) for each in conditions),
        }.items():
            object.__setattr__(self, name, value)

    def candidates(self, watcher: Watcher | None) -> Sequence[Rule]:
        """The rules that may match this watcher, in document order."""
        if watcher is None:
            return [self.rules[place] for place in self.for_many]
        named = self.by_one.get(watcher, ())
        of_domain = self.by_domain.get(comparable(domain_of(watcher)), ()) if self.by_domain else ()
        return [self.rules[place] for place in sorted({*named, *of_domain, *self.for_many})]


def _named(rule: Rule) -> Identity | None:
    """The identity by which the rule can be looked up: it says all of whom the rule is, by addresses and domains."""
    match rule.naming:
        case [Identity() as only] if only.understood and all(each.domain is not None for each in only.many):
            return only
        case _:
            return None


NO_LISTS: Mapping[str, Members] = MappingProxyType({})


def decide(
    ruleset: Ruleset | None,
    watcher: Watcher | None,
    utc: datetime.datetime,
    *,
    sphere: str | None = None,
    lists: Mapping[str, Members] = NO_LISTS,
) -> Decision:
    """Combine the rules that match (RFC 4745 §10.2).

    ruleset: None where the owner has no rules. watcher: None if not authenticated. utc: aware.
    sphere: the one the owner is in, None if not known. lists: who is on the lists that the rules refer to (`anchors`).
    """
    if ruleset is None:
        return UNDECIDED
    candidates = ruleset.candidates(watcher)
    other = ruleset.has_default and not _is_named(candidates, watcher, lists)
    request = Request(watcher, utc, sphere, lists, other)
    matching = [rule for rule in candidates if all(condition.holds(request) for condition in rule.conditions)]
    deciding = max((rule for rule in matching if rule.handling is not None), key=_strength, default=None)
    if deciding is None or deciding.handling is None:
        return UNDECIDED
    grant = _combined(matching) if deciding.handling is Handling.ALLOW else NOTHING
    return Decision(deciding.handling, grant, deciding.id)


def _is_named(candidates: Iterable[Rule], watcher: Watcher | None, lists: Mapping[str, Members]) -> bool:
    """Whether anything in the ruleset names the watcher, for all that is known; then he is a candidate of that rule."""
    return watcher is not None and any(each.may_name(watcher, lists) for rule in candidates for each in rule.naming)


def _strength(rule: Rule) -> int:
    return -1 if rule.handling is None else rule.handling


def _combined(matching: Iterable[Rule]) -> Grant:
    """The union; what another part of it covers already is left out, so that equal permissions are equal grants."""
    grants = [rule.grant for rule in matching]
    if any(grant.everything for grant in grants):
        return EVERYTHING
    properties = frozenset().union(*(grant.properties for grant in grants))
    return Grant(
        frozenset({PUBLIC}).union(*(grant.levels for grant in grants)),
        frozenset(each for each in properties if each.type is None or Provided(each.name) not in properties),
    )


def touched_by(old: Ruleset | None, new: Ruleset | None) -> frozenset[Watcher] | None:
    """The watchers about whom the new rules may say something else than the old ones; None for anybody.

    The rules between the first and the last that differ are looked at: an edit mostly is of one rule about one watcher.
    """
    before, after = (each.rules if each else () for each in (old, new))
    begin = _common(before, after)
    before, after = before[begin:], after[begin:]
    end = _common(before[::-1], after[::-1])
    touched: set[str] = set()
    for rule in (*before[: len(before) - end], *after[: len(after) - end]):
        named = _named(rule)
        if named is None or named.many:
            return None
        touched |= named.ones
    return frozenset(Watcher(Aor(each)) for each in touched)


def _common(some: Sequence[Rule], others: Sequence[Rule]) -> int:
    """How many rules are the same from the beginning on."""
    pairs = zip(some, others, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(some), len(others)))


def next_change(ruleset: Ruleset | None, utc: datetime.datetime) -> datetime.datetime | None:
    """The next time after `utc` at which a validity period begins or ends; None if no decision can change by itself."""
    boundaries = ruleset.boundaries if ruleset else ()
    place = bisect.bisect_right(boundaries, utc)
    return boundaries[place] if place < len(boundaries) else None


# Reading


def parse_rules(content: bytes) -> Ruleset:
    """Read a card rules document. Raises InvalidDocument if it is no ruleset; its details are the schema's to check."""
    root = trees.parse(content)
    if root.tag != f"{{{COMMON_POLICY}}}ruleset":
        raise InvalidDocument(f"the document element must be <ruleset xmlns='{COMMON_POLICY}'>")
    return Ruleset(tuple(_rule(element) for element in root.findall(f"{{{COMMON_POLICY}}}rule")))


def _rule(element: Element) -> Rule:
    conditions = element.find(f"{{{COMMON_POLICY}}}conditions")
    return Rule(
        id=element.get("id", ""),
        conditions=() if conditions is None else tuple(read_condition(child) for child in conditions),
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
