"""A document that filters are applied to, and evaluation of expressions in it (XPath 1.0, as far as RFC 4661 §5 goes).

Law: an evaluation meets each element a bounded number of times per step, however steps and conditions are combined; the
sum of all depths times the steps bounds the work.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from abserver.domain import trees
from abserver.events.filters.criteria import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

    from abserver.events.filters.criteria import Selection
    from abserver.events.filters.expressions import Comparison, Condition, Path, Step

Node = tuple["Element", str | None]
"""An element, or the attribute of it that is named."""

_NUMBER = re.compile(r"[ \t\r\n]*(-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))[ \t\r\n]*")
"""What XPath 1.0 §4.4 makes a number of."""


class Document:
    """One XML document."""

    def __init__(self, content: bytes) -> None:
        """Raises InvalidDocument."""
        self.root = trees.parse(content)
        self.parents: dict[Element, Element] = {child: parent for parent in self.root.iter() for child in parent}
        self._texts: dict[Element, str] = {}

    @property
    def weight(self) -> int:
        """The sum of the depths of all elements."""
        depths = {self.root: 1}
        for child, parent in self.parents.items():  # parents come before their children
            depths[child] = depths[parent] + 1
        return sum(depths.values())

    def text(self, element: Element) -> str:
        """The string-value of an element."""
        known = self._texts.get(element)
        if known is None:
            known = self._texts[element] = "".join(element.itertext())
        return known

    def select(self, selection: Selection) -> list[Node]:
        """What is selected; elements before those within them."""
        if isinstance(selection, Namespace):
            return list(self._of_namespace(selection.uri))
        return self._follow(selection)

    def _of_namespace(self, namespace: str) -> Iterator[Node]:
        for element in self.root.iter():
            belongs = trees.split(element.tag)[0] == namespace
            if belongs:
                yield element, None
            for name in element.attrib:
                if (trees.split(name)[0] or (namespace if belongs else "")) == namespace:
                    yield element, name

    def _follow(self, path: Path) -> list[Node]:
        first, *others = path.steps
        if first.is_attribute:  # `//@name`; the document itself has no attributes
            return self._attributes(self.root.iter() if first.deep else (), first)
        elements = self._fitting(self.root.iter() if first.deep else (self.root,), first)
        for step in others:
            if step.is_attribute:
                return self._attributes(_self_and_below(elements) if step.deep else elements, step)
            elements = self._fitting(_below(elements) if step.deep else _children(elements), step)
        return [(element, None) for element in elements]

    def _fitting(self, elements: Iterable[Element], step: Step) -> list[Element]:
        name, condition = step.name, step.condition
        named = [each for each in elements if name is None or each.tag == name]
        return [each for each in named if self._holds(condition, each, None)] if condition else named

    def _attributes(self, elements: Iterable[Element], step: Step) -> list[Node]:
        name = step.name or ""
        return [(each, name) for each in elements if name in each.attrib and self._holds(step.condition, each, name)]

    # -- conditions -------------------------------------------------------------------------------------------------

    def _holds(self, condition: Condition, element: Element, attribute: str | None) -> bool:
        return not condition or any(
            all(self._compares(each, element, attribute) for each in alternative) for alternative in condition
        )

    def _compares(self, comparison: Comparison, element: Element, attribute: str | None) -> bool:
        return any(_compare(text, comparison) for text in self._operands(comparison, element, attribute))

    def _operands(self, comparison: Comparison, element: Element, attribute: str | None) -> Iterable[str]:
        if comparison.up:
            return (self.text(element if attribute is not None else self.parents.get(element, element)),)
        if attribute is not None:
            return () if comparison.steps else (element.attrib[attribute],)
        if not comparison.steps:
            return (self.text(element),)
        return self._reached(comparison.steps, element)

    def _reached(self, steps: Iterable[Step], element: Element) -> Iterable[str]:
        elements = [element]
        for step in steps:
            if step.is_attribute:
                reached = self._attributes(_self_and_below(elements) if step.deep else elements, step)
                return [owner.attrib[name] for owner, name in reached if name is not None]
            elements = self._fitting(_below(elements) if step.deep else _children(elements), step)
        return [self.text(each) for each in elements]


def _children(elements: Iterable[Element]) -> Iterator[Element]:
    return (child for element in elements for child in element)


def _below(elements: Iterable[Element]) -> Iterator[Element]:
    """All descendants, once each. Elements come before those within them, here and wherever steps lead."""
    seen: set[Element] = set()
    for element in elements:
        if element not in seen:
            below = iter(element.iter())
            next(below)
            for each in below:
                seen.add(each)
                yield each


def _self_and_below(elements: Iterable[Element]) -> Iterator[Element]:
    seen: set[Element] = set()
    for element in elements:
        if element not in seen:
            for each in element.iter():
                seen.add(each)
                yield each


def _compare(text: str, comparison: Comparison) -> bool:
    """Texts are equal or not; everything else is about numbers (XPath 1.0 §3.4)."""
    if comparison.operator == "=" and not comparison.is_number:
        return text == comparison.value
    left, right = _number(text), _number(comparison.value)
    if left is None or right is None:
        return False
    match comparison.operator:
        case "=":
            return left == right
        case "<":
            return left < right
        case _:
            return left > right


def _number(text: str) -> float | None:
    found = _NUMBER.fullmatch(text)
    return float(found[1]) if found else None
