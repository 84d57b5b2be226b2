"""The message codec: what it reads, refuses and writes, and what it keeps for an answer (RFC 3261 §7, §18.3)."""

from __future__ import annotations

import pytest

from abserver.sip.codec import Limits, parse, serialize
from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Headers, Request, Response
from abserver.sip.outgoing import Outgoing

SUBSCRIBE = """\
SUBSCRIBE sip:alice@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK1
From: <sip:bob@example.com>;tag=1
To: <sip:alice@example.com>
Call-ID: c1
CSeq: 1 SUBSCRIBE

"""


def wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def refused(data: bytes, limits: Limits | None = None) -> SipSyntaxError:
    with pytest.raises(SipSyntaxError) as caught:
        parse(data, limits or Limits())
    return caught.value


def test_a_request_is_read() -> None:
    message = parse(wire(SUBSCRIBE))
    assert isinstance(message, Request)
    assert (message.method, message.uri, message.body) == ("SUBSCRIBE", "sip:alice@example.com", b"")
    assert message.headers.get("Call-ID") == "c1"


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [("SIP/2.0 200 OK", 200, "OK"), ("sip/2.0 489 Bad Event ✓", 489, "Bad Event ✓"), ("SIP/2.0 100 ", 100, "")],
)
def test_a_response_is_read(line: str, status: int, reason: str) -> None:
    message = parse(wire(f"{line}\nCSeq: 1 NOTIFY\n\n"))
    assert message == Response(status, reason, Headers([("CSeq", "1 NOTIFY")]))


@pytest.mark.rfc("3261", "7.3.3", "long and short names are the same")
def test_folded_lines_spaced_colons_and_compact_names_are_read() -> None:
    """§7.3.1: a line break and the blanks after it are one space; §7.3.3."""
    message = parse(
        wire("OPTIONS sip:a SIP/2.0\nv  : SIP/2.0/UDP a\n ;branch=x\nSubject: I know\n\t  you're there\nQ:\n\n")
    )
    assert list(message.headers) == [
        ("Via", "SIP/2.0/UDP a ;branch=x"),
        ("Subject", "I know you're there"),
        ("Q", ""),
    ]


def test_content_length_is_framing_and_no_field() -> None:
    message = parse(wire("OPTIONS sip:a SIP/2.0\nl: 3\n\nabc"))
    assert message.body == b"abc"
    assert "Content-Length" not in message.headers


@pytest.mark.rfc("3261", "18.3", "framing")
def test_octets_beyond_content_length_are_dropped() -> None:
    """§18.3: "additional bytes in the transport packet beyond the end of the body [...] MUST be discarded"."""
    assert parse(wire("OPTIONS sip:a SIP/2.0\nContent-Length: 3\n\nabcdef")).body == b"abc"


def test_a_datagram_without_content_length_is_all_body() -> None:
    """§18.3."""
    assert parse(wire("OPTIONS sip:a SIP/2.0\n\nabc\n\n\x00")).body == b"abc\r\n\r\n\x00"


@pytest.mark.rfc("3261", "18.3", "framing")
@pytest.mark.parametrize("length", ["4", "-1", "three", "", "0x3", "4294967296", "9" * 5000])
def test_a_wrong_content_length_of_a_request_is_answered_400(length: str) -> None:
    """§18.3: shorter than announced is an error."""
    error = refused(wire(SUBSCRIBE.replace("\n\n", f"\nContent-Length: {length}\n\nabc")))
    assert error.status_hint == 400
    assert error.request is not None


def test_two_content_lengths_are_refused_even_if_equal() -> None:
    assert refused(wire("OPTIONS sip:a SIP/2.0\nl: 0\nContent-Length: 0\n\n")).status_hint == 400


@pytest.mark.rfc("3261", "7.1", "a Request-URI is bare")
@pytest.mark.parametrize(
    "line",
    [
        "",
        "SUBSCRIBE",
        "SUBSCRIBE sip:a",
        "SUBSCRIBE  sip:a SIP/2.0",
        "SUBSCRIBE sip:a  SIP/2.0",
        "SUBSCRIBE sip:a SIP/2.0 ",
        "SUBSCRIBE <sip:a> SIP/2.0",
        "SUBSCRIBE sip:a b SIP/2.0",
        "SUBSCRIBE alice SIP/2.0",
        "SUB/SCRIBE sip:a SIP/2.0",
        "SUBSCRIBE sip:a HTTP/1.1",
        "SIP/2.0 20 OK",
        "SIP/2.0 700 OK",
        "SIP/2.0 4294967301 better not break the receiver",
        "SIP/3.0 200 OK",
        "SIP/2.0",
    ],
)
def test_malformed_start_lines_are_refused(line: str) -> None:
    assert refused(wire(f"{line}\nCSeq: 1 A\n\n")).status_hint == 400


@pytest.mark.rfc("3261", "7.1", "the version is 2.0 in upper case")
def test_another_version_is_hinted_505() -> None:
    """§21.5.6."""
    error = refused(wire(SUBSCRIBE.replace("SIP/2.0\n", "SIP/7.0\n", 1)))
    assert error.status_hint == 505
    assert error.request is not None


