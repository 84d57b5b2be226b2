"""The client's end of a WebSocket, byte by byte: whole frames, and frames that no client should send."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, TextMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What RFC 6455 §1.3 makes of that key."""
HANDSHAKE = (
    (b"host", b"sip-ws.example.com"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"origin", b"http://www.example.com"),
    (b"sec-websocket-protocol", b"sip"),
    (b"sec-websocket-version", b"13"),
)
"""RFC 7118 §4.1."""
MASK = b"\x01\x02\x03\x04"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """One frame as a client sends it (RFC 6455 §5.2)."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = bytes([first, mask_bit | len(payload)])
    elif len(payload) < 65536:
        head = bytes([first, mask_bit | 126]) + struct.pack("!H", len(payload))
    else:
        head = bytes([first, mask_bit | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))


def handshake(path: str = "/sip", fields: Iterable[tuple[bytes, bytes]] = HANDSHAKE) -> bytes:
    """The opening handshake as a request."""
    lines = (name + b": " + value for name, value in fields)
    return b"\r\n".join([b"GET %s HTTP/1.1" % path.encode(), *lines, b"", b""])


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    """The handshake but for one field."""
    return [field for field in HANDSHAKE if field[0] != name]


def close_frame(code: int | None) -> bytes:
    """A Close with that code."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code))


class Listener:
    """Reads what a server sends."""

    def __init__(self) -> None:
        self._wire = Connection(ConnectionType.CLIENT)

    def feed(self, data: bytes) -> list[Event]:
        self._wire.receive_data(data)
        return list(self._wire.events())

    def messages(self, data: bytes) -> list[str]:
        """Those of text."""
        return [each.data for each in self.feed(data) if isinstance(each, TextMessage)]


def code_of(data: bytes) -> int:
    """The code of the Close that a server sent."""
    (event,) = Listener().feed(data)
    assert isinstance(event, CloseConnection)
    return int(event.code)
