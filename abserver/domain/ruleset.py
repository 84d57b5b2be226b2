"""Card rules as values, with the indexes by which a decision among thousands of rules looks at a few.

Most rules are about one watcher or one domain, so they are found by that; the others are tried for everybody. The
same knowledge tells whom an edit may concern, and when a decision may change without one.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abserver.domain.conditions import ExternalList, Identity, OtherIdentity, Sphere, Validity, comparable
from abserver.domain.identity import Aor, Watcher, domain_of

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from abserver.domain.conditions import Condition
    from abserver.domain.rules import Grant, Handling


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
