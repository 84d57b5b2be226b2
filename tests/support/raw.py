"""Peers that write their own datagrams: any bytes, from any address of loopback, answered or not."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench.messages import answer_to, field_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

RESENT = 0.5
"""Seconds until a request is sent again (T1)."""
PATIENCE = 30.0
"""Seconds until an answer is given up: less than Timer F."""
_NUMBERS = itertools.count(1)


def request(
    method: str,
    local: tuple[str, int],
    *,
    number: int | None = None,
    cseq: int = 1,
    to: str = "To: <sip:ann@example.com>",
    more: str = "",
) -> bytes:
    """A request of user w0, w1, ...; each number is a dialog of its own."""
    number = next(_NUMBERS) if number is None else number
    user, via = f"w{number}@example.com", f"{local[0]}:{local[1]}"
    return (
        f"{method} sip:ann@example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {via};branch=z9hG4bK{local[0]}x{number}x{cseq}\r\n"
        f"From: <sip:{user}>;tag=w{number}\r\n{to}\r\nCall-ID: {number}.{local[0]}\r\nCSeq: {cseq} {method}\r\n"
        f"Max-Forwards: 70\r\nContact: <sip:w@{via}>\r\nP-Asserted-Identity: <sip:{user}>\r\n"
        f"Event: contact-card\r\nAccept: application/vcard+xml\r\n{more}Content-Length: 0\r\n\r\n"
    ).encode()


class Peer:
    """One UDP socket; requests are sent again until they are answered, NOTIFYs are answered 200."""

    def __init__(self, server: tuple[str, int], host: str = "127.0.0.1") -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((host, 0))
        self._sock.connect(server)
        self._sock.settimeout(RESENT)
        self.local: tuple[str, int] = self._sock.getsockname()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    def send(self, data: bytes) -> None:
        self._sock.send(data)

    def ask(self, data: bytes) -> bytes:
        """The final answer to a request, which is known by its Call-ID and CSeq. Raises TimeoutError."""
        mark = (field_of(data, b"Call-ID"), field_of(data, b"CSeq"))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self._sock.send(data)
            again = time.monotonic() + RESENT
            while time.monotonic() < again:
                answer = self._next()
                if answer and (field_of(answer, b"Call-ID"), field_of(answer, b"CSeq")) == mark:
                    return answer
        raise TimeoutError(f"no answer to {data.partition(b' ')[0].decode()}")

    def _next(self) -> bytes:
        try:
            data = self._sock.recv(65_535)
        except TimeoutError:
            return b""
        if not data.startswith(b"NOTIFY"):
            return b"" if data.startswith(b"SIP/2.0 1") else data
        self._sock.send(answer_to(data))
        return b""


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@contextmanager
def flood(
    server: tuple[str, int],
    hosts: list[str],
    write: Callable[[tuple[str, int]], bytes],
    *,
    rate: int,
    kind: socket.SocketKind = socket.SOCK_DGRAM,
) -> Iterator[None]:
    """Send what `write` writes, `rate` in a second, from all these hosts in turn, until the end of the block.

    What comes back is thrown away by the kernel, or not taken from a connection.
    """
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    process = context.Process(target=_flood, args=(server, hosts, write, rate, kind, stop.is_set), daemon=True)
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join()


def _flood(
    server: tuple[str, int],
    hosts: list[str],
    write: Callable[[tuple[str, int]], bytes],
    rate: int,
    kind: socket.SocketKind,
    stopped: Callable[[], bool],
) -> None:
    socks = [socket.socket(socket.AF_INET, kind) for _ in hosts]
    for sock, host in zip(socks, hosts, strict=True):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        sock.bind((host, 0))
        sock.connect(server)
    turns, started, sent = itertools.cycle(socks), time.monotonic(), 0
    while not stopped():
        due = int((time.monotonic() - started) * rate)
        for sock in itertools.islice(turns, due - sent):
            with contextlib.suppress(BlockingIOError):
                sock.send(write(sock.getsockname()), socket.MSG_DONTWAIT)
        sent = due
        time.sleep(0.002)
