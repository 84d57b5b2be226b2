"""Traced messages as a stream of bytes: what a running server gives to whoever reads its trace.

After the greeting come records: the length of the rest, a kind, and what the kind has. One writer, one reader, of one
version: the greeting names it, so that a reader of another version says so instead of showing nonsense.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

GREETING = b"abserver trace 1\n"
LARGEST = 4 * 1024 * 1024
"""Bytes of a record: more than the largest message with all that is said of it."""

_LENGTH = struct.Struct("!I")
_MESSAGE = struct.Struct("!IBdBBQHHBB")
_DROPPED = struct.Struct("!IBQ")
_KIND_MESSAGE, _KIND_DROPPED = 1, 2
_TRANSPORTS = tuple(Transport)
_NUMBERS = {transport: number for number, transport in enumerate(_TRANSPORTS)}


class TraceStreamError(ValueError):
    """The bytes are no trace of this version."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many messages are missing here, because the reader was too slow for them."""

    count: int


def write_message(message: TracedMessage) -> bytes:
    """The record of a message."""
    flow, data = message.flow, message.data
    local, remote = flow.local.host.encode(), flow.remote.host.encode()
    head = _MESSAGE.pack(
        _MESSAGE.size - _LENGTH.size + len(local) + len(remote) + len(data),
        _KIND_MESSAGE,
        message.at,
        message.direction is Direction.OUT,
        _NUMBERS[flow.transport],
        flow.connection,
        flow.local.port,
        flow.remote.port,
        len(local),
        len(remote),
    )
    return b"".join((head, local, remote, data))


def write_dropped(count: int) -> bytes:
    """The record that says that messages are missing."""
    return _DROPPED.pack(_DROPPED.size - _LENGTH.size, _KIND_DROPPED, count)


class TraceReader:
    """Cuts the stream into what was traced."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._greeted = False

    def feed(self, data: bytes) -> Iterator[TracedMessage | Dropped]:
        """Take what came and give, one by one, what is complete now. Raises TraceStreamError."""
        self._buffer += data
        if not self._greeted:
            self._greet()
        while self._greeted and (record := self._next()) is not None:
            yield _read(record)

    def _greet(self) -> None:
        start = bytes(self._buffer[: len(GREETING)])
        if not GREETING.startswith(start):
            raise TraceStreamError("this is no trace of an abserver of this version")
        if start == GREETING:
            self._greeted = True
            del self._buffer[: len(GREETING)]

    def _next(self) -> bytes | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > LARGEST:
            raise TraceStreamError("a record of the trace is too large")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        record = bytes(self._buffer[:end])
        del self._buffer[:end]
        return record


def _read(record: bytes) -> TracedMessage | Dropped:
    try:
        if record[_LENGTH.size] == _KIND_DROPPED:
            return Dropped(_DROPPED.unpack(record)[2])
        return _read_message(record)
    except (struct.error, IndexError, UnicodeDecodeError):
        raise TraceStreamError("a record of the trace is broken") from None


def _read_message(record: bytes) -> TracedMessage:
    _, kind, at, out, transport, connection, local_port, remote_port, local, remote = _MESSAGE.unpack_from(record)
    if kind != _KIND_MESSAGE:
        raise TraceStreamError("a record of the trace is of an unknown kind")
    start = _MESSAGE.size
    hosts = record[start : start + local].decode(), record[start + local : start + local + remote].decode()
    flow = Flow(_TRANSPORTS[transport], Address(hosts[0], local_port), Address(hosts[1], remote_port), connection)
    return TracedMessage(at, Direction.OUT if out else Direction.IN, flow, record[start + local + remote :])
