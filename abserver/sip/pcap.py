"""Traced messages as a capture file that Wireshark, tshark and sngrep read.

What the server has are messages, not packets; so the packets are made: IP headers of the real addresses, UDP for a
datagram, TCP for what came on a connection, with sequence numbers that go on, so that a reader joins the segments of a
large message. A connection's handshake and end are not made up; TLS and WebSocket are left out, as the capture has
what was in them.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import TYPE_CHECKING

from abserver.sip.trace import Direction, microseconds, packed_ends
from abserver.sip.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abserver.sip.trace import PackedEnds, TracedMessage
    from abserver.sip.transport import Flow

MAGIC = 0xA1B2C3D4
"""Microseconds, in the byte order of the file."""
RAW_IP = 101
"""Link type: each packet begins with its IP header."""
SNAP = 262_144
LARGEST_DATAGRAM = 65_507
"""Octets in one UDP datagram over IPv4."""
SEGMENT = 32_768
"""Octets of a message in one TCP segment."""
MAX_CONNECTIONS = 65_536
"""Connections whose sequence numbers are known; of more the ones used longest ago begin anew."""

TCP, UDP = 6, 17

_FILE = struct.Struct("!IHHiIII")
_PACKET = struct.Struct("!IIII")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_UDP = struct.Struct("!HHHH")
_TCP = struct.Struct("!HHIIBBHHH")
_ACK_PUSH = 0x18
_TTL = 64
_WINDOW = 65_535


def file_header() -> bytes:
    """What a capture begins with."""
    return _FILE.pack(MAGIC, 2, 4, 0, 0, SNAP, RAW_IP)


class PcapWriter:
    """Makes the packets of messages, in the order in which they are given."""

    def __init__(self) -> None:
        self._sent: OrderedDict[Flow, list[int]] = OrderedDict()
        """The next sequence number of each end of a connection, the peer's first."""

    def packets(self, message: TracedMessage) -> bytes:
        """The packets of one message, each with its record header."""
        ends = packed_ends(message)
        if message.flow.transport is Transport.UDP:
            datagrams = [_datagram(ends, message.data[:LARGEST_DATAGRAM])]
        else:
            datagrams = list(self._segments(message, ends))
        head = microseconds(message.at)
        return b"".join(_PACKET.pack(*head, len(each), len(each)) + each for each in datagrams)

    def _segments(self, message: TracedMessage, ends: PackedEnds) -> Iterator[bytes]:
        sent = self._sent.setdefault(message.flow, [1, 1])
        self._sent.move_to_end(message.flow)
        if len(self._sent) > MAX_CONNECTIONS:
            self._sent.popitem(last=False)
        ours = message.direction is Direction.OUT
        for start in range(0, len(message.data), SEGMENT):
            piece = message.data[start : start + SEGMENT]
            yield _segment(ends, sent[ours], sent[not ours], piece)
            sent[ours] = (sent[ours] + len(piece)) % 2**32


def _datagram(ends: PackedEnds, data: bytes) -> bytes:
    length = _UDP.size + len(data)
    head = _UDP.pack(ends.source_port, ends.destination_port, length, 0)
    checksum = _checksum(_pseudo_header(ends, UDP, length) + head + data) or 0xFFFF  # 0 says that there is none
    return _ip_header(ends, UDP, length) + head[:6] + checksum.to_bytes(2) + data


def _segment(ends: PackedEnds, sequence: int, acknowledged: int, data: bytes) -> bytes:
    length = _TCP.size + len(data)
    fields = (ends.source_port, ends.destination_port, sequence, acknowledged, 5 << 4, _ACK_PUSH, _WINDOW)
    checksum = _checksum(_pseudo_header(ends, TCP, length) + _TCP.pack(*fields, 0, 0) + data)
    return _ip_header(ends, TCP, length) + _TCP.pack(*fields, checksum, 0) + data


def _ip_header(ends: PackedEnds, protocol: int, length: int) -> bytes:
    if ends.is_ipv6:
        return _IPV6.pack(6 << 28, length, protocol, _TTL, ends.source, ends.destination)
    fields = (0x45, 0, _IPV4.size + length, 0, 0x4000, _TTL, protocol)
    checksum = _checksum(_IPV4.pack(*fields, 0, ends.source, ends.destination))
    return _IPV4.pack(*fields, checksum, ends.source, ends.destination)


def _pseudo_header(ends: PackedEnds, protocol: int, length: int) -> bytes:
    if ends.is_ipv6:
        return ends.source + ends.destination + struct.pack("!II", length, protocol)
    return ends.source + ends.destination + struct.pack("!HH", protocol, length)


def _checksum(data: bytes) -> int:
    """RFC 1071: the ones' complement of the ones' complement sum of 16-bit words.

    A number of base 2**16 and the sum of its digits leave the same rest after division by 2**16 - 1.
    """
    number = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0")
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))
