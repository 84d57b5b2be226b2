"""The stream of a trace: what is written is read again, however its bytes arrive, and nothing else is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.trace_stream import (
    GREETING,
    LARGEST,
    Dropped,
    TraceReader,
    TraceStreamError,
    write_dropped,
    write_message,
)
from abserver.sip.transport import Address, Flow, Transport

MESSAGE = TracedMessage(
    1700000000.123456,
    Direction.OUT,
    Flow(Transport.WSS, Address("2001:db8::1", 5060), Address("192.0.2.4", 65535), 2**40),
    b"OPTIONS sip:a SIP/2.0\r\n\r\n",
)

addresses = st.builds(Address, st.text(st.characters(codec="ascii"), max_size=40), st.integers(0, 65535))
messages = st.builds(
    TracedMessage,
    st.floats(0, 2**33),
    st.sampled_from(Direction),
    st.builds(Flow, st.sampled_from(Transport), addresses, addresses, st.integers(0, 2**63)),
    st.binary(max_size=200),
)


@given(st.lists(messages | st.builds(Dropped, st.integers(1, 2**60)), max_size=5), st.integers(1, 50))
def test_what_is_written_is_read_however_it_is_cut(written: list[TracedMessage | Dropped], size: int) -> None:
    data = GREETING + b"".join(
        write_dropped(each.count) if isinstance(each, Dropped) else write_message(each) for each in written
    )
    reader = TraceReader()
    read = [each for start in range(0, len(data), size) for each in reader.feed(data[start : start + size])]
    assert read == written


@pytest.mark.parametrize("other", [b"SIP/2.0 200 OK\r\n", b"abserver trace 2\n"])
def test_a_stream_of_something_else_or_another_version_is_refused_at_its_first_wrong_byte(other: bytes) -> None:
    with pytest.raises(TraceStreamError, match="of this version"):
        list(TraceReader().feed(other))


def changed(at: int, value: int) -> bytes:
    record = bytearray(write_message(MESSAGE))
    record[at] = value
    return bytes(record)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (struct.pack("!I", LARGEST + 1), "too large"),
        (struct.pack("!I", 0), "broken"),
        (struct.pack("!IB", 1, 2), "broken"),
        (struct.pack("!IB", 1, 1), "broken"),
        (changed(4, 9), "unknown kind"),
        (changed(14, 200), "broken"),
        (changed(len(write_message(MESSAGE)) - len(MESSAGE.data) - 1, 0xFF), "broken"),
    ],
    ids=["large", "empty", "half a count", "half a message", "kind", "transport", "host"],
)
def test_a_broken_record_ends_the_reading(record: bytes, what: str) -> None:
    with pytest.raises(TraceStreamError, match=what):
        list(TraceReader().feed(GREETING + record))
