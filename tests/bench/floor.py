"""The floor: a plain socket sends datagrams as large as a NOTIFY and gets some as large as its 200, windowed."""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import time
from typing import NamedTuple

from tests.bench.measuring import ROUNDS

NOTIFY_OCTETS, ANSWER_OCTETS = 900, 400
PAIRS, WINDOW = 20_000, 64


class Floor(NamedTuple):
    """What it comes to without any work: medians of the rounds."""

    rate: float
    """Pairs per second between two processes."""
    cpu: float
    """Microseconds of CPU time of the process that sends first, for each pair."""


def _echo(sock: socket.socket) -> None:
    answer = b"x" * ANSWER_OCTETS
    while True:
        data, peer = sock.recvfrom(2048)
        if not data:
            return
        sock.sendto(answer, peer)


def measured() -> Floor:
    """Datagrams out, with their answers back in, between two processes on loopback."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
    ):
        for each in (echo, ours):
            each.bind(("127.0.0.1", 0))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        process = multiprocessing.get_context("fork").Process(target=_echo, args=(echo,), daemon=True)
        process.start()
        rounds = [_round(ours, echo.getsockname()) for _ in range(ROUNDS)]
        ours.sendto(b"", echo.getsockname())
        process.join()
    return Floor(*(statistics.median(each) for each in zip(*rounds, strict=True)))


def _round(ours: socket.socket, peer: tuple[str, int]) -> Floor:
    datagram = b"x" * NOTIFY_OCTETS
    cpu, started = time.process_time(), time.perf_counter()
    for _ in range(WINDOW):
        ours.sendto(datagram, peer)
    for _ in range(PAIRS - WINDOW):
        ours.recv(2048)
        ours.sendto(datagram, peer)
    for _ in range(WINDOW):
        ours.recv(2048)
    return Floor(PAIRS / (time.perf_counter() - started), (time.process_time() - cpu) / PAIRS * 1e6)
