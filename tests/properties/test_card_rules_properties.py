"""How permissions combine (RFC 4745 §10, RFC 5025 §3.2.1), for all rulesets; and that indexes change nothing."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.domain.conditions import (
    AnonymousRequest,
    Condition,
    ExternalList,
    Identity,
    Many,
    Members,
    NotUnderstood,
    OtherIdentity,
    Request,
    Sphere,
    Validity,
)
from abserver.domain.identity import Watcher, parse_aor
from abserver.domain.rules import (
    PUBLIC,
    UNDECIDED,
    Decision,
    Grant,
    Handling,
    Provided,
    decide,
)
from abserver.domain.ruleset import Rule, Ruleset, next_change, touched_by

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
DOMAINS = ("a.example", "b.example")
WATCHERS = [Watcher(parse_aor(f"sip:{user}@{domain}")) for domain in DOMAINS for user in ("x", "y")]
LISTS = {
    "first": Members(frozenset(WATCHERS[:1])),
    "second": Members(frozenset(WATCHERS[1:3])),
    "torn": Members(frozenset(WATCHERS[:1]), complete=False),
}

some_watchers = st.frozensets(st.sampled_from(WATCHERS), max_size=2)
many = st.builds(
    Many,
    st.none() | st.sampled_from(DOMAINS),
    some_watchers,
    st.frozensets(st.sampled_from(DOMAINS), max_size=1),
)
hours = st.integers(-3, 3).map(lambda hour: NOON + hour * HOUR)
naming: st.SearchStrategy[Condition] = st.builds(
    Identity, some_watchers, st.lists(many, max_size=2).map(tuple), st.sampled_from([True, True, False])
) | st.builds(ExternalList, st.lists(st.sampled_from([*LISTS, "unheard of"]), max_size=2).map(tuple))
circumstance: st.SearchStrategy[Condition] = (
    st.builds(Sphere, st.frozensets(st.sampled_from(["work", "home"]), max_size=2))
    | st.builds(Validity, st.lists(st.tuples(hours, hours), max_size=2).map(tuple))
    | st.just(AnonymousRequest())
    | st.just(NotUnderstood())
)
grants = st.builds(
    Grant,
    st.frozensets(st.sampled_from(["friends", "family"])),
    st.frozensets(st.builds(Provided, st.sampled_from(["tel", "email"]), st.none() | st.just("work"))),
    st.sampled_from([False, False, True]),
)
handlings = st.none() | st.sampled_from(Handling)


def rulesets(*conditions: st.SearchStrategy[Condition]) -> st.SearchStrategy[Ruleset]:
    some = st.lists(st.one_of(*conditions), max_size=2).map(tuple)
    rule = st.builds(Rule, st.sampled_from("pqrs"), some, handlings, grants)
    return st.lists(rule, max_size=5).map(lambda rules: Ruleset(tuple(rules)))


additive = rulesets(naming, naming, circumstance)
anything = rulesets(naming, naming, circumstance, st.just(OtherIdentity()))
watchers = st.none() | st.sampled_from(WATCHERS)
spheres = st.sampled_from([None, "work", "Home"])


def decided(ruleset: Ruleset, watcher: Watcher | None, sphere: str | None, utc: datetime.datetime = NOON) -> Decision:
    return decide(ruleset, watcher, utc, sphere=sphere, lists=LISTS)


def matching(ruleset: Ruleset, watcher: Watcher | None, sphere: str | None) -> Sequence[Rule]:
    """By trying every rule, as RFC 4745 §10 says it."""
    named = watcher is not None and any(
        condition.may_name(watcher, LISTS) for rule in ruleset.rules for condition in rule.naming
    )
    request = Request(watcher, NOON, sphere, LISTS, not named)
    return [rule for rule in ruleset.rules if all(condition.holds(request) for condition in rule.conditions)]


@given(anything, watchers, spheres)
@settings(max_examples=120, deadline=None)
def test_a_decision_is_what_trying_every_rule_gives_rfc4745_10_2(
    ruleset: Ruleset, watcher: Watcher | None, sphere: str | None
) -> None:
    """The maximum of the handlings, the union of the grants, the first rule that has the maximum."""
    rules = matching(ruleset, watcher, sphere)
    handling = max((rule.handling for rule in rules if rule.handling is not None), default=None)
    found = decided(ruleset, watcher, sphere)
    if handling is None:
        assert found == UNDECIDED
        return
    assert found.handling is handling
    assert found.rule == next(rule.id for rule in rules if rule.handling is handling)
    for name in ("tel", "email", "note"):
        for types in (frozenset[str](), frozenset({"work"})):
            allowed = handling is Handling.ALLOW and any(rule.grant.provides(name, types) for rule in rules)
            whole = handling is Handling.ALLOW and any(rule.grant.everything for rule in rules)
            assert (found.grant.provides(name, types) or found.grant.everything) == (allowed or whole)
            assert found.grant.everything == whole
    if handling is Handling.ALLOW and not found.grant.everything:
        assert found.grant.levels == {PUBLIC}.union(*(rule.grant.levels for rule in rules))
    if handling is not Handling.ALLOW:
        assert found.grant == Grant()


@given(additive, additive, watchers, spheres)
@settings(max_examples=120, deadline=None)
def test_more_rules_never_take_anything_away_rfc4745_10(
    ruleset: Ruleset, more: Ruleset, watcher: Watcher | None, sphere: str | None
) -> None:
    """Permissions are additive; with rules for others they are not: who is named by a new rule is other no more."""
    before = decided(ruleset, watcher, sphere)
    after = decided(Ruleset((*ruleset.rules, *more.rules)), watcher, sphere)
    if before == UNDECIDED:
        return
    assert after.handling >= before.handling
    assert after.grant.everything or (not before.grant.everything and before.grant.levels <= after.grant.levels)


@given(anything, st.data(), watchers, spheres)
@settings(max_examples=80, deadline=None)
def test_the_order_of_rules_is_of_no_account_rfc4745_10(
    ruleset: Ruleset, data: st.DataObject, watcher: Watcher | None, sphere: str | None
) -> None:
    shuffled = Ruleset(tuple(data.draw(st.permutations(ruleset.rules))))
    here, there = decided(ruleset, watcher, sphere), decided(shuffled, watcher, sphere)
    assert (here.handling, here.grant) == (there.handling, there.grant)


@given(anything, watchers, spheres)
@settings(max_examples=80, deadline=None)
def test_between_two_boundaries_nothing_changes_rfc4745_7_4(
    ruleset: Ruleset, watcher: Watcher | None, sphere: str | None
) -> None:
    utc: datetime.datetime | None = NOON - 4 * HOUR
    while utc is not None:
        change = next_change(ruleset, utc)
        last = (change or NOON + 5 * HOUR) - datetime.timedelta(microseconds=1)
        assert decided(ruleset, watcher, sphere, utc) == decided(ruleset, watcher, sphere, last)
        utc = change


@given(anything, anything, anything, spheres)
@settings(max_examples=120, deadline=None)
def test_an_edit_touches_nobody_but_whom_it_names(
    kept: Ruleset, old: Ruleset, new: Ruleset, sphere: str | None
) -> None:
    """What is remembered of all others stays right, rule and all."""
    before = Ruleset((*kept.rules, *old.rules, *kept.rules))
    after = Ruleset((*kept.rules, *new.rules, *kept.rules))
    touched = touched_by(before, after)
    if touched is None:
        return
    for watcher in (None, *WATCHERS):
        if watcher not in touched:
            assert decided(before, watcher, sphere) == decided(after, watcher, sphere)


one_rule = st.builds(
    Rule,
    st.sampled_from("pqrs"),
    st.builds(Identity, some_watchers, st.just(())).map(lambda one: (one,)),
    handlings,
    grants,
)


@given(anything, st.lists(one_rule, max_size=3), st.lists(one_rule, max_size=3), spheres)
@settings(max_examples=120, deadline=None)
def test_edits_about_single_watchers_are_known_as_such(
    kept: Ruleset, old: Sequence[Rule], new: Sequence[Rule], sphere: str | None
) -> None:
    before, after = (Ruleset((*kept.rules, *rules)) for rules in (old, new))
    touched = touched_by(before, after)
    assert touched is not None
    assert (touched_by(before, before), touched_by(None, Ruleset(()))) == (frozenset(), frozenset())
    for watcher in (None, *WATCHERS):
        if watcher not in touched:
            assert decided(before, watcher, sphere) == decided(after, watcher, sphere)
