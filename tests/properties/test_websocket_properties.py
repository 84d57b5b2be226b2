"""WebSocket properties: a message comes out as it was, however it is cut, and no bytes do harm."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from abserver.sip.codec import Limits
from abserver.sip.websocket import Reply, WebSocketFramer, answer_handshake
from tests.support.websocket import (
    BINARY,
    CONTINUATION,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Listener,
    close_frame,
    code_of,
    frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIMITS = Limits(head=60, body=40)
LARGEST = LIMITS.head + LIMITS.body

texts = st.text(max_size=30).map(str.encode)
messages = st.tuples(st.just(TEXT), texts) | st.tuples(st.just(BINARY), st.binary(max_size=LARGEST))
cuts = st.lists(st.integers(0, 300), max_size=6)
control = st.sampled_from([b"", frame(PING, b"?"), frame(PONG)])
hostile = st.lists(
    st.binary(max_size=40)
    | st.builds(
        frame,
        st.integers(0, 15),
        st.binary(max_size=130),
        fin=st.booleans(),
        masked=st.booleans() | st.just(True),
        rsv=st.sampled_from([0, 0, 0, 1, 4]),
    )
    | st.integers(0, 65_535).map(close_frame),
    max_size=12,
)


def pieces(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    ends = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return (data[start:end] for start, end in itertools.pairwise(ends))


@given(st.lists(st.tuples(messages, cuts, control), max_size=4), cuts)
def test_messages_come_out_as_they_were_however_they_are_cut(
    sent: list[tuple[tuple[int, bytes], list[int], bytes]], segments: list[int]
) -> None:
    """RFC 6455 §5.4: in fragments of any size, with control frames between them."""
    wire = b""
    for (opcode, content), places, between in sent:
        parts = list(pieces(content, places))
        for number, part in enumerate(parts):
            wire += between + frame(CONTINUATION if number else opcode, part, fin=number == len(parts) - 1)
    framer = WebSocketFramer(LIMITS)
    got = [each for segment in pieces(wire, segments) for each in framer.feed(segment)]
    assert [each for each in got if isinstance(each, bytes)] == [content for (_, content), _, _ in sent]
    assert not framer.pending
    assert not framer.closing


@given(hostile, cuts)
def test_no_bytes_do_harm_and_what_comes_out_is_bounded(data: list[bytes], segments: list[int]) -> None:
    """Each is a message within its bound, or a reply that a client reads; after a Close there is neither."""
    framer = WebSocketFramer(LIMITS)
    listener, over = Listener(), False
    for segment in pieces(b"".join(data), segments):
        for each in framer.feed(segment):
            assert not over
            if isinstance(each, bytes):
                assert len(each) <= LARGEST
            elif isinstance(each, Reply):
                listener.feed(each.data)
                over = each.over
    said = framer.close()
    assert not said or code_of(said) == 1001
    assert framer.closing


@given(st.binary(max_size=2000).map(lambda content: content or b"x"))
def test_what_we_write_is_read_by_a_client(content: bytes) -> None:
    """RFC 7118 §4.2: as text where it is UTF-8, else as binary."""
    (event,) = Listener().feed(WebSocketFramer().write(content))
    data = event.data  # type: ignore[attr-defined]  # those of messages have it
    assert (data.encode() if isinstance(data, str) else data) == content


strange = st.tuples(st.sampled_from([name for name, _ in HANDSHAKE]), st.binary(max_size=30))


@given(
    st.sampled_from([b"GET", b"GET", b"POST", b""]),
    st.permutations(HANDSHAKE),
    st.integers(0, 2),
    st.lists(strange, max_size=2),
)
def test_a_handshake_is_taken_only_whole(
    method: bytes, whole: list[tuple[bytes, bytes]], missing: int, more: list[tuple[bytes, bytes]]
) -> None:
    """RFC 6455 §4.2.1. Whatever there is, it has an answer."""
    fields = [*whole[missing:], *more]
    handshake = answer_handshake(method, fields, {"http://www.example.com"})
    assert handshake is None or handshake.status in (101, 400, 403, 426)
    if method == b"GET" and not missing and not more:
        assert handshake is not None
        assert handshake.status == 101
    if handshake is not None and handshake.status == 101:
        assert method == b"GET"
        assert {name for name, _ in fields} >= {name for name, _ in HANDSHAKE} - {b"origin"}
