"""Card rules: reading, deciding and writing them (RFC 4745, RFC 5025 §3)."""

from __future__ import annotations

import datetime

import pytest

from abserver.domain.conditions import Members
from abserver.domain.identity import NO_ALIASES, Identities, Watcher, parse_aor
from abserver.domain.rules import (
    EVERYTHING,
    NOTHING,
    UNDECIDED,
    Decision,
    Grant,
    Handling,
    Provided,
    decide,
    decision_rule,
    empty_ruleset,
    parse_rules,
    rule_id,
)
from abserver.domain.ruleset import Ruleset, next_change, touched_by
from abserver.domain.trees import InvalidDocument

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
BOB = Watcher(parse_aor("sip:bob@example.org"))
EVE = Watcher(parse_aor("sip:eve@Example.NET"))


def rules(text: str, identities: Identities = NO_ALIASES) -> Ruleset:
    return parse_rules(
        '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:cr="urn:abserver:xml:ns:card-rules"'
        ' xmlns:oma="urn:oma:xml:xdm:common-policy"'
        f' xmlns:x="urn:example:extension">{text}</ruleset>'.encode(),
        identities,
    )


def rule(conditions: str, handling: str | None = "allow", transformations: str = "", name: str = "r") -> str:
    action = f"<cr:card-handling>{handling}</cr:card-handling>" if handling else ""
    return (
        f'<rule id="{name}"><conditions>{conditions}</conditions><actions>{action}</actions>'
        f"<transformations>{transformations}</transformations></rule>"
    )


def levels(*names: str) -> str:
    return f"<cr:provide-levels>{''.join(f'<cr:level>{name}</cr:level>' for name in names)}</cr:provide-levels>"


def one(watcher: str) -> str:
    return f'<identity><one id="{watcher}"/></identity>'


def matches(conditions: str, watcher: Watcher | None = BOB, utc: datetime.datetime = NOON, sphere: str = "") -> bool:
    decision = decide(rules(rule(conditions)), watcher, utc, sphere=sphere or None)
    return decision.handling is Handling.ALLOW


# Combining


def test_without_rules_the_owner_is_asked() -> None:
    assert decide(None, BOB, NOON) == UNDECIDED
    assert decide(parse_rules(empty_ruleset()), BOB, NOON) == UNDECIDED
    assert decide(rules(rule(one("sip:carol@example.org"))), BOB, NOON) == UNDECIDED


@pytest.mark.parametrize(
    ("handlings", "winner", "by"),
    [
        (("block", "confirm"), Handling.CONFIRM, "r1"),
        (("allow", "block"), Handling.ALLOW, "r0"),
        (("polite-block", "confirm"), Handling.POLITE_BLOCK, "r0"),
        (("polite-block", "allow", "allow"), Handling.ALLOW, "r1"),
        (("block", "block"), Handling.BLOCK, "r0"),
    ],
)
def test_the_largest_handling_wins_and_the_first_rule_with_it_decides(
    handlings: tuple[str, ...], winner: Handling, by: str
) -> None:
    """RFC 4745 §10.2, RFC 5025 §3.2.1."""
    ruleset = rules("".join(rule(one(BOB), each, name=f"r{place}") for place, each in enumerate(handlings)))
    decision = decide(ruleset, BOB, NOON)
    assert (decision.handling, decision.rule) == (winner, by)


def test_grants_are_the_union_over_all_matching_rules() -> None:
    """RFC 4745 §10.2: sets are united."""
    ruleset = rules(
        rule(one(BOB), "allow", levels("friends"), name="a")
        + rule('<identity><many domain="example.org"/></identity>', None, levels(" Sailing "), name="b")
        + rule("", "confirm", '<cr:provide-property name="TEL" type="Work"/>', name="c")
        + rule(one("sip:carol@example.org"), "allow", levels("family"), name="d")
    )
    grant = Grant(frozenset({"public", "friends", "sailing"}), frozenset({Provided("tel", "work")}))
    assert decide(ruleset, BOB, NOON) == Decision(Handling.ALLOW, grant, "a")


