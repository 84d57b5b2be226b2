"""Explanations: why a rule matches or not, why an item is shown or not, and the document that says it."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abserver.domain.card import DEFAULT_LEVELS, parse_card
from abserver.domain.conditions import Members
from abserver.domain.explanation import (
    LISTED,
    Because,
    ExplainedDevice,
    ExplainedRules,
    Explanation,
    LastNotify,
    Next,
    explain_items,
    explain_rules,
)
from abserver.domain.identity import Owner, Watcher, parse_aor
from abserver.domain.relation import Relation, RelationState
from abserver.domain.rules import EVERYTHING, NOTHING, Decision, Grant, Handling, Provided, decide, parse_rules
from abserver.domain.usages import EXPLANATIONS, VIEWS
from abserver.domain.usages.explanations import explanation_document
from abserver.domain.view import view_of
from xcap.core.uri import DocumentKey
from xcap.core.usage import Access, ApplicationUsage, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abserver.domain.ruleset import Ruleset

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
ANN, BOB = Owner(parse_aor("sip:ann@example.com")), Watcher(parse_aor("sip:bob@example.org"))


def rules(*conditions: str) -> Ruleset:
    """One rule with each of these conditions."""
    text = "".join(
        f'<rule id="r{number}"><conditions>{each}</conditions><actions><cr:card-handling>allow</cr:card-handling>'
        "</actions></rule>"
        for number, each in enumerate(conditions)
    )
    return parse_rules(
        '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:cr="urn:abserver:xml:ns:card-rules"'
        f' xmlns:oma="urn:oma:xml:xdm:common-policy" xmlns:x="urn:example:extension">{text}</ruleset>'.encode()
    )


def one(address: str) -> str:
    return f'<identity><one id="{address}"/></identity>'


def explained(
    ruleset: Ruleset | None, *, sphere: str | None = None, lists: Mapping[str, Members] | None = None
) -> ExplainedRules:
    decision = decide(ruleset, BOB, NOON, sphere=sphere, lists=lists or {})
    return explain_rules(ruleset, decision, BOB, NOON, sphere=sphere, lists=lists or {})


def failed(conditions: str, *, sphere: str | None = None, lists: Mapping[str, Members] | None = None) -> str | None:
    (rule,) = explained(rules(conditions), sphere=sphere, lists=lists).rules
    return rule.failed


# -- rules ----------------------------------------------------------------------------------------------------------


def period(begins: str, ends: str) -> str:
    return f"<from>{begins}</from><until>{ends}</until>"


LATER = period("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
LATER_STILL = period("2027-12-01T00:00:00Z", "2028-01-01T00:00:00Z")
OVER = period("2026-01-01T00:00:00Z", "2026-02-01T10:30:00Z")
EXCEPT = f'<except id="{BOB}"/>'
OTHERS = one("sip:carol@example.org")


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        (OTHERS, "identity: names others"),
        (
            f'<identity><many domain="example.org"><except id="{BOB}"/></many></identity>',
            "identity: excepts the watcher",
        ),
        ('<identity><many><except domain="example.org"/></many></identity>', "identity: excepts the watcher"),
        ('<identity><many domain="example.net"/></identity>', "identity: names others"),
        ("<identity><x:odd/></identity>", "identity: names others, as far as it is understood"),
        (f"<validity>{LATER}</validity>", "validity: begins 2026-12-01 00:00 UTC"),
        (f"<validity>{LATER_STILL}{OVER}{LATER}</validity>", "validity: begins 2026-12-01 00:00 UTC"),
        (f"<validity>{OVER}</validity>", "validity: ended 2026-02-01 10:30 UTC"),
        ("<validity/>", "validity: no time at all"),
        ('<sphere value="work home"/>', "sphere: not known, not home or work"),
        ("<oma:other-identity/>", None),
        ("<oma:anonymous-request/>", "anonymous-request: the watcher is authenticated"),
        ("<x:odd/>", "a condition that this server does not know"),
        (one(BOB), None),
        (f'{OTHERS}<sphere value="work"/>', "identity: names others; sphere: not known, not work"),
        (f"{one(BOB)}<validity>{OVER}</validity>", "validity: ended 2026-02-01 10:30 UTC"),
    ],
)
def test_of_a_rule_that_does_not_match_the_conditions_that_fail_are_said(conditions: str, reason: str | None) -> None:
    assert failed(conditions) == reason


def test_a_sphere_is_said() -> None:
    assert failed('<sphere value="home"/>', sphere="work") == "sphere: work, not home"
    assert failed('<sphere value="home"/>', sphere="home") is None


def test_of_a_list_it_is_said_whether_all_of_it_was_within_reach() -> None:
    condition = '<oma:external-list><oma:entry anc="a"/><oma:entry anc="b"/></oma:external-list>'
    known = {"a": Members(), "b": Members()}
    assert failed(condition, lists=known) == "external-list: not on it"
    for incomplete in ({"a": Members()}, known | {"b": Members(complete=False)}):
        assert failed(condition, lists=incomplete) == "external-list: not on it, as far as it is within reach"
    assert failed(condition, lists=known | {"b": Members(frozenset({BOB}))}) is None


def test_a_default_that_is_not_for_whom_another_rule_names_says_so() -> None:
    named, default = explained(rules(f"{one(BOB)}<validity>{OVER}</validity>", "<oma:other-identity/>")).rules
    assert named.failed is not None
    assert default.failed == "other-identity: the watcher is, or may be, named elsewhere in the rules"


def test_the_deciding_rule_is_marked_and_no_other_one() -> None:
    found = explained(rules(OTHERS, one(BOB), one(BOB)))
    assert [(each.id, each.decides, each.failed is None) for each in found.rules] == [
        ("r0", False, False),
        ("r1", True, True),
        ("r2", False, True),
    ]
    assert found.others == 0


def test_without_rules_there_is_nothing_to_say() -> None:
    assert explained(None) == ExplainedRules()


def test_of_many_rules_those_that_match_are_listed_and_those_that_might_be_about_the_watcher_come_before_others() -> (
    None
):
    about = f"{one(BOB)}<validity>{OVER}</validity>"
    found = explained(rules(*[OTHERS] * LISTED, *[about] * 3, one(BOB)))
    assert found.others == 3
    assert [each.id for each in found.rules if each.failed != "identity: names others"] == [
        f"r{LISTED + place}" for place in range(4)
    ]
    assert [each.id for each in found.rules] == [
        *(f"r{n}" for n in range(LISTED - 3)),
        *(f"r{LISTED + n}" for n in range(4)),
    ]


# -- items ----------------------------------------------------------------------------------------------------------


def prop(name: str, value: str, *levels: str, kind: str = "") -> str:
    texts = "".join(f"<text>{level}</text>" for level in levels)
    inner = (f"<x-level>{texts}</x-level>" if levels else "") + (f"<type><text>{kind}</text></type>" if kind else "")
    return f"<{name}>{f'<parameters>{inner}</parameters>' if inner else ''}<text>{value}</text></{name}>"


def card_of(*properties: str) -> bytes:
    return f'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard>{"".join(properties)}</vcard></vcards>'.encode()


CARD = parse_card(
    card_of(
        prop("fn", "Ann"),
        prop("tel", "1", "friends", "family", kind="Home"),
        f'<group name="g">{prop("tel", "2", "work", kind="work")}</group>',
        prop("note", "secret"),
    )
)


def because(handling: Handling, grant: Grant) -> list[Because]:
    return [each.because for each in explain_items(CARD, Decision(handling, grant, "r"), DEFAULT_LEVELS)]


def test_an_item_says_its_name_types_group_and_levels() -> None:
    items = explain_items(CARD, Decision(Handling.ALLOW, EVERYTHING, None), DEFAULT_LEVELS)
    assert [(each.name, each.types, each.group, each.levels, each.by_default) for each in items] == [
        ("fn", frozenset(), None, frozenset({"public"}), True),
        ("tel", frozenset({"home"}), None, frozenset({"friends", "family"}), False),
        ("tel", frozenset({"work"}), "g", frozenset({"work"}), False),
        ("note", frozenset(), None, frozenset({"private"}), True),
    ]
    assert all(each.shown and each.because is Because.EVERYTHING for each in items)
    assert explain_items(None, Decision(Handling.ALLOW, EVERYTHING, None), DEFAULT_LEVELS) == []


def test_an_item_is_shown_by_a_level_or_by_name_or_not() -> None:
    grant = Grant(frozenset({"public", "friends"}), frozenset({Provided("tel", "work")}))
    expected = [Because.LEVEL, Because.LEVEL, Because.PROPERTY, Because.NOT_GRANTED]
    assert because(Handling.ALLOW, grant) == expected


@pytest.mark.parametrize("handling", [Handling.BLOCK, Handling.CONFIRM, Handling.POLITE_BLOCK])
def test_nothing_is_shown_to_who_is_not_allowed(handling: Handling) -> None:
    assert because(handling, NOTHING) == [Because.NOT_ALLOWED] * 4


_LEVELS = st.sets(st.sampled_from(["public", "friends", "work", "private"]))
_ITEMS = st.lists(
    st.tuples(st.sampled_from(["tel", "note", "fn"]), _LEVELS, st.sampled_from(["", "home", "work"])), max_size=5
)
_GRANTS = st.builds(
    Grant,
    levels=_LEVELS.map(frozenset),
    properties=st.sets(st.builds(Provided, st.sampled_from(["tel", "note"]), st.sampled_from([None, "home"]))).map(
        frozenset
    ),
    everything=st.booleans(),
)


@given(_ITEMS, _GRANTS)
def test_what_is_said_to_be_shown_is_what_the_view_holds(items: list[tuple[str, set[str], str]], grant: Grant) -> None:
    content = card_of(
        *(prop(name, f"value {n};", *sorted(levels), kind=kind) for n, (name, levels, kind) in enumerate(items))
    )
    said = explain_items(parse_card(content), Decision(Handling.ALLOW, grant, "r"), DEFAULT_LEVELS)
    view = view_of(content, grant, ANN).content
    assert [each.shown for each in said] == [f"value {n};".encode() in view for n in range(len(items))]


# -- the document ---------------------------------------------------------------------------------------------------

DEVICE = ExplainedDevice(
    device="urn:uuid:1",
    next=Next.PACED,
    at=NOON,
    current="new",
    delivered="old",
    version=3,
    acknowledged_at=NOON,
    expires_at=NOON,
    has_filter=True,
    ended=None,
    last=LastNotify("call", 7, NOON, "200"),
)
NO_DEVICE = ExplainedDevice(
    device="odd \x01\ud800 & <name>",
    next=Next.OFFLINE,
    at=None,
    current=None,
    delivered=None,
    version=None,
    acknowledged_at=None,
    expires_at=None,
    has_filter=False,
    ended="silent",
    last=LastNotify("call", 7, NOON, None),
)
RELATION = Relation(
    owner=ANN,
    watcher=BOB,
    state=RelationState.CONFIRMED,
    levels=frozenset(),
    rule="r1",
    requested_at=NOON,
    decided_at=NOON,
    ended_at=None,
)
GRANT = Grant(frozenset({"public", "friends"}), frozenset({Provided("tel", "work"), Provided("note")}))


class Line:
    """A line of history."""

    watcher, at, state, rule, by = BOB, NOON, RelationState.CONFIRMED, "r1", "cli"


def explanation(handling: Handling = Handling.ALLOW, grant: Grant = GRANT) -> Explanation:
    decision = Decision(handling, grant, "r1")
    return Explanation(
        owner=ANN,
        watcher=BOB,
        at=NOON,
        decision=decision,
        rules=explained(rules(OTHERS, one(BOB))),
        items=explain_items(CARD, decision, DEFAULT_LEVELS),
        view="tag",
        version=4,
        relation=RELATION,
        history=[Line()],
        devices=[DEVICE, NO_DEVICE, replace(DEVICE, last=None)],
    )


@pytest.mark.parametrize("handling", Handling)
@pytest.mark.parametrize("grant", [GRANT, EVERYTHING, NOTHING])
def test_a_document_is_of_its_schema(handling: Handling, grant: Grant) -> None:
    full = explanation(handling, grant)
    bare = replace(full, rules=ExplainedRules(), items=[], view=None, relation=None, history=[], devices=[])
    for each in (full, bare, replace(full, rules=replace(full.rules, others=5))):
        EXPLANATIONS.validate(explanation_document(each))


def test_every_word_for_the_next_notify_is_one_of_the_schema() -> None:
    for each in Next:
        EXPLANATIONS.validate(explanation_document(replace(explanation(), devices=[replace(DEVICE, next=each)])))


def test_a_document_says_all_that_the_explanation_has() -> None:
    root = EXPLANATIONS.validate(explanation_document(explanation()))
    said = explanation_document(explanation()).decode()
    assert (root.get("owner"), root.get("watcher"), root.get("version")) == (ANN, BOB, "4")
    for part in (
        '<decision handling="allow" rule="r1">',
        '<property name="tel" type="work"/>',
        '<rule id="r1" handling="allow" matches="true" decides="true"',
        "<failed>identity: names others</failed>",
        '<item name="tel" group="g" shown="true" because="property" by-default="false">',
        '<history state="confirmed" at="2026-06-01T12:00:00.000+00:00" by="cli" rule="r1"/>',
        '<last-notify call-id="call" cseq="7" at="2026-06-01T12:00:00.000+00:00" answer="200"/>',
        'id="odd \ufffd\ufffd &amp; &lt;name&gt;" next="offline" filter="false" ended="silent"',
    ):
        assert part in said


def test_no_value_of_the_card_is_in_the_document() -> None:
    assert b"secret" not in explanation_document(explanation())


@pytest.mark.parametrize("usage", [EXPLANATIONS, VIEWS])
def test_only_the_owner_and_trusted_users_read_and_nobody_writes(usage: ApplicationUsage) -> None:
    key = DocumentKey(usage.auid, ANN, BOB)

    def may(requester: str, operation: Operation, *, trusted: bool = False) -> bool:
        return usage.policy(Access(requester, key, operation, trusted))

    assert may(ANN, Operation.READ)
    assert may("sip:rls@example.com", Operation.READ, trusted=True)
    assert not may(BOB, Operation.READ)
    assert not may(ANN, Operation.WRITE)
    assert not may("sip:rls@example.com", Operation.WRITE, trusted=True)
