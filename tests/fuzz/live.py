"""Attacks on the listeners of a real server, seeded. Each takes some tenths of a second, and ends by asking whether the
server is well: OPTIONS over UDP, over TCP and by WebSocket get their 200.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import socket
import struct
from typing import TYPE_CHECKING

from tests.fuzz.corpus import OURS, torture
from tests.fuzz.mutations import LARGEST, mutated
from tests.fuzz.worst import filled
from tests.support.torture import PATIENCE, probe, status_of
from tests.support.websocket import TEXT, frame, handshake

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

SOURCES = 500
"""Addresses that connections come from in turn: the ports of one would all be waiting for stragglers (TIME_WAIT)."""
PEERS = 16
LARGEST_DATAGRAM = 65_507


class Unwell(AssertionError):
    """The server does not answer as it should."""


class Target:
    """One server's SIP port, over UDP and TCP, and its HTTP port, over which SIP comes by WebSocket. A context manager.

    Datagrams come from a few addresses only: the server remembers peers up to some number, which is no leak.
    """

    def __init__(self, address: tuple[str, int], http: tuple[str, int]) -> None:
        self.address = address
        self.http = http
        self._numbers = itertools.count(1)
        self._peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(PEERS)]
        for sock in self._peers:
            sock.bind(self._source())
            sock.connect(self.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in self._peers:
            sock.close()

    @contextlib.contextmanager
    def datagrams(self) -> Iterator[socket.socket]:
        """A UDP socket to it, in which nothing waits."""
        sock = self._peers[next(self._numbers) % PEERS]
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                sock.recv(1)
        sock.settimeout(PATIENCE)
        yield sock

    def connection(self) -> socket.socket:
        """A connection to it. Close it."""
        return self._connected(self.address)

    def browser(self) -> socket.socket:
        """A connection to its HTTP port. Close it."""
        return self._connected(self.http)

    def websocket(self) -> socket.socket:
        """A connection that carries SIP by WebSocket. Close it. Raises Unwell."""
        sock = self.browser()
        sock.sendall(handshake())
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += sock.recv(1) or b"the connection ended\r\n\r\n"
        if not said.startswith(b"HTTP/1.1 101 "):
            sock.close()
            raise Unwell(f"no WebSocket: {said!r}")
        return sock

    def _source(self) -> tuple[str, int]:
        number = next(self._numbers) % SOURCES
        return f"127.1.{number // 200}.{number % 200 + 1}", 0

    def _connected(self, address: tuple[str, int]) -> socket.socket:
        sock = socket.create_connection(address, PATIENCE, source_address=self._source())
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def mark(self) -> str:
        """A Call-ID and branch that nobody had."""
        return f"probe{next(self._numbers)}"

    def check(self) -> None:
        """Raises Unwell unless OPTIONS over UDP, over a new connection and by WebSocket are answered 200."""
        with self.datagrams() as sock:
            self.answered(sock, "UDP")
        with self.connection() as sock:
            self.answered(sock, "TCP")
        with self.websocket() as sock:
            self.answered(sock, "WS")

    def answered(self, sock: socket.socket, transport: str) -> None:
        """Ask on that socket, and wait for the 200 among whatever else comes."""
        mark = self.mark()
        data = probe(mark, transport, sock.getsockname())
        sock.sendall(frame(TEXT, data) if transport == "WS" else data)
        wait_for(sock, mark, transport)


def wait_for(sock: socket.socket, mark: str, transport: str) -> None:
    """Wait for the 200 to a probe. Raises Unwell."""
    wanted, received = f"Call-ID: {mark}\r\n".encode(), b""
    try:
        while wanted not in received:
            piece = sock.recv(LARGEST)
            if not piece and transport != "UDP":
                raise Unwell(f"the connection ended before the answer to {mark}")
            received = piece if transport == "UDP" else received[-LARGEST:] + piece
    except OSError as error:
        raise Unwell(f"no answer to {mark} over {transport}: {error!r}") from error
    answer = received[received.rindex(b"SIP/2.0 ", 0, received.index(wanted)) :]
    if status_of(answer) != 200:
        raise Unwell(f"{status_of(answer)} to {mark}")


# -- datagrams --------------------------------------------------------------------------------------------------------


def mutated_datagrams(target: Target, rng: random.Random) -> None:
    """Torture messages and our own, changed; a probe after each portion, so that none is lost in a full buffer."""
    with target.datagrams() as sock:
        for _ in range(4):
            for _ in range(50):
                sock.send(mutated(rng)[:LARGEST_DATAGRAM])
            target.answered(sock, "UDP")


def random_datagrams(target: Target, rng: random.Random) -> None:
    """Bytes without meaning, of any size, empty ones and STUN's first octets among them."""
    with target.datagrams() as sock:
        for size in (0, 1, 2, 3, 4, 19, 20, 28, 500, 1500, 9000, LARGEST_DATAGRAM):
            for first in (b"", b"\x00", b"\x00\x01", b"\x01\x01", b"\x80", b"\r\n", b"SIP/2.0 ", b"OPTIONS "):
                sock.send((first + rng.randbytes(size))[:size])
        target.answered(sock, "UDP")


