"""More new subscriptions than the server can take (RFC 5390 REQ 1): how many it serves, how soon, and what others hear.

The load is open: it sends at its rate whatever comes back, and answers every NOTIFY.
"""

from __future__ import annotations

import multiprocessing
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.measuring import Row, percentile
from tests.bench.messages import answer_to, number_of, owner, subscribe_of
from tests.bench.serving import server
from tests.bench.subscribing import set_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

RATES = (2_000, 6_000, 12_000)
"""SUBSCRIBEs per second: what the server can do, twice that, four times that."""
SECONDS = 10.0
SETTLING = 4.0
"""Seconds of these that do not count: the server has to notice."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the SUBSCRIBEs after the settling."""

    accepted: int
    refused: int
    sent: int
    p99: float
    """Seconds until a 200."""


def rows() -> Iterator[Row]:
    """One row for each rate."""
    for rate in RATES:
        with server() as served:
            set_up(served, 1)
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("fork").Process(target=_load, args=(served.sip, rate, theirs))
            process.start()
            outcome: Outcome = ours.recv()
            process.join()
        counted = SECONDS - SETTLING
        lost = max(0, outcome.sent - outcome.accepted - outcome.refused)
        yield Row(
            f"new subscriptions, {rate:,} asked for in a second",
            outcome.accepted / counted,
            "/s",
            f"200, p99 {outcome.p99 * 1e3:.0f} ms; {outcome.refused / counted:,.0f} /s refused with 503, "
            f"{lost / counted:,.0f} /s without an answer",
        )


def _load(address: tuple[str, int], rate: int, pipe: Connection) -> None:
    sent: dict[int, float] = {}
    latencies: list[float] = []
    refused = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        sock.bind(("127.0.0.1", 0))
        sock.connect(address)
        sock.settimeout(0.001)
        port, started, clock = sock.getsockname()[1], time.monotonic(), time.monotonic
        settled, stopped, done = started + SETTLING, started + SECONDS, 0
        while (now := clock()) < stopped + 1.0:
            due = int((min(now, stopped) - started) * rate)
            for number in range(done, due):
                sock.send(subscribe_of(number, port, followed=owner(0)))
                if now >= settled:
                    sent[number] = clock()
            done = due
            for each in _arrived(sock):
                if each.startswith(b"NOTIFY"):
                    sock.send(answer_to(each))
                elif (at := sent.get(number_of(each))) is not None:
                    if each.startswith(b"SIP/2.0 200"):
                        latencies.append(clock() - at)
                    else:
                        refused += 1
    pipe.send(Outcome(len(latencies), refused, len(sent), percentile(latencies, 0.99)))


def _arrived(sock: socket.socket) -> Iterator[bytes]:
    try:
        for _ in range(64):
            yield sock.recv(4096)
    except TimeoutError:
        return
