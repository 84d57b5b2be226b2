"""Typed header values: what they read, what they write, what they refuse (RFC 3261 §20, RFC 6665 §8.2)."""

from __future__ import annotations

import pytest

from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import (
    CSeq,
    Event,
    EventReason,
    MediaType,
    NameAddr,
    SubscriptionState,
    Substate,
    Via,
    parse_seconds,
    quality,
)


def test_a_via_with_everything() -> None:
    """§20.42, RFC 3581 §3."""
    via = Via.parse("SIP / 2.0 / udp first.example.com : 4000;ttl=16;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1;rport")
    assert (via.protocol, via.transport, via.host, via.port) == ("SIP/2.0", "UDP", "first.example.com", 4000)
    assert (via.branch, via.maddr, via.received, via.rport) == ("z9hG4bKa7c6a8dlze.1", "224.2.0.1", None, None)
    assert str(via) == ("SIP/2.0/UDP first.example.com:4000;ttl=16;maddr=224.2.0.1;branch=z9hG4bKa7c6a8dlze.1;rport")


def test_a_via_with_ipv6_and_the_mark_of_its_receiver() -> None:
    via = Via.parse("SIP/2.0/TCP [2001:db8::9:1]:5060;received=2001:db8::9:255;rport=4711;branch=z9hG4bKas3")
    assert (via.host, via.port, via.received, via.rport) == ("[2001:db8::9:1]", 5060, "2001:db8::9:255", 4711)
    assert Via.parse(str(via)) == via
    assert via.sent_by == "[2001:db8::9:1]:5060"


def test_a_via_without_port() -> None:
    via = Via.parse("SIP/2.0/TLS example.com")
    assert via.port is None
    assert via.sent_by == "example.com"
    assert via.branch is None
    assert str(via) == "SIP/2.0/TLS example.com"


@pytest.mark.parametrize(
    "text",
    ["", "SIP/2.0/UDP", "SIP/2.0 example.com", "SIP/2.0/UDP ;branch=a", "SIP/2.0/UDP a:99999", "SIP/2.0/UDP a b"],
)
def test_malformed_vias_are_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError):
        Via.parse(text)


def test_a_malformed_rport_shows_when_it_is_asked_for() -> None:
    with pytest.raises(SipSyntaxError):
        _ = Via.parse("SIP/2.0/UDP a;rport=x").rport


def test_the_hop_of_a_via_is_readable_whatever_follows() -> None:
    assert Via.parse_hop("SIP/2.0/UDP 192.0.2.15;;,;,,") == Via("UDP", "192.0.2.15")
    with pytest.raises(SipSyntaxError):
        Via.parse_hop("UDP 192.0.2.15")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:alice@example.com", NameAddr("sip:alice@example.com")),
        ("sip:alice@example.com ;tag=7", NameAddr("sip:alice@example.com", params={"tag": "7"})),
        ("<sip:alice@example.com;lr>;tag=7", NameAddr("sip:alice@example.com;lr", params={"tag": "7"})),
        ("Alice <sip:a@b>", NameAddr("sip:a@b", "Alice")),
        ("The  big\tBob <sip:a@b>", NameAddr("sip:a@b", "The  big\tBob")),
        ("Zoë<sip:a@b>", NameAddr("sip:a@b", "Zoë")),
        (' "Bell, \\"A\\" <x>" <sip:a@b>;q=0.5', NameAddr("sip:a@b", 'Bell, "A" <x>', {"q": "0.5"})),
        ('"x"<sip:a@b>', NameAddr("sip:a@b", "x")),
        ('"" <sip:a@b>', NameAddr("sip:a@b")),
        ("<tel:+1-201-555-0123>", NameAddr("tel:+1-201-555-0123")),
        ("<sip:a@b?Route=%3Csip:c%3E>", NameAddr("sip:a@b?Route=%3Csip:c%3E")),
    ],
)
def test_addresses_are_read_and_written(text: str, expected: NameAddr) -> None:
    address = NameAddr.parse(text)
    assert address == expected
    assert NameAddr.parse(str(address)) == address


@pytest.mark.rfc("3261", "20", "a URI with a comma is in brackets")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "<>",
        "<alice>",
        "<sip:a@b",
        "<sip:a @b>",
        "< sip:a@b >",
        '"Alice <sip:a@b>',
        '"Alice" sip:a@b',
        "Bell, Alexander <sip:a@b>",
        "sip:a@b?Route=x",
        "sip:a@b,c",
        "<sip:a@b>;tag=a;tag=b",
        "<sip:a@b> x",
    ],
)
def test_malformed_addresses_are_refused(text: str) -> None:
    """§20.10: a URI with a question mark, comma or semicolon of its own needs angle brackets."""
    with pytest.raises(SipSyntaxError):
        NameAddr.parse(text)


def test_parameters_of_addresses() -> None:
    address = NameAddr.parse('<sip:a@b>;+sip.instance="<urn:uuid:1>";ob')
    assert address.param("+sip.instance") == "<urn:uuid:1>"
    assert address.param("ob") == ""
    assert address.param("tag") is None
    assert address.tag is None
    tagged = address.with_tag("9")
    assert tagged.tag == "9"
    assert str(tagged) == '<sip:a@b>;+sip.instance="<urn:uuid:1>";ob;tag=9'


