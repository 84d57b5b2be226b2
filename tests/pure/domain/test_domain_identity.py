"""Addresses of record in one normal form (RFC 3261 §10.1, §19.1.4)."""

from __future__ import annotations

import pytest

from abserver.domain.identity import InvalidAor, domain_of, parse_aor


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
        *("", "alice", "alice@example.com", "tel:+1555", "mailto:a@example.com", "sip:example.com", "sip:@example.com"),
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
