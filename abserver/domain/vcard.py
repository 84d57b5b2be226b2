"""Address data as phones and mail programs export it, text/vcard 3.0 (RFC 2426) or 4.0 (RFC 6350), made into xCards.

Every property is kept, known or not; what vCard 4.0 says in another way than 3.0 is said in the new way: embedded
pictures become data URIs, `TYPE=pref` becomes PREF, dates lose their hyphens (RFC 6350 Appendix A, RFC 6351 §6).
vCard 2.1 is refused, since its character sets, quoted-printable lines and bare words cannot be told apart safely.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from abserver.domain import trees
from abserver.domain.card import VCARD
from abserver.domain.contentline import ContentLine, VcardError, parse_line, split_raw, unescaped, unfold
from abserver.domain.vcard_schema import (
    DATE_AND_OR_TIME,
    DEFAULT_TYPES,
    LISTS,
    PARAMETER_TYPES,
    REQUIRED_FIELDS,
    SINGLE_FIELDS,
    STRUCTURES,
    VALUE_TYPES,
)
from abserver.domain.vcard_values import REPAIRS, date_or_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abserver.domain.vcard_values import TypedValue

LARGEST = 4 * 1024 * 1024
"""Octets of text that are read at most."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_NAME = re.compile("[A-Z][A-Z0-9-]*")


def import_vcard(content: bytes) -> list[bytes]:
    """All vCards of a .vcf file, each as an xCard document in canonical form, in their order.

    Raises VcardError with the line and the property of the first thing that cannot be taken.
    """
    if len(content) > LARGEST:
        raise VcardError(f"the file is larger than {LARGEST // 1024**2} MiB: split it")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise VcardError("the file is UTF-16: save it again as UTF-8")
    cards = [_document(_properties(lines)) for lines in _cards(content.removeprefix(b"\xef\xbb\xbf"))]
    if not cards:
        raise VcardError("there is no vCard in the file: it must begin with BEGIN:VCARD")
    return cards


def _cards(content: bytes) -> Iterator[list[tuple[int, bytes]]]:
    """The logical lines of each vCard, from BEGIN to END."""
    lines: list[tuple[int, bytes]] = []
    for number, line in unfold(content):
        word = line.strip().upper()
        if bool(lines) == (word == b"BEGIN:VCARD"):
            reason = "the vCard above is not closed: END:VCARD is missing" if lines else "BEGIN:VCARD is missing"
            raise VcardError(reason, line=number)
        lines.append((number, line))
        if word == b"END:VCARD":
            yield lines
            lines = []
    if lines:
        raise VcardError("the vCard is not closed: END:VCARD is missing", line=lines[0][0])


def _properties(lines: Sequence[tuple[int, bytes]]) -> list[ContentLine]:
    """The properties between BEGIN and END, without VERSION, which must be one that can be taken."""
    versions = ((number, line[8:].strip()) for number, line in lines if line[:8].upper() == b"VERSION:")
    number, version = next(versions, (lines[0][0], b""))
    if version not in (b"3.0", b"4.0"):
        reason = "vCard 2.1 is not supported" if version == b"2.1" else "the version of the vCard is not known"
        raise VcardError(f"{reason}: export the contact as vCard 3.0 or 4.0", line=number, name="VERSION")
    properties = [parse_line(number, line) for number, line in lines[1:-1]]
    if not any(each.name == "FN" and each.value.strip() for each in properties):
        raise VcardError("every vCard needs a name to show: add a line FN:name", line=lines[0][0], name="FN")
    return [each for each in properties if each.name != "VERSION"]


def _document(properties: Sequence[ContentLine]) -> bytes:
    """Neighbouring lines of one group go into one <group>."""
    root = Element(f"{{{VCARD}}}vcards")
    card = SubElement(root, f"{{{VCARD}}}vcard")
    group: str | None = None
    parent = card
    for line in properties:
        if line.group != group:
            group = line.group
            parent = card if group is None else SubElement(card, f"{{{VCARD}}}group", name=group.replace("_", "-"))
        parent.append(_element(line))
    return trees.canonical(root).encode()


def _element(line: ContentLine) -> Element:
    """One property (RFC 6351 §5, §6)."""
    _check(line)
    if line.name == "XML":
        return _foreign(line)
    if not _XML_NAME.fullmatch(line.name):
        raise line.error("a property name must begin with a letter")
    name = line.name.lower()
    element = Element(f"{{{VCARD}}}{name}")
    if parameters := _parameters(line):
        element.append(parameters)
    if name in STRUCTURES:
        _add_fields(element, name, line.value)
    elif name in LISTS:
        for part in split_raw(line.value, LISTS[name]):
            SubElement(element, f"{{{VCARD}}}text").text = unescaped(part)
    else:
        kind, value = _value(line, name)
        SubElement(element, f"{{{VCARD}}}{kind}").text = value
    return element


def _check(line: ContentLine) -> None:
    """What no conversion could repair."""
    texts = (line.value, *(value for _, values in line.parameters for value in values))
    if any(_NOT_XML.search(text) for text in texts):
        raise line.error("there is a control character in the value: remove it")
    if any(charset.upper() not in ("UTF-8", "UTF8", "US-ASCII") for charset in line.values("CHARSET")):
        raise line.error("only UTF-8 is taken: export the contact again with this character set")
    if "QUOTED-PRINTABLE" in _encodings(line):
        raise line.error("quoted-printable belongs to vCard 2.1: export the contact as vCard 3.0 or 4.0")


