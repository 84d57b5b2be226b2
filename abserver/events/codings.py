"""Content-codings of bodies: `gzip` and `deflate` (RFC 3261 §20.2 and §20.12, RFC 9110 §8.4.1).

Laws: equal bodies are packed to equal octets (no time and no name stands in them), so that what is made once can be
sent to all; unpacking costs no more memory than the bound that it is given, whatever the octets promise.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import is_token, parse_params

if TYPE_CHECKING:
    from collections.abc import Sequence

GZIP: Final = "gzip"
DEFLATE: Final = "deflate"
IDENTITY: Final = "identity"
CODINGS: Final = (GZIP, DEFLATE)
"""What can be packed and unpacked, the preferred first."""

SMALLEST: Final = 256
"""Octets of a body that is worth packing: below, Content-Encoding takes most of what that saves."""

_ALIASES: Final = {"x-gzip": GZIP}
_WINDOWS: Final = {GZIP: 16 + zlib.MAX_WBITS, DEFLATE: zlib.MAX_WBITS}
_LEVEL: Final = 6
_LEAST: Final = 0.001
_Q: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


class UnknownCoding(Exception):
    """A body has a content-coding that is not in CODINGS."""


class BodyTooLarge(Exception):
    """A body is larger than the bound once it is unpacked."""


@dataclass(frozen=True, slots=True)
class Coding:
    """What was chosen for the bodies of a subscription."""

    name: str | None
    """Of CODINGS; None sends bodies as they are."""
    always: bool = False
    """Whether a body has to be packed even where that saves nothing."""


AS_IT_IS: Final = Coding(None)


def choose(accepted: Sequence[str] | None) -> Coding | None:
    """Choose by the elements of Accept-Encoding; None if nothing is left to choose. Raises SipSyntaxError.

    accepted: None without the header field, which means `identity`, as an empty one does.

    A coding that is listed with the highest q is taken, and one that packs before one that does not. `identity` may be
    used unless it is refused, by name or by `*;q=0`, but others that are listed come first (RFC 9110 §12.5.3).
    """
    if not accepted:
        return AS_IT_IS
    wanted = dict(map(_element, accepted))
    rest = wanted.get("*", 0.0)
    best = max(CODINGS, key=lambda name: wanted.get(name, rest))
    quality = wanted.get(best, rest)
    plain = wanted.get(IDENTITY, rest if "*" in wanted else _LEAST)
    if quality > 0 and quality >= plain:
        return Coding(best, always=plain <= 0)
    return AS_IT_IS if plain > 0 else None


def _element(text: str) -> tuple[str, float]:
    name, semicolon, params = text.partition(";")
    name = name.strip(" \t").lower()
    q = parse_params(semicolon + params).get("q", "1") or ""
    if not is_token(name) or not _Q.fullmatch(q):
        raise SipSyntaxError("Malformed Accept-Encoding")
    return _ALIASES.get(name, name), float(q)


def pack(body: bytes, coding: str | None, *, always: bool = False) -> tuple[str | None, bytes]:
    """The body as it is to be sent, and its Content-Encoding; None for a body that goes as it is.

    always: pack it even if that saves nothing.
    """
    if coding is None or (len(body) < SMALLEST and not always):
        return None, body
    packed = zlib.compress(body, _LEVEL, _WINDOWS[coding])
    if always or len(packed) + len(f"Content-Encoding: {coding}\r\n") < len(body):
        return coding, packed
    return None, body


def unpack(body: bytes, coding: str, limit: int) -> bytes:
    """The body that came with Content-Encoding `coding`.

    limit: octets of the result. A `deflate` body without the zlib frame, as some senders make it, is read too. Raises
    UnknownCoding, BodyTooLarge, and SipSyntaxError for one that is cut short or was never packed.
    """
    name = coding.strip(" \t").lower()
    name = _ALIASES.get(name, name)
    if name == IDENTITY:
        unpacked = body
    elif name in CODINGS:
        unpacked = _inflated(body, name, limit)
    else:
        raise UnknownCoding
    if len(unpacked) > limit:
        raise BodyTooLarge
    return unpacked


def _inflated(body: bytes, name: str, limit: int) -> bytes:
    bare = name == DEFLATE and not _has_zlib_frame(body)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS if bare else _WINDOWS[name])
    try:
        unpacked = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise SipSyntaxError("Malformed Content-Encoding") from None
    if len(unpacked) <= limit and (not inflater.eof or inflater.unused_data):
        raise SipSyntaxError("Malformed Content-Encoding")
    return unpacked


def _has_zlib_frame(body: bytes) -> bool:
    """Whether the first two octets are those of RFC 1950 §2.2."""
    return len(body) > 1 and body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0