def test_equal_permissions_are_equal_grants() -> None:
    """So that their watchers share one view."""
    everything = rules(rule("", "allow", levels("friends") + "<cr:provide-all/>"))
    assert decide(everything, BOB, NOON).grant == EVERYTHING
    by_name = rules(rule("", "allow", '<cr:provide-property name="tel" type="work"/><cr:provide-property name="tel"/>'))
    assert decide(by_name, BOB, NOON).grant == Grant(frozenset({"public"}), frozenset({Provided("tel")}))
    assert hash(decide(by_name, BOB, NOON).grant) == hash(decide(by_name, EVE, NOON).grant)


def test_an_allowed_watcher_always_has_the_public_level() -> None:
    assert decide(rules(rule(one(BOB))), BOB, NOON).grant == Grant(frozenset({"public"}))


@pytest.mark.parametrize("handling", ["block", "confirm", "polite-block"])
def test_whoever_is_not_allowed_is_granted_nothing(handling: str) -> None:
    assert decide(rules(rule(one(BOB), handling, "<cr:provide-all/>")), BOB, NOON).grant == NOTHING


def test_a_rule_without_a_known_handling_decides_nothing() -> None:
    assert decide(rules(rule(one(BOB), None, levels("friends"))), BOB, NOON) == UNDECIDED
    assert decide(rules(rule(one(BOB), "allow-twice")), BOB, NOON) == UNDECIDED


def test_parts_of_a_rule_may_be_missing() -> None:
    """RFC 4745 §13: conditions, actions and transformations are optional; no conditions is everybody."""
    action = "<actions><cr:card-handling>allow</cr:card-handling></actions>"
    assert decide(rules('<rule id="a"/>'), BOB, NOON) == UNDECIDED
    assert decide(rules(f'<rule id="a">{action}</rule>'), None, NOON).handling is Handling.ALLOW


def test_empty_names_grant_nothing() -> None:
    grant = decide(rules(rule("", "allow", levels(" ") + '<cr:provide-property name="tel" type=""/>')), BOB, NOON).grant
    assert grant == Grant(frozenset({"public"}), frozenset({Provided("tel")}))


def test_the_example_of_rfc_4745_section_10_3() -> None:
    """Bob asks at 17:15 while the owner is at work: of six rules, 3 and 5 fire."""
    a1, a2, a3 = "2003-12-24T17:00:00+01:00", "2003-12-24T21:00:00+01:00", "2003-12-24T23:30:00+01:00"
    b1, b2 = "2003-12-22T17:00:00+01:00", "2003-12-23T17:00:00+01:00"
    table = [
        ("bob", "home", a1, a2, "allow", "x"),
        ("alice", "work", a1, a2, "allow", "y"),
        ("bob", "work", a1, a2, "confirm", "low"),
        ("tom", "work", a1, a2, "allow", "z"),
        ("bob", "work", a1, a3, "allow", "high"),
        ("bob", "work", b1, b2, "allow", "old"),
    ]
    ruleset = rules(
        "".join(
            rule(
                f'{one(f"sip:{who}@example.org")}<sphere value="{sphere}"/>'
                f"<validity><from>{start}</from><until>{end}</until></validity>",
                handling,
                levels(level),
                name=f"r{number}",
            )
            for number, (who, sphere, start, end, handling, level) in enumerate(table, 1)
        )
    )
    utc = datetime.datetime(2003, 12, 24, 16, 15, tzinfo=datetime.UTC)
    grant = Grant(frozenset({"public", "low", "high"}))
    assert decide(ruleset, BOB, utc, sphere="work") == Decision(Handling.ALLOW, grant, "r5")


def test_a_watcher_among_thousands_of_rules_meets_only_his_own() -> None:
    ruleset = rules("".join(rule(one(f"sip:w{number}@example.org"), name=f"r{number}") for number in range(2000)))
    watcher = Watcher(parse_aor("sip:w1234@example.org"))
    assert [each.id for each in ruleset.candidates(watcher)] == ["r1234"]
    assert not ruleset.candidates(None)
    assert decide(ruleset, watcher, NOON).rule == "r1234"


def test_rules_about_domains_are_looked_up_too() -> None:
    ruleset = rules(
        "".join(
            rule(f'<identity><many domain="d{number}.example"/></identity>', name=f"r{number}")
            for number in range(2000)
        )
        + rule('<identity><one id="sip:x@d7.example"/><many domain="d7.example"/></identity>', name="both")
        + rule("<sphere value='work'/>", name="all")
    )
    watcher = Watcher(parse_aor("sip:x@D7.example"))
    assert [each.id for each in ruleset.candidates(watcher)] == ["r7", "both", "all"]
    assert [each.id for each in ruleset.candidates(None)] == ["all"]


