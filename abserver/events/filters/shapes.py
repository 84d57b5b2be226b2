"""What a document must hold to be valid, as far as filters could take it away (RFC 4660 §5.3.1, RFC 4661 §3.5).

A shape says for each element which of the elements within it may not all go, and which attributes it needs; an element
whose inside is not understood stays as it is or goes as a whole. It also says how to recognise an element in another
version of the document, and how to compare values.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from abserver.domain.card import VCARD
from abserver.domain.trees import split
from abserver.domain.vcard_schema import REQUIRED_FIELDS, STRUCTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from xml.etree.ElementTree import Element

WATCHERINFO = "urn:ietf:params:xml:ns:watcherinfo"
_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class Needs:
    """What the elements of one document need."""

    groups: defaultdict[Element, list[tuple[Element, ...]]] = field(default_factory=lambda: defaultdict(list))
    """element -> groups of elements in it: while it stays, one of each group has to stay."""
    wholes: set[Element] = field(default_factory=set)
    """Elements of which nothing may go while anything stays."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Documents of one kind."""

    needs: Callable[[Element], Needs]
    """What a document needs, by its root."""
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """tag -> attributes that such an element cannot lose."""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """tag -> attributes that tell such an element from its siblings."""
    values: Mapping[str, Callable[[str], Hashable]] = field(default_factory=dict)
    """Name of an element or attribute -> its value of a text, where equal values have several texts."""

    def required(self, element: Element) -> frozenset[str]:
        """The attributes that an element cannot lose."""
        return self.attributes.get(element.tag, _NOTHING)

    def value(self, name: str, text: str) -> Hashable:
        """What is compared of an element or attribute."""
        read = self.values.get(name)
        return text if read is None else read(text)


def number(text: str) -> Hashable:
    """A number of a text that is one."""
    stripped = text.strip(" \t\r\n")
    return Decimal(stripped) if _NUMBER.fullmatch(stripped) else text


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def _boolean(text: str) -> Hashable:
    return {"1": "true", "0": "false"}.get(text.strip(" \t\r\n"), text)


# -- xCard (RFC 6351 Appendix A) ------------------------------------------------------------------------------------

_PARAMETERS, _GROUP, _FN = (f"{{{VCARD}}}{name}" for name in ("parameters", "group", "fn"))


def _xcard_needs(root: Element) -> Needs:
    """A card needs a name; a property its value; a parameter its values."""
    needs = Needs()
    needs.groups[root].append(tuple(root))
    for card in root:
        properties = [each for child in card for each in (child if child.tag == _GROUP else (child,))]
        needs.groups[card].append(tuple(each for each in properties if each.tag == _FN))
        for each in properties:
            _property(each, needs)
    return needs


def _property(element: Element, needs: Needs) -> None:
    namespace, name = split(element.tag)
    if namespace != VCARD or _is_mixed(element):
        needs.wholes.add(element)
        return
    values = [child for child in element if child.tag != _PARAMETERS]
    fields = [f"{{{VCARD}}}{each}" for each in STRUCTURES.get(name, ())[: REQUIRED_FIELDS.get(name)]]
    groups = [tuple(value for value in values if value.tag == each) for each in fields]
    needs.groups[element] += [each for each in groups if each] or [tuple(values)]
    needs.wholes.update(each for each in values if len(each))
    for parameters in element.iterfind(_PARAMETERS):
        if _is_mixed(parameters):
            needs.wholes.add(parameters)
        for parameter in parameters:
            needs.groups[parameter].append(tuple(parameter))
            needs.wholes.update(each for each in parameter if len(each))
            if _is_mixed(parameter):
                needs.wholes.add(parameter)


def _is_mixed(element: Element) -> bool:
    """Whether there is text between the elements in it."""
    texts = (element.text, *(child.tail for child in element))
    return len(element) > 0 and any((text or "").strip() for text in texts)


XCARD = Shape(
    _xcard_needs,
    attributes={_GROUP: frozenset({"name"})},
    values={f"{{{VCARD}}}integer": number, f"{{{VCARD}}}float": number, f"{{{VCARD}}}boolean": _boolean},
)
"""Views of contact cards."""


# -- watcher information (RFC 3858 §4) ------------------------------------------------------------------------------

_LIST, _WATCHER = f"{{{WATCHERINFO}}}watcher-list", f"{{{WATCHERINFO}}}watcher"


def _watcherinfo_needs(root: Element) -> Needs:
    """The lists stay, so that an empty one says that nobody is selected."""
    needs = Needs()
    needs.groups[root] += [(each,) for each in root]
    return needs


WATCHERS = Shape(
    _watcherinfo_needs,
    attributes={
        f"{{{WATCHERINFO}}}watcherinfo": frozenset({"version", "state"}),
        _LIST: frozenset({"resource", "package"}),
        _WATCHER: frozenset({"status", "event", "id"}),
    },
    keys={_LIST: ("resource", "package"), _WATCHER: ("id",)},
    values=dict.fromkeys(("version", "expiration", "duration-subscribed"), number),
)
"""Watcher information, with the full state: what a filter does to a partial one would not show what went."""
