"""From one line of text/vcard to one edit of an xCard: which property it means, and the XCAP node that changes.

The line means the property of its name that has the same TYPE values; the level is no part of what it means, so that
changing a number never shows it to more people than before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.domain import trees
from abserver.domain.card import VCARD
from abserver.domain.contentline import ContentLine, VcardError, parse_line
from abserver.domain.vcard import import_vcard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

_GROUP = f"{{{VCARD}}}group"
_PARAMETERS = f"{{{VCARD}}}parameters"
_LEVEL = f"{{{VCARD}}}x-level"


class InvalidLine(ValueError):
    """The line cannot be an edit of this card; `hint` says what could."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ItemEdit:
    """A PUT of one element."""

    selector: str
    """The XCAP node selector, in the card's default namespace."""
    element: bytes
    done: str
    """What the edit does, for people: `changed TEL;TYPE=home`."""


@dataclass(frozen=True, slots=True)
class _Place:
    selector: str
    element: Element
    parent: Element


def edit_for(line: str, card: bytes, which: int | None) -> ItemEdit:
    """The edit of `card` that `line` means; a line without a value removes.

    which: the how-manieth of several properties that match, from 1. Raises InvalidLine.
    """
    parsed = _parsed(line)
    name, what = parsed.name.lower(), _spoken(parsed)
    root = trees.parse(card)[0]
    everywhere = list(_places(root, name))
    types = frozenset(value.lower() for value in parsed.values("TYPE"))
    matching = [place for place in everywhere if _types(place.element) == types]
    if not matching and which is None and parsed.value:
        return ItemEdit(f"vcards/vcard/{name}[{_loose(everywhere) + 1}]", _bytes(_element(line)), f"added {what}")
    place = _the_one(matching, which, what)
    if not parsed.value:
        return _removal(root, place, what)
    element = _element(line)
    if not parsed.values("X-LEVEL"):
        _keep_level(place.element, element)
    return ItemEdit(place.selector, _bytes(element), f"changed {what}")


@dataclass(frozen=True, slots=True)
class ItemName:
    """Which items somebody means."""

    name: str
    """Lower case: `tel`."""
    types: frozenset[str]
    """Lower case; none where it does not matter."""
    spoken: str

    def fits(self, name: str, types: frozenset[str]) -> bool:
        """Whether it means an item of this name with these TYPE values."""
        return name == self.name and (not self.types or types == self.types)


def item_named(text: str) -> ItemName:
    """The items that a line without a value means: `TEL`, or `TEL;TYPE=home`. Raises InvalidLine."""
    parsed = _parsed(text if ":" in text else f"{text}:")
    types = frozenset(value.lower() for value in parsed.values("TYPE"))
    return ItemName(parsed.name.lower(), types, _spoken(parsed))


def _removal(card: Element, place: _Place, what: str) -> ItemEdit:
    """A PUT of the card without the item.

    A DELETE cannot do it: where a second one follows, the selector would then select that, which RFC 4825 §8.4
    forbids (cannot-delete).
    """
    place.parent.remove(place.element)
    if place.parent is not card and not len(place.parent):
        card.remove(place.parent)
    return ItemEdit("vcards/vcard", _bytes(card), f"removed {what}")


def _parsed(line: str) -> ContentLine:
    try:
        parsed = parse_line(1, line.encode())
    except VcardError as error:
        example = "Write it like 'TEL;TYPE=home:+1-555-0100'"
        raise InvalidLine(f"'{line}' is no line of a vCard: {error.reason}", example) from None
    if "\n" in line or "\r" in line:
        raise InvalidLine("there is a line break in the line", "Change one item at a time; write a break in it as \\n")
    if parsed.group is not None:
        raise InvalidLine("a group cannot be changed by one line", "Leave the group out, or import the whole card")
    return parsed


def _element(line: str) -> Element:
    """The property, by way of a whole card, since only those can be read."""
    card = f"BEGIN:VCARD\nVERSION:4.0\n{line}\nFN:-\nEND:VCARD\n"
    try:
        (document,) = import_vcard(card.encode())
    except VcardError as error:
        raise InvalidLine(f"the line cannot be taken: {error.reason}", "Mend the line") from None
    return trees.parse(document)[0][0]


def _bytes(element: Element) -> bytes:
    return trees.canonical(element).encode()


def _places(card: Element, name: str) -> Iterator[_Place]:
    """The properties of this name in the order of the card, those in groups too."""
    tag = f"{{{VCARD}}}{name}"
    for number, element in enumerate(card.findall(tag), 1):
        yield _Place(f"vcards/vcard/{name}[{number}]", element, card)
    for group_number, group in enumerate(card.findall(_GROUP), 1):
        for number, element in enumerate(group.findall(tag), 1):
            yield _Place(f"vcards/vcard/group[{group_number}]/{name}[{number}]", element, group)


def _loose(places: list[_Place]) -> int:
    """How many of them are in no group."""
    return sum("/group[" not in place.selector for place in places)


def _types(element: Element) -> frozenset[str]:
    values = element.findall(f"{_PARAMETERS}/{{{VCARD}}}type/{{{VCARD}}}text")
    return frozenset((value.text or "").strip().lower() for value in values)


def _spoken(line: ContentLine) -> str:
    return ";".join([line.name, *(f"TYPE={value}" for value in line.values("TYPE"))])


def _the_one(matching: list[_Place], which: int | None, what: str) -> _Place:
    if not matching:
        raise InvalidLine(f"the card has no {what}", "`abserver card show` prints what it has")
    if which is None and len(matching) > 1:
        raise InvalidLine(f"the card has {len(matching)} of {what}", "Say which with --which N; 1 is the first")
    if which is not None and which > len(matching):
        raise InvalidLine(f"the card has only {len(matching)} of {what}", "`abserver card show` prints what it has")
    return matching[(which or 1) - 1]


def _keep_level(before: Element, after: Element) -> None:
    """Carry the level over."""
    levels = before.findall(f"{_PARAMETERS}/{_LEVEL}")
    if not levels:
        return
    parameters = after.find(_PARAMETERS)
    if parameters is None:
        parameters = after.makeelement(_PARAMETERS, {})
        after.insert(0, parameters)
    parameters.extend(levels)