def test_an_edit_touches_whom_it_names_or_anybody() -> None:
    kept = rule(one(EVE), name="kept")
    before, after = rules(kept + rule(one(BOB))), rules(kept + rule(one(BOB), "block"))
    assert touched_by(before, after) == frozenset({BOB})
    assert touched_by(before, rules(kept)) == frozenset({BOB})
    assert touched_by(before, before) == frozenset()
    assert touched_by(None, before) == frozenset({EVE, BOB})
    assert touched_by(before, rules(kept + rule("<sphere value='work'/>"))) is None
    assert touched_by(before, rules(kept + rule('<identity><many domain="d.example"/></identity>'))) is None


# Conditions


def test_one_names_one_watcher_in_any_spelling() -> None:
    """RFC 4745 §7.1.2."""
    assert matches(one("sip:bob@example.org"))
    assert matches(one("SIPS:bob@EXAMPLE.org:5061;user=phone"))
    assert not matches(one("sip:Bob@example.org"))
    assert not matches(one("sip:bob@example.org"), None)


def test_uris_of_different_schemes_are_never_equivalent() -> None:
    """RFC 5025 §3.1.1.2."""
    phone = Watcher(parse_aor("sip:+15550100@example.org"))
    assert not matches(one("tel:+15550100"), phone)
    assert not matches(one("mailto:bob@example.org"))


def test_uris_of_different_schemes_are_equivalent_where_the_operator_says_so() -> None:
    """Beyond RFC 5025 §3.1.1.2, which has no aliases."""
    bob = Watcher(parse_aor("sip:bob@example.com"))
    known = Identities({parse_aor("tel:+15550100"): bob, parse_aor("sip:b@example.com"): bob}, domains=["example.com"])
    everybody_but = "<identity><many domain='example.com'><except id='{}'/></many></identity>"
    for spelling in ("tel:+1-555-0100", "sip:b@example.com", "sip:+15550100@example.com;user=phone", bob):
        named, excepted = one(spelling), everybody_but.format(spelling)
        for text, handling in ((named, Handling.ALLOW), (excepted, Handling.CONFIRM)):
            assert decide(rules(rule(text), known), bob, NOON).handling is handling


def test_children_of_identity_are_alternatives() -> None:
    """RFC 4745 §7.1.1."""
    either = '<identity><one id="sip:eve@example.net"/><x:unknown/><many domain="example.org"/></identity>'
    assert matches(either, BOB)
    assert matches(either, EVE)
    assert not matches(either, Watcher(parse_aor("sip:z@elsewhere.example")))


def test_conditions_are_all_needed() -> None:
    """RFC 4745 §10.1."""
    assert matches(f'{one(BOB)}<sphere value="work"/>', sphere="work")
    assert not matches(f'{one(BOB)}<sphere value="work"/>', sphere="home")
    assert not matches(f"{one(BOB)}{one(EVE)}")


def test_no_conditions_are_everybody_authenticated_or_not() -> None:
    """RFC 4745 §7.1.1."""
    assert matches("", BOB)
    assert matches("", None)


def test_many_is_everybody_authenticated() -> None:
    """RFC 4745 §7.1.3.1."""
    assert matches("<identity><many/></identity>")
    assert not matches("<identity><many/></identity>", None)


def test_an_empty_identity_matches_nobody() -> None:
    assert not matches("<identity/>")
    assert not matches("<identity/>", None)


@pytest.mark.parametrize(
    ("many", "bob", "eve"),
    [
        ('<many><except domain="example.com"/><except id="sip:eve@example.net"/></many>', True, False),
        ('<many><except domain="EXAMPLE.org"/></many>', False, True),
        ('<many domain="example.org"><except id="sips:bob@example.org"/></many>', False, False),
        ('<many domain="example.org"/>', True, False),
        ('<many domain="Example%2eORG."/>', True, False),
        ('<many domain="sub.example.org"/>', False, False),
        ('<many domain=""/>', False, False),
        ('<many domain="a..b"/>', False, False),
        ("<many><except/></many>", True, True),
        ("<many><x:except/></many>", False, False),
    ],
)
def test_many_with_exceptions(many: str, bob: bool, eve: bool) -> None:
    """RFC 4745 §7.1.3.2, §7.1.3.3; an exception that is not understood leaves nobody in."""
    assert matches(f"<identity>{many}</identity>", BOB) is bob
    assert matches(f"<identity>{many}</identity>", EVE) is eve


