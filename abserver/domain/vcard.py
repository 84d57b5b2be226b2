"""Address data as phones and mail programs export it, text/vcard 3.0 (RFC 2426) or 4.0 (RFC 6350), made into xCards.

Every property is kept, known or not; what vCard 4.0 says in another way than 3.0 is said in the new way: embedded
pictures become data URIs, `TYPE=pref` becomes PREF, dates lose their hyphens (RFC 6350 Appendix A, RFC 6351 §6).
vCard 2.1 is refused, since its character sets, quoted-printable lines and bare words cannot be told apart safely.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from abserver.domain import trees
from abserver.domain.card import VCARD
from abserver.domain.contentline import ContentLine, VcardError, parse_line, split_raw, unescaped, unfold
from abserver.domain.vcard_media import modern_media
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
    kept = [each for each in properties if each.name != "VERSION"]
    for each in kept:
        _check(each)
    return [modern_media(each) if version == b"3.0" or each.values("ENCODING") else each for each in kept]


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
    if any(word.upper() == "QUOTED-PRINTABLE" for word in (*line.values("ENCODING"), *line.values("TYPE"))):
        raise line.error("quoted-printable belongs to vCard 2.1: export the contact as vCard 3.0 or 4.0")


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
    """The fields of a compound property, those behind the required ones only as far as they are not all empty.

    A compound of single fields has as many as there are names: what looks like more belongs to the last. Fields of a
    list that no RFC has named have no element, so they are left out.
    """
    names = STRUCTURES[name]
    fields = split_raw(value, ";")
    if name in SINGLE_FIELDS:
        fields[len(names) - 1 :] = [";".join(fields[len(names) - 1 :])]
    while len(fields) > REQUIRED_FIELDS[name] and not fields[-1]:
        fields.pop()
    fields += [""] * (REQUIRED_FIELDS[name] - len(fields))
    for field, raw in zip(names, fields, strict=False):
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
    """lower-case name -> values; words in TYPE that are no types in vCard 4.0 move or go."""
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
    no_types = ("pref", "internet") if line.name == "EMAIL" else ("pref",)
    merged["type"] = [each for each in dict.fromkeys(types) if each not in no_types]
    return {name: values for name, values in merged.items() if values}


def _value(line: ContentLine, name: str) -> TypedValue:
    """The value's type and text."""
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
