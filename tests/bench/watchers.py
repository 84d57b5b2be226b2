"""Thousands of watchers in one process behind one UDP socket: they subscribe, refresh, and answer every NOTIFY.

The process takes all datagrams that are there, then sends all that they ask for. It answers between the phases too,
and counts what comes unasked: a NOTIFY that was sent again shows there.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.measuring import percentile
from tests.bench.messages import (
    OWNER_DOMAIN,
    answer_to,
    field_of,
    number_of,
    owner,
    refresh_of,
    subscribe_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from typing import Self

WINDOW = 128
"""SUBSCRIBEs that await their answer, or the NOTIFY after it."""
PATIENCE = 60.0
"""Seconds without any datagram after which a run is given up."""
BATCH = 64
"""Datagrams taken before their answers leave."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a phase took."""

    started: float
    finished: float
    """Times of the monotonic clock, which all processes share."""
    notifies: int
    cpu: float
    """Seconds of CPU time that the load itself needed."""
    latencies: tuple[float, float] = (0.0, 0.0)
    """Seconds from a SUBSCRIBE to its answer: median and p99."""
    unasked: int = 0
    """NOTIFYs that came between the last phase and this one."""

    @property
    def seconds(self) -> float:
        return self.finished - self.started

    @property
    def share(self) -> float:
        """Of one core, that the load needed."""
        return self.cpu / self.seconds


class LoadProcess:
    """Handle to a process of watchers; a context manager that ends it."""

    def __init__(self, run: Callable[[Connection], None]) -> None:
        """run: what the process does with its end of the pipe: it takes commands, until that to stop."""
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(theirs,), daemon=True)
        self._process.start()

    def begin_waiting(self, notifies: int) -> None:
        """Have that many NOTIFYs answered; returns when the load process is listening for them."""
        self._pipe.send(("wait", notifies, 0))
        self._pipe.recv()

    def finish(self) -> Outcome:
        """The outcome of the phase that was begun. Raises TimeoutError."""
        outcome = self._pipe.recv()
        if not isinstance(outcome, Outcome):
            raise TimeoutError(f"the load failed: {outcome}")
        return outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send(("stop", 0, 0))
        self._process.join()


class Watchers(LoadProcess):
    """Watchers behind one UDP socket."""

    def __init__(
        self,
        server: tuple[str, int],
        *,
        owners: int = 1,
        first_owner: int = 0,
        domains: Sequence[str] = (OWNER_DOMAIN,),
    ) -> None:
        """Watcher n follows one of `owners`, as n modulo their number says, and is in one of `domains`, likewise."""
        super().__init__(lambda pipe: _Load(server, pipe, owners=owners, domains=domains).run())

    def subscribe(self, first: int, count: int) -> Outcome:
        """Have watchers `first` to `first + count - 1` subscribe; over when each has its 200 and its first NOTIFY."""
        self._pipe.send(("subscribe", first, count))
        return self.finish()

    def refresh(self, count: int, *, suppress: bool) -> Outcome:
        """Have the first `count` watchers subscribe again, each in its dialog. suppress: they name the tag of the last
        NOTIFY, which is that of the view of all, and hear no more than 204 (RFC 5839)."""
        self._pipe.send(("refresh", count, suppress))
        return self.finish()

    def unasked(self) -> int:
        """How many NOTIFYs came since the last phase."""
        self._pipe.send(("count", 0, 0))
        return self.finish().unasked