@pytest.mark.parametrize("domain", ["bücher.example", "BÜCHER.example", "b%C3%BCcher.example", "xn--bcher-kva.example"])
def test_international_domains_compare_in_ascii(domain: str) -> None:
    """RFC 4745 §7.1.3."""
    watcher = Watcher(parse_aor("sip:x@xn--bcher-kva.example"))
    assert matches(f'<identity><many domain="{domain}"/></identity>', watcher)


def test_domains_that_cannot_be_converted_are_not_equal() -> None:
    """RFC 4745 §7.1.3 step 3, both ways."""
    long = "a" * 64 + ".example"
    watcher = Watcher(parse_aor(f"sip:x@{long}"))
    assert not matches(f'<identity><many domain="{long}"/></identity>', watcher)


def test_one_with_an_extension_inside_matches_nobody() -> None:
    assert not matches(f'<identity><one id="{BOB}"><x:only-on-sundays/></one></identity>')


@pytest.mark.parametrize(
    "condition", ["<x:weather/>", "<unheard-of/>", '<x:identity><one id="sip:bob@example.org"/></x:identity>']
)
def test_an_unknown_condition_is_false(condition: str) -> None:
    """RFC 4745 §7."""
    assert not matches(one(BOB) + condition)


def test_spheres_compare_token_by_token_without_case() -> None:
    """RFC 4745 §7.3."""
    assert matches('<sphere value="home Work"/>', sphere="WORK")
    assert not matches('<sphere value="home work"/>', sphere="meeting")
    assert not matches('<sphere value="home work"/>')
    assert not matches("<sphere/>", sphere="work")


def validity(*times: str) -> str:
    names = ("from", "until")
    return f"<validity>{''.join(f'<{names[i % 2]}>{time}</{names[i % 2]}>' for i, time in enumerate(times))}</validity>"


@pytest.mark.parametrize(
    ("times", "valid"),
    [
        (("2026-06-01T12:00:00Z", "2026-06-01T12:00:01Z"), True),
        (("2026-06-01T11:00:00Z", "2026-06-01T12:00:00Z"), False),
        (("2026-06-01T07:59:59.9-04:00", "2026-06-01T14:00:00.123456789+02:00"), True),
        (("2026-06-01T11:00:00", "2026-06-01T13:00:00"), True),
        (("2026-05-31T24:00:00Z", "2026-06-01T24:00:00Z"), True),
        (("2026-06-01T24:00:00Z", "2026-06-02T24:00:00Z"), False),
        (("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"), True),
        (("-0044-03-15T00:00:00Z", "9999-12-31T23:59:59-14:00"), True),
        (("0001-01-01T00:00:00+14:00", "12026-01-01T00:00:00Z"), True),
        (("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"), False),
        (("2026-06-01T00:00:00Z",), False),
        (("2026-06-01", "2026-06-02"), False),
        (("2026-06-01T00:00:00Z", "2026-06-31T00:00:00Z"), False),
    ],
)
def test_validity_is_from_inclusive_until_exclusive(times: tuple[str, ...], valid: bool) -> None:
    """RFC 4745 §7.4."""
    assert matches(validity(*times)) is valid


def test_the_next_change_is_the_next_boundary() -> None:
    ruleset = rules(
        rule(validity("2026-06-01T12:00:00Z", "2026-06-03T00:00:00Z"))
        + rule(one(BOB) + validity("2026-06-02T02:00:00+02:00", "2026-06-04T00:00:00Z"))
    )
    first = next_change(ruleset, NOON - datetime.timedelta(seconds=1))
    assert first == NOON
    assert next_change(ruleset, NOON) == datetime.datetime(2026, 6, 2, tzinfo=datetime.UTC)
    assert next_change(ruleset, datetime.datetime(2026, 6, 4, tzinfo=datetime.UTC)) is None
    assert next_change(None, NOON) is None