@pytest.mark.parametrize(
    "field",
    ["no colon", ": empty name", "Na me: x", "Näme: x", "Subject: bare \r return", "Subject: bare \n feed"],
)
def test_malformed_fields_are_refused(field: str) -> None:
    data = wire(SUBSCRIBE).replace(b"\r\n\r\n", b"\r\n" + field.encode() + b"\r\n\r\n")
    error = refused(data)
    assert error.status_hint == 400
    assert error.request is not None
    assert error.request.headers.get("Call-ID") == "c1"


@pytest.mark.rfc("3261", "7", "lines end in CRLF, and an empty one ends the header")
def test_a_header_that_does_not_end_is_refused() -> None:
    assert refused(b"OPTIONS sip:a SIP/2.0\r\nTo: x\r\n").reason == "Header Does Not End"
    assert refused(b"").request is None


def test_a_header_that_is_not_utf8_is_refused_and_echoed_byte_for_byte() -> None:
    data = wire(SUBSCRIBE).replace(b"<sip:bob", b'"Zo\xeb" <sip:bob')
    error = refused(data)
    assert error.status_hint == 400
    assert error.request is not None
    assert b'From: "Zo\xeb" <sip:bob@example.com>;tag=1\r\n' in serialize(error.request)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\nSubject: " + b"x" * 200 + b"\r\n\r\n", 513),
        (b"OPTIONS sip:a SIP/2.0\r\nSubject: " + b"x" * 70 + b"\r\n\r\n", 400),
        (b"OPTIONS sip:a SIP/2.0\r\n" + b"a:\r\n" * 4 + b"\r\n", 513),
        (b"OPTIONS sip:a SIP/2.0\r\n\r\n" + b"x" * 11, 413),
    ],
)
def test_each_bound_is_kept(data: bytes, status: int) -> None:
    assert refused(data, Limits(head=120, line=60, fields=3, body=10)).status_hint == status


def test_a_message_at_its_bounds_passes() -> None:
    limits = Limits(head=200, line=60, fields=3, body=10)
    data = b"OPTIONS sip:a SIP/2.0\r\n" + b"a: " + b"x" * 57 + b"\r\na:\r\na:\r\n\r\n" + b"x" * 10
    assert parse(data, limits).body == b"x" * 10


def test_a_broken_request_keeps_what_an_answer_copies() -> None:
    """§8.2.6.2: Via, From, To, Call-ID, CSeq; the first of those that must be single."""
    text = SUBSCRIBE.replace("\nCSeq", "\nCall-ID: c2\nv: SIP/2.0/UDP b\n ;c\nSubject: s\nf\nCSeq").replace(
        "sip:alice", "alice", 1
    )
    error = refused(wire(text))
    assert error.request == Request(
        "SUBSCRIBE",
        "alice@example.com",
        Headers(
            [
                ("Via", "SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK1"),
                ("From", "<sip:bob@example.com>;tag=1"),
                ("To", "<sip:alice@example.com>"),
                ("Call-ID", "c1"),
                ("Via", "SIP/2.0/UDP b ;c"),
                ("CSeq", "1 SUBSCRIBE"),
            ]
        ),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"SIP/2.0 99 No\r\nVia: SIP/2.0/UDP a\r\n\r\n",
        b"ACK nonsense\r\nVia: SIP/2.0/UDP a\r\n\r\n",
        b"OPTIONS nonsense\r\nTo: x\r\n\r\n",
        b"OPTIONS nonsense\r\nVia: a\nb\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n",
        b"\x00\x01\x00\x00",
    ],
)
def test_bad_responses_acks_and_what_names_no_way_back_meet_silence(data: bytes) -> None:
    """§18.3: "If the message is a response, it MUST be discarded"; an ACK is never answered (§17)."""
    assert refused(data).request is None


@pytest.mark.rfc("3261", "7", "lines end in CRLF, and an empty one ends the header")
@pytest.mark.rfc("3261", "7.1", "the version is 2.0 in upper case")
@pytest.mark.rfc("3261", "20", "on streams there is a Content-Length")
@pytest.mark.rfc("3261", "20.14", "Content-Length is always there")
def test_a_message_is_written_with_its_length_last() -> None:
    request = Request("NOTIFY", "sip:a@b", Headers([("To", "<sip:a@b>"), ("X-Y", "Zoë")]), "é".encode())
    assert Outgoing.of(request).written("SIP/2.0/UDP c") == wire(
        "NOTIFY sip:a@b SIP/2.0\nVia: SIP/2.0/UDP c\nTo: <sip:a@b>\nX-Y: Zoë\nContent-Length: 2\n\né"
    )
    assert serialize(Response(200, "OK")) == wire("SIP/2.0 200 OK\nContent-Length: 0\n\n")


@pytest.mark.parametrize("value", ["a\r\nVia: forged", "a\nb", "a\rb"])
def test_a_line_break_never_leaves_within_a_field(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        serialize(Request("NOTIFY", "sip:a", Headers([("Subject", value)])))
    with pytest.raises(ValueError, match="line break"):
        serialize(Response(200, value))
