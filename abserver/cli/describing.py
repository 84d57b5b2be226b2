"""Rules in words, for people (a table's cells) and for scripts (JSON values)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abserver.domain.conditions import AnonymousRequest, ExternalList, Identity, OtherIdentity, Sphere, Validity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abserver.domain.conditions import Condition, Many
    from abserver.domain.rules import Grant, Handling
    from abserver.domain.ruleset import Rule


def rule_cells(rule: Rule) -> tuple[str, str, str, str]:
    """Id, conditions, handling, and what it shows."""
    handling = "-" if rule.handling is None else handling_name(rule.handling)
    return rule.id, _conditions(rule.conditions), handling, shown(rule.grant) or "-"


def rule_value(rule: Rule) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "rule": rule.id,
        "if": _conditions(rule.conditions),
        "handling": None if rule.handling is None else handling_name(rule.handling),
        "levels": sorted(rule.grant.levels),
        "properties": sorted(_properties(rule.grant)),
        "everything": rule.grant.everything,
    }


def handling_name(handling: Handling) -> str:
    """As the documents spell it."""
    return handling.name.lower().replace("_", "-")


def shown(grant: Grant) -> str:
    """What a grant gives; empty text for nothing."""
    if grant.everything:
        return "everything"
    return ", ".join([*sorted(grant.levels), *sorted(_properties(grant))])


def _properties(grant: Grant) -> list[str]:
    return [f"{each.name} ({each.type})" if each.type else each.name for each in grant.properties]


def _conditions(conditions: Iterable[Condition]) -> str:
    return " and ".join(_condition(condition) for condition in conditions) or "always"


def _condition(condition: Condition) -> str:
    match condition:
        case Identity():
            return ", ".join([*sorted(condition.ones), *(_many(many) for many in condition.many)]) or "nobody"
        case Sphere():
            return f"sphere {' or '.join(sorted(condition.values))}"
        case Validity():
            return " or ".join(f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}" for start, end in condition.periods)
        case ExternalList():
            return f"on {' or '.join(condition.anchors) or 'no list'}"
        case OtherIdentity():
            return "named in no other rule"
        case AnonymousRequest():
            return "anonymous"
        case _:
            return "never (a condition that this server does not know)"


def _many(many: Many) -> str:
    who = "everybody" if many.domain is None else f"everybody at {many.domain}"
    excepted = sorted(many.except_ids | many.except_domains)
    return f"{who} except {', '.join(excepted)}" if excepted else who
