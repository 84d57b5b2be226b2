"""What costs a parser most: 64 kB of one thing, each aimed at a pattern or a loop of the codec."""

from __future__ import annotations

LARGEST = 64 * 1024

_HEAD = (
    b"SUBSCRIBE sip:ann@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKw\r\n"
    b"From: <sip:bob@example.com>;tag=b\r\nTo: <sip:ann@example.com>\r\nCall-ID: w\r\nCSeq: 1 SUBSCRIBE\r\n"
)
_PIECES = {
    "blanks": b" ",
    "folds": b"\r\n ",
    "half folds": b"\r\n",
    "carriage returns": b"\r",
    "quotes": b'"',
    "escapes": b"\\",
    "escaped quotes": b'\\"',
    "quoted strings": b'"a",',
    "angle brackets": b"<",
    "closed brackets": b"<>",
    "commas": b",",
    "elements": b"a,",
    "semicolons": b";",
    "parameters": b";a=b",
    "valueless parameters": b";a",
    "equal signs": b"=",
    "colons": b":",
    "at signs": b"@",
    "dots": b".",
    "token characters": b"a",
    "token and blank": b"a ",
    "nulls": b"\x00",
    "percent signs": b"%2",
    "hosts": b"[::1]",
    "tags": b";tag=",
    "numbers": b"9",
    "not UTF-8": b"\xff",
    "words of many bytes": "\N{GRINNING FACE}".encode(),
}
_FIELDS = ("Via", "From", "To", "Contact", "CSeq", "Event", "Accept", "Route", "Authorization", "Content-Length", "X")
_LINES = (b"v: SIP/2.0/UDP a", b"l: 0", b"a:", b":", b"a", b"Content-Length :\r\n 1", b"X: a\r\n b")


def filled(size: int) -> dict[str, bytes]:
    """Messages of `size` bytes, by what they are full of: one field, the start line, all lines, or everything."""
    found = {}
    for what, piece in _PIECES.items():
        for name in _FIELDS:
            found[f"{name} full of {what}"] = _cut(_HEAD + name.encode() + b": " + piece * size, size, b"\r\n\r\n")
        found[f"a start line full of {what}"] = _cut(b"SUBSCRIBE sip:" + piece * size, size, b" SIP/2.0\r\n\r\n")
        found[f"{what} alone"] = (piece * size)[:size]
    for line in _LINES:
        found[f"lines {line.decode()!r}"] = _cut(_HEAD + (line + b"\r\n") * size, size, b"\r\n\r\n")
    return found


def _cut(data: bytes, size: int, end: bytes) -> bytes:
    return data[: size - len(end)] + end
