"""STUN Binding on the SIP port (RFC 5389, RFC 5626 §8), octet by octet."""

from __future__ import annotations

import struct

import pytest

from abserver.sip import stun
from abserver.sip.transport import Address

# The transaction id and the addresses of the sample messages of RFC 5769 §2.2 and §2.3.
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
SOURCE = Address("192.0.2.1", 32853)
SOURCE_V6 = Address("2001:db8:1234:5678:11:2233:4455:6677", 32853)


def request(attributes: bytes = b"", *, kind: int = 1, cookie: int = stun.MAGIC_COOKIE) -> bytes:
    return struct.pack("!HHI", kind, len(attributes), cookie) + TRANSACTION + attributes


def attribute(kind: int, value: bytes = b"") -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def test_a_binding_request_is_told_its_mapped_ipv4_address_rfc5769_2_2() -> None:
    mapped = bytes.fromhex("002000080001a147e112a643")
    assert stun.answer(request(), SOURCE) == bytes.fromhex("0101000c2112a442") + TRANSACTION + mapped


def test_a_binding_request_is_told_its_mapped_ipv6_address_rfc5769_2_3() -> None:
    mapped = bytes.fromhex("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")
    assert stun.answer(request(), SOURCE_V6) == bytes.fromhex("010100182112a442") + TRANSACTION + mapped


@pytest.mark.parametrize("kind", [0x0006, 0x0008, 0x0014, 0x0015, 0x8000, 0x8022, 0x8028, 0xFFFF])
def test_credentials_and_optional_attributes_change_nothing_rfc5389_15(kind: int) -> None:
    assert stun.answer(request(attribute(kind, b"abcde")), SOURCE) == stun.answer(request(), SOURCE)


def test_attributes_that_must_be_understood_and_are_not_are_named_in_a_420_rfc5389_7_3_1() -> None:
    answer = stun.answer(request(attribute(0x0024, b"abcd") + attribute(0x8022, b"x") + attribute(0x7FFF)), SOURCE)
    error = attribute(0x0009, b"\0\0\x04\x14Unknown Attribute") + attribute(0x000A, b"\0\x24\x7f\xff")
    assert answer == struct.pack("!HHI", 0x0111, len(error), stun.MAGIC_COOKIE) + TRANSACTION + error


@pytest.mark.parametrize("kind", [0x0011, 0x0101, 0x0111, 0x0003])
def test_nothing_but_a_binding_request_is_answered_rfc5626_8(kind: int) -> None:
    assert stun.answer(request(kind=kind), SOURCE) is None


def test_a_client_of_rfc3489_gets_no_answer_rfc5626_8() -> None:
    assert stun.answer(request(cookie=0x01020304), SOURCE) is None


@pytest.mark.parametrize(
    "datagram",
    [
        request()[:19],
        request() + b"\0\0\0\0",
        request(b"ab"),
        request(attribute(0x8022, b"abcd"))[:-4],
        request(b"\x80\x22\0\x05abcd"),
    ],
)
def test_a_message_whose_lengths_lie_is_dropped_rfc5389_7_3(datagram: bytes) -> None:
    assert stun.answer(datagram, SOURCE) is None