def test_between_two_boundaries_no_decision_changes() -> None:
    ruleset = rules(rule(one(BOB) + validity("2026-06-01T12:00:00Z", "2026-06-03T00:00:00Z")))
    change = next_change(ruleset, NOON)
    assert change is not None
    assert decide(ruleset, BOB, NOON) == decide(ruleset, BOB, change - datetime.timedelta(microseconds=1))
    assert decide(ruleset, BOB, change) == UNDECIDED


# Conditions of OMA

FRIENDS = "http://xcap.example.org/resource-lists/users/sip:ann@example.org/index/~~/resource-lists/list%5B1%5D"
ON_LIST = f'<oma:external-list><oma:entry anc="{FRIENDS}"/></oma:external-list>'


def handling_of(ruleset: Ruleset, watcher: Watcher | None, lists: dict[str, Members] | None = None) -> Handling:
    return decide(ruleset, watcher, NOON, lists=lists or {}).handling


def test_an_external_list_matches_whoever_is_on_it() -> None:
    """OMA XDM `external-list`."""
    ruleset = rules(rule(ON_LIST) + rule(ON_LIST, "confirm"))
    assert ruleset.anchors == {FRIENDS}
    lists = {FRIENDS: Members(frozenset({BOB}))}
    assert handling_of(ruleset, BOB, lists) is Handling.ALLOW
    assert decide(ruleset, EVE, NOON, lists=lists) == UNDECIDED
    assert decide(ruleset, None, NOON, lists=lists) == UNDECIDED
    assert decide(ruleset, BOB, NOON) == UNDECIDED, "a list that nobody could read holds nobody"


def test_any_of_several_lists_will_do() -> None:
    ruleset = rules(rule('<oma:external-list><oma:entry anc="a"/><oma:entry anc="b"/><oma:entry/></oma:external-list>'))
    assert ruleset.anchors == {"a", "b", ""}
    assert handling_of(ruleset, EVE, {"a": Members(frozenset({BOB})), "b": Members(frozenset({EVE}))}) is Handling.ALLOW


def test_who_is_on_a_list_that_is_not_complete_is_on_it() -> None:
    assert (
        handling_of(rules(rule(ON_LIST)), BOB, {FRIENDS: Members(frozenset({BOB}), complete=False)}) is Handling.ALLOW
    )


OTHERS = rule("<oma:other-identity/>", "polite-block", name="others")


@pytest.mark.parametrize(
    "naming",
    [
        one(BOB),
        '<identity><many domain="example.org"/></identity>',
        '<identity><many domain="example.org"><except id="sip:eve@example.org"/></many></identity>',
        '<identity><many><except domain="example.net"/></many></identity>',
        f"{one(BOB)}<sphere value='work'/>",
        f"{one(BOB)}{one('sip:carol@example.org')}",
        ON_LIST,
    ],
)
def test_other_identities_are_those_that_no_rule_names(naming: str) -> None:
    """OMA XDM `other-identity`: whoever is named elsewhere is not other, whatever else his rule asks for."""
    ruleset = rules(OTHERS + rule(naming, "confirm", name="named"))
    lists = {FRIENDS: Members(frozenset({BOB}))}
    assert handling_of(ruleset, BOB, lists) is Handling.CONFIRM
    assert handling_of(ruleset, EVE, lists) is Handling.POLITE_BLOCK


def test_other_identities_are_authenticated() -> None:
    assert handling_of(rules(OTHERS), BOB) is Handling.POLITE_BLOCK
    assert handling_of(rules(OTHERS), None) is Handling.CONFIRM


def test_who_is_excepted_is_other_and_rules_for_everybody_name_nobody() -> None:
    ruleset = rules(
        OTHERS + rule('<identity><many><except id="sip:bob@example.org"/></many></identity>') + rule("", None)
    )
    assert handling_of(ruleset, BOB) is Handling.POLITE_BLOCK


@pytest.mark.parametrize(
    "unclear",
    [
        "<identity><x:group/></identity>",
        f'<identity><one id="{EVE}"><x:only-on-sundays/></one></identity>',
        "<identity><many><x:except/></many></identity>",
        ON_LIST,
    ],
)
def test_nobody_is_other_while_a_rule_might_name_anybody(unclear: str) -> None:
    """It would let in whom the owner may have meant to keep out."""
    assert handling_of(rules(OTHERS + rule(unclear, "block")), BOB) is Handling.CONFIRM


