"""Pictures, sounds and keys of vCard 3.0, embedded or linked, said as vCard 4.0 says them (RFC 2426 §3.1.4, RFC 6350
§6.2.4): base64 values become data URIs (RFC 2397), a media type moves from TYPE to where it belongs.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abserver.domain.contentline import ContentLine

_KINDS = {"PHOTO": "image", "LOGO": "image", "SOUND": "audio", "KEY": "application"}
_SUBTYPES = {"jpg": "jpeg", "wave": "wav", "x509": "pkix-cert", "pgp": "pgp-keys"}
_SIGNATURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif"}
_TYPES = frozenset({"work", "home", "pref"})
"""What TYPE may say of a picture beside its format."""


def modern_media(line: ContentLine) -> ContentLine:
    """The line of a vCard 3.0, or the line itself if it has nothing to do with media. Raises VcardError."""
    binary = any(word.upper() in ("B", "BASE64") for word in (*line.values("ENCODING"), *_bare(line)))
    if not binary and line.name not in _KINDS:
        return line
    formats = [word for word in line.values("TYPE") if word.lower() not in _TYPES | {"base64"}]
    media = _media_type(line.name, formats[0]) if formats and line.name in _KINDS else None
    kept = _without(line, {"BASE64", *(formats if line.name in _KINDS else ())}, binary=binary)
    if binary:
        return replace(line, value=_data_uri(line, media), parameters=(("VALUE", ("uri",)), *kept))
    if media and not line.values("MEDIATYPE") and not line.value.startswith("data:"):
        kept = (("MEDIATYPE", (media,)), *kept)
    return replace(line, parameters=kept)


def _bare(line: ContentLine) -> tuple[str, ...]:
    """Words that vCard 2.1 writes without ENCODING, and some programs still do."""
    return tuple(word for word in line.values("TYPE") if word.upper() == "BASE64")


def _media_type(name: str, word: str) -> str:
    subtype = word.lower()
    return subtype if "/" in subtype else f"{_KINDS[name]}/{_SUBTYPES.get(subtype, subtype)}"


def _without(line: ContentLine, words: set[str], *, binary: bool) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The parameters without these words in TYPE; a binary value's own VALUE and ENCODING are said anew."""
    kept = []
    for name, values in line.parameters:
        if name == "TYPE":
            values = tuple(value for value in values if value not in words and value.upper() not in words)
        if not (binary and name in ("VALUE", "ENCODING")):
            kept.append((name, values))
    return tuple(kept)


def _data_uri(line: ContentLine, media: str | None) -> str:
    try:
        data = base64.b64decode("".join(line.value.split()), validate=True)
    except binascii.Error:
        raise line.error("the value is not base64: export the contact again") from None
    media = media or next((each for start, each in _SIGNATURES.items() if data.startswith(start)), None)
    return f"data:{media or 'application/octet-stream'};base64,{base64.b64encode(data).decode()}"
