"""xCards written as text/vcard 4.0 (RFC 6350, by the rules of RFC 6351 §6).

What text cannot say is left out: names that are no tokens, attributes, elements without a value. Elements of other
namespaces travel whole, in XML properties. Whatever a value holds, it cannot end its line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from abserver.domain import trees
from abserver.domain.card import VCARD
from abserver.domain.contentline import ContentLine, escaped, write_line
from abserver.domain.vcard_schema import DATE_AND_OR_TIME, DEFAULT_TYPES, LISTS, REQUIRED_FIELDS, STRUCTURES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

_TOKEN = re.compile("[A-Za-z0-9-]+")
_RESERVED = frozenset({"begin", "end", "version", "xml", "parameters"})
"""Names that mean the frame of a text vCard, or of an xCard, and no property."""


def export_vcard(content: bytes) -> bytes:
    """The vCards of an xCard document as text. Raises InvalidDocument if it is not XML."""
    cards = trees.parse(content).findall(f"{{{VCARD}}}vcard")
    return b"".join(
        part for card in cards for part in (b"BEGIN:VCARD\r\nVERSION:4.0\r\n", _text(card), b"END:VCARD\r\n")
    )


def _text(card: Element) -> bytes:
    return b"".join(write_line(line) for line in _lines(card))


def _lines(card: Element) -> Iterator[ContentLine]:
    for child in card:
        if child.tag != f"{{{VCARD}}}group":
            yield from _line(child, None)
            continue
        name = child.get("name", "")
        for grandchild in child:
            yield from _line(grandchild, name if _TOKEN.fullmatch(name) else None)


def _line(element: Element, group: str | None) -> Iterator[ContentLine]:
    """One line, or none."""
    namespace, name = trees.split(element.tag)
    if namespace != VCARD:
        yield ContentLine("XML", escaped(trees.canonical(element)), group)
        return
    if name in _RESERVED or not _TOKEN.fullmatch(name):
        return
    parameters, values = _split(element)
    if not values:
        return
    kind, text = _value(name, values)
    if kind is not None:
        parameters = [("VALUE", (kind,)), *parameters]
    yield ContentLine(name.upper(), text, group, tuple(parameters))


def _split(element: Element) -> tuple[list[tuple[str, tuple[str, ...]]], list[tuple[str, str]]]:
    """The parameters for text, and the value elements as (name, content)."""
    parameters: list[tuple[str, tuple[str, ...]]] = []
    values: list[tuple[str, str]] = []
    for child in element:
        namespace, name = trees.split(child.tag)
        if namespace != VCARD:
            continue
        if name == "parameters":
            parameters.extend(_parameters(child))
        else:
            values.append((name, child.text or ""))
    return parameters, values


def _parameters(parameters: Element) -> Iterator[tuple[str, tuple[str, ...]]]:
    for parameter in parameters:
        namespace, name = trees.split(parameter.tag)
        values = tuple(value.text or "" for value in parameter)
        if namespace == VCARD and name != "value" and values and _TOKEN.fullmatch(name):
            yield name.upper(), values


def _value(name: str, values: list[tuple[str, str]]) -> tuple[str | None, str]:
    """VALUE where the type is not the property's own, and the text."""
    if name in STRUCTURES:
        return None, _fields(name, values)
    kind = values[0][0]
    texts = [_plain(kind, content) for each, content in values if each == kind]
    if name in LISTS:
        return None, LISTS[name].join(text.replace(";", "\\;") if LISTS[name] == ";" else text for text in texts)
    default = DEFAULT_TYPES.get(name)
    is_default = kind in ("date", "date-time", "time") if default == DATE_AND_OR_TIME else kind == default
    if kind == "time" and default == DATE_AND_OR_TIME:
        texts = [f"T{text}" for text in texts]  # RFC 6350 §4.3.4
    return None if is_default or kind == "unknown" else kind, ",".join(texts)


def _plain(kind: str, content: str) -> str:
    """A value as it stands in its line; only text has escapes, and only text and unknown values have white space."""
    if kind == "text":
        return escaped(content)
    if kind == "unknown":
        return content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")
    return "".join(content.split())


def _fields(name: str, values: list[tuple[str, str]]) -> str:
    """The fields of a compound in their order, without the empty ones at the end that need not be there."""
    fields = [
        ",".join(escaped(content, compound=True) for each, content in values if each == field)
        for field in STRUCTURES[name]
    ]
    while len(fields) > REQUIRED_FIELDS[name] and not fields[-1]:
        fields.pop()
    return ";".join(fields)
