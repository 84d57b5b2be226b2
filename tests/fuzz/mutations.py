"""Mutations that know the grammar: fields doubled, dropped, folded, swapped, spelled otherwise, lengths that lie, lists
and parameters out of bounds, quotes and brackets that never end, and bytes that are no text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.corpus import corpus

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Change = Callable[[random.Random, list[bytes]], None]

LARGEST = 64 * 1024
SEEDS = corpus()

_HOSTILE = (
    *(
        b"\x00",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\r\n ",
        b"\t",
        b" ",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ),
    *(
        b'"',
        b"\\",
        b'\\"',
        b"<",
        b">",
        b"<>",
        b",",
        b",,",
        b";",
        b";;",
        b"=",
        b":",
        b"@",
        b"[",
        b"]",
        b"%",
        b"%0",
        b"?",
        b"*",
        b"/",
    ),
    *(
        b"-1",
        b"0",
        b"4294967296",
        b"99999999999999999999",
        b"+1",
        b"1e3",
        b"0x10",
        "٣".encode(),
        b";tag=",
        b";branch=z9hG4bK",
    ),
    *(
        b"SIP/2.0",
        b"sip:",
        b"sips:",
        b"tel:",
        b"SIP/2.0/UDP ",
        b"z9hG4bK",
        b";received=",
        b";rport=",
        b";maddr=",
        b";lr",
    ),
)
_COMPACT = {
    b"via": b"v",
    b"from": b"f",
    b"to": b"t",
    b"call-id": b"i",
    b"contact": b"m",
    b"event": b"o",
    b"content-length": b"l",
}


def mutated(rng: random.Random) -> bytes:
    """One message of the corpus, changed some times."""
    head, end, body = rng.choice(SEEDS).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5, 8))):
        rng.choice(_CHANGES)(rng, lines)
    data = b"\r\n".join(lines) + end + body
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        data = _bytes_changed(rng, data)
    return data[:LARGEST]


def _any(rng: random.Random, lines: list[bytes]) -> int:
    return rng.randrange(len(lines))


def _drop(rng: random.Random, lines: list[bytes]) -> None:
    if len(lines) > 1:
        del lines[_any(rng, lines)]


def _double(rng: random.Random, lines: list[bytes]) -> None:
    lines.insert(rng.randint(0, len(lines)), rng.choice(lines))


def _swap(rng: random.Random, lines: list[bytes]) -> None:
    one, other = _any(rng, lines), _any(rng, lines)
    lines[one], lines[other] = lines[other], lines[one]


def _insert(rng: random.Random, lines: list[bytes]) -> None:
    number = _any(rng, lines)
    place = rng.randint(0, len(lines[number]))
    lines[number] = lines[number][:place] + rng.choice(_HOSTILE) + lines[number][place:]


def _fold(rng: random.Random, lines: list[bytes]) -> None:
    number = _any(rng, lines)
    place = lines[number].find(b" ", rng.randint(0, len(lines[number])))
    if place >= 0:
        lines[number] = lines[number][:place] + b"\r\n" + rng.choice((b" ", b"\t", b"  \t ")) + lines[number][place:]


def _spell(rng: random.Random, lines: list[bytes]) -> None:
    number = _any(rng, lines)
    name, colon, value = lines[number].partition(b":")
    others = (name.upper(), name.lower(), name.title(), _COMPACT.get(name.lower(), name), name + b" ", name + b"\t ")
    lines[number] = rng.choice(others) + colon + value


def _exchange(rng: random.Random, lines: list[bytes]) -> None:
    """Give one field the value of another."""
    one, other = _any(rng, lines), rng.choice(lines)
    lines[one] = lines[one].partition(b":")[0] + b":" + other.partition(b":")[2]


def _cross(rng: random.Random, lines: list[bytes]) -> None:
    """Take a line of another message."""
    lines.insert(rng.randint(0, len(lines)), rng.choice(rng.choice(SEEDS).partition(b"\r\n\r\n")[0].split(b"\r\n")))


def _lie(rng: random.Random, lines: list[bytes]) -> None:
    """Say another length."""
    length = rng.choice(
        (b"0", b"1", b"5", b"1000", b"65536", b"99999999999", b"-1", b"", b"0 0", b"0, 0", b"0x1", b"01")
    )
    lines[:] = [line for line in lines if not line.lower().startswith((b"content-length", b"l:"))] or [b""]
    lines.append(b"Content-Length: " + length)


def _repeat(rng: random.Random, lines: list[bytes]) -> None:
    """Make something very long, within 64 kB."""
    number = _any(rng, lines)
    place = rng.randint(0, len(lines[number]))
    piece = rng.choice((*_HOSTILE, lines[number][place : place + 8]))
    lines[number] = (
        lines[number][:place] + piece * rng.choice((3, 50, 2000, LARGEST // max(1, len(piece)))) + lines[number][place:]
    )


def _multiply(rng: random.Random, lines: list[bytes]) -> None:
    """Make one field many."""
    lines[1:1] = [rng.choice(lines)] * rng.choice((10, 300, 3000))


_CHANGES: tuple[Change, ...] = (
    *(_drop, _double, _swap, _insert, _insert, _insert, _fold, _spell, _exchange, _cross, _lie, _repeat, _multiply),
)


def _bytes_changed(rng: random.Random, data: bytes) -> bytes:
    if not data:
        return rng.randbytes(rng.randint(0, 64))
    place = rng.randrange(len(data))
    return rng.choice(
        (
            data[:place],
            data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :],
            data[:place] + rng.randbytes(rng.randint(1, 8)) + data[place:],
            data[place:],
            data + data[:place],
        )
    )
