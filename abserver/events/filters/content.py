"""Applying <what>: the parts of a document that a filter selects, as a valid document (RFC 4661 §3.5, RFC 4660 §5.3.1).

Laws: the result is made of nodes of the document, in its order, with its text; it is never more than the document. What
the shape needs is there whatever the filter says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from abserver.domain.trees import canonical
from abserver.events.filters.criteria import Namespace

if TYPE_CHECKING:
    from abserver.events.filters.criteria import Selection, What
    from abserver.events.filters.documents import Document, Node
    from abserver.events.filters.shapes import Needs, Shape


@dataclass(slots=True)
class Kept:
    """The nodes that the result has. An element that is there has its text, and its ancestors."""

    elements: set[Element] = field(default_factory=set)
    attributes: set[tuple[Element, str]] = field(default_factory=set)

    def copy(self) -> Kept:
        return Kept(set(self.elements), set(self.attributes))

    def add(self, element: Element, document: Document) -> None:
        """An element by itself, and what it is in."""
        while element not in self.elements:
            self.elements.add(element)
            element = document.parents.get(element, element)

    def add_all(self, element: Element, document: Document) -> None:
        """An element with everything in it."""
        self.add(element, document)
        for each in element.iter():
            self.elements.add(each)
            self.attributes.update((each, name) for name in each.attrib)

    def add_again(self, element: Element, before: Kept, document: Document) -> None:
        """An element as it was."""
        self.add(element, document)
        for each in element.iter():
            if each in before.elements:
                self.elements.add(each)
                self.attributes.update((each, name) for name in each.attrib if (each, name) in before.attributes)

    def drop(self, node: Node) -> None:
        """An attribute, or an element with everything in it."""
        owner, name = node
        if name is not None:
            self.attributes.discard((owner, name))
            return
        for each in owner.iter():
            self.elements.discard(each)
            self.attributes.difference_update([(each, attribute) for attribute in each.attrib])


def selected(what: What, document: Document, shape: Shape) -> bytes | None:
    """The selected document in canonical form; None if that is all of it."""
    applying = _Applying(document, shape, shape.needs(document.root))
    kept = applying.included(what)
    for selection in what.excludes:
        kept = applying.without(selection, kept)
    if len(kept.elements) == len(document.parents) + 1:
        attributes = sum(len(each.attrib) for each in document.root.iter())
        if len(kept.attributes) == attributes:
            return None
    return canonical(_copy(document.root, kept, applying.needs)).encode()


@dataclass(frozen=True, slots=True)
class _Applying:
    """One filter meets one document."""

    document: Document
    shape: Shape
    needs: Needs

    def included(self, what: What) -> Kept:
        """What the <include> elements add up to; everything if there is none (exclusions are from something)."""
        kept = Kept()
        if not what.includes:
            kept.add_all(self.document.root, self.document)
        for selection in what.includes:
            by_name = isinstance(selection, Namespace)
            for element, attribute in self.document.select(selection):
                if attribute is not None:
                    kept.add(element, self.document)
                    kept.attributes.add((element, attribute))
                elif by_name:  # what is in it may be of another namespace
                    kept.add(element, self.document)
                else:
                    kept.add_all(element, self.document)
        self._complete(kept, Kept())
        return kept

    def without(self, selection: Selection, before: Kept) -> Kept:
        """What an <exclude> leaves; what the shape needs comes back as it was (RFC 4661 §3.5.2)."""
        kept = before.copy()
        for node in self.document.select(selection):
            kept.drop(node)
        self._complete(kept, before)
        return kept

    def _complete(self, kept: Kept, before: Kept) -> None:
        """Add what is missing; `before`, where it knows of that, says how much of it. What is in a whole is not looked
        at: it is copied as it is."""
        root = self.document.root
        kept.add(root, self.document)
        waiting = [root]
        while waiting:
            element = waiting.pop()
            required = self.shape.required(element)
            kept.attributes.update((element, name) for name in element.attrib if name in required)
            for group in self.needs.groups.get(element, ()):
                if not any(each in kept.elements for each in group):
                    for each in [each for each in group if each in before.elements] or group:
                        kept.add_again(each, before, self.document)
            waiting.extend(child for child in element if child in kept.elements)


def _copy(element: Element, kept: Kept, needs: Needs) -> Element:
    if element in needs.wholes:
        return element
    copy = Element(element.tag, {name: value for name, value in element.items() if (element, name) in kept.attributes})
    copy.text = element.text
    copy.extend([_copy(child, kept, needs) for child in element if child in kept.elements])
    return copy