class _Load:
    def __init__(self, server: tuple[str, int], pipe: Connection, *, owners: int, domains: Sequence[str]) -> None:
        self._server = server
        self._pipe = pipe
        self._owners = owners
        self._domains = domains
        self._to: dict[int, str] = {}
        """The To of each dialog, with the server's tag."""
        self._cseq = 1
        self._unasked = 0
        self._last = b""
        """The last NOTIFY."""

    def run(self) -> None:
        gc.disable()  # nothing here makes cycles
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as self._sock:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(PATIENCE), 0))
            self._sock.bind(("127.0.0.1", 0))
            self._sock.connect(self._server)
            self._port = self._sock.getsockname()[1]
            try:
                while (command := self._next_command())[0] != "stop":
                    self._pipe.send(self._carry_out(*command))
            except (OSError, RuntimeError) as error:
                self._pipe.send(repr(error))

    def _next_command(self) -> tuple[str, int, int]:
        """Answer what comes until there is a command."""
        self._unasked = 0
        while True:
            readable, _, _ = select.select([self._pipe.fileno(), self._sock.fileno()], [], [])
            if self._sock.fileno() in readable:
                with contextlib.suppress(ConnectionRefusedError):  # a killed server
                    self._unasked += self._answer(self._take())
            else:
                command: tuple[str, int, int] = self._pipe.recv()
                return command

    def _carry_out(self, name: str, first: int, second: int) -> Outcome:
        unasked, cpu, started = self._unasked, time.process_time(), time.monotonic()
        notifies, latencies = 0, [0.0]
        if name == "subscribe":
            notifies, latencies = self._ask(range(first, first + second), self._subscribe, notified=True)
        elif name == "refresh":
            self._cseq += 1
            self._holds = field_of(self._last, b"SIP-ETag").partition(": ")[2] if second else ""
            notifies, latencies = self._ask(range(first), self._refresh, notified=not second)
        elif name == "wait":
            self._pipe.send("listening")
            while notifies < first:
                notifies += self._answer(self._take())
        finished = time.monotonic()
        times = (percentile(latencies, 0.5), percentile(latencies, 0.99))
        return Outcome(started, finished, notifies, time.process_time() - cpu, times, unasked)

    def _ask(self, numbers: range, ask: Callable[[int], bytes], *, notified: bool) -> tuple[int, list[float]]:
        """Have these ask, and answer their NOTIFYs if each is to have one. Returns how many, and the latencies."""
        sent: dict[int, float] = {}
        latencies: list[float] = []
        waiting, notifies, clock, send = iter(numbers), 0, time.monotonic, self._sock.send
        while True:
            done = min(len(latencies), notifies) if notified else len(latencies)
            if done >= len(numbers):
                return notifies, latencies
            for _ in range(min(WINDOW - (len(sent) - done), len(numbers) - len(sent))):
                number = next(waiting)
                data = ask(number)
                sent[number] = clock()
                send(data)
            datagrams = self._take()
            now = clock()
            for each in datagrams:
                if each.startswith(b"SIP/2.0 20"):
                    number = number_of(each)
                    latencies.append(now - sent[number])
                    self._to[number] = field_of(each, b"To")
                elif not each.startswith(b"NOTIFY"):
                    raise RuntimeError(each.partition(b"\r\n")[0])
            notifies += self._answer(datagrams)

    def _subscribe(self, number: int) -> bytes:
        followed = owner(number % self._owners)
        return subscribe_of(number, self._port, followed=followed, domain=self._domain(number))

    def _refresh(self, number: int) -> bytes:
        to, domain = self._to[number], self._domain(number)
        return refresh_of(number, self._port, cseq=self._cseq, to=to, domain=domain, holds=self._holds)

    def _domain(self, number: int) -> str:
        return self._domains[number % len(self._domains)]

    def _take(self) -> list[bytes]:
        """The datagrams that are there, at least one."""
        receive = self._sock.recv
        datagrams = [receive(4096)]
        with contextlib.suppress(BlockingIOError):
            for _ in range(BATCH):
                datagrams.append(receive(4096, socket.MSG_DONTWAIT))
        return datagrams

    def _answer(self, datagrams: Sequence[bytes]) -> int:
        """Answer those that are NOTIFYs; returns how many."""
        send, count = self._sock.send, 0
        for each in datagrams:
            if each.startswith(b"NOTIFY"):
                send(answer_to(each))
                self._last = each
                count += 1
        return count