def _encodings(line: ContentLine) -> set[str]:
    """What ENCODING says, or the bare words that stand for it."""
    return {value.upper() for name in ("ENCODING", "TYPE") for value in line.values(name)}


def _is_binary(line: ContentLine) -> bool:
    return any(value.upper() in ("B", "BASE64") for value in line.values("ENCODING")) or "BASE64" in _encodings(line)


def _foreign(line: ContentLine) -> Element:
    """The element that an XML property holds (RFC 6350 §6.1.5)."""
    try:
        element = trees.parse(unescaped(line.value).encode())
    except trees.InvalidDocument as error:
        raise line.error(f"the value must be one XML element ({error})") from None
    if trees.split(element.tag)[0] in ("", VCARD):
        raise line.error("the element must be of a namespace of its own (RFC 6350 §6.1.5)")
    return element


def _add_fields(element: Element, name: str, value: str) -> None:
    """The fields of a compound property; behind the last that is not empty, only those that are required."""
    fields = split_raw(value, ";")
    for place, field in enumerate(STRUCTURES[name]):
        raw = fields[place] if place < len(fields) else ""
        if not raw and place >= REQUIRED_FIELDS[name] and not any(fields[place:]):
            break
        for part in [raw] if name in SINGLE_FIELDS else split_raw(raw, ","):
            SubElement(element, f"{{{VCARD}}}{field}").text = unescaped(part)


# Parameters


def _parameters(line: ContentLine) -> Element | None:
    """<parameters>, without those that only said how the value is written."""
    element = Element(f"{{{VCARD}}}parameters")
    for name, values in _merged(line).items():
        parameter = SubElement(element, f"{{{VCARD}}}{name}")
        for value in values:
            SubElement(parameter, f"{{{VCARD}}}{PARAMETER_TYPES.get(name, 'unknown')}").text = value
    return element if len(element) else None


def _merged(line: ContentLine) -> dict[str, list[str]]:
    """lower-case name -> values; what vCard 3.0 has in TYPE beside types is moved or dropped."""
    merged: dict[str, list[str]] = {}
    for name, values in line.parameters:
        if name in ("VALUE", "ENCODING", "CHARSET", "X-APPLE-OMIT-YEAR"):
            continue
        if not _XML_NAME.fullmatch(name):
            raise line.error("a parameter name must begin with a letter")
        merged.setdefault(name.lower(), []).extend(values)
    if any(re.fullmatch("0*([1-9][0-9]?|100)", value, re.ASCII) is None for value in merged.get("pref", ())):
        raise line.error("PREF must be a number from 1 (most preferred) to 100")
    types = [value.lower() for value in merged.pop("type", [])]
    if "pref" in types:
        merged.setdefault("pref", ["1"])
    kept = [each for each in dict.fromkeys(types) if each not in _no_types(line)]
    if kept:
        merged["type"] = kept
    if line.name in _MEDIA and not _is_binary(line) and not line.value.startswith("data:") and (media := _media(line)):
        merged.setdefault("mediatype", [media])
    return {name: values for name, values in merged.items() if values}


def _no_types(line: ContentLine) -> set[str]:
    """Words in TYPE that are none in vCard 4.0: said otherwise, or said by the property itself."""
    words = {"pref", "base64"}
    if line.name == "EMAIL":
        words.add("internet")
    if line.name in _MEDIA:
        words |= {value.lower() for value in line.values("TYPE") if value.lower() not in ("work", "home")}
    return words


# Values

_MEDIA = {"PHOTO": "image", "LOGO": "image", "SOUND": "audio", "KEY": "application"}
_SUBTYPES = {"jpg": "jpeg", "wave": "wav", "x509": "pkix-cert", "pgp": "pgp-keys"}
_SIGNATURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif"}


def _value(line: ContentLine, name: str) -> TypedValue:
    """The value's type and text."""
    if _is_binary(line):
        return "uri", _data_uri(line)
    said = next((value.lower() for value in line.values("VALUE")), None)
    if said not in VALUE_TYPES:  # `binary`, `phone-number` and the like of vCard 3.0
        said = None
    kind = said or DEFAULT_TYPES.get(name)
    if kind is None:
        return "unknown", line.value  # as it stands (RFC 6351 §6)
    text = unescaped(line.value)
    if kind in (DATE_AND_OR_TIME, "date", "date-time", "time"):
        return date_or_time(text, line.values("X-APPLE-OMIT-YEAR"))
    return REPAIRS[name](kind, text) if name in REPAIRS and said is None else (kind, text)


def _media(line: ContentLine) -> str | None:
    """The media type that TYPE of a vCard 3.0 names."""
    for value in line.values("TYPE"):
        subtype = value.lower()
        if subtype in ("base64", "work", "home", "pref"):
            continue
        return (
            subtype if "/" in subtype else f"{_MEDIA.get(line.name, 'application')}/{_SUBTYPES.get(subtype, subtype)}"
        )
    return None


def _data_uri(line: ContentLine) -> str:
    try:
        data = base64.b64decode("".join(line.value.split()), validate=True)
    except binascii.Error:
        raise line.error("the value is not base64: export the contact again") from None
    media = _media(line) if line.name in _MEDIA else None
    media = media or next((each for start, each in _SIGNATURES.items() if data.startswith(start)), None)
    return f"data:{media or 'application/octet-stream'};base64,{base64.b64encode(data).decode()}"