def test_anonymous_requests_have_a_condition_of_their_own() -> None:
    """OMA XDM `anonymous-request`; RFC 4745 §7.1: no identity matches who is not authenticated."""
    ruleset = rules(rule("<oma:anonymous-request/>", "block", name="anonymous") + rule("<identity><many/></identity>"))
    assert decide(ruleset, None, NOON) == Decision(Handling.BLOCK, NOTHING, "anonymous")
    assert handling_of(ruleset, BOB) is Handling.ALLOW


def test_the_default_rules_of_rcs_clients() -> None:
    """The five rules that phones of the field put: own, granted, blocked, unlisted, anonymous."""
    granted, blocked = (FRIENDS.replace("1", name) for name in ("2", "3"))
    ruleset = rules(
        rule(one("sip:ann@example.org"), "allow", "<cr:provide-all/>", name="wp_prs_allow_own")
        + rule("<oma:other-identity/>", "confirm", name="wp_prs_unlisted")
        + rule(ON_LIST.replace(FRIENDS, granted), "allow", name="wp_prs_grantedcontacts")
        + rule(ON_LIST.replace(FRIENDS, blocked), "block", name="wp_prs_blockedcontacts")
        + rule("<oma:anonymous-request/>", "block", name="wp_prs_block_anonymous")
    )
    lists = {granted: Members(frozenset({BOB})), blocked: Members(frozenset({EVE}))}
    carol = Watcher(parse_aor("sip:carol@example.org"))
    found = [decide(ruleset, watcher, NOON, lists=lists).rule for watcher in (BOB, EVE, carol, None)]
    assert found == [
        "wp_prs_grantedcontacts",
        "wp_prs_blockedcontacts",
        "wp_prs_unlisted",
        "wp_prs_block_anonymous",
    ]


def test_conditions_of_common_policy_and_oma_are_told_by_their_namespaces() -> None:
    assert not matches("<other-identity/>")
    assert not matches("<anonymous-request/>", None)
    assert not matches("<oma:sphere value='work'/>", sphere="work")
    assert not matches('<oma:external-list><entry anc="a"/></oma:external-list>')


@pytest.mark.parametrize(
    ("conditions", "asks", "default"),
    [("", False, False), ("<sphere value='a'/>", True, False), ("<oma:other-identity/>", False, True)],
)
def test_a_ruleset_knows_what_it_depends_on(conditions: str, asks: bool, default: bool) -> None:
    ruleset = rules(rule(conditions))
    assert (ruleset.asks_sphere, ruleset.has_default, ruleset.anchors) == (asks, default, frozenset())


# Reading and writing


@pytest.mark.parametrize("content", [b"<ruleset/>", b"<a", b'<rule xmlns="urn:ietf:params:xml:ns:common-policy"/>'])
def test_what_is_no_ruleset_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidDocument):
        parse_rules(content)


@pytest.mark.parametrize(
    ("handling", "grant"),
    [
        (Handling.ALLOW, Grant(frozenset({"public", "friends", "großeltern"}))),
        (Handling.POLITE_BLOCK, NOTHING),
        (Handling.CONFIRM, NOTHING),
        (Handling.BLOCK, NOTHING),
    ],
)
def test_a_written_decision_is_what_is_decided_then(handling: Handling, grant: Grant) -> None:
    name, written = decision_rule(BOB, handling, ["friends", "Großeltern"])
    ruleset = parse_rules(empty_ruleset().replace(b"</ruleset>", written + b"</ruleset>"))
    assert decide(ruleset, BOB, NOON) == Decision(handling, grant, name)
    assert decide(ruleset, EVE, NOON) == UNDECIDED


def test_a_decision_about_an_awkward_address_is_escaped() -> None:
    watcher = Watcher(parse_aor("sip:a&b'+;=$@example.org"))
    _, written = decision_rule(watcher, Handling.ALLOW, ["<x>"])
    ruleset = parse_rules(empty_ruleset().replace(b"</ruleset>", written + b"</ruleset>"))
    assert decide(ruleset, watcher, NOON).grant.levels == {"public", "<x>"}


def test_rule_ids_are_stable_and_never_shared() -> None:
    assert rule_id(BOB) == "w-bob_40example.org"
    users = ["a.b", "a_b", "a-b", "a+b", "a_2bb", "a~b", "A.b"]
    assert len({rule_id(Watcher(parse_aor(f"sip:{user}@example.org"))) for user in users}) == len(users)
