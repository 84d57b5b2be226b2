"""Why a watcher sees what he sees: the values that say it, and the part of it that follows from card and rules.

The whole explanation is the owner's alone. It tells what is hidden and by which rule, so it is never for the watcher;
of items it has what the card has outside of their values.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.domain.card import UNLISTED_LEVEL
from abserver.domain.conditions import (
    OUT_OF_REACH,
    AnonymousRequest,
    ExternalList,
    Identity,
    OtherIdentity,
    Sphere,
    Validity,
    comparable,
)
from abserver.domain.identity import domain_of
from abserver.domain.rules import Handling, circumstances
from abserver.domain.view import is_visible

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from abserver.domain.card import Card, Item
    from abserver.domain.conditions import Condition, Members, Request
    from abserver.domain.identity import Owner, Watcher
    from abserver.domain.relation import Relation
    from abserver.domain.rules import Decision, Grant
    from abserver.domain.ruleset import Rule, Ruleset
    from abserver.domain.usages.relations import Line

LISTED = 100
"""Rules without effect that are listed, those that might be about the watcher first; the others are counted."""


# Rules


@dataclass(frozen=True, slots=True)
class ExplainedRule:
    """What one rule does for the watcher."""

    id: str
    handling: Handling | None
    grant: Grant
    failed: str | None
    """The conditions that do not hold, in words: `validity: begins 2026-12-01 00:00 UTC`. None: the rule matches."""
    decides: bool
    """Whether the decision is this rule's."""


@dataclass(frozen=True, slots=True)
class ExplainedRules:
    """The rules in document order, those of no effect only as far as LISTED goes."""

    rules: tuple[ExplainedRule, ...] = ()
    others: int = 0
    """Rules of no effect that are left out."""


def explain_rules(
    ruleset: Ruleset | None,
    decision: Decision,
    watcher: Watcher | None,
    utc: datetime.datetime,
    *,
    sphere: str | None,
    lists: Mapping[str, Members],
) -> ExplainedRules:
    """What each rule does for the watcher (None: not authenticated).

    The circumstances are those of `decision` (`rules.decide`).
    """
    if ruleset is None:
        return ExplainedRules()
    candidates = ruleset.candidates(watcher)
    request = circumstances(ruleset, candidates, watcher, utc, sphere, lists)
    failed = {rule: _failures(rule, request) for rule in candidates}
    idle = [rule for rule in candidates if failed[rule]]
    idle += [rule for rule in ruleset.rules if rule not in failed]
    left_out = frozenset(idle[LISTED:])
    listed = [rule for rule in ruleset.rules if rule not in left_out]
    return ExplainedRules(
        tuple(
            ExplainedRule(
                rule.id, rule.handling, rule.grant, _failures(rule, request) or None, decides=rule.id == decision.rule
            )
            for rule in listed
        ),
        len(ruleset.rules) - len(listed),
    )


def _failures(rule: Rule, request: Request) -> str:
    return "; ".join(_why_not(condition, request) for condition in rule.conditions if not condition.holds(request))


def _why_not(condition: Condition, request: Request) -> str:
    """Why a condition does not hold."""
    match condition:
        case Identity():
            return f"identity: {_who_else(condition, request)}"
        case Validity():
            return f"validity: {_when_else(condition, request.utc)}"
        case Sphere():
            return f"sphere: {request.sphere or 'not known'}, not {' or '.join(sorted(condition.values))}"
        case ExternalList():
            complete = all(request.lists.get(anchor, OUT_OF_REACH).complete for anchor in condition.anchors)
            return "external-list: not on it" + ("" if complete else ", as far as it is within reach")
        case OtherIdentity():
            return "other-identity: the watcher is, or may be, named elsewhere in the rules"
        case AnonymousRequest():
            return "anonymous-request: the watcher is authenticated"
        case _:
            return "a condition that this server does not know"


def _who_else(identity: Identity, request: Request) -> str:
    domain = comparable(domain_of(request.watcher)) if request.watcher else ""
    if any(many.domain in (None, domain) for many in identity.many):
        return "excepts the watcher"
    return "names others" if identity.understood else "names others, as far as it is understood"


def _when_else(validity: Validity, utc: datetime.datetime) -> str:
    begins = min((start for start, end in validity.periods if utc < start < end), default=None)
    if begins is not None:
        return f"begins {_spoken(begins)}"
    ends = max((end for start, end in validity.periods if start < end), default=None)
    return "no time at all" if ends is None else f"ended {_spoken(ends)}"


