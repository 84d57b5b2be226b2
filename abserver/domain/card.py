"""A contact card, read once and ready to be shown to anybody: an xCard (RFC 6351) taken apart into its items.

The card stays the owner's document, byte for byte; this is what the server understands of it. Each property is one
item with its level, its TYPE values and its finished canonical XML, from which the `x-level` parameter is already
gone: whatever is built from items cannot leak it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from abserver.domain import trees
from abserver.domain.trees import InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

VCARD = "urn:ietf:params:xml:ns:vcard-4.0"
"""The namespace of RFC 6351."""

DEFAULT_LEVELS: Mapping[str, str] = MappingProxyType({"fn": "public", "n": "public", "gender": "public"})
"""property name -> the level of an item that names none; properties not listed have `UNLISTED_LEVEL`."""

UNLISTED_LEVEL = "private"

_VCARDS = f"{{{VCARD}}}vcards"
_CARD = f"{{{VCARD}}}vcard"
_GROUP = f"{{{VCARD}}}group"
_PARAMETERS = f"{{{VCARD}}}parameters"
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """One property."""

    name: str
    """`tel`; a property of another namespace has its expanded name, `{uri}tel`."""
    levels: frozenset[str] | None
    """What `x-level` says, in lower case; None without one. An item of several levels is seen by each of them."""
    types: frozenset[str]
    """TYPE parameter values, in lower case."""
    content: str
    """Canonical XML, to stand in the vCard namespace."""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring items of one <group>, or of none."""

    group: str | None
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """The items of a card in document order."""

    runs: tuple[Run, ...]

    def items(self) -> Iterator[Item]:
        """All items, in document order."""
        return (item for run in self.runs for item in run.items)


def parse_card(content: bytes) -> Card:
    """Read an xCard document that holds exactly one vCard. Raises InvalidDocument."""
    return Card(tuple(_runs(_only_card(trees.parse(content)))))


def _only_card(root: Element) -> Element:
    if root.tag != _VCARDS:
        raise InvalidDocument(f"the document element must be <vcards xmlns='{VCARD}'>")
    cards = [child for child in root if child.tag == _CARD]
    if len(cards) != 1:
        raise InvalidDocument(f"a contact card document holds exactly one <vcard>, this one holds {len(cards)}")
    return cards[0]


def _runs(card: Element) -> Iterator[Run]:
    loose: list[Item] = []
    for child in card:
        if child.tag != _GROUP:
            loose.append(_item(child))
            continue
        if loose:
            yield Run(None, tuple(loose))
            loose = []
        yield Run(child.get("name", ""), tuple(_item(grandchild) for grandchild in child))
    if loose:
        yield Run(None, tuple(loose))


def _item(element: Element) -> Item:
    """The property; `element` loses its `x-level` and, when nothing else is in them, its parameters on the way."""
    levels: frozenset[str] | None = None
    types = _NONE
    for parameters in element.findall(_PARAMETERS):
        for parameter in list(parameters):
            name = trees.split(parameter.tag)[1].lower()
            if name == "x-level":
                levels = (levels or _NONE) | _values(parameter)
                _drop(element=parameters, child=parameter)
            elif name == "type":
                types |= _values(parameter)
        if not len(parameters):
            _drop(element=element, child=parameters)
    namespace, name = trees.split(element.tag)
    return Item(name if namespace == VCARD else element.tag, levels, types, trees.canonical(element, VCARD))


def _drop(element: Element, child: Element) -> None:
    """Remove `child`, but not the text after it, which is the element's."""
    place = list(element).index(child)
    if place:
        element[place - 1].tail = (element[place - 1].tail or "") + (child.tail or "")
    else:
        element.text = (element.text or "") + (child.tail or "")
    element.remove(child)


def _values(parameter: Element) -> frozenset[str]:
    """A list parameter repeats its value element (RFC 6351 §5), whatever the value's type is called."""
    return frozenset([text for value in parameter if (text := (value.text or "").strip().lower())])
