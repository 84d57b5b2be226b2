"""GRUUs (RFC 5627): a notifier's own, and a registrar's, which it knows again without having kept them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.sip.gruu import INDEX_OCTETS, SALT_OCTETS, Gruus, is_gruu, notifier_target, resource_of
from abserver.sip.transport import Address, Transport
from abserver.sip.uri import SipUri

HERE = Address("192.0.2.1", 5060)
BOB = "sip:bob@example.com"
INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
INDEX, SALT = bytes(range(INDEX_OCTETS)), bytes(range(100, 100 + SALT_OCTETS))
GRUUS = Gruus(b"k" * 32)


# -- a notifier's own -----------------------------------------------------------------------------------------------


def test_a_notifiers_target_is_a_gruu_that_names_its_resource_rfc6665_4_5_1() -> None:
    target = notifier_target("sip:ann@example.com", Transport.UDP, HERE)
    assert target == "sip:ann@192.0.2.1:5060;gr=example.com"
    assert is_gruu(target)
    assert resource_of(SipUri.parse(target)) == "sip:ann@example.com"


def test_the_target_names_the_transport_unless_that_is_udp() -> None:
    over = [
        notifier_target("sip:ann@example.com", each, Address("::1", 5060)) for each in (Transport.TCP, Transport.WS)
    ]
    assert over == ["sip:ann@[::1]:5060;transport=tcp;gr=example.com", "sip:ann@[::1]:5060;transport=ws;gr=example.com"]


def test_a_secure_target_is_a_sips_uri_whose_transport_is_tls_anyway_rfc5630_5_1_2() -> None:
    over = [
        notifier_target("sip:ann@example.com", each, HERE, secure=True)
        for each in (Transport.TLS, Transport.WSS, Transport.UDP)
    ]
    assert over == [
        "sips:ann@192.0.2.1:5060;gr=example.com",
        "sips:ann@192.0.2.1:5060;transport=ws;gr=example.com",
        "sips:ann@192.0.2.1:5060;gr=example.com",
    ]
    assert [resource_of(SipUri.parse(each)) for each in over] == ["sip:ann@example.com"] * 3


@pytest.mark.parametrize("domain", ["example.com", "[2001:db8::1]", "192.0.2.7"])
def test_the_domain_of_the_resource_comes_back(domain: str) -> None:
    target = SipUri.parse(notifier_target(f"sip:a;b%2Fc@{domain}", Transport.UDP, HERE))
    assert resource_of(target) == f"sip:a;b%2Fc@{domain}"


def test_parameters_of_a_resource_stay_behind() -> None:
    assert notifier_target("sip:bob@example.com;documents", Transport.UDP, HERE) == (
        "sip:bob@192.0.2.1:5060;gr=example.com"
    )


def test_a_resource_without_a_user_has_a_gruu_that_names_the_notifier_alone() -> None:
    target = notifier_target("sip:", Transport.UDP, HERE)
    assert target == "sip:192.0.2.1:5060;gr"
    assert resource_of(SipUri.parse(target)) is None


@pytest.mark.parametrize(
    "uri",
    [
        "sip:ann@example.com",
        "sip:ann@example.com;gr",
        "sip:192.0.2.1;gr=example.com",
        GRUUS.public(BOB, INSTANCE),
        GRUUS.temporary("example.com", INDEX, SALT),
    ],
)
def test_other_uris_name_no_resource_of_a_notifier(uri: str) -> None:
    assert resource_of(SipUri.parse(uri)) is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:a@b;gr", True),
        ("sip:a@b;gr=x", True),
        ("sip:a@b;transport=tcp;GR=x", True),
        ("sip:a@b;grass=x", False),
        ("sip:a;gr=1@b", False),
        ("tel:1;gr", False),
    ],
)
def test_a_gruu_says_that_it_is_one_rfc5627_3_1(uri: str, expected: bool) -> None:
    assert is_gruu(uri) is expected


# -- public ---------------------------------------------------------------------------------------------------------


def test_a_public_gruu_is_the_address_of_record_with_gr_rfc5627_5_1() -> None:
    gruu = GRUUS.public(BOB, INSTANCE)
    assert gruu.startswith(f"{BOB};gr={INSTANCE}/")
    assert gruu == GRUUS.public(BOB, INSTANCE)  # the same after each registration (§3.2)
    assert GRUUS.instance_of(SipUri.parse(gruu)) == (BOB, INSTANCE)


def test_a_public_gruu_compares_without_case_but_for_the_user_rfc3261_19_1_4() -> None:
    gruu = GRUUS.public(BOB, INSTANCE)
    assert GRUUS.instance_of(SipUri.parse(gruu.upper().replace("BOB", "bob"))) == (BOB, INSTANCE)
    assert GRUUS.instance_of(SipUri.parse(gruu.replace("bob", "Bob"))) is None


@pytest.mark.parametrize(
    "uri",
    [
        BOB,
        f"{BOB};gr",
        f"{BOB};gr={INSTANCE}",
        f"{BOB};gr={INSTANCE}/0123456789abcdef0123",
        GRUUS.public("sip:ann@example.com", INSTANCE).replace("ann", "bob"),
        Gruus(b"another" * 4).public(BOB, INSTANCE),
        GRUUS.public(BOB, INSTANCE).replace("bob@", ""),
    ],
)
def test_nobody_else_can_make_a_public_gruu(uri: str) -> None:
    assert GRUUS.instance_of(SipUri.parse(uri)) is None


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60))
def test_any_instance_comes_back_from_its_public_gruu(instance: str) -> None:
    uri = SipUri.parse(GRUUS.public(BOB, instance))
    assert GRUUS.instance_of(uri) == (BOB, instance.lower())


# -- temporary ------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=INDEX_OCTETS, max_size=INDEX_OCTETS), st.binary(min_size=SALT_OCTETS, max_size=SALT_OCTETS))
def test_the_index_comes_back_from_a_temporary_gruu(index: bytes, salt: bytes) -> None:
    uri = SipUri.parse(GRUUS.temporary("example.com", index, salt))
    assert GRUUS.index_of(uri) == index
    assert (uri.host, uri.params) == ("example.com", {"gr": None})


def test_two_temporary_gruus_of_one_device_share_nothing_rfc5627_5_1() -> None:
    """ "Computationally infeasible to determine whether they were issued for the same AOR or instance ID"."""
    octets = [GRUUS.temporary("example.com", INDEX, bytes([salt]) * SALT_OCTETS)[10:54] for salt in range(64)]
    assert len(set(octets)) == 64
    for place in range(14, 37):  # of the masked index and the seal
        assert len({each[place] for each in octets}) > 16


@settings(max_examples=60)
@given(st.integers(0, 37), st.integers(1, 63))
def test_a_changed_temporary_gruu_is_none(place: int, step: int) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    gruu = GRUUS.temporary("example.com", INDEX, SALT)
    at = len("sip:tgruu.") + place
    changed = letters[(letters.index(gruu[at]) + step) % 64]
    forged = gruu[:at] + changed + gruu[at + 1 :]
    found = GRUUS.index_of(SipUri.parse(forged))
    if place < 37:  # of the last character only some bits count
        assert found is None


@pytest.mark.parametrize(
    "uri",
    [
        "sip:tgruu.@example.com;gr",
        "sip:tgruu.AAAA@example.com;gr",
        "sip:tgruu.A@example.com;gr",
        "sip:tgruu.!!!!@example.com;gr",
        "sip:example.com;gr",
        "sip:bob@example.com;gr",
        GRUUS.temporary("example.com", INDEX, SALT).removesuffix(";gr"),
        Gruus(b"another" * 4).temporary("example.com", INDEX, SALT),
    ],
)
def test_nobody_else_can_make_a_temporary_gruu(uri: str) -> None:
    assert GRUUS.index_of(SipUri.parse(uri)) is None
