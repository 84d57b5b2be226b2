"""Where a selector points in a document (RFC 5261 §4.1): exactly one node, or the patch fails.

Law: the work that a patch may cause is bounded by one `Budget` for all its operations; a step costs what it looks at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from xcap.core.patch.errors import InvalidNamespaceUri, InvalidPatchDirective, UnlocatedNode, UnsupportedIdFunction
from xcap.core.patch.selector import (
    AttributeIs,
    AttributeStep,
    ChildIs,
    CommentStep,
    ElementStep,
    InstructionStep,
    NamespaceStep,
    PositionIs,
    SelfIs,
    TextStep,
)
from xcap.core.patch.tree import ROOT_SCOPE, Comment, Document, Element, ProcessingInstruction, expanded, inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xcap.core.patch.selector import Name, Selector
    from xcap.core.patch.tree import Node, Scope

MAX_WORK: Final = 50_000_000
"""What one patch may cost. The unit is to pass by one child node, 30 ns or so; so it is a matter of seconds at most."""
NODE: Final = 8
"""What it costs to look closer at one node: at its names or the text in it."""


class Budget:
    """The work that is left for a patch."""

    __slots__ = ("left",)

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def spend(self, work: int) -> None:
        """Raises InvalidPatchDirective when the work is used up."""
        self.left -= work
        if self.left < 0:
            raise InvalidPatchDirective("the patch causes more work than is allowed")


@dataclass(frozen=True, slots=True)
class ElementPlace:
    """The element at `parent.children[index]`."""

    element: Element
    parent: Document | Element
    index: int
    scope: Scope
    """Outside of the element, so inside of its parent."""
    depth: int
    """How many elements there are around it."""


@dataclass(frozen=True, slots=True)
class NodePlace:
    """The text, comment or processing instruction at `parent.children[index]`."""

    node: Comment | ProcessingInstruction | str
    parent: Document | Element
    index: int
    scope: Scope
    depth: int


@dataclass(frozen=True, slots=True)
class AttributePlace:
    """An attribute of `element`, by its name as written there."""

    element: Element
    name: str


@dataclass(frozen=True, slots=True)
class NamespacePlace:
    """A namespace declaration on `element`, which stands in `scope`."""

    element: Element
    prefix: str
    scope: Scope


Target: TypeAlias = "ElementPlace | NodePlace | AttributePlace | NamespacePlace"


def locate(document: Document, selector: Selector, budget: Budget) -> Target:
    """The node that `selector` selects in `document`.

    Raises UnlocatedNode (no node, or more than one), InvalidNamespaceUri (no such declaration on the element),
    UnsupportedIdFunction.
    """
    elements: list[ElementPlace] = []
    contexts = [_Context(document, ROOT_SCOPE, 0)]
    if selector.id is not None:
        elements = _with_id(contexts[0], selector.id, budget)
        contexts = [_inside(place) for place in elements]
    for step in selector.steps:
        if isinstance(step, AttributeStep):
            return _single(_attributes(elements, step.name))
        if isinstance(step, NamespaceStep):
            return _single(_declarations(elements, step.prefix))
        if not isinstance(step, ElementStep):
            return _single([place for context in contexts for place in _nodes(context, step, budget)])
        elements = [place for context in contexts for place in _elements(context, step, budget)]
        contexts = [_inside(place) for place in elements]
    return _single(elements)


def attribute_named(element: Element, name: Name, scope: Scope) -> str | None:
    """The attribute with this expanded name as written on `element`; `scope` is the one inside of it."""
    namespace, local = name
    if not namespace:
        return local if local in element.attributes else None
    for written in element.attributes:
        if ":" in written and expanded(written, scope) == name:
            return written
    return None


@dataclass(frozen=True, slots=True)
class _Context:
    """The root node or an element, whose children a step looks at."""

    container: Document | Element
    scope: Scope
    depth: int


def _inside(place: ElementPlace) -> _Context:
    return _Context(place.element, inside(place.element, place.scope), place.depth + 1)


_T = TypeVar("_T")


def _single(found: Sequence[_T]) -> _T:
    if len(found) != 1:
        raise UnlocatedNode("the selector locates more than one node" if found else "the selector locates no node")
    return found[0]


def _with_id(root: _Context, identifier: str, budget: Budget) -> list[ElementPlace]:
    """The elements whose xml:id this is: without a DTD no other attribute is known to be an ID (RFC 5261 §4.1)."""
    found, known = [], False
    waiting = [root]
    while waiting:
        for place in _elements(waiting.pop(), ElementStep(None), budget):
            value = place.element.attributes.get("xml:id")
            known = known or value is not None
            if value == identifier:
                found.append(place)
            waiting.append(_inside(place))
    if not known:
        raise UnsupportedIdFunction("no attribute of the document is known to be an ID")
    return found


def _attributes(elements: Sequence[ElementPlace], name: Name) -> list[AttributePlace]:
    found = []
    for place in elements:
        written = attribute_named(place.element, name, inside(place.element, place.scope))
        if written is not None:
            found.append(AttributePlace(place.element, written))
    return found


def _declarations(elements: Sequence[ElementPlace], prefix: str) -> list[NamespacePlace]:
    """Only where it is declared can a namespace be patched, not wherever it is in scope (RFC 7351 A.2)."""
    found = [
        NamespacePlace(place.element, prefix, place.scope) for place in elements if prefix in place.element.declarations
    ]
    if elements and not found:
        raise InvalidNamespaceUri("the element does not declare that prefix")
    return found


_Leaf: TypeAlias = "Comment | ProcessingInstruction | str"


def _nodes(context: _Context, step: TextStep | CommentStep | InstructionStep, budget: Budget) -> list[NodePlace]:
    children = context.container.children
    budget.spend(len(children))
    if isinstance(step, TextStep):
        found: list[tuple[int, _Leaf]] = [(index, node) for index, node in enumerate(children) if type(node) is str]
    elif isinstance(step, CommentStep):
        found = [(index, node) for index, node in enumerate(children) if type(node) is Comment]
    else:
        found = [
            (index, node)
            for index, node in enumerate(children)
            if type(node) is ProcessingInstruction and step.target in (None, node.target)
        ]
    if step.position is not None:
        found = _nth(found, step.position)
    budget.spend(NODE * len(found))
    return [NodePlace(node, context.container, index, context.scope, context.depth) for index, node in found]


def _nth(found: list[_T], position: int) -> list[_T]:
    return found[position - 1 : position] if position else []


def _elements(context: _Context, step: ElementStep, budget: Budget) -> list[ElementPlace]:
    children, predicates = context.container.children, step.predicates
    budget.spend(len(children))
    if step.name is not None:
        budget.spend(NODE * len(children))
        found = _named(children, step.name, context.scope)
    elif predicates and isinstance(predicates[0], PositionIs):
        found, predicates = _nth_element(children, predicates[0].position), predicates[1:]
    else:
        found = [(index, node) for index, node in enumerate(children) if type(node) is Element]
    for predicate in predicates:
        if isinstance(predicate, PositionIs):
            found = _nth(found, predicate.position)
        else:
            found = [(index, node) for index, node in found if _holds(predicate, node, context.scope, budget)]
    budget.spend(NODE * len(found))
    return [ElementPlace(node, context.container, index, context.scope, context.depth) for index, node in found]


def _named(children: Sequence[Node], name: Name, scope: Scope) -> list[tuple[int, Element]]:
    """Those with this expanded name; written names that mean it are few, and most elements declare nothing."""
    written = {
        local for local in (name[1], *(f"{prefix}:{name[1]}" for prefix in scope)) if expanded(local, scope) == name
    }
    return [
        (index, node)
        for index, node in enumerate(children)
        if type(node) is Element and (_has_name(node, name, scope) if node.declarations else node.name in written)
    ]


def _nth_element(children: Sequence[Node], position: int) -> list[tuple[int, Element]]:
    """`*[n]`, which patches are full of, without a list of all elements."""
    for index, node in enumerate(children):
        if type(node) is Element:
            position -= 1
            if not position:
                return [(index, node)]
    return []


def _has_name(element: Element, name: Name, scope: Scope) -> bool:
    return expanded(element.name, inside(element, scope)) == name


def _holds(predicate: AttributeIs | ChildIs | SelfIs, element: Element, scope: Scope, budget: Budget) -> bool:
    within = inside(element, scope)
    budget.spend(NODE)
    if isinstance(predicate, AttributeIs):
        name = attribute_named(element, predicate.name, within)
        return name is not None and element.attributes[name] == predicate.value
    if isinstance(predicate, SelfIs):
        return _string_value(element, budget) == predicate.value
    budget.spend(NODE * len(element.children))
    return any(
        _string_value(child, budget) == predicate.value
        for child in element.children
        if type(child) is Element and _has_name(child, predicate.name, within)
    )


def _string_value(element: Element, budget: Budget) -> str:
    """All text below, in document order (XPath 1.0 §5.2)."""
    parts: list[str] = []
    waiting: list[Node] = [element]
    while waiting:
        node = waiting.pop()
        if type(node) is str:
            budget.spend(len(node))
            parts.append(node)
        elif type(node) is Element:
            budget.spend(NODE + len(node.children))
            waiting.extend(reversed(node.children))
    return "".join(parts)
