"""The torture corpora over the wire: each message to a listener, and what comes back before the next answer."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import Via

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENCE = -1
"""No answer, or the end of the connection."""
PATIENCE = 10.0
_DEFAULT_PORT = 5060


def probe(mark: str, transport: str, local: tuple[str, int]) -> bytes:
    """An OPTIONS that every healthy server answers 200."""
    host = f"[{local[0]}]" if ":" in local[0] else local[0]
    return (
        f"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/{transport} {host}:{local[1]};branch=z9hG4bK{mark}\r\n"
        f"From: <sip:probe@example.com>;tag=p\r\nTo: <sip:example.com>\r\nCall-ID: {mark}\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def port_for_answer(data: bytes) -> int:
    """The port that the top Via of a message says (RFC 3261 §18.2.2)."""
    for line in data.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip(b" \t").lower() in (b"v", b"via"):
            with contextlib.suppress(SipSyntaxError):
                return Via.parse_hop(value.decode(errors="replace").strip(" \t")).port or _DEFAULT_PORT
    return _DEFAULT_PORT


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def over_udp(server: tuple[str, int], host: str, mark: str, data: bytes) -> int:
    """Send one message from `host`, at the port that its Via names; the status of what is answered.

    A probe follows it: when that is answered, the message had its turn.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.bind((host, port_for_answer(data)))
        sock.connect(server)
        sock.send(data)
        sock.send(probe(mark, "UDP", sock.getsockname()[:2]))
        found = SILENCE
        while f"Call-ID: {mark}\r\n".encode() not in (answer := sock.recv(65_535)):
            found = status_of(answer)
        assert status_of(answer) == 200
        return found


def over_tcp(server: tuple[str, int], mark: str, data: bytes) -> tuple[int, bool]:
    """The same over a connection of its own, and whether that goes on."""
    with socket.create_connection(server, PATIENCE) as sock:
        sock.sendall(data)
        with contextlib.suppress(ConnectionError):
            sock.sendall(probe(mark, "TCP", sock.getsockname()[:2]))
        answers = list(_answers(sock, mark))
    goes_on = bool(answers) and f"Call-ID: {mark}\r\n".encode() in answers[-1]
    before = answers[:-1] if goes_on else answers
    return status_of(before[0]) if before else SILENCE, goes_on


def _answers(sock: socket.socket, mark: str) -> Iterator[bytes]:
    """Answers without body, until that to the probe or the end."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65_535):
            received += piece
            *complete, received = received.split(b"\r\n\r\n")
            for each in complete:
                yield each + b"\r\n"
                if f"Call-ID: {mark}\r\n".encode() in each + b"\r\n":
                    return
