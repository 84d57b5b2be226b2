"""Traced messages are values: a tracer may keep them, and nobody changes what went over the wire."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from abserver.sip.trace import Direction, PackedEnds, TracedMessage, call_id_of, microseconds, packed_ends
from abserver.sip.transport import Address, Flow, Transport

LOCAL, REMOTE = Address("192.0.2.10", 5060), Address("192.0.2.4", 5070)


def traced(direction: Direction, local: Address = LOCAL, remote: Address = REMOTE) -> TracedMessage:
    return TracedMessage(1.0, direction, Flow(Transport.UDP, local, remote), b"x")


def test_a_traced_message_is_a_value() -> None:
    assert traced(Direction.IN) == traced(Direction.IN)
    assert traced(Direction.IN) != traced(Direction.OUT)
    with pytest.raises(FrozenInstanceError):
        setattr(traced(Direction.IN), "data", b"y")  # noqa: B010  # the assignment itself would not pass the type check


def test_a_message_comes_from_one_end_and_goes_to_the_other() -> None:
    assert (traced(Direction.IN).source, traced(Direction.IN).destination) == (REMOTE, LOCAL)
    assert (traced(Direction.OUT).source, traced(Direction.OUT).destination) == (LOCAL, REMOTE)


def test_ends_are_packed_from_source_to_destination() -> None:
    ours, theirs = bytes((192, 0, 2, 10)), bytes((192, 0, 2, 4))
    assert packed_ends(traced(Direction.IN)) == PackedEnds(theirs, 5070, ours, 5060)
    assert packed_ends(traced(Direction.OUT)) == PackedEnds(ours, 5060, theirs, 5070)
    assert not packed_ends(traced(Direction.IN)).is_ipv6


def test_ipv6_ends_have_sixteen_octets_and_no_zone() -> None:
    ends = packed_ends(traced(Direction.IN, Address("2001:db8::1", 5060), Address("fe80::2%eth0", 5060)))
    assert ends.is_ipv6
    assert ends.source == bytes.fromhex("fe80") + bytes(13) + b"\x02"
    assert ends.destination == bytes.fromhex("20010db8") + bytes(11) + b"\x01"


@pytest.mark.parametrize("ours", ["sip.example.com", "203.0.113.7"])
def test_an_advertised_end_that_does_not_fit_the_peers_family_is_unspecified(ours: str) -> None:
    ends = packed_ends(traced(Direction.OUT, Address(ours, 5060), Address("2001:db8::1", 5060)))
    assert ends.source == bytes(16)


def test_a_peer_without_a_numeric_address_is_unspecified_too() -> None:
    assert packed_ends(traced(Direction.IN, LOCAL, Address("unknown", 1))).source == bytes(4)


@pytest.mark.parametrize(
    ("data", "call_id"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\nCall-ID: abc@h \t\r\nCSeq: 1 OPTIONS\r\n\r\n", b"abc@h"),
        (b"OPTIONS sip:a SIP/2.0\r\ni:abc\r\n\r\n", b"abc"),
        (b"OPTIONS sip:a SIP/2.0\r\nCALL-id :  abc\r\n\r\n", b"abc"),
        (b"OPTIONS sip:a SIP/2.0\r\ncall-id: no end of the head", b"no end of the head"),
        (b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\nbody\r\nCall-ID: in the body\r\n", b""),
        (b"\x00\xff", b""),
    ],
)
def test_the_call_id_is_found_in_the_head_of_anything(data: bytes, call_id: bytes) -> None:
    assert call_id_of(data) == call_id


def test_a_time_is_whole_seconds_and_microseconds_also_where_rounding_carries() -> None:
    assert microseconds(1700000000.25) == (1700000000, 250000)
    assert microseconds(0.9999999) == (1, 0)
