"""Cutting a stream into messages (RFC 3261 §7.5, §18.3) and keep-alives (RFC 5626 §4.4.1)."""

from __future__ import annotations

import pytest

from abserver.sip.codec import PING_BYTES, PONG_BYTES, KeepAlive, Limits, StreamFramer, parse
from abserver.sip.errors import SipSyntaxError

FIRST = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\nContent-Length: 5\r\n\r\nab\r\n\r"
SECOND = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP b\r\nl:\r\n 0\r\n\r\n"


def test_messages_back_to_back_come_one_by_one() -> None:
    assert list(StreamFramer().feed(FIRST + SECOND + FIRST)) == [FIRST, SECOND, FIRST]


def test_a_stream_cut_at_every_byte_gives_the_same() -> None:
    stream = FIRST + PING_BYTES + SECOND + FIRST
    for cut in range(len(stream)):
        framer = StreamFramer()
        frames = [*framer.feed(stream[:cut]), *framer.feed(stream[cut:])]
        assert [frame for frame in frames if frame is not KeepAlive.PONG] == [FIRST, KeepAlive.PING, SECOND, FIRST]


def test_a_stream_that_drips_gives_the_same() -> None:
    framer = StreamFramer()
    frames = [frame for byte in FIRST + SECOND for frame in framer.feed(bytes([byte]))]
    assert frames == [FIRST, SECOND]


@pytest.mark.rfc("3261", "7.5", "CRLFs before a message are passed over")
def test_a_double_crlf_is_a_ping_and_a_single_one_a_pong() -> None:
    """RFC 5626 §4.4.1, §5.4."""
    assert list(StreamFramer().feed(PING_BYTES)) == [KeepAlive.PING]
    assert list(StreamFramer().feed(PING_BYTES + PING_BYTES)) == [KeepAlive.PING, KeepAlive.PING]
    assert list(StreamFramer().feed(PONG_BYTES)) == [KeepAlive.PONG]


def test_a_ping_in_two_segments_is_still_a_ping() -> None:
    framer = StreamFramer()
    assert list(framer.feed(b"\r\n")) == [KeepAlive.PONG]
    assert list(framer.feed(b"\r")) == []
    assert list(framer.feed(b"\n")) == [KeepAlive.PING]
    assert list(framer.feed(FIRST)) == [FIRST]


@pytest.mark.rfc("3261", "7.5", "CRLFs before a message are passed over")
def test_a_crlf_before_and_one_after_a_message_are_no_ping() -> None:
    assert list(StreamFramer().feed(b"\r\n" + FIRST + b"\r\n")) == [KeepAlive.PONG, FIRST, KeepAlive.PONG]


def test_a_message_is_pending_from_its_first_byte_to_its_last() -> None:
    framer = StreamFramer()
    pending = []
    for part in (b"", FIRST[:1], FIRST[1:-1], FIRST[-1:]):
        list(framer.feed(part))
        pending.append(framer.pending)
    assert pending == [False, True, True, False]


def broken(data: bytes, limits: Limits | None = None) -> SipSyntaxError:
    framer = StreamFramer(limits or Limits())
    with pytest.raises(SipSyntaxError) as caught:
        list(framer.feed(data))
    return caught.value


@pytest.mark.rfc("3261", "18.3", "framing")
@pytest.mark.rfc("3261", "20", "on streams there is a Content-Length")
def test_a_missing_content_length_is_answered_400() -> None:
    """§18.3: "The Content-Length header field MUST be used with stream oriented transports"."""
    error = broken(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\nSubject: x\r\n l: 3\r\n\r\n")
    assert (error.status_hint, error.reason) == (400, "Missing Content-Length")
    assert error.request is not None
    assert error.request.headers.get("Via") == "SIP/2.0/TCP a"


@pytest.mark.rfc("3261", "18.3", "framing")
def test_a_response_without_content_length_meets_silence() -> None:
    assert broken(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a\r\n\r\n").request is None


@pytest.mark.parametrize("fields", [b"l: x", b"l: -1", b"l: 1\r\nContent-Length: 1", b"l: \xff", b"Content-Length :"])
def test_an_untrustworthy_content_length_ends_the_stream(fields: bytes) -> None:
    assert broken(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n" + fields + b"\r\n\r\n").status_hint == 400


def test_what_came_before_an_error_is_not_lost() -> None:
    frames = StreamFramer().feed(FIRST + b"OPTIONS sip:a SIP/2.0\r\n\r\n")
    assert next(frames) == FIRST
    with pytest.raises(SipSyntaxError):
        next(frames)


def test_the_bounds_of_head_and_body_are_kept() -> None:
    limits = Limits(head=100, body=10)
    assert broken(b"x" * 100, limits).status_hint == 513
    assert broken(b"OPTIONS sip:a SIP/2.0\r\nl: 11\r\n\r\n", limits).status_hint == 413
    framer = StreamFramer(limits)
    assert list(framer.feed(b"x" * 99)) == []
    at_bound = b"OPTIONS sip:a SIP/2.0\r\nl: 10\r\n\r\n0123456789"
    assert list(StreamFramer(limits).feed(at_bound)) == [at_bound]


def test_the_framer_and_the_codec_see_the_same_body() -> None:
    (frame,) = StreamFramer().feed(FIRST)
    assert isinstance(frame, bytes)
    assert parse(frame).body == b"ab\r\n\r"
