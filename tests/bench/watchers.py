"""Thousands of watchers in one process behind one UDP socket: they subscribe, and answer every NOTIFY with 200."""

from __future__ import annotations

import itertools
import multiprocessing
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WINDOW = 64
PATIENCE = 60.0
"""Seconds without any datagram after which a run is given up."""

_COPIED = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a phase took."""

    started: float
    finished: float
    notifies: int

    @property
    def seconds(self) -> float:
        return self.finished - self.started


class Watchers:
    """Handle to the load process."""

    def __init__(self, server: tuple[str, int]) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_Load(server, theirs).run, daemon=True)
        self._process.start()

    def begin_subscribing(self, first: int, count: int) -> None:
        """Have watchers `first` to `first + count - 1` subscribe; over when each has its 200 and its first NOTIFY."""
        self._pipe.send(("subscribe", first, count))

    def begin_waiting(self, notifies: int) -> None:
        """Have that many NOTIFYs answered; returns when the load process is listening for them."""
        self._pipe.send(("wait", notifies, 0))
        self._pipe.recv()

    def finish(self) -> Outcome:
        """The outcome of the phase that was begun. Raises TimeoutError."""
        outcome = self._pipe.recv()
        if not isinstance(outcome, Outcome):
            raise TimeoutError(f"the server fell silent: {outcome}")
        return outcome

    def close(self) -> None:
        self._pipe.send(("stop", 0, 0))
        self._process.join()


class _Load:
    def __init__(self, server: tuple[str, int], pipe: Connection) -> None:
        self._server = server
        self._pipe = pipe

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as self._sock:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
            self._sock.bind(("127.0.0.1", 0))
            self._sock.settimeout(PATIENCE)
            self._port = self._sock.getsockname()[1]
            while True:
                command, first, count = self._pipe.recv()
                if command == "stop":
                    return
                try:
                    self._pipe.send(self._subscribe(first, count) if command == "subscribe" else self._wait(first))
                except TimeoutError as error:
                    self._pipe.send(str(error))

    def _subscribe(self, first: int, count: int) -> Outcome:
        started = time.monotonic()
        queue = iter(range(first, first + count))
        for number in itertools.islice(queue, WINDOW):
            self._send_subscribe(number)
        answered = notifies = 0
        while answered < count or notifies < count:
            data = self._sock.recv(65535)
            if data.startswith(b"NOTIFY"):
                self._answer(data)
                notifies += 1
            else:
                if not data.startswith(b"SIP/2.0 200"):
                    raise TimeoutError(data.split(b"\r\n")[0].decode())
                answered += 1
                for following in itertools.islice(queue, 1):
                    self._send_subscribe(following)
        return Outcome(started, time.monotonic(), notifies)

    def _wait(self, notifies: int) -> Outcome:
        self._pipe.send("listening")
        started = time.monotonic()
        for _ in range(notifies):
            self._answer(self._sock.recv(65535))
        return Outcome(started, time.monotonic(), notifies)

    def _send_subscribe(self, number: int) -> None:
        self._sock.sendto(subscribe_of(f"w{number}", self._port), self._server)

    def _answer(self, notify: bytes) -> None:
        self._sock.sendto(answer_to(notify), self._server)


def subscribe_of(user: str, port: int) -> bytes:
    """A SUBSCRIBE to Ann's card from a user behind that port of loopback, never the same twice."""
    return (
        "SUBSCRIBE sip:ann@example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{user}.{time.monotonic_ns()}\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:{user}@example.com>;tag={user}\r\n"
        "To: <sip:ann@example.com>\r\n"
        f"Call-ID: {user}.{time.monotonic_ns()}@127.0.0.1\r\n"
        "CSeq: 1 SUBSCRIBE\r\n"
        f'Contact: <sip:{user}@127.0.0.1:{port}>;+sip.instance="<urn:x-bench:{user}>"\r\n'
        f"P-Asserted-Identity: <sip:{user}@example.com>\r\n"
        "Event: contact-card\r\n"
        "Accept: application/vcard+xml, application/xml-patch+xml\r\n"
        "Expires: 3600\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def answer_to(notify: bytes) -> bytes:
    """The 200 to a NOTIFY."""
    head = notify.partition(b"\r\n\r\n")[0].split(b"\r\n")
    copied = [line for line in head if line.startswith(_COPIED)]
    return b"\r\n".join([b"SIP/2.0 200 OK", *copied, b"Content-Length: 0\r\n\r\n"])