def _spoken(time: datetime.datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


# Items


class Because(enum.Enum):
    """Why an item is in the view, or is not."""

    EVERYTHING = "everything"
    """Shown: everything is granted."""
    LEVEL = "level"
    """Shown: one of its levels is granted."""
    PROPERTY = "property"
    """Shown: the property is granted by name."""
    NOT_GRANTED = "not-granted"
    """Hidden: neither its levels nor the property are granted."""
    NOT_ALLOWED = "not-allowed"
    """Hidden like all others: the watcher is not let in, or politely blocked."""


SHOWN = frozenset({Because.EVERYTHING, Because.LEVEL, Because.PROPERTY})


@dataclass(frozen=True, slots=True)
class ExplainedItem:
    """What becomes of one item of the card."""

    name: str
    """`tel`; a property of another namespace has its expanded name, `{uri}tel`."""
    types: frozenset[str]
    group: str | None
    levels: frozenset[str]
    """Those that it names, else the default of its name."""
    by_default: bool
    """Whether it names none."""
    because: Because

    @property
    def shown(self) -> bool:
        """Whether the view has it."""
        return self.because in SHOWN


def explain_items(card: Card | None, decision: Decision, defaults: Mapping[str, str]) -> Sequence[ExplainedItem]:
    """What becomes of each item, in document order. defaults: as for `view_of`."""
    return [
        ExplainedItem(
            name=item.name,
            types=item.types,
            group=run.group,
            levels=_levels(item, defaults),
            by_default=item.levels is None,
            because=_because(item, decision, defaults),
        )
        for run in (card.runs if card else ())
        for item in run.items
    ]


def _levels(item: Item, defaults: Mapping[str, str]) -> frozenset[str]:
    return frozenset({defaults.get(item.name, UNLISTED_LEVEL)}) if item.levels is None else item.levels


def _because(item: Item, decision: Decision, defaults: Mapping[str, str]) -> Because:
    grant = decision.grant
    if decision.handling is not Handling.ALLOW:
        return Because.NOT_ALLOWED
    if not is_visible(item, grant, defaults):
        return Because.NOT_GRANTED
    if grant.everything:
        return Because.EVERYTHING
    return Because.PROPERTY if _levels(item, defaults).isdisjoint(grant.levels) else Because.LEVEL


# Devices


class Next(enum.Enum):
    """What there is to say of the next NOTIFY to a device: why none leaves at this moment."""

    UP_TO_DATE = "up-to-date"
    """The device has all that it is to have."""
    UNDECIDED = "undecided"
    """It was told that the owner has not decided; there is nothing to tell until that is so."""
    IN_FLIGHT = "in-flight"
    """One is on its way, and not answered; `at` is when it left."""
    PACED = "paced"
    """It waits for `at`, by the rates agreed with the device or by the server's pace."""
    RETRY = "retry"
    """The last one was answered with a failure; it is tried again at `at`."""
    WINDOW = "window"
    """It waits in line: too many are on their way to the same place."""
    WRITING = "writing"
    """What has to be durable before is being written."""
    RECONCILING = "reconciling"
    """The change was made just now, and is being carried to those whom it concerns."""
    SILENCED = "silenced"
    """The device asked for silence (Suppress-If-Match: *, RFC 5839 §5.2)."""
    FILTERED = "filtered"
    """The device's own filter says that the change is not worth a NOTIFY (RFC 4660)."""
    BLOCKED = "blocked"
    """It has no subscription, and would get none."""
    OFFLINE = "offline"
    """It has no subscription; `at` is when the last one ended, as far as that is remembered."""


@dataclass(frozen=True, slots=True)
class LastNotify:
    """The last NOTIFY that was sent in a subscription."""

    call_id: str
    cseq: int
    at: datetime.datetime
    answer: str | None
    """The final status, `timeout` or `unreachable`; None while there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedDevice:
    """One device of the watcher. Tags are those of views."""

    device: str
    next: Next
    at: datetime.datetime | None
    """The time that belongs to `next`."""
    current: str | None
    """What it is to have, by the decision and by its own filter; None for nothing, or without a subscription."""
    delivered: str | None
    """What it has acknowledged; None if that is nothing, or in doubt."""
    version: int | None
    """The owner's modification version that belongs to what it acknowledged."""
    acknowledged_at: datetime.datetime | None
    expires_at: datetime.datetime | None
    """When its subscription expires; None without one."""
    has_filter: bool
    """Whether it asked for a part of the view only."""
    ended: str | None
    """Why the subscription ended that it had last: a reason of RFC 6665 §4.1.3, or `refused`, `silent`, `failing`,
    `replaced`. None with a subscription, or if that is not remembered."""
    last: LastNotify | None
    registered_until: datetime.datetime | None = None
    """When its registration ends; None if it has none, or the server is no registrar. Not where it is: that is nothing
    for the owner."""


# All of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a watcher sees what he sees of an owner's card."""

    owner: Owner
    watcher: Watcher
    at: datetime.datetime
    decision: Decision
    rules: ExplainedRules
    items: Sequence[ExplainedItem]
    view: str | None
    """The tag of what the watcher is shown; None if nothing is."""
    version: int
    """The owner's modification version."""
    relation: Relation | None
    """None if the watcher never asked."""
    history: Sequence[Line]
    """Decisions about the watcher, the oldest first."""
    devices: Sequence[ExplainedDevice]
