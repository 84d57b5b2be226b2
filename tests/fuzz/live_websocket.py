"""Attacks on the WebSocket listener (RFC 6455, RFC 7118): frames that no client should send, and SIP that is none."""

from __future__ import annotations

import itertools
import socket
import struct
from typing import TYPE_CHECKING

from tests.fuzz.live import cut, drain, may_end, wait_for
from tests.fuzz.mutations import mutated
from tests.fuzz.worst import LARGEST, filled
from tests.support.torture import probe
from tests.support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    MASK,
    PING,
    PONG,
    TEXT,
    close_frame,
    frame,
    handshake,
)

if TYPE_CHECKING:
    import random

    from tests.fuzz.live import Target

HOSTILE = (
    frame(TEXT, b"OPTIONS", masked=False),
    frame(TEXT, b"\xff\xfe not text"),
    frame(TEXT, b"\xed\xa0\x80"),
    frame(TEXT, b"a", rsv=4),
    frame(TEXT, b"a", rsv=1),
    *(frame(opcode, b"a") for opcode in (3, 7, 11, 15)),
    frame(PING, b"a" * 126),
    frame(PING, b"a", fin=False),
    frame(CLOSE, b"a"),
    frame(CLOSE, struct.pack("!H", 1000) + b"\xff"),
    *(close_frame(code) for code in (0, 999, 1000, 1005, 1006, 1015, 2999, 4999, 65535)),
    frame(CONTINUATION, b"a"),
    frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
    b"\x81\xff" + struct.pack("!Q", 2**63) + MASK,
    b"\x81\xff" + struct.pack("!Q", 2**62) + MASK + b"a" * 100,
    b"\x81\xfe" + struct.pack("!H", 5) + MASK + b"short",  # longer than it need be
    frame(TEXT) * 200,
    frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) * 200,
    frame(PONG, b"unasked") * 200,
    b"\x00" * 64,
    b"\xff" * 64,
    b"GET / HTTP/1.1\r\n\r\n",
)


def mutated_messages(target: Target, rng: random.Random) -> None:
    """Changed SIP messages, whole and in pieces; what is no SIP does not cost the connection more than itself."""
    for _ in range(8):
        with target.websocket() as sock, may_end():
            for _ in range(10):
                sock.sendall(in_pieces(rng, rng.choice((TEXT, BINARY)), mutated(rng)))
            end(sock)


def cut_at_every_byte(target: Target, rng: random.Random) -> None:
    """The handshake and a request after it, with a pause between two bytes: at each place once."""
    opening = handshake()
    for place in range(0, len(opening) + 300, rng.choice((11, 13, 17))):
        mark = target.mark()
        with target.browser() as sock:
            data = opening + frame(TEXT, probe(mark, "WS", sock.getsockname()))
            sock.sendall(data[:place])
            sock.sendall(data[place:])
            wait_for(sock, mark, "WS")


def pieces_and_pings(target: Target, rng: random.Random) -> None:
    """Requests in pieces of frames, pings between the pieces, all in few segments: each is answered."""
    with target.websocket() as sock:
        marks = [target.mark() for _ in range(30)]
        local = sock.getsockname()
        data = b"".join(in_pieces(rng, TEXT, probe(mark, "WS", local)) for mark in marks)
        for piece in cut(rng, data):
            sock.sendall(piece)
        wait_for(sock, marks[-1], "WS")
        target.answered(sock, "WS")


def hostile_frames(target: Target, rng: random.Random) -> None:
    """Frames that break RFC 6455, alone and after a good beginning."""
    for hostile in HOSTILE:
        with target.websocket() as sock, may_end():
            if rng.random() < 0.5:
                target.answered(sock, "WS")
            sock.sendall(hostile)
            sock.sendall(frame(TEXT, probe(target.mark(), "WS", sock.getsockname())))
            end(sock)


def broken_handshakes(target: Target, rng: random.Random) -> None:
    """Handshakes with fields left out, doubled and changed, and cut off."""
    for _ in range(30):
        fields = list(HANDSHAKE)
        for _ in range(rng.randint(0, 3)):
            place = rng.randrange(len(fields))
            name, value = fields[place]
            fields[place : place + 1] = rng.choice(
                ([], [fields[place]] * 2, [(name, rng.randbytes(8).hex().encode())], [(name, value + b"\x00")])
            ) or [(b"x-empty", b"")]
        with target.browser() as sock, may_end():
            data = handshake(rng.choice(("/sip", "/sip", "/", "/sip/x", "/" + "x" * 9000)), fields)
            sock.sendall(data[: rng.choice((len(data), len(data), rng.randrange(len(data))))])
            sock.sendall(frame(TEXT, b"OPTIONS"))
            end(sock)


def large_messages(target: Target, rng: random.Random) -> None:
    """64 kB of one thing in a frame, and in a thousand frames."""
    for data in rng.sample(list(filled(LARGEST).values()), 6):
        with target.websocket() as sock, may_end():
            sock.sendall(frame(BINARY, data))
            pieces = (data[start : start + 64] for start in range(0, len(data), 64))
            sock.sendall(frame(TEXT, fin=False) + b"".join(frame(CONTINUATION, piece, fin=False) for piece in pieces))
            end(sock)


def in_pieces(rng: random.Random, opcode: int, data: bytes) -> bytes:
    """One message in some frames, with pings between them."""
    pieces = list(cut(rng, data))
    opcodes = itertools.chain((opcode,), itertools.repeat(CONTINUATION))
    return b"".join(
        rng.choice((b"", b"", frame(PING, b"well?"))) + frame(code, piece, fin=number == len(pieces))
        for number, (code, piece) in enumerate(zip(opcodes, pieces, strict=False), start=1)
    )


def end(sock: socket.socket) -> None:
    """Take one's leave, hang up, and read to the end."""
    sock.sendall(close_frame(1000))
    sock.shutdown(socket.SHUT_WR)
    drain(sock)
