"""Bytes to messages and back (RFC 3261 §7, §18.3), and messages out of a stream of bytes (§7.5, RFC 5626 §3.5.1).

Laws: nothing but SipSyntaxError leaves `parse`, whatever the bytes; `parse(serialize(message)) == message`; memory and
time are bounded by `Limits` before a peer has proven anything. Lines end in CRLF and in nothing else, so that no two
readers of a message can disagree about where a field ends.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import TCHARS, URI, is_token, parse_number
from abserver.sip.message import FIELD_NAMES, Headers, Message, Request, Response, canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FOLD = re.compile(r"\r\n[ \t]+")
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.IGNORECASE)
_REQUEST_LINE = re.compile(rf"({TCHARS}) ({URI}) [Ss][Ii][Pp]/([0-9]+\.[0-9]+)")
_CONTENT_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:(?:[ \t]|\r\n[ \t])*([^\r\n]*)", re.IGNORECASE)
_ECHOED = ("Via", "From", "To", "Call-ID", "CSeq")
"""What an answer copies from its request (§8.2.6.2)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a message may be. One bound each, so that the sum is bounded too."""

    head: int = 32 * 1024
    """Bytes of start line and header fields."""
    line: int = 8 * 1024
    """Characters of one field, unfolded."""
    fields: int = 256
    """Rows of header fields."""
    body: int = 1024 * 1024
    """Bytes: a card with a photograph passes."""


DEFAULT_LIMITS = Limits()


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | Response:
    """Read one message: a datagram, or a frame of a StreamFramer.

    The body ends where Content-Length says, or with the data if there is no such field; bytes beyond it are dropped
    (§18.3). Raises SipSyntaxError, with what an answer needs of the request where one is due.
    """
    try:
        return _parse(data, limits)
    except SipSyntaxError as error:
        error.request = _salvage(data[: limits.head])
        raise


def _parse(data: bytes, limits: Limits) -> Request | Response:
    end = data.find(b"\r\n\r\n", 0, limits.head)
    if end < 0:
        raise _no_end_of_head(len(data), limits)
    try:
        head = data[:end].decode()
    except UnicodeDecodeError:
        raise SipSyntaxError("Header Is Not UTF-8") from None
    lines = _split_lines(head)
    start_line = lines.pop(0)
    if len(lines) > limits.fields:
        raise SipSyntaxError("Too Many Header Fields", status_hint=513)
    if end > limits.line:
        lines = _unfolded(lines)
        if any(len(line) > limits.line for line in lines):
            raise SipSyntaxError("Header Field Too Long")
    rows = _parse_fields(lines)
    body = _cut_body(data[end + 4 :], rows.pop("Content-Length", None), limits.body)
    return _parse_start_line(start_line, Headers.of_rows(rows), body)


def _no_end_of_head(size: int, limits: Limits) -> SipSyntaxError:
    if size >= limits.head:
        return SipSyntaxError("Header Too Large", status_hint=513)
    return SipSyntaxError("Header Does Not End")


def _split_lines(head: str) -> list[str]:
    """Split at CRLF, which no line may hold a half of."""
    lines = head.split("\r\n")
    if head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1:
        raise SipSyntaxError("Stray Carriage Return or Line Feed")
    return lines


def _unfolded(lines: list[str]) -> list[str]:
    """Make one line of each field: a line break and the blanks after it are one SP (§7.3.1)."""
    return _FOLD.sub(" ", "\r\n".join(lines)).split("\r\n")


def _parse_fields(lines: list[str]) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    spelled = FIELD_NAMES.get
    for line in lines:
        name, colon, value = line.partition(":")
        known = spelled(name)
        if known is None:
            if rows and line.startswith((" ", "\t")):
                return _parse_fields(_unfolded(lines))
            known = _unusual_name(name)
        if not colon:
            raise SipSyntaxError("Header Field without Colon")
        if known in rows:
            rows[known].append(value.strip(" \t"))
        else:
            rows[known] = [value.strip(" \t")]
    return rows


class UnreadHeaders(Headers):
    """The header fields of a message without body that is known to be well-formed, not read before somebody asks."""

    __slots__ = ("_head",)

    def __init__(self, head: str) -> None:
        """head: start line and fields, with the empty line after them."""
        self._head = head

    def __getattr__(self, name: str) -> dict[str, list[str]]:
        """Called for an attribute that is not set: for the fields, once."""
        if name != "_rows":
            raise AttributeError(name)
        self._rows = _parse_fields(self._head.split("\r\n")[1:-2])
        del self._rows["Content-Length"]
        return self._rows


def _unusual_name(text: str) -> str:
    name = text.rstrip(" \t")
    if not is_token(name):
        raise SipSyntaxError("Malformed Header Field Name")
    return canonical_name(name)


def _cut_body(rest: bytes, lengths: list[str] | None, longest: int) -> bytes:
    if lengths is not None:
        length = _parse_length(lengths)
        if length > len(rest):
            raise SipSyntaxError("Body Shorter than Content-Length")
        rest = rest[:length]
    if len(rest) > longest:
        raise SipSyntaxError("Body Too Large", status_hint=413)
    return rest


def _parse_length(lengths: list[str]) -> int:
    if len(lengths) != 1:  # even equal ones: whoever writes two can't be trusted about either
        raise SipSyntaxError("Several Content-Lengths")
    return parse_number(lengths[0], 2**32 - 1)


def _parse_start_line(line: str, headers: Headers, body: bytes) -> Request | Response:
    request = _REQUEST_LINE.fullmatch(line)
    if request is not None:
        method, uri, version = request.groups()
        if version != "2.0":
            raise SipSyntaxError("Version Not Supported", status_hint=505)
        return Request(method, uri, headers, body)
    status = _STATUS_LINE.fullmatch(line)
    if status is not None:
        return Response(int(status[1]), status[2] or "", headers, body)
    raise SipSyntaxError("Malformed Start Line")


def _salvage(data: bytes) -> Request | None:
    """What can be read of a broken request and its answer needs; None if it is to be met with silence.

    Bytes that are not UTF-8 become lone surrogates here, which `serialize` turns back: the answer echoes what came.
    """
    head = data.partition(b"\r\n\r\n")[0].decode(errors="surrogateescape")
    start_line, *lines = _FOLD.sub(" ", head).split("\r\n")
    method, _, rest = start_line.partition(" ")
    if not is_token(method) or method == "ACK":
        return None
    headers = Headers()
    for line in lines:
        text, colon, value = line.partition(":")
        name = canonical_name(text.rstrip(" \t"))
        if colon and name in _ECHOED and (name == "Via" or name not in headers) and not _has_break(value):
            headers.add(name, value.strip(" \t"))
    return Request(method, rest.partition(" ")[0], headers) if "Via" in headers else None


def _has_break(value: str) -> bool:
    return "\r" in value or "\n" in value


def serialize(message: Message) -> bytes:
    """Write a message, Content-Length included.

    Raises ValueError for a line break within a field: that is our fault, and would let a value forge fields.
    """
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} SIP/2.0"
    else:
        start = f"SIP/2.0 {message.status} {message.reason}"
    if "\r" in start or "\n" in start:
        raise ValueError("line break within a start line")
    fields = [f"{name}: {value}\r\n" for name, rows in message.headers.rows().items() for value in rows]
    head = f"{start}\r\n{_joined(fields)}Content-Length: {len(message.body)}\r\n\r\n"
    return head.encode(errors="surrogateescape") + message.body


def write_fields(fields: Iterable[tuple[str, str]]) -> str:
    """Write header fields, each with the CRLF after it. Raises ValueError for a line break within one."""
    return _joined([f"{name}: {value}\r\n" for name, value in fields])


def _joined(lines: list[str]) -> str:
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise ValueError("line break within a header field")
    return text


class KeepAlive(enum.Enum):
    """CRLFs between the messages of a stream (RFC 5626 §4.4.1)."""

    PING = "a double CRLF: answer PONG_BYTES at once"
    PONG = "a single CRLF: the answer to a ping of ours"


PING_BYTES = b"\r\n\r\n"
PONG_BYTES = b"\r\n"


class StreamFramer:
    """Cuts the bytes of one connection into messages and keep-alives."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        """How far the buffer is known to hold no end of head: a byte is not looked at twice."""
        self._size: int | None = None
        """Size of the frame at the buffer's start, once its head is complete."""
        self._half_ping = False
        """A CRLF was told as PONG; if the next bytes are another, they were a ping together."""

    def feed(self, data: bytes) -> Iterator[bytes | KeepAlive]:
        """Take what the connection brought and give, one by one, what is complete now.

        Iterate to the end before the next call. Raises SipSyntaxError (after what came before it) when the stream
        can't be cut any further, as for a missing Content-Length (§18.3): answer if the error holds a request,
        then close.
        """
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    @property
    def pending(self) -> bool:
        """Whether a message has begun and is not complete: its sender is to be given only so much time."""
        return bool(self._buffer)

    def _next(self) -> bytes | KeepAlive | None:
        if self._size is None:
            if self._buffer.startswith(PONG_BYTES):
                return self._keep_alive()
            self._size = self._find_size()
        if self._size is None or len(self._buffer) < self._size:
            return None
        frame = bytes(self._buffer[: self._size])
        del self._buffer[: self._size]
        self._size = None
        self._searched = 0
        return frame

    def _keep_alive(self) -> KeepAlive:
        ping = self._half_ping or self._buffer.startswith(PING_BYTES)
        del self._buffer[: 2 if self._half_ping or not ping else 4]
        self._half_ping = not ping
        return KeepAlive.PING if ping else KeepAlive.PONG

    def _find_size(self) -> int | None:
        end = self._buffer.find(b"\r\n\r\n", self._searched, self._limits.head)
        if end < 0:
            if len(self._buffer) >= self._limits.head:
                raise self._broken(_no_end_of_head(len(self._buffer), self._limits))
            self._searched = max(0, len(self._buffer) - 3)
            return None
        self._half_ping = False
        lengths = [
            value.decode(errors="replace").strip(" \t") for value in _CONTENT_LENGTH.findall(self._buffer, 0, end)
        ]
        try:
            return end + 4 + self._body_size(lengths)
        except SipSyntaxError as error:
            raise self._broken(error) from None

    def _body_size(self, lengths: list[str]) -> int:
        if not lengths:
            raise SipSyntaxError("Missing Content-Length")
        length = _parse_length(lengths)
        if length > self._limits.body:
            raise SipSyntaxError("Body Too Large", status_hint=413)
        return length

    def _broken(self, error: SipSyntaxError) -> SipSyntaxError:
        error.request = _salvage(bytes(self._buffer[: self._limits.head]))
        self._buffer.clear()
        return error