def large_datagrams(target: Target, rng: random.Random) -> None:
    """64 kB of one thing."""
    messages = list(filled(LARGEST_DATAGRAM).values())
    with target.datagrams() as sock:
        for data in rng.sample(messages, 20):
            sock.send(data)
        target.answered(sock, "UDP")


# -- streams ----------------------------------------------------------------------------------------------------------


def byte_by_byte(target: Target, rng: random.Random) -> None:
    """A message whose every byte is a segment: it is answered like any other."""
    with target.connection() as sock:
        for _ in range(2):
            mark = target.mark()
            for byte in probe(mark, "TCP", sock.getsockname()):
                sock.sendall(bytes([byte]))
            wait_for(sock, mark, "TCP")


def cut_at_every_byte(target: Target, rng: random.Random) -> None:
    """Two segments, cut at each byte; on one connection all are answered, in their order."""
    with target.connection() as sock:
        for cut in range(len(probe("probe", "TCP", sock.getsockname()))):
            mark = target.mark()
            data = probe(mark, "TCP", sock.getsockname())
            sock.sendall(data[:cut])
            sock.sendall(data[cut:])
            if cut % 32 == 0:
                wait_for(sock, mark, "TCP")
        target.answered(sock, "TCP")


def ended_at_every_byte(target: Target, rng: random.Random) -> None:
    """A connection that ends after the first byte of a message, after the second, ...; some with a reset."""
    data = rng.choice(OURS)
    for end in range(0, len(data), rng.choice((3, 5, 7))):
        with target.connection() as sock:
            sock.sendall(data[:end])
            if rng.random() < 0.3:
                reset(sock)


def pipelined(target: Target, rng: random.Random) -> None:
    """Many requests in one write, keep-alives between them: each is answered."""
    with target.connection() as sock:
        marks = [target.mark() for _ in range(100)]
        between = [rng.choice((b"", b"", b"\r\n\r\n", b"\r\n", b"\r\n" * 7)) for _ in marks]
        local = sock.getsockname()
        sock.sendall(b"".join(alive + probe(mark, "TCP", local) for mark, alive in zip(marks, between, strict=True)))
        received = b""
        while f"Call-ID: {marks[-1]}\r\n".encode() not in received:
            piece = sock.recv(LARGEST)
            if not piece:
                raise Unwell("the connection ended")
            received += piece
        if any(f"Call-ID: {mark}\r\n".encode() not in received for mark in marks):
            raise Unwell("a request in a row was left out")


