"""What may be stored as a contact card and as card rules."""

from __future__ import annotations

import pytest

from abserver.domain.identity import Watcher, parse_aor
from abserver.domain.rules import Handling, decision_rule, empty_ruleset
from abserver.domain.usages import AT_MOST_ONCE, CARD_RULES, CONTACT_CARD
from xcap.core.errors import ConstraintFailure, NotWellFormed, SchemaValidationError

NAME = "<fn><text>Ann</text></fn>"


def xcard(properties: str) -> bytes:
    return (
        '<?xml version="1.0"?><!-- a card --><vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0" xmlns:x="urn:x">'
        f"<!-- of --> <vcard>{properties}</vcard></vcards>"
    ).encode()


def ruleset(rules: str) -> bytes:
    return (
        '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:cr="urn:abserver:xml:ns:card-rules"'
        f' xmlns:x="urn:x"><!-- rules -->{rules}</ruleset>'
    ).encode()


def test_the_usages_have_the_names_that_clients_use() -> None:
    assert (CONTACT_CARD.auid, CONTACT_CARD.media_type) == ("org.abserver.contact-card", "application/vcard+xml")
    assert CONTACT_CARD.default_namespace == "urn:ietf:params:xml:ns:vcard-4.0"
    assert CARD_RULES.auid == "org.abserver.card-rules"
    assert CARD_RULES.default_namespace == "urn:ietf:params:xml:ns:common-policy"


@pytest.mark.parametrize(
    "properties",
    [
        NAME,
        f"{NAME}<tel><parameters><pref><integer>1</integer></pref></parameters><uri>tel:+1</uri></tel>",
        f"{NAME}<!-- c --><?pi?><x-anything><unknown>;;</unknown></x-anything><vnd-a-b><text/></vnd-a-b>",
        f'{NAME}<x:Foreign x:a="1">mixed <b>text</b></x:Foreign>',
        f'<group name="item1">{NAME}<x-ablabel><unknown>x</unknown></x-ablabel></group>',
        f"{NAME}<note><parameters><x-level><text>Friends</text><text>großeltern 2</text></x-level></parameters></note>",
        f"{NAME}<hobby><parameters><index><integer>1</integer></index></parameters><text>chess</text></hobby>",
        f"{NAME}<socialprofile><uri>https://social.example/@a</uri></socialprofile>{NAME}",
    ],
)
def test_any_property_is_accepted(properties: str) -> None:
    """RFC 6351 §5.1: known, registered since, x- and foreign ones."""
    assert CONTACT_CARD.validate(xcard(properties)) is not None


def alternative(altid: str) -> str:
    return f"<n><parameters><altid><text>{altid}</text></altid></parameters><surname>L</surname></n>"


def test_alternatives_count_as_one() -> None:
    """RFC 6350 §5.4."""
    assert CONTACT_CARD.validate(xcard(NAME + alternative("1") + alternative("1"))) is not None
    with pytest.raises(ConstraintFailure, match="<n> may occur only once"):
        CONTACT_CARD.validate(xcard(NAME + alternative("1") + alternative("2")))


@pytest.mark.parametrize("name", sorted(AT_MOST_ONCE))
def test_some_properties_occur_only_once(name: str) -> None:
    """RFC 6350 §6: cardinality *1."""
    with pytest.raises(ConstraintFailure, match=f"<{name}> may occur only once"):
        CONTACT_CARD.validate(xcard(f'{NAME}<{name}><text/></{name}><group name="g"><{name}><text/></{name}></group>'))


@pytest.mark.parametrize(
    ("properties", "phrase"),
    [
        ("", "needs <fn>"),
        ("<x:fn>Ann</x:fn>", "needs <fn>"),
        ("<fn>Ann</fn>", "inside a value element"),
        ("<fn><text>Ann</text>!</fn>", "inside a value element"),
        (f"{NAME}<TEL><text>1</text></TEL>", "lower case"),
        (f"{NAME}<vcard/>", "<vcard> cannot stand"),
        (f"{NAME}<parameters/>", "<parameters> cannot stand"),
        (f'{NAME}<group name="a"><group name="b"/></group>', "<group> cannot stand"),
    ],
)
def test_what_could_not_be_shown_as_a_vcard_is_refused(properties: str, phrase: str) -> None:
    with pytest.raises(ConstraintFailure) as refusal:
        CONTACT_CARD.validate(xcard(properties))
    assert phrase in refusal.value.phrase
    assert "Ann" not in refusal.value.phrase


@pytest.mark.parametrize(
    "properties",
    [
        f"{NAME}</vcard><vcard>{NAME}",
        f"text{NAME}",
        f"<group>{NAME}</group>",
        f'<group name="a b">{NAME}</group>',
        f"{NAME}<tel><parameters><pref><integer>101</integer></pref></parameters></tel>",
        f"{NAME}<tel><parameters><x-level>friends</x-level></parameters></tel>",
        f"{NAME}<tel><parameters><x-level/></parameters></tel>",
        f"{NAME}<tel><parameters><x-level><text>*</text></x-level></parameters></tel>",
        f"{NAME}<tel><parameters>work</parameters></tel>",
    ],
)
def test_what_the_schema_of_cards_does_not_allow_is_refused(properties: str) -> None:
    with pytest.raises(SchemaValidationError):
        CONTACT_CARD.validate(xcard(properties))


