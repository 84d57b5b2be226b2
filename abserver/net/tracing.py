"""Who gets to see the messages of a running server: whoever reads its trace socket, and a collector.

Laws of the file: while nobody watches the driver has no tracer at all. Nothing here waits or makes the server wait:
what a reader or the collector does not take in time is dropped, and counted.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from abserver.net.listeners import ListenerError
from abserver.sip import hep
from abserver.sip.trace_stream import GREETING, write_dropped, write_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from abserver.sip.trace import TracedMessage, Tracer
    from abserver.sip.transport import Address

log = logging.getLogger(__name__)

MAX_READERS = 8
"""Readers of a trace at once."""
QUEUE = 4 * 1024 * 1024
"""Bytes that may wait for one reader; then messages are dropped until it has taken three quarters of them."""
GOODBYE = 1.0
"""Seconds that a reader gets to take what waits for it when the server stops."""
COMPLAINT = 60.0
"""Seconds between two lines of the log about one collector."""


class TraceSwitch:
    """Tells each message to all that want it; the driver has no tracer while there is none."""

    def __init__(self, trace_to: Callable[[Tracer | None], None]) -> None:
        self._trace_to = trace_to
        self._tracers: list[Tracer] = []

    def add(self, tracer: Tracer) -> None:
        self._tracers.append(tracer)
        self._set()

    def remove(self, tracer: Tracer) -> None:
        self._tracers.remove(tracer)
        self._set()

    def _set(self) -> None:
        match self._tracers:
            case []:
                self._trace_to(None)
            case [only]:
                self._trace_to(only)
            case _:
                self._trace_to(self._tell)

    def _tell(self, message: TracedMessage) -> None:
        for tracer in self._tracers:
            tracer(message)


# -- the socket -------------------------------------------------------------------------------------------------------


def own_folder() -> Path:
    """Where this user's servers have their trace sockets unless told otherwise: server and reader must agree."""
    return Path(tempfile.gettempdir()) / f"abserver-{os.getuid()}"


def usual_place(listener: Address) -> Path:
    """The trace socket of the server that listens there for HTTP: no two servers of a machine listen at one place."""
    return own_folder() / f"{listener.host}-{listener.port}.trace"


def make_own_folder() -> None:
    """Make the folder, for this user alone. Raises OSError if another could have made it."""
    folder = own_folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EPERM, f"{folder} is not this user's alone")


class TraceSocket:
    """A Unix socket from which its owner reads what is traced, from the moment of connecting."""

    def __init__(self, path: Path, switch: TraceSwitch) -> None:
        self._path = path
        self._switch = switch
        self._readers: set[_Reader] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; in place of the socket that a killed server left. Raises ListenerError."""
        sock = _listening(self._path)
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: _Reader(self), sock=sock)
        log.info("messages can be traced", extra={"socket": str(self._path)})

    async def stop(self) -> None:
        """Let the readers go."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            for reader in list(self._readers):
                reader.close()
            await self._server.wait_closed()

    def joined(self, reader: _Reader) -> bool:
        """Whether there is room for one more reader."""
        if len(self._readers) >= MAX_READERS:
            return False
        self._readers.add(reader)
        if len(self._readers) == 1:
            self._switch.add(self._tell)
        return True

    def left(self, reader: _Reader) -> None:
        if reader in self._readers:
            self._readers.remove(reader)
            if not self._readers:
                self._switch.remove(self._tell)

    def _tell(self, message: TracedMessage) -> None:
        record = write_message(message)
        for reader in self._readers:
            reader.tell(record)


class _Reader(asyncio.Protocol):
    """One who reads the trace. What it sends is not listened to."""

    def __init__(self, trace: TraceSocket) -> None:
        self._trace = trace
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._dropped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=QUEUE, low=QUEUE // 4)
        if self._trace.joined(self):
            self._transport.write(GREETING)
        else:
            self._transport.abort()

    def tell(self, record: bytes) -> None:
        """Give it a record, or count it."""
        if self._full:
            self._dropped += 1
        elif self._transport is not None:
            self._transport.write(record)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._dropped and self._transport is not None:
            self._transport.write(write_dropped(self._dropped))
            self._dropped = 0

    def close(self) -> None:
        """Let it go."""
        if self._transport is not None:
            self._transport.close()
            if self._transport.get_write_buffer_size():
                asyncio.get_running_loop().call_later(GOODBYE, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._trace.left(self)


def _listening(path: Path) -> socket.socket:
    """A socket that its owner alone can connect to: nobody can before `listen`, and by then it has its mode."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _forget_left_behind(path)
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen()
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            error = OSError("a running server has it, or it is a file")
        raise ListenerError(error, f"trace socket {path}") from error
    return sock


def _forget_left_behind(path: Path) -> None:
    """Remove a socket that nobody listens on any more."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)


# -- the collector ----------------------------------------------------------------------------------------------------


class HepMirror:
    """Sends each message to a collector (`abserver.sip.hep`), over UDP, and never looks back."""

    def __init__(self, collector: Address, *, agent: int, key: str = "") -> None:
        """agent: our number at the collector. key: its password."""
        self._collector = collector
        self._agent = agent
        self._key = key.encode()
        family = socket.AF_INET6 if ":" in collector.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.lost = 0
        """Messages that could not be sent."""
        self._quiet_until = 0.0

    def start(self) -> None:
        """Choose the way to the collector. Raises ListenerError if there is none."""
        try:
            self._socket.connect(self._collector)
        except OSError as error:
            raise ListenerError(error, f"udp towards the HEP collector {self._collector}") from error

    def tell(self, message: TracedMessage) -> None:
        """Send a message; say in the log, now and then, that messages can't be sent."""
        try:
            self._socket.send(hep.encode(message, agent=self._agent, key=self._key))
        except OSError as error:  # a full buffer too, and what ICMP said of the message before
            self.lost += 1
            if message.at >= self._quiet_until:
                self._quiet_until = message.at + COMPLAINT
                facts = {"collector": str(self._collector), "reason": error.strerror, "lost": self.lost}
                log.warning("the HEP collector does not take messages", extra=facts)

    def close(self) -> None:
        self._socket.close()
