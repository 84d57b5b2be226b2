"""Responses that are read by one look: which they are, and that they are read as the codec reads them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.sip.codec import parse
from abserver.sip.message import Response
from abserver.sip.plain import LARGEST, read_plain

HOP = "SIP/2.0/UDP 192.0.2.10:5060"
REST = ["From: <sip:ann@example.com>;tag=a1", "To: Bob <sip:bob@example.com>;tag=b1", "Call-ID: c1@x"]


def answer(
    *fields: str,
    start: str = "SIP/2.0 200 OK",
    via: str = f"Via: {HOP};branch=z9hG4bK1;rport=5060;received=192.0.2.10",
    cseq: str = "CSeq: 17 NOTIFY",
    length: str = "Content-Length: 0",
    body: str = "",
) -> bytes:
    return "\r\n".join([start, via, *REST, cseq, *fields, length, "", body]).encode()


PLAIN = [
    answer(),
    answer("User-Agent: Phone/1.2 (x)", "Contact: <sip:bob@192.0.2.4>", "X-Anything: at all"),
    answer(start="SIP/2.0 489 Bad Event"),
    answer(start="SIP/2.0 100 "),
    answer(via=f"Via: {HOP};branch=z9hG4bK1"),
    answer(via=f"Via: {HOP};branch=z9hG4bK1;rport"),
    answer(via=f"Via: {HOP};branch=z9hG4bK1;received=2001:db8::1;rport=1"),
    answer(via=f"Via: {HOP};rport=5060;received=192.0.2.10;branch=z9hG4bK1"),
    answer(via="Via: SIP/2.0/TCP [2001:db8::9]:65535;branch=z9hG4bK1"),
    answer(via="Via: SIP/2.0/TLS a.example.com;branch=z9hG4bK1"),
    answer(via="Via: SIP/2.0/TLS 192.0.2.10:5061;alias;branch=z9hG4bK1;rport=5060;received=192.0.2.10"),
    answer(via="Via: SIP/2.0/TLS 192.0.2.10:5061;alias;received=192.0.2.10;rport=5060;branch=z9hG4bK1"),
    answer(length="Content-Length:     0"),
]
OTHERS = [
    answer(via=f"v: {HOP};branch=z9hG4bK1"),
    answer(via=f"Via: {HOP};branch=z9hG4bK1, {HOP};branch=z9hG4bK2"),
    answer(f"Via: {HOP};branch=z9hG4bK2"),
    answer("v: SIP/2.0/UDP b"),
    answer(via=f"Via: {HOP};rport;branch=z9hG4bK1;rport"),
    answer(via=f"Via: {HOP};branch=z9hG4bK1;branch=z9hG4bK2"),
    answer(via=f"Via: {HOP};branch=z9hG4bK1;ttl=1"),
    answer(via=f"Via: {HOP};alias;alias;branch=z9hG4bK1"),
    answer(via=f"Via: {HOP}"),
    answer(via="Via: SIP/2.0/UDP 192.0.2.10:65536;branch=z9hG4bK1"),
    answer(via="Via: SIP/2.0/UDP 192[.0.2.10:5060;branch=z9hG4bK1"),
    answer(via="Via: SIP/2.0/UDP 2001:db8::9;branch=z9hG4bK1"),
    answer("CSeq: 18 NOTIFY"),
    answer("cseq: 18 NOTIFY"),
    answer(cseq="CSeq: 99999999999 NOTIFY"),
    answer(cseq="X-None: 1"),
    answer("Content-Length: 0"),
    answer("l: 0"),
    answer(length="Content-Length: 5"),
    answer(length="Content-Length: 5", body="hello"),
    answer(body="hello"),
    answer("Subject: a\r\n folded"),
    answer("Subject: Zoë"),
    answer("Server: a\tb"),
    answer("Server: " + "x" * LARGEST),
    answer(*(["X-Row: 1"] * 70)),
    answer(start="SIP/2.0 099 X"),
    answer(start="SIP/3.0 200 OK"),
    answer(start="NOTIFY sip:a SIP/2.0"),
    answer()[:-2],
    b"",
]


@pytest.mark.parametrize("data", PLAIN)
def test_a_plain_response_is_read_as_the_codec_reads_it(data: bytes) -> None:
    found = read_plain(data)
    assert found is not None
    expected = parse(data)
    assert found.response == expected
    assert isinstance(expected, Response)
    assert found.hop == f"{expected.via.protocol}/{expected.via.transport} {expected.via.sent_by}"
    assert (found.branch, found.method) == (expected.via.branch, expected.cseq.method)


@pytest.mark.parametrize("data", OTHERS)
def test_what_is_not_plain_is_left_to_the_codec(data: bytes) -> None:
    assert read_plain(data) is None


LINES = [line for data in (*PLAIN, *OTHERS) for line in data.decode().split("\r\n") if len(line) < LARGEST]


@given(st.lists(st.sampled_from(LINES), max_size=8), st.integers(0, 400), st.binary(max_size=2), st.integers(0, 3))
@settings(max_examples=400)
def test_whatever_is_plain_is_sip_with_the_same_content(extra: list[str], place: int, damage: bytes, cut: int) -> None:
    """However a plain response is damaged: what is still read, the codec reads alike."""
    head = bytearray(answer(*extra))
    head[place : place + cut] = damage
    found = read_plain(bytes(head))
    if found is not None:
        expected = parse(bytes(head))
        assert isinstance(expected, Response)
        assert found.response == expected
        assert (found.branch, found.method) == (expected.via.branch, expected.cseq.method)
        assert len(expected.headers.elements("Via")) == 1


def test_fields_that_nobody_asked_for_are_read_once_asked() -> None:
    found = read_plain(answer("Retry-After: 5"))
    assert found is not None
    assert found.response.headers.get("Retry-After") == "5"
    assert "Content-Length" not in found.response.headers
    with pytest.raises(AttributeError):
        _ = found.response.headers.nonsense  # type: ignore[attr-defined]