@pytest.mark.parametrize("root", ['group name="a"', "parameters"])
def test_a_card_document_is_vcards(root: str) -> None:
    with pytest.raises(ConstraintFailure, match="document element"):
        CONTACT_CARD.validate(f'<{root} xmlns="urn:ietf:params:xml:ns:vcard-4.0"/>'.encode())


RULE = '<rule id="a"><actions><cr:card-handling>allow</cr:card-handling></actions></rule>'


@pytest.mark.parametrize(
    "rules",
    [
        "",
        '<rule id="a"/>',
        RULE,
        '<rule id="a"><conditions/></rule>',
        '<rule id="a"><conditions><x:weather>fine</x:weather><sphere value="work"/><validity><from>2026-01-01T00:00:00Z'
        "</from><until>2027-01-01T00:00:00Z</until></validity><identity><many><x:other/></many><x:any/></identity>"
        "</conditions><actions><x:action/></actions><transformations><cr:provide-levels><cr:level>friends</cr:level>"
        '</cr:provide-levels><cr:provide-property name="tel" type="work"/><cr:provide-all/></transformations></rule>',
    ],
)
def test_rules_are_open_to_other_namespaces(rules: str) -> None:
    """RFC 4745 §13."""
    assert CARD_RULES.validate(ruleset(rules)) is not None


@pytest.mark.parametrize("handling", Handling)
def test_written_decisions_are_valid(handling: Handling) -> None:
    _, rule = decision_rule(Watcher(parse_aor("sip:a'&b@example.org")), handling, ["friends"])
    assert CARD_RULES.validate(empty_ruleset().replace(b"</ruleset>", rule + b"</ruleset>")) is not None


@pytest.mark.parametrize(
    "rules",
    [
        RULE + RULE,
        "<rule/>",
        '<rule id="1"/>',
        RULE.replace("allow", "perhaps"),
        '<rule id="a"><conditions><identity/></conditions></rule>',
        '<rule id="a"><conditions><validity><from>today</from><until>tomorrow</until></validity></conditions></rule>',
        '<rule id="a"><conditions><validity><from>2026-01-01T00:00:00Z</from></validity></conditions></rule>',
        '<rule id="a"><transformations><cr:provide-property/></transformations></rule>',
        '<rule id="a"><transformations><cr:provide-levels><cr:lavel/></cr:provide-levels></transformations></rule>',
        '<rule id="a"><transformations><cr:provide-levels><cr:level>*</cr:level></cr:provide-levels>'
        "</transformations></rule>",
        '<rule id="a"><transformations><cr:provide-all>yes</cr:provide-all></transformations></rule>',
    ],
)
def test_what_the_schema_of_rules_does_not_allow_is_refused(rules: str) -> None:
    with pytest.raises(SchemaValidationError):
        CARD_RULES.validate(ruleset(rules))


@pytest.mark.parametrize(
    "rules",
    [
        '<rule id="a"><transformations><cr:provide-level/></transformations></rule>',
        '<rule id="a"><transformations><cr:card-handling>allow</cr:card-handling></transformations></rule>',
        '<rule id="a"><actions><cr:provide-all/></actions></rule>',
        '<rule id="a"><conditions><cr:provide-all/></conditions></rule>',
        '<rule id="a"><actions><x:later><cr:card-handling>allow</cr:card-handling></x:later></actions></rule>',
    ],
)
def test_what_would_silently_grant_nothing_is_refused(rules: str) -> None:
    with pytest.raises(ConstraintFailure, match="not known, or not at this place"):
        CARD_RULES.validate(ruleset(rules))


def test_a_rules_document_is_a_ruleset() -> None:
    with pytest.raises(ConstraintFailure, match="document element"):
        CARD_RULES.validate(b'<card-handling xmlns="urn:abserver:xml:ns:card-rules">allow</card-handling>')
    with pytest.raises(NotWellFormed):
        CARD_RULES.validate(b"<ruleset")


LIST = "http://xcap.example.org/xcap-root/resource-lists/users/sip:ann@example.org/index/~~/resource-lists/list%5B1%5D"


def oma(condition: str) -> bytes:
    namespace = 'xmlns:oma="urn:oma:xml:xdm:common-policy"'
    return ruleset(f'<rule id="a"><conditions {namespace}>{condition}</conditions></rule>')


@pytest.mark.parametrize(
    "condition",
    [
        f'<oma:external-list><oma:entry anc="{LIST}"/></oma:external-list>',
        "<oma:other-identity/>",
        "<oma:anonymous-request/>",
    ],
)
def test_card_rules_may_have_conditions_of_oma(condition: str) -> None:
    assert CARD_RULES.validate(oma(condition), "sip:ann@example.org") is not None


@pytest.mark.parametrize(
    "condition",
    [
        f'<oma:external-list><oma:entry anc="{LIST.replace("ann", "dan")}"/></oma:external-list>',
        "<oma:external-list><oma:entry/></oma:external-list>",
        '<oma:external-list><oma:entry anc="resource-lists/index"/></oma:external-list>',
    ],
)
def test_a_rule_is_about_lists_of_its_owner(condition: str) -> None:
    with pytest.raises(ConstraintFailure, match="a reference to a list must be"):
        CARD_RULES.validate(oma(condition), "sip:ann@example.org")


def test_the_schema_of_oma_conditions_holds_in_card_rules() -> None:
    with pytest.raises(SchemaValidationError):
        CARD_RULES.validate(oma("<oma:other-identity>all</oma:other-identity>"))
