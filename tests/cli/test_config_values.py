"""How addresses, networks, domains and paths are written in a configuration, and what is said when they are not."""

from __future__ import annotations

import ipaddress

import pytest

import xcap.values
from abserver.config import values
from abserver.sip.transport import Address
from xcap.core.digest import Qop


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5060", Address("127.0.0.1", 5060)),
        ("[::1]:0", Address("::1", 0)),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535)),
    ],
)
def test_a_listener_is_a_numeric_host_and_a_port(text: str, address: Address) -> None:
    assert values.parse_address(text) == address
    assert values.parse_address(address) is address


@pytest.mark.parametrize(
    "text", ["localhost:5060", "127.0.0.1", "5060", "::1:5060", "[127.0.0.1]:5060", "[::1]", "", 5060]
)
def test_a_listener_without_a_numeric_host_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r"write it like '127\.0\.0\.1:5060'"):
        values.parse_address(text)


@pytest.mark.parametrize("text", ["127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:5O60", "127.0.0.1:١"])
def test_a_port_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no port from 0 to 65535"):
        values.parse_address(text)


def test_a_network_may_be_one_address() -> None:
    assert xcap.values.parse_network("192.0.2.7") == ipaddress.ip_network("192.0.2.7/32")
    assert xcap.values.parse_network("FD00:0::/8") == ipaddress.ip_network("fd00::/8")


def test_a_network_that_names_a_host_is_refused_with_the_network_meant() -> None:
    with pytest.raises(ValueError, match=r"did you mean '10\.0\.0\.0/8'"):
        xcap.values.parse_network("10.0.0.1/8")


@pytest.mark.parametrize("text", ["proxy.example.com", "10.0.0.0/33", "", "10.0.0"])
def test_a_network_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        xcap.values.parse_network(text)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ],
)
def test_a_domain_is_kept_in_lower_case(text: str, domain: str) -> None:
    assert xcap.values.parse_domain(text) == domain


@pytest.mark.parametrize("text", ["", "a b", "-a.example", "sip:example.com", "alice@example.com", "a..b", "a" * 300])
def test_a_domain_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no domain"):
        xcap.values.parse_domain(text)


@pytest.mark.parametrize("text", ["sqlite://", "sqlite:///", "postgresql://u:secret@h/d", "abserver.db"])
def test_a_storage_url_that_is_none_is_refused_without_repeating_its_password(text: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///FILE") as caught:
        values.parse_storage_url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.rfc("4825", "6.1", "the root has no query")
@pytest.mark.parametrize(
    "text", ["", "//", "xcap-root", "/xcap-root/", "/a~~b", "/a b", "/a?b=c", "http://example.com/xcap"]
)
def test_an_xcap_root_that_is_no_plain_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no XCAP root"):
        xcap.values.parse_xcap_root(text)


def test_an_xcap_root_may_be_that_of_the_host() -> None:
    """The form that clients assume (RFC 4825 §6.1): http://xcap.example.com."""
    assert [xcap.values.parse_xcap_root(text) for text in ("/", "/xcap-root", "/a/b")] == ["", "/xcap-root", "/a/b"]


@pytest.mark.rfc("4825", "6.1", "the root has no query")
@pytest.mark.parametrize(
    "text", ["https://xcap.example.com/root?a=b", "https://xcap.example.com/#a", "xcap.example.com"]
)
def test_an_xcap_root_uri_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no XCAP root URI"):
        values.parse_root_uri(text)


@pytest.mark.parametrize("text", ['a"b', "a\r\nb", "x" * 300])
def test_a_realm_that_could_not_stand_in_a_header_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no realm"):
        xcap.values.parse_realm(text)


def test_levels_are_a_table_or_one_text() -> None:
    assert values.parse_levels({"FN": "Public"}) == values.parse_levels(" fn=public ,") == {"fn": "public"}
    assert values.parse_levels("") == {}


@pytest.mark.parametrize("value", ["fn", "fn=", "=public", "a b=public", {"fn": 5.5}, ["fn"], 3])
def test_levels_that_are_no_table_of_names_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="level"):
        values.parse_levels(value)


