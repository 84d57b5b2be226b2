"""STUN on the SIP port: Binding requests, by which a phone keeps its flow alive and sees its mapping (RFC 5626 §4.4.2).

This is the server of RFC 5626 §8, a part of RFC 5389: Binding is the only method, nobody authenticates, and clients of
RFC 3489, whose messages lack the magic cookie, get no answer. A message that is no proper request is dropped (RFC 5389
§7.3), so the answer can't be turned into a loop between two servers.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abserver.sip.transport import Address

FIRST_OCTETS = 2
"""A datagram whose first octet is below this is STUN (RFC 5626 §8): no SIP message begins with NUL or SOH."""

MAGIC_COOKIE = 0x2112A442

_HEADER = struct.Struct("!HHI12s")
"""Message type, length of the attributes, magic cookie, transaction id (RFC 5389 §6)."""
_ATTRIBUTE = struct.Struct("!HH")

_BINDING_REQUEST, _BINDING_SUCCESS, _BINDING_ERROR = 0x0001, 0x0101, 0x0111
_ERROR_CODE, _UNKNOWN_ATTRIBUTES, _XOR_MAPPED_ADDRESS = 0x0009, 0x000A, 0x0020
_USERNAME, _MESSAGE_INTEGRITY, _REALM, _NONCE = 0x0006, 0x0008, 0x0014, 0x0015
_UNDERSTOOD = frozenset({_USERNAME, _MESSAGE_INTEGRITY, _REALM, _NONCE})
"""Credentials are nothing to a server that asks for none (RFC 5389 §13)."""
_OPTIONAL = 0x8000
"""Attributes from here on may be ignored (§15)."""
_ERROR_420 = b"\0\0\x04\x14Unknown Attribute"
"""Class 4, number 20, and the phrase (§15.6)."""


def answer(datagram: bytes, source: Address) -> bytes | None:
    """The response to a Binding request that came from `source`; None where there is to be none."""
    if len(datagram) < _HEADER.size:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(datagram)
    if (kind, cookie, length) != (_BINDING_REQUEST, MAGIC_COOKIE, len(datagram) - _HEADER.size) or length % 4:
        return None
    try:
        unknown = [each for each in _attributes(datagram) if each < _OPTIONAL and each not in _UNDERSTOOD]
    except struct.error:
        return None
    if unknown:
        names = struct.pack(f"!{len(unknown)}H", *unknown)
        body = _attribute(_ERROR_CODE, _ERROR_420) + _attribute(_UNKNOWN_ATTRIBUTES, names)
        return _message(_BINDING_ERROR, transaction, body)
    mapped = _attribute(_XOR_MAPPED_ADDRESS, _xor_mapped(source, transaction))
    return _message(_BINDING_SUCCESS, transaction, mapped)


def _attributes(datagram: bytes) -> Iterator[int]:
    """The types of the attributes; raises struct.error where one is cut off."""
    position = _HEADER.size
    while position < len(datagram):
        kind, length = _ATTRIBUTE.unpack_from(datagram, position)
        position += _ATTRIBUTE.size + length + -length % 4
        if position > len(datagram):
            raise struct.error("an attribute is cut off")
        yield kind


def _xor_mapped(source: Address, transaction: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (§15.2): no NAT on the way that rewrites addresses in payloads knows it."""
    host = ipaddress.ip_address(source.host).packed
    key = MAGIC_COOKIE.to_bytes(4, "big") + transaction
    family = 1 if len(host) == 4 else 2
    masked = bytes(octet ^ mask for octet, mask in zip(host, key, strict=False))
    return struct.pack("!BBH", 0, family, source.port ^ MAGIC_COOKIE >> 16) + masked


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _message(kind: int, transaction: bytes, attributes: bytes) -> bytes:
    return _HEADER.pack(kind, len(attributes), MAGIC_COOKIE, transaction) + attributes