def keep_alives(target: Target, rng: random.Random) -> None:
    """CRLFs in any number and cut anywhere, a ping's answer for each pair, and then a request."""
    with target.connection() as sock:
        for _ in range(50):
            sock.sendall(b"\r\n" * rng.randint(1, 40))
            sock.sendall(rng.choice((b"\r", b"")) and b"\r\n")
        target.answered(sock, "TCP")


def lengths_that_lie(target: Target, rng: random.Random) -> None:
    """Content-Length that is too short, too long, negative, doubled, no number; the connection may end, no more."""
    for length in ("0", "3", "400", "65536", "1048577", "99999999999", "-1", "", "x", "4, 4", "4\r\nContent-Length: 5"):
        data = probe(target.mark(), "TCP", ("192.0.2.1", 5060)).replace(b"Length: 0", f"Length: {length}".encode())
        with target.connection() as sock, may_end():
            sock.sendall(data + b"body")
            sock.sendall(probe(target.mark(), "TCP", sock.getsockname()))
            sock.shutdown(socket.SHUT_WR)
            drain(sock)


def mutated_streams(target: Target, rng: random.Random) -> None:
    """Changed messages in a row on a connection, cut anywhere, as long as the server keeps it."""
    for _ in range(20):
        data = b"".join(mutated(rng) for _ in range(4))
        with target.connection() as sock, may_end():
            for piece in cut(rng, data):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
            drain(sock)


def large_heads(target: Target, rng: random.Random) -> None:
    """64 kB of header fields in a stream, and 64 kB that never end."""
    for data in rng.sample(list(filled(LARGEST).values()), 20):
        with target.connection() as sock, may_end():
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            drain(sock)


def torture_in_a_row(target: Target, rng: random.Random) -> None:
    """The torture messages on as few connections as the server allows."""
    messages = torture()
    rng.shuffle(messages)
    while messages:
        with target.connection() as sock, may_end():
            for _ in range(min(8, len(messages))):
                sock.sendall(messages.pop())
            sock.shutdown(socket.SHUT_WR)
            drain(sock)


def half_open(target: Target, rng: random.Random) -> None:
    """Connections of which one direction is closed, with and without something unfinished; others are reset."""
    for _ in range(30):
        with target.connection() as sock:
            sock.sendall(rng.choice((b"", b"\r\n", b"OPTIONS", OURS[0][: rng.randrange(len(OURS[0]))], OURS[1])))
            action = rng.choice(("write", "read", "reset"))
            if action == "write":
                with may_end():
                    sock.shutdown(socket.SHUT_WR)
                    drain(sock)
            elif action == "read":
                with may_end():
                    sock.shutdown(socket.SHUT_RD)
            else:
                reset(sock)


def who_reads_nothing(target: Target, rng: random.Random) -> None:
    """A connection that asks and never takes an answer."""
    with target.connection() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.2)
        local = sock.getsockname()
        with contextlib.suppress(OSError):
            for _ in range(400):
                sock.sendall(probe(target.mark(), "TCP", local))


def many_connections(target: Target, rng: random.Random) -> None:
    """Three hundred connections at once, each with the beginning of a message; the next one is served all the same."""
    with contextlib.ExitStack() as open_ones:
        for _ in range(300):
            sock = open_ones.enter_context(target.connection())
            sock.sendall(OURS[0][: rng.randrange(len(OURS[0]))])
        target.check()


def cut(rng: random.Random, data: bytes) -> Iterator[bytes]:
    """The pieces of some bytes."""
    places = sorted(rng.randint(0, len(data)) for _ in range(rng.randint(0, 12)))
    for start, end in itertools.pairwise((0, *places, len(data))):
        yield data[start:end]


@contextlib.contextmanager
def may_end() -> Iterator[None]:
    """Where the server may end the connection at any time; not answering a closed one is another matter."""
    try:
        yield
    except ConnectionError:
        pass
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def drain(sock: socket.socket) -> None:
    """Read to the end."""
    while sock.recv(LARGEST):
        pass


def reset(sock: socket.socket) -> None:
    """Have the connection end with a reset as it is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
