"""Carrying out operations on a document (RFC 5261 §4.3 to §4.5).

Law: after each operation the document is namespace-well-formed and no two text nodes are neighbours (§4.3.5, §4.5.6),
and no operation makes more of a patch than it holds: content goes to one place only, and all work is paid for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xcap.core.patch.errors import (
    InvalidAttributeValue,
    InvalidNodeTypes,
    InvalidPatchDirective,
    InvalidRootElementOperation,
    InvalidWhitespaceDirective,
    InvalidXmlPrologOperation,
    PatchError,
)
from xcap.core.patch.locating import (
    AttributePlace,
    Budget,
    ElementPlace,
    NamespacePlace,
    NodePlace,
    attribute_named,
    locate,
)
from xcap.core.patch.namespaces import Context, adopt, declare, redeclare, undeclare
from xcap.core.patch.operations import NAMESPACE, Add, Position, Remove, Whitespace, echo
from xcap.core.patch.selector import AttributeStep, NamespaceStep, parse_selector, parse_type
from xcap.core.patch.tree import SPACE, Document, Element, inside, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xcap.core.patch.locating import Target
    from xcap.core.patch.operations import Operation, Replace
    from xcap.core.patch.selector import Selector
    from xcap.core.patch.tree import Node, Scope


def apply_operations(document: Document, operations: Iterable[Operation], namespace: str = NAMESPACE) -> None:
    """Carry out `operations` in their order on `document`, which is of no use any more when this raises.

    namespace: which the error shows the failed operation in. Raises PatchError.
    """
    budget = Budget()
    for operation in operations:
        try:
            _carry_out(document, operation, budget)
        except PatchError as error:
            error.operation = echo(operation, namespace)
            raise


def _carry_out(document: Document, operation: Operation, budget: Budget) -> None:
    selector = parse_selector(operation.selector, operation.namespaces)
    if isinstance(operation, Add):
        _add(operation, _locate_for_add(document, selector, budget), budget)
    elif isinstance(operation, Remove):
        _remove(operation, locate(document, selector, budget), budget)
    else:
        _replace(operation, locate(document, selector, budget), budget)


def _locate_for_add(document: Document, selector: Selector, budget: Budget) -> ElementPlace | NodePlace:
    target = locate(document, selector, budget)
    if isinstance(target, AttributePlace | NamespacePlace):
        raise InvalidAttributeValue("the selector of an add does not end in an attribute or namespace")
    return target


def _add(operation: Add, target: ElementPlace | NodePlace, budget: Budget) -> None:
    if operation.position in (Position.BEFORE, Position.AFTER):
        index = target.index + (operation.position is Position.AFTER)
        _insert(target.parent, index, operation.content, _around(operation.namespaces, target, budget))
        return
    if not isinstance(target, ElementPlace):
        raise InvalidPatchDirective("only an element can be added to")
    context = _within(operation.namespaces, target, budget)
    if operation.type is not None:
        _add_value(parse_type(operation.type, operation.namespaces), operation.content, target, context)
        return
    index = 0 if operation.position is Position.PREPEND else len(target.element.children)
    _insert(target.element, index, operation.content, context)


def _around(patch: Scope, target: ElementPlace | NodePlace, budget: Budget) -> Context:
    """Siblings of `target`, and what replaces it, are evaluated in its parent."""
    prefix = target.parent.prefix if isinstance(target.parent, Element) else None
    return Context(patch, target.scope, prefix, target.depth, budget)


def _within(patch: Scope, target: ElementPlace, budget: Budget) -> Context:
    scope = inside(target.element, target.scope)
    return Context(patch, scope, target.element.prefix, target.depth + 1, budget)


def _insert(parent: Document | Element, index: int, content: Sequence[Node], context: Context) -> None:
    if isinstance(parent, Document):
        content = _for_prolog(content)
    nodes = [adopt(node, context) for node in content]
    parent.children[index:index] = nodes
    _merge(parent.children, index + len(nodes))
    _merge(parent.children, index)


def _for_prolog(content: Sequence[Node]) -> list[Node]:
    """What of `content` can stand beside the document element; white space there is no node of the document."""
    nodes = [node for node in content if type(node) is not str or node.strip(SPACE)]
    if any(type(node) is Element for node in nodes):
        raise InvalidRootElementOperation("the document element cannot have a sibling element")
    if any(type(node) is str for node in nodes):
        raise InvalidXmlPrologOperation("there is no text beside the document element")
    return nodes


def _merge(children: list[Node], index: int) -> None:
    """Make one text node of those before and at `index`, if both are text."""
    if 0 < index < len(children):
        before, after = children[index - 1], children[index]
        if type(before) is str and type(after) is str:
            children[index - 1 : index + 1] = [before + after]


def _add_value(
    step: AttributeStep | NamespaceStep, content: Sequence[Node], target: ElementPlace, context: Context
) -> None:
    if len(content) > 1 or any(type(node) is not str for node in content):
        raise InvalidAttributeValue("the value of an attribute or namespace is a single text")
    value = _text(content)
    if isinstance(step, NamespaceStep):
        declare(target.element, step.prefix, value, scope=target.scope, budget=context.budget)
    else:
        _add_attribute(step, value, target, context)


def _add_attribute(step: AttributeStep, value: str, target: ElementPlace, context: Context) -> None:
    element = target.element
    if attribute_named(element, step.name, context.document) is not None:
        raise InvalidPatchDirective("the element has that attribute already")
    (namespace, local), name = step.name, step.written
    prefix = prefix_of(name)
    if prefix not in ("", "xml"):
        known = context.prefix_for(prefix, shadowed={}, attribute=True)
        if known is None:
            declare(element, prefix, namespace, scope=target.scope, budget=context.budget)
        name = f"{known or prefix}:{local}"
    element.attributes[name] = value


def _text(content: Sequence[Node]) -> str:
    """The text that is all of `content`; empty when there is none. Raises InvalidNodeTypes."""
    if not content:
        return ""
    if len(content) > 1 or type(content[0]) is not str:
        raise InvalidNodeTypes("a text or a value is replaced with a single text")
    return content[0]


def _replace(operation: Replace, target: Target, budget: Budget) -> None:
    content = operation.content
    if isinstance(target, AttributePlace):
        target.element.attributes[target.name] = _text(content)
    elif isinstance(target, NamespacePlace):
        redeclare(target.element, target.prefix, _text(content), scope=target.scope, budget=budget)
    elif isinstance(target, ElementPlace):
        node = _single(content, Element)
        target.parent.children[target.index] = adopt(node, _around(operation.namespaces, target, budget))
    elif type(target.node) is str:
        text = _text(content)
        target.parent.children[target.index : target.index + 1] = [text] if text else []
    else:
        target.parent.children[target.index] = _single(content, type(target.node))


def _single(content: Sequence[Node], kind: type[Node]) -> Node:
    if len(content) != 1 or type(content[0]) is not kind:
        raise InvalidNodeTypes("a node is replaced with a single node of its own type")
    return content[0]


def _remove(operation: Remove, target: Target, budget: Budget) -> None:
    is_node = isinstance(target, ElementPlace) or (isinstance(target, NodePlace) and type(target.node) is not str)
    if operation.whitespace is not None and not is_node:
        raise InvalidWhitespaceDirective("ws is for elements, comments and processing instructions only")
    if isinstance(target, AttributePlace):
        del target.element.attributes[target.name]
    elif isinstance(target, NamespacePlace):
        undeclare(target.element, target.prefix, scope=target.scope, budget=budget)
    elif isinstance(target, ElementPlace) and isinstance(target.parent, Document):
        raise InvalidRootElementOperation("the document element cannot be removed")
    else:
        _take(target.parent.children, target.index, operation.whitespace)


def _take(children: list[Node], index: int, whitespace: Whitespace | None) -> None:
    before = whitespace in (Whitespace.BEFORE, Whitespace.BOTH)
    after = whitespace in (Whitespace.AFTER, Whitespace.BOTH)
    if (before and not _is_space(children[max(index - 1, 0) : index])) or (
        after and not _is_space(children[index + 1 : index + 2])
    ):
        raise InvalidWhitespaceDirective("there is no white space to remove beside the node")
    start = index - before
    del children[start : index + 1 + after]
    _merge(children, start)


def _is_space(nodes: Sequence[Node]) -> bool:
    """Whether `nodes` are one node, and that is white space."""
    return len(nodes) == 1 and type(nodes[0]) is str and not nodes[0].strip(SPACE)