def test_other_names_of_usages_are_a_table_or_one_text() -> None:
    expected = {"com.example.card": "org.abserver.contact-card", "icons": "x"}
    assert values.parse_aliases(expected) == expected
    assert values.parse_aliases(" com.example.card = org.abserver.contact-card , icons=x,") == expected
    assert values.parse_aliases("") == {}


@pytest.mark.parametrize("value", ["a", "a=", "=b", "a b=c", "a=b/c", {"a/b": "c"}, ["a=b"], 3])
def test_other_names_that_could_stand_in_no_path_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"write (it|an application usage) like"):
        values.parse_aliases(value)


def test_a_root_uri_is_absolute_or_empty_and_has_no_slash_at_its_end() -> None:
    assert values.parse_root_uri("https://xcap.example.com/xcap-root/") == "https://xcap.example.com/xcap-root"
    assert values.parse_root_uri("") == ""
    for text in ("/xcap-root", "ftp://a/b", "http://", "http://a/b?c", "http://a b/"):
        with pytest.raises(ValueError, match="is no XCAP root URI"):
            values.parse_root_uri(text)


def test_other_addresses_of_users_are_a_table_or_one_text() -> None:
    number = "tel:7042;phone-context=example.com"
    expected = {"tel:+15550100": "sip:alice@example.com", number: "sip:bob@example.com"}
    assert values.parse_users({"tel:+1-555-0100": "sip:alice@EXAMPLE.com", number: "sip:bob@example.com"}) == expected
    text = f"tel:+1-555-0100=sip:alice@example.com, {number} = sip:bob@example.com,"
    assert values.parse_users(text) == expected
    assert values.parse_users("") == {}


@pytest.mark.parametrize(
    "value",
    [
        *("alice", "tel:+1=", "=sip:a@example.com", ["tel:+1"], 3, {"tel:+1": "tel:+2"}, {"tel:+1": "alice"}),
        {"tel:+1": "sip:a@example.com", "sip:a@example.com": "sip:b@example.com"},
    ],
)
def test_addresses_that_are_none_and_aliases_of_aliases_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"write (it|a user) like|name the user's own"):
        values.parse_users(value)


def test_a_network_in_charging_records_is_a_token_or_empty() -> None:
    assert values.parse_ioi("ims.example.com") == "ims.example.com"
    assert values.parse_ioi("") is None
    with pytest.raises(ValueError, match="write it like"):
        values.parse_ioi("home one")


def test_one_domain_may_be_none() -> None:
    assert values.parse_one_domain("Example.COM") == "example.com"
    assert values.parse_one_domain("") is None


@pytest.mark.parametrize("text", ["", "/", "/sip", "/phones/sip.v1"])
def test_a_path_has_no_slash_at_its_end(text: str) -> None:
    assert values.parse_path(text) == text


@pytest.mark.parametrize("text", ["sip", "/sip/", "//", "/a b", "/sip?x", "/%2F", 5])
def test_what_is_no_path_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="write it like '/sip'"):
        values.parse_path(text)


def test_an_origin_is_read_in_lower_case() -> None:
    assert values.parse_origin("https://Phone.Example.com:8443") == "https://phone.example.com:8443"


@pytest.mark.parametrize(
    "text", ["", "*", "phone.example.com", "https://phone.example.com/", "wss://example.com", "null"]
)
def test_what_is_no_origin_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it like .https://example\.com."):
        values.parse_origin(text)


def test_a_quality_of_protection_is_one_of_two() -> None:
    assert values.parse_qop("AUTH-INT") is values.parse_qop(Qop.AUTH_INT) is Qop.AUTH_INT
    with pytest.raises(ValueError, match="write one of 'auth', 'auth-int'"):
        values.parse_qop("auth-conf")
