"""Headers as an ordered multi-map, and typed reading of a message's fields (RFC 3261 §7.3)."""

from __future__ import annotations

import pytest

from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import CSeq, Event, MediaType, NameAddr
from abserver.sip.message import Headers, Request, Response, canonical_name


@pytest.mark.rfc("3261", "7.3.3", "long and short names are the same")
@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("v", "Via"),
        ("U", "Allow-Events"),
        ("call-ID", "Call-ID"),
        ("CSEQ", "CSeq"),
        ("www-authenticate", "WWW-Authenticate"),
        ("p-asserted-identity", "P-Asserted-Identity"),
        ("suppress-if-match", "Suppress-If-Match"),
        ("x-unheard-OF", "X-Unheard-Of"),
    ],
)
def test_a_name_has_one_spelling(name: str, canonical: str) -> None:
    """§7.3.1: names are case-insensitive; §7.3.3: compact forms."""
    assert canonical_name(name) == canonical
    assert canonical_name(canonical) == canonical


@pytest.mark.rfc("3261", "7.3.1", "rows of one name are one list")
def test_rows_of_one_name_keep_their_order() -> None:
    headers = Headers([("Via", "one"), ("To", "x"), ("v", "two")])
    assert headers.get("VIA") == "one"
    assert headers.get_all("via") == ["one", "two"]
    assert headers.get("From") is None
    assert headers.get_all("From") == []
    assert list(headers) == [("Via", "one"), ("Via", "two"), ("To", "x")]
    assert len(headers) == 3
    assert "t" in headers
    assert "From" not in headers


def test_rows_are_set_added_and_removed() -> None:
    headers = Headers([("Route", "<sip:a>")])
    headers.add("route", "<sip:b>")
    headers.set_all("Require", ["a", "b"])
    headers.set("Route", "<sip:c>")
    headers.remove("require")
    headers.remove("Require")
    assert list(headers) == [("Route", "<sip:c>")]
    assert repr(headers) == "Headers([('Route', '<sip:c>')])"


def test_a_copy_is_independent() -> None:
    headers = Headers([("Route", "<sip:a>")])
    copy = headers.copy()
    copy.add("Route", "<sip:b>")
    assert headers != copy
    assert headers == Headers([("route", "<sip:a>")])
    assert headers != [("Route", "<sip:a>")]


@pytest.mark.rfc("3261", "7.3.1", "rows of one name are one list")
def test_list_fields_are_one_list_over_all_rows() -> None:
    """§7.3.1: the three spellings of one Route."""
    headers = Headers(
        [("Route", "<sip:alice@atlanta.com>, <sip:bob@biloxi.com>"), ("Route", "<sip:carol@chicago.com>")]
    )
    assert headers.elements("Route") == ["<sip:alice@atlanta.com>", "<sip:bob@biloxi.com>", "<sip:carol@chicago.com>"]
    assert headers.elements("Record-Route") == []
    assert Headers([("Supported", "")]).elements("Supported") == []


def request(*fields: tuple[str, str]) -> Request:
    return Request("SUBSCRIBE", "sip:bob@example.com", Headers(fields))


@pytest.mark.rfc("3261", "20.33", "Retry-After")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [("18000;duration=3600", 18000), ("120 (I'm in a meeting)", 120), ("5", 5), (None, None)],
)
def test_retry_after_is_seconds_whatever_follows(value: str | None, seconds: int | None) -> None:
    """§20.33, its examples."""
    assert Response(503, "x", Headers([("Retry-After", value)] if value else [])).retry_after == seconds


def test_typed_fields_of_a_message() -> None:
    message = request(
        ("Via", "SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2"),
        ("From", "<sip:alice@example.com>;tag=1"),
        ("To", "sip:bob@example.com"),
        ("Call-ID", "c"),
        ("CSeq", "1 SUBSCRIBE"),
        ("Contact", "<sip:alice@192.0.2.1>"),
        ("Event", "contact-card"),
        ("Expires", "600"),
        ("Content-Type", "text/plain"),
        ("Accept", "application/vcard+xml"),
        ("Accept", "text/vcard;q=0.5"),
        ("Supported", "Eventlist, gruu"),
    )
    assert message.via.branch == "z9hG4bK1"
    assert message.from_.tag == "1"
    assert message.to == NameAddr("sip:bob@example.com")
    assert message.call_id == "c"
    assert message.cseq == CSeq(1, "SUBSCRIBE")
    assert message.contact == NameAddr("sip:alice@192.0.2.1")
    assert message.event == Event("contact-card")
    assert message.expires == 600
    assert message.content_type == MediaType("text", "plain")
    assert message.accept == [MediaType("application", "vcard+xml"), MediaType("text", "vcard", q=0.5)]
    assert message.option_tags("Supported") == ["eventlist", "gruu"]


def test_absent_fields_are_none_where_they_may_be_absent() -> None:
    message = Response(200, "OK")
    assert (message.contact, message.event, message.expires, message.content_type, message.accept) == (None,) * 5
    assert message.option_tags("Require") == []
    assert request(("Contact", "*")).contact is None
    assert request(("Accept", "")).accept == []


@pytest.mark.parametrize("name", ["via", "from_", "to", "call_id", "cseq"])
def test_absent_fields_that_every_message_has_are_a_fault_of_the_peer(name: str) -> None:
    with pytest.raises(SipSyntaxError, match="Missing"):
        getattr(request(), name)


def test_option_tags_are_tokens() -> None:
    with pytest.raises(SipSyntaxError):
        request(("Require", "a b")).option_tags("Require")
