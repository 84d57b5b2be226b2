"""Addresses of record in one normal form (RFC 3261 §10.1, §19.1.4), numbers (RFC 3966), and whose they are."""

from __future__ import annotations

import pytest

from abserver.domain.identity import ANONYMOUS, Identities, InvalidAor, domain_of, parse_aor


@pytest.mark.parametrize(
    "spelling",
    [
        "sip:alice@example.com",
        "SIP:alice@Example.COM",
        "sips:alice@example.com",
        "sip:alice@example.com:5070",
        "sip:alice@example.com;transport=tcp;lr",
        "sip:alice@example.com?subject=x",
        "sip:%61lice@example.com.",
        " sip:alice@example.com\n",
    ],
)
def test_all_spellings_of_an_address_are_one_address(spelling: str) -> None:
    assert parse_aor(spelling) == "sip:alice@example.com"


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("sip:Alice@example.com", "sip:Alice@example.com"),
        ("sip:a%2fb@example.com", "sip:a%2Fb@example.com"),
        ("sip:%C3%a4@example.com", "sip:%C3%A4@example.com"),
        ("sip:+1555;phone-context=x@example.com", "sip:+1555;phone-context=x@example.com"),
        ("sip:a@[2001:DB8::1]:5060", "sip:a@[2001:db8::1]"),
        ("sip:a@192.0.2.1", "sip:a@192.0.2.1"),
    ],
)
def test_users_keep_their_case_and_their_reserved_escapes(spelling: str, normal: str) -> None:
    assert parse_aor(spelling) == normal
    assert parse_aor(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        *("", "alice", "alice@example.com", "mailto:a@example.com", "sip:example.com", "sip:@example.com"),
        *("sip:alice@", "sip:a b@example.com", "sip:alice:secret@example.com", "sip:a@b@c", "<sip:a@example.com>"),
        *("sip:a@-x.com", "sip:a@ex_ample.com", "sip:ä@example.com", "sip:%zz@example.com", "sip:a@b;x=<y>"),
        "sip:" + "a" * 400 + "@example.com",
    ],
)
def test_what_is_no_address_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidAor) as refusal:
        parse_aor(text)
    assert str(refusal.value) == "not an address: write it as sip:user@domain"


def test_the_domain_is_what_follows_the_user() -> None:
    assert domain_of(parse_aor("sip:alice@Example.com")) == "example.com"


@pytest.mark.parametrize(
    "spelling",
    [
        "tel:+358-555-1234567",
        "TEL:+358.555.1234567",
        "tel:+(358)5551234567",
        "tel:+3585551234567;npdi;rn=+35850",
        "tel:+3585551234567;cpc=ordinary",
        "tel:+3585551234567;phone-context=+358",
    ],
)
def test_all_spellings_of_a_global_number_are_one_number_rfc3966_4(spelling: str) -> None:
    assert parse_aor(spelling) == "tel:+3585551234567"


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("tel:7042;phone-context=Example.COM.", "tel:7042;phone-context=example.com"),
        ("tel:70-42;phone-context=+1-914-555", "tel:7042;phone-context=+1914555"),
        ("tel:*2B#;phone-context=example.com", "tel:*2b#;phone-context=example.com"),
        ("tel:+1-201-555-0123;EXT=1-2", "tel:+12015550123;ext=12"),
        ("tel:+12015550123;isub=1411;ext=12", "tel:+12015550123;ext=12;isub=1411"),
        ("tel:7042;phone-context=example.com;ext=1;tsp=a.b", "tel:7042;ext=1;phone-context=example.com"),
        ("sip:+1-201-555-0123@Example.com;user=phone", "sip:+12015550123@example.com"),
        ("sip:+1-201-555-0123;EXT=1@example.com;USER=Phone;lr", "sip:+12015550123;ext=1@example.com"),
        ("sip:+1-201-555-0123@example.com", "sip:+1-201-555-0123@example.com"),
        ("sip:+1-201-555-0123@example.com;user=phones", "sip:+1-201-555-0123@example.com"),
        ("sip:Alice@example.com;user=phone", "sip:Alice@example.com"),
    ],
)
def test_a_number_keeps_what_tells_one_line_from_another_rfc3966_4_rfc3261_19_1_6(spelling: str, normal: str) -> None:
    assert parse_aor(spelling) == normal
    assert parse_aor(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        *("tel:", "tel:+", "tel:7042", "tel:+15a", "tel:+1 555", "tel:xyz;phone-context=example.com"),
        *("tel:7042;phone-context=", "tel:7042;phone-context=-x", "tel:7042;phone-context=+12a"),
        "tel:7042;phone-context=example.com;phone-context=example.net",
    ],
)
def test_a_local_number_needs_a_context_and_every_number_digits_rfc3966_5_1_4(text: str) -> None:
    with pytest.raises(InvalidAor):
        parse_aor(text)