def test_a_plain_display_name_is_not_quoted_and_another_is() -> None:
    assert str(NameAddr("sip:a@b", "Alice Smith")) == "Alice Smith <sip:a@b>"
    assert str(NameAddr("sip:a@b", 'A"b')) == '"A\\"b" <sip:a@b>'


def test_a_list_of_identities() -> None:
    """RFC 3325 §9.1: a P-Asserted-Identity holds one or two."""
    identities = NameAddr.parse_list('"Cullen" <sip:fluffy@example.com>, tel:+14085264000')
    assert [identity.uri for identity in identities] == ["sip:fluffy@example.com", "tel:+14085264000"]


@pytest.mark.rfc("3261", "8.1.1.5", "CSeq has the method and a number of 31 bits")
def test_cseq() -> None:
    """§20.16, §8.1.1.5."""
    assert CSeq.parse("4711 NOTIFY") == CSeq(4711, "NOTIFY")
    assert CSeq.parse("0009  \tNOTIFY") == CSeq(9, "NOTIFY")
    assert str(CSeq(1, "SUBSCRIBE")) == "1 SUBSCRIBE"
    for text in ("", "1", "1 ", "NOTIFY 1", "2147483648 NOTIFY", "-1 NOTIFY", "1 NO/TIFY", "1 A B"):
        with pytest.raises(SipSyntaxError):
            CSeq.parse(text)


def test_event() -> None:
    """RFC 6665 §8.2.1."""
    assert Event.parse("contact-card") == Event("contact-card")
    event = Event.parse("contact-card.winfo;id=7;x=y")
    assert event == Event("contact-card.winfo", "7", {"x": "y"})
    assert str(event) == "contact-card.winfo;id=7;x=y"
    for text in ("", ";id=7", "a b", "a;id=1;id=2"):
        with pytest.raises(SipSyntaxError):
            Event.parse(text)


def test_subscription_state() -> None:
    """RFC 6665 §8.2.3."""
    active = SubscriptionState.parse("Active;expires=3600")
    assert active == SubscriptionState(Substate.ACTIVE, expires=3600)
    ended = SubscriptionState.parse("terminated ;reason=Probation;retry-after=30;x=y")
    assert ended == SubscriptionState("terminated", None, EventReason.PROBATION, 30, {"x": "y"})
    for state in (active, ended, SubscriptionState(Substate.PENDING)):
        assert SubscriptionState.parse(str(state)) == state
    assert str(SubscriptionState(Substate.TERMINATED, reason=EventReason.REJECTED)) == "terminated;reason=rejected"


@pytest.mark.parametrize("text", ["", ";expires=1", "active;expires", "active;expires=-1", "active;expires=a", "a b"])
def test_malformed_subscription_states_are_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError):
        SubscriptionState.parse(text)


def test_seconds_are_bounded() -> None:
    """§20.19."""
    assert parse_seconds("4294967295") == 2**32 - 1
    with pytest.raises(SipSyntaxError):
        parse_seconds("4294967296")


def test_media_types_and_their_quality() -> None:
    """§20.1, §20.15."""
    media = MediaType.parse("Application / XML-Patch+XML ; charset=utf-8;q=0.25")
    assert (media.name, media.q, media.params) == ("application/xml-patch+xml", 0.25, {"charset": "utf-8"})
    assert str(media) == "application/xml-patch+xml;charset=utf-8;q=0.25"
    assert str(MediaType("text", "vcard")) == "text/vcard"
    for text in ("", "text", "text/", "text/plain;q=2", "text/plain;q", "text/plain;q=0.5555"):
        with pytest.raises(SipSyntaxError):
            MediaType.parse(text)


def test_the_most_specific_range_of_an_accept_decides() -> None:
    accept = MediaType.parse_list("*/*;q=0.1, application/*;q=0.5, application/vcard+xml;q=0")
    assert quality(accept, "application/vcard+xml") == 0.0
    assert quality(accept, "application/xml-patch+xml") == 0.5
    assert quality(accept, "text/vcard") == 0.1
    assert quality(MediaType.parse_list("text/plain"), "text/vcard") == 0.0
    assert quality([], "text/vcard") == 0.0


def test_an_empty_accept_accepts_nothing() -> None:
    """§20.1: "If it is empty, it means that no formats are acceptable"."""
    assert MediaType.parse_list("  ") == []


@pytest.mark.parametrize(
    "text",
    [
        "SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKa;rport",
        "SIP/2.0/TCP [2001:db8::1]:59999;branch=z9hG4bKa",
        "SIP/2.0/UDP phone_1.example.com:60000;branch=z9hG4bKa",
    ],
)
def test_a_via_in_its_plain_form_is_read_as_in_any_other(text: str) -> None:
    assert Via.parse(text) == Via.parse(f"{text} ")
    assert str(Via.parse(text)) == text


@pytest.mark.parametrize("text", ["<sip:bob@example.com>", "<sip:bob@example.com;user=phone?x=y>;tag=a.b"])
def test_an_address_in_its_plain_form_is_read_as_in_any_other(text: str) -> None:
    assert NameAddr.parse(text) == NameAddr.parse(f" {text}")
    assert str(NameAddr.parse(text)) == text


def test_a_port_beyond_the_last_one_is_no_port() -> None:
    with pytest.raises(SipSyntaxError):
        Via.parse("SIP/2.0/UDP 192.0.2.4:65536;branch=z9hG4bKa")
