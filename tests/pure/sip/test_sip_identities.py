"""RFC 5922 §7.1, §7.2: whom a certificate names, and how two names are compared."""

from __future__ import annotations

import pytest

from abserver.sip.identities import identities, identity_of


def test_7_1_sip_uris_without_a_user_are_identities_and_dns_names_beside_them_are_not() -> None:
    names = [("URI", "SIP:Example.com"), ("URI", "sip:example.net:5061;lr"), ("DNS", "host.example.com")]
    assert identities(names) == {"example.com", "example.net"}


@pytest.mark.parametrize(
    "uri", ["sips:example.com", "sip:alice@example.com", "https://example.com", "urn:x", "", "sip:", "sip:a b"]
)
def test_7_1_other_uris_are_none_and_leave_the_dns_names_their_worth(uri: str) -> None:
    assert identities([("URI", uri), ("DNS", "host.example.com")]) == {"host.example.com"}


def test_7_1_the_common_name_counts_only_without_any_alternative_name() -> None:
    assert identities([], ["Host.example.com"]) == {"host.example.com"}
    assert identities([("email", "a@example.com")], ["host.example.com"]) == frozenset()
    assert identities([]) == frozenset()


def test_addresses_are_identities_beside_those_of_domains() -> None:
    names = [("URI", "sip:example.com"), ("IP Address", "192.0.2.1"), ("IP Address", "2001:DB8:0:0:0:0:0:1\n")]
    assert identities(names) == {"example.com", "192.0.2.1", "2001:db8::1"}


@pytest.mark.parametrize(
    ("host", "identity"),
    [
        ("Example.COM.", "example.com"),
        ("[2001:DB8::0001]", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("*.example.com", "*.example.com"),
    ],
)
def test_7_2_identities_are_compared_as_dns_names_and_as_a_whole(host: str, identity: str) -> None:
    assert identity_of(host) == identity
