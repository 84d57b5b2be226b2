"""SIP over WebSocket without its sockets (RFC 7118, RFC 6455): the opening handshake, and messages out of frames.

What a frame is, how it is masked and which close codes there are, `wsproto` knows; what SIP wants of it is here. No
extension is ever agreed to: compressed messages would need bounds of their own, and NOTIFYs have content codings.

Laws: a message is bounded, however many fragments it comes in; what comes after a Close frame is dropped; what is no
WebSocket traffic ends the connection with the code that RFC 6455 §7.4.1 has for it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token

from abserver.sip.codec import DEFAULT_LIMITS, PING_BYTES, PONG_BYTES, KeepAlive, Limits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    Fields = Sequence[tuple[bytes, bytes]]

SUBPROTOCOL = "sip"
"""What both ends have to agree on (RFC 7118 §4.1)."""
VERSION = b"13"
"""Of the WebSocket protocol: the only one (RFC 6455 §4.2.1)."""


# The opening handshake


@dataclass(frozen=True, slots=True)
class Handshake:
    """The answer to an opening handshake."""

    status: int
    """101 if the connection carries SIP from here on."""
    fields: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    """Why it does not, for people."""


def answer_handshake(method: bytes, fields: Fields, origins: Collection[str]) -> Handshake | None:
    """Answer the opening handshake of a client (RFC 6455 §4.2, RFC 7118 §4.1); None if the request offers another
    protocol than WebSocket.

    fields: names in lower case. origins: those of the pages that may connect, in lower case; empty for any. A client
    that is no browser names no origin, and could name any (RFC 6455 §10.2).
    """
    if b"websocket" not in _tokens(fields, b"upgrade", lower=True):
        return None
    if _values(fields, b"sec-websocket-version") != [VERSION]:
        wanted = ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", VERSION.decode())
        return Handshake(426, wanted, "version 13 of the WebSocket protocol is spoken here")
    fault = _fault(method, fields)
    if fault is not None:
        return Handshake(400, reason=fault)
    if origins and not all(each.decode("latin-1").lower() in origins for each in _values(fields, b"origin")):
        return Handshake(403, reason="pages of this origin may not connect")
    (key,) = _values(fields, b"sec-websocket-key")
    accepted = (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", generate_accept_token(key).decode()),
        ("Sec-WebSocket-Protocol", SUBPROTOCOL),
    )
    return Handshake(101, accepted)


def _fault(method: bytes, fields: Fields) -> str | None:
    """What is wrong with a handshake, if anything is."""
    if method != b"GET":
        return "a WebSocket is opened by GET"
    if b"upgrade" not in _tokens(fields, b"connection", lower=True):
        return "Connection does not name Upgrade"
    if len(_values(fields, b"host")) != 1:
        return "there has to be one Host"
    keys = _values(fields, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return "Sec-WebSocket-Key is not 16 bytes in base64"
    if SUBPROTOCOL.encode() not in _tokens(fields, b"sec-websocket-protocol"):
        return "Sec-WebSocket-Protocol does not name sip"
    return None


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value.strip(b" \t") for each, value in fields if each == name]


def _tokens(fields: Fields, name: bytes, *, lower: bool = False) -> set[bytes]:
    """The elements of a list that may be spread over several fields."""
    text = b",".join(_values(fields, name))
    return {each.strip(b" \t") for each in (text.lower() if lower else text).split(b",")}


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


# Messages

_KEEP_ALIVES = {PING_BYTES: KeepAlive.PING, PONG_BYTES: KeepAlive.PONG}
"""RFC 5626 §3.5.1, which RFC 7118 §6 lets be used here too."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes that the protocol owes the peer."""

    data: bytes
    over: bool = False
    """Both ends have said Close: the connection ends once this is written (RFC 6455 §7.1.1)."""


class WebSocketFramer:
    """Cuts the bytes of one accepted connection into messages and keep-alives, and puts ours into frames."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._largest = limits.head + limits.body
        self._wire = Connection(ConnectionType.SERVER)
        self._message = bytearray()
        self._begun = False
        self._failed = False
        """Nothing can be read any more."""

    def feed(self, data: bytes) -> Iterator[bytes | KeepAlive | Reply]:
        """Take what the connection brought and give, one by one, what is complete now, and what is to be answered.

        Iterate to the end before the next call. A whole message is one SIP message (RFC 7118 §5), to which a
        Content-Length is of no need.
        """
        if self._failed or self._wire.state is ConnectionState.CLOSED:
            return
        self._wire.receive_data(data)
        for event in self._wire.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                if not self.closing:
                    yield from self._take(event)
            elif isinstance(event, Ping):
                if not self.closing:
                    yield Reply(self._wire.send(event.response()))
            elif isinstance(event, CloseConnection):
                yield self._end(event)

    @property
    def pending(self) -> bool:
        """Whether a message has begun and is not complete: its sender is to be given only so much time."""
        return self._begun

    @property
    def closing(self) -> bool:
        """Whether we said Close: nothing is read or sent any more, and the peer gets a moment to say it too."""
        return self._wire.state is not ConnectionState.OPEN

    def write(self, message: bytes) -> bytes:
        """Put a SIP message into a frame: text if it is UTF-8 as a whole, else binary (RFC 7118 §4.2); nothing once
        the connection is closing."""
        if self.closing:
            return b""
        try:
            return self._wire.send(TextMessage(message.decode()))
        except UnicodeDecodeError:
            return self._wire.send(BytesMessage(message))

    def ping(self) -> bytes:
        """Ask for life (RFC 6455 §5.5.2)."""
        return b"" if self.closing else self._wire.send(Ping())

    def close(self, code: CloseReason = CloseReason.GOING_AWAY) -> bytes:
        """Say Close, if that was not said yet."""
        self._message.clear()
        self._begun = False
        return b"" if self.closing else self._wire.send(CloseConnection(code))

    def _take(self, event: TextMessage | BytesMessage) -> Iterator[bytes | KeepAlive | Reply]:
        """Take a part of a message."""
        self._begun = True
        self._message += event.data.encode() if isinstance(event.data, str) else event.data
        if len(self._message) > self._largest:
            yield Reply(self.close(CloseReason.MESSAGE_TOO_BIG))
        elif event.message_finished:
            message = bytes(self._message)
            self._message.clear()
            self._begun = False
            yield _KEEP_ALIVES.get(message, message)

    def _end(self, event: CloseConnection) -> Reply:
        """Answer a Close of the peer's (§5.5.1), or bytes that are no frames (§7.1.7)."""
        if self._wire.state is ConnectionState.REMOTE_CLOSING:
            return Reply(self._wire.send(event.response()), over=True)
        if self._wire.state is ConnectionState.CLOSED:  # it answers ours
            return Reply(b"", over=True)
        self._failed = True
        return Reply(self.close(CloseReason(event.code)))
