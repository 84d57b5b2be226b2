"""HEP version 3: what a collector decodes is what went over the wire."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from abserver.sip.hep import LARGEST, encode
from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.transport import Address, Flow, Transport

OPTIONS = b"OPTIONS sip:a@example.com SIP/2.0\r\nCall-ID: abc@192.0.2.4\r\nContent-Length: 0\r\n\r\n"


def decode(packet: bytes) -> dict[int, bytes]:
    """The values of the chunks by their types, read as the protocol says and not as the encoder is written."""
    magic, length = struct.unpack_from("!4sH", packet)
    assert (magic, length) == (b"HEP3", len(packet))
    chunks: dict[int, bytes] = {}
    position = 6
    while position < length:
        vendor, kind, size = struct.unpack_from("!HHH", packet, position)
        assert vendor == 0
        assert kind not in chunks
        assert size >= 6
        chunks[kind] = packet[position + 6 : position + size]
        position += size
    assert position == length
    return chunks


def traced(
    data: bytes = OPTIONS,
    *,
    transport: Transport = Transport.UDP,
    direction: Direction = Direction.IN,
    local: str = "192.0.2.10",
    remote: str = "192.0.2.4",
) -> TracedMessage:
    flow = Flow(transport, Address(local, 5060), Address(remote, 40000))
    return TracedMessage(1700000000.25, direction, flow, data)


def test_a_request_over_udp_and_ipv4_has_all_that_a_collector_asks_for() -> None:
    chunks = decode(encode(traced(), agent=2001, key=b"secret"))
    assert chunks == {
        0x01: b"\x02",
        0x02: b"\x11",
        0x03: bytes((192, 0, 2, 4)),
        0x04: bytes((192, 0, 2, 10)),
        0x07: struct.pack("!H", 40000),
        0x08: struct.pack("!H", 5060),
        0x09: struct.pack("!I", 1700000000),
        0x0A: struct.pack("!I", 250000),
        0x0B: b"\x01",
        0x0C: struct.pack("!I", 2001),
        0x0E: b"secret",
        0x0F: OPTIONS,
        0x11: b"abc@192.0.2.4",
    }


def test_a_message_of_ours_goes_the_other_way() -> None:
    chunks = decode(encode(traced(direction=Direction.OUT), agent=1))
    assert chunks[0x03] == bytes((192, 0, 2, 10))
    assert chunks[0x04] == bytes((192, 0, 2, 4))
    assert chunks[0x07] == struct.pack("!H", 5060)
    assert chunks[0x08] == struct.pack("!H", 40000)


def test_ipv6_has_its_own_family_and_address_chunks() -> None:
    chunks = decode(encode(traced(local="2001:db8::1", remote="2001:db8::2"), agent=1))
    assert chunks[0x01] == b"\x0a"
    assert chunks[0x05] == ipaddress.ip_address("2001:db8::2").packed
    assert chunks[0x06] == ipaddress.ip_address("2001:db8::1").packed
    assert not chunks.keys() & {0x03, 0x04}


@pytest.mark.parametrize("transport", [each for each in Transport if each.reliable])
def test_what_came_on_a_connection_is_told_as_tcp(transport: Transport) -> None:
    assert decode(encode(traced(transport=transport), agent=1))[0x02] == b"\x06"


def test_without_a_password_or_a_call_id_there_is_no_chunk_for_it() -> None:
    assert not decode(encode(traced(b"\x00"), agent=1)).keys() & {0x0E, 0x11}


def test_a_message_beyond_a_datagram_keeps_its_beginning_and_says_so_by_its_length() -> None:
    packet = encode(traced(OPTIONS + b"x" * 100_000, transport=Transport.TCP), agent=1, key=b"k" * 255)
    assert len(packet) == LARGEST
    assert decode(packet)[0x0F].startswith(OPTIONS)


def test_a_call_id_that_fills_the_message_does_not_crowd_it_out() -> None:
    chunks = decode(encode(traced(OPTIONS.replace(b"abc", b"a" * 40_000)), agent=1))
    assert chunks[0x11] == b"a" * 512
    assert len(chunks[0x0F]) == len(OPTIONS) + 40_000 - 3
