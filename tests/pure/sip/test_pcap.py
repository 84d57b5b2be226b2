"""Capture files, taken apart again as a reader of packets does it."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abserver.sip import pcap
from abserver.sip.pcap import LARGEST_DATAGRAM, SEGMENT, PcapWriter, file_header
from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.transport import Address, Flow, Transport

LOCAL, REMOTE = Address("192.0.2.10", 5060), Address("192.0.2.4", 40000)


@dataclass(frozen=True)
class Packet:
    at: tuple[int, int]
    source: str
    destination: str
    protocol: int
    ports: tuple[int, int]
    numbers: tuple[int, int] | None
    data: bytes


def traced(
    data: bytes = b"OPTIONS",
    transport: Transport = Transport.UDP,
    direction: Direction = Direction.IN,
    *,
    local: Address = LOCAL,
    remote: Address = REMOTE,
    connection: int = 1,
) -> TracedMessage:
    return TracedMessage(1700000000.5, direction, Flow(transport, local, remote, connection), data)


def ones_sum(data: bytes) -> int:
    """RFC 1071 §4.1, word by word: what makes 0xFFFF together with its checksum."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packets(data: bytes) -> list[Packet]:
    """All packets, with every length and checksum looked at."""
    found, position = [], 0
    while position < len(data):
        seconds, micros, captured, size = struct.unpack_from("!IIII", data, position)
        assert captured == size
        found.append(packet((seconds, micros), data[position + 16 : position + 16 + size]))
        position += 16 + size
    return found


def packet(at: tuple[int, int], data: bytes) -> Packet:
    if data[0] >> 4 == 4:
        assert data[0] == 0x45
        assert ones_sum(data[:20]) == 0xFFFF
        assert struct.unpack_from("!H", data, 2) == (len(data),)
        protocol, ends, inner = data[9], data[12:20], data[20:]
    else:
        assert data[0] >> 4 == 6
        assert struct.unpack_from("!H", data, 4) == (len(data) - 40,)
        protocol, ends, inner = data[6], data[8:40], data[40:]
    assert ones_sum(ends + struct.pack("!II", len(inner), protocol) + inner) == 0xFFFF
    half = len(ends) // 2
    source, destination = (str(ipaddress.ip_address(each)) for each in (ends[:half], ends[half:]))
    ports: tuple[int, int] = struct.unpack_from("!HH", inner)
    if protocol == 17:
        length, checksum = struct.unpack_from("!HH", inner, 4)
        assert length == len(inner)
        assert checksum
        return Packet(at, source, destination, protocol, ports, None, inner[8:])
    assert inner[12] >> 4 == 5
    numbers: tuple[int, int] = struct.unpack_from("!II", inner, 4)
    return Packet(at, source, destination, protocol, ports, numbers, inner[20:])


def test_a_capture_begins_as_one_of_raw_ip_packets_with_microseconds() -> None:
    assert struct.unpack("!IHHiIII", file_header()) == (0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)


def test_a_datagram_is_one_udp_packet_between_the_real_addresses() -> None:
    [found] = packets(PcapWriter().packets(traced()))
    assert found == Packet((1700000000, 500000), "192.0.2.4", "192.0.2.10", 17, (40000, 5060), None, b"OPTIONS")


def test_ipv6_has_its_own_header() -> None:
    message = traced(local=Address("2001:db8::1", 5060), remote=Address("2001:db8::2", 5062), direction=Direction.OUT)
    [found] = packets(PcapWriter().packets(message))
    assert (found.source, found.destination, found.ports) == ("2001:db8::1", "2001:db8::2", (5060, 5062))


@given(st.binary(max_size=40), st.sampled_from(Transport), st.booleans())
def test_checksums_are_right_whatever_is_in_it(data: bytes, transport: Transport, ipv6: bool) -> None:
    local, remote = (Address("::1", 1), Address("::2", 2)) if ipv6 else (LOCAL, REMOTE)
    assert (
        b"".join(
            each.data for each in packets(PcapWriter().packets(traced(data, transport, local=local, remote=remote)))
        )
        == data
    )


def test_a_udp_checksum_of_zero_is_written_as_all_ones() -> None:
    """RFC 768: zero says that there is none. Data that equals the checksum without it makes the sum complete."""

    def checksum(data: bytes) -> bytes:
        return PcapWriter().packets(traced(data))[16 + 26 : 16 + 28]

    assert checksum(checksum(b"\0\0")) == b"\xff\xff"


def test_a_datagram_beyond_what_ipv4_takes_is_cut() -> None:
    [found] = packets(PcapWriter().packets(traced(b"x" * 70_000)))
    assert len(found.data) == LARGEST_DATAGRAM


@pytest.mark.parametrize("transport", [each for each in Transport if each.reliable])
def test_sequence_numbers_of_a_connection_go_on_in_both_directions(transport: Transport) -> None:
    writer = PcapWriter()
    there = [packets(writer.packets(traced(b"abc", transport)))[0] for _ in range(2)]
    [back] = packets(writer.packets(traced(b"defgh", transport, Direction.OUT)))
    [again] = packets(writer.packets(traced(b"i", transport)))
    assert [each.numbers for each in (*there, back, again)] == [(1, 1), (4, 1), (1, 7), (7, 6)]
    assert back.ports == (5060, 40000)
    assert {each.protocol for each in (*there, back)} == {6}


def test_a_large_message_is_several_segments_that_join() -> None:
    data = bytes(range(256)) * 300
    found = packets(PcapWriter().packets(traced(data, Transport.TCP)))
    assert [len(each.data) for each in found] == [SEGMENT, SEGMENT, len(data) - 2 * SEGMENT]
    assert b"".join(each.data for each in found) == data
    assert [each.numbers and each.numbers[0] for each in found] == [1, 1 + SEGMENT, 1 + 2 * SEGMENT]


def test_sequence_numbers_wrap() -> None:
    writer = PcapWriter()
    message = traced(b"x" * SEGMENT, Transport.TCP)
    writer._sent[message.flow] = [2**32 - 1, 1]
    assert [packets(writer.packets(message))[0].numbers for _ in range(2)] == [(2**32 - 1, 1), (SEGMENT - 1, 1)]


def test_connections_are_told_apart_and_the_one_that_rested_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pcap, "MAX_CONNECTIONS", 2)
    writer = PcapWriter()

    def number(connection: int) -> int:
        [found] = packets(writer.packets(traced(b"abc", Transport.TCP, connection=connection)))
        assert found.numbers is not None
        return found.numbers[0]

    assert [number(each) for each in (1, 2, 1, 3, 1, 2)] == [1, 1, 4, 1, 7, 1]
