"""A traced message as HOMER's collectors take it: HEP version 3, also called EEP.

A packet is `HEP3`, its length, and chunks: vendor (0 for all of these), type, length with these six octets, value. It
has the addresses, the time, what protocol it is, and the message itself as it was.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from abserver.sip.trace import call_id_of, microseconds, packed_ends
from abserver.sip.transport import Transport

if TYPE_CHECKING:
    from abserver.sip.trace import TracedMessage

LARGEST = 65_507
"""Octets that one datagram takes over IPv4; of a larger message the end is missing, never its header fields."""

_FIXED = struct.Struct("!4sH HHHB HHHB HHHH HHHH HHHI HHHI HHHB HHHI")
_CHUNK = struct.Struct("!HHH")
_FAMILY, _PROTOCOL, _SOURCE_PORT, _DESTINATION_PORT = 0x01, 0x02, 0x07, 0x08
_SECONDS, _MICROSECONDS, _PROTOCOL_TYPE, _AGENT = 0x09, 0x0A, 0x0B, 0x0C
_KEY, _PAYLOAD, _CORRELATION = 0x0E, 0x0F, 0x11
_SOURCE_IPV4, _SOURCE_IPV6 = 0x03, 0x05
"""The destination's type is the next number."""
_AF_INET, _AF_INET6 = 2, 10
"""Linux's numbers: the protocol has them."""
_TCP, _UDP = 6, 17
_SIP = 1
_LONGEST_VALUE = 512
"""Octets of a Call-ID that are told apart from its message."""


def encode(message: TracedMessage, *, agent: int, key: bytes = b"") -> bytes:
    """The packet of a message. agent: our number among those that send to the collector. key: its password."""
    ends = packed_ends(message)
    addresses = _SOURCE_IPV6 if ends.is_ipv6 else _SOURCE_IPV4
    chunks = [_chunk(addresses, ends.source), _chunk(addresses + 1, ends.destination)]
    if key:
        chunks.append(_chunk(_KEY, key))
    call_id = call_id_of(message.data)[:_LONGEST_VALUE]
    if call_id:
        chunks.append(_chunk(_CORRELATION, call_id))
    before = b"".join(chunks)
    room = LARGEST - _FIXED.size - len(before) - _CHUNK.size
    payload = _chunk(_PAYLOAD, message.data[:room])
    seconds, micros = microseconds(message.at)
    fixed = _FIXED.pack(
        *(b"HEP3", _FIXED.size + len(before) + len(payload)),
        *(0, _FAMILY, 7, _AF_INET6 if ends.is_ipv6 else _AF_INET),
        *(0, _PROTOCOL, 7, _UDP if message.flow.transport is Transport.UDP else _TCP),
        *(0, _SOURCE_PORT, 8, ends.source_port),
        *(0, _DESTINATION_PORT, 8, ends.destination_port),
        *(0, _SECONDS, 10, seconds),
        *(0, _MICROSECONDS, 10, micros),
        *(0, _PROTOCOL_TYPE, 7, _SIP),
        *(0, _AGENT, 10, agent),
    )
    return b"".join((fixed, before, payload))


def _chunk(kind: int, value: bytes) -> bytes:
    return _CHUNK.pack(0, kind, _CHUNK.size + len(value)) + value