def test_a_number_has_no_domain() -> None:
    assert domain_of(parse_aor("tel:7042;phone-context=example.com")) == ""


ALICE, BOB = parse_aor("sip:alice@example.com"), parse_aor("sip:bob@example.com")
NAMED = Identities(
    {parse_aor("tel:+493012345"): ALICE, parse_aor("sip:al@example.com"): ALICE, parse_aor("tel:+4930777"): BOB},
    domains=["example.com", "example.org"],
)


@pytest.mark.parametrize(
    "text",
    [
        *("sip:alice@example.com", "sip:al@EXAMPLE.com", "tel:+49-30-12345", "sip:+49-30-12345@example.com;user=phone"),
        *("sip:+493012345@example.org", "sips:al@example.com:5061"),
    ],
)
def test_an_alias_is_the_user_it_was_given_to(text: str) -> None:
    assert NAMED.canonical(text) == ALICE


@pytest.mark.parametrize(
    "text", ["sip:+493012345@elsewhere.net;user=phone", "tel:+493012346", "sip:alice@example.org", ANONYMOUS]
)
def test_a_number_elsewhere_and_one_without_an_alias_is_nobody_but_itself_rfc5025_3_1_1_2(text: str) -> None:
    assert NAMED.canonical(text) == parse_aor(text)


def test_a_sip_form_that_is_a_user_or_an_alias_itself_stays_that() -> None:
    number, form = parse_aor("tel:+4930777"), parse_aor("sip:+4930777@example.com")
    assert Identities({number: form}, domains=["example.com"]).canonical(form) == form
    assert Identities({number: ALICE, form: BOB}, domains=["example.com"]).canonical(form) == BOB


PHONES = Identities(
    {parse_aor("tel:+493012345"): ALICE}, domains=["example.com", "example.org"], phone_domain="example.com"
)


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("tel:+1-555-0100", "sip:+15550100@example.com"),
        ("sip:+1-555-0100@example.org", "sip:+15550100@example.com"),
        ("sip:+1-555-0100@example.com;user=phone", "sip:+15550100@example.com"),
        ("sip:+15550100@example.net;user=phone", "sip:+15550100@example.net"),
        ("tel:7042;phone-context=example.org", "sip:7042@example.com"),
        ("sip:7042;phone-context=example.com@example.com;user=phone", "sip:7042@example.com"),
        ("tel:7042;phone-context=example.net", "tel:7042;phone-context=example.net"),
        ("tel:7042;ext=1;phone-context=example.com", "tel:7042;ext=1;phone-context=example.com"),
        ("tel:+15550100;ext=7", "tel:+15550100;ext=7"),
        ("tel:+49-30-12345", ALICE),
        ("sip:+493012345@example.com", ALICE),
        (ALICE, ALICE),
        ("sip:7042@example.com", "sip:7042@example.com"),
    ],
)
def test_numbers_are_users_of_the_phone_domain_rfc3261_19_1_6(text: str, user: str) -> None:
    assert PHONES.canonical(text) == user
    assert PHONES.canonical(user) == user


def test_an_alias_of_a_number_elsewhere_is_not_moved_to_the_phone_domain() -> None:
    user = parse_aor("sip:+15550100@example.org")
    known = Identities({parse_aor("sip:x@example.com"): user}, domains=["example.org"], phone_domain="example.com")
    assert known.canonical("sip:x@example.com") == known.canonical(user) == user


@pytest.mark.parametrize(
    ("xui", "user"),
    [
        ("tel:+49-30-12345", ALICE),
        ("tel:+1-555-0100", "tel:+15550100"),
        ("sip:Bob%20@example.com", "sip:Bob%20@example.com"),
        ("somebody", "somebody"),
    ],
)
def test_an_xui_that_is_a_sip_address_of_its_own_stays_as_the_document_server_has_it(xui: str, user: str) -> None:
    assert NAMED.xui(xui) == user
