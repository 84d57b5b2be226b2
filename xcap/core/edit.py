"""Reading and changing one node of a document (RFC 4825 §8.2 to §8.4), by splicing the document's own bytes.

Laws:
- GET(PUT(x)) == x, byte for byte: what was put stands in the document as it was sent, and a PUT after which its own
  selector would not select it is refused (cannot-insert). DELETE then GET finds nothing, or is refused (cannot-delete).
- Bytes outside the node stay as they were. Two things go with a node, for want of another home: an attribute takes the
  white space before it along, and the first child of `<name/>` makes it `<name></name>`.

Both laws are checked on the result, not argued from the position rules: each edit scans the new bytes and evaluates
the selector again. Whether the result is valid for its usage is for `ApplicationUsage.validate` to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from xcap.core.errors import (
    CannotDelete,
    CannotInsert,
    MethodNotAllowed,
    NoParent,
    NotFound,
    NotWellFormed,
    NotXmlAttributeValue,
    NotXmlFragment,
    SchemaValidationError,
)
from xcap.core.selector import NodeKind, locate
from xcap.core.source import (
    WHITESPACE,
    attribute_spans,
    attribute_value,
    in_scope,
    scan,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xcap.core.selector import AttributeName, NodeSelector, Step
    from xcap.core.source import AttributeSpan, Element


@dataclass(frozen=True, slots=True)
class NodeResult:
    """A node's representation."""

    content: bytes
    media_type: str


def get_node(content: bytes, selector: NodeSelector) -> NodeResult:
    """The node as it stands in the document (§8.3): an element, a quoted attribute value, or namespace bindings.

    Raises NotFound, also when a step matches several elements.
    """
    path = _path(content, selector)
    if selector.kind is NodeKind.NAMESPACES:
        node = _bindings(content, path)
    elif selector.attribute is not None:
        span = _attribute(content, path, selector.attribute)
        node = content[span.value : span.end]
    else:
        node = content[path[-1].start : path[-1].end(content)]
    return NodeResult(node, selector.kind.value)


def put_node(content: bytes, selector: NodeSelector, body: bytes) -> tuple[bytes, bool]:
    """The document with `body` at the selected place, and whether that is new there (§8.2.1 to §8.2.4).

    body: one element, or an attribute value in its quotes; white space around either is dropped.
    Raises MethodNotAllowed for namespace bindings, NoParent, NotUtf8, NotXmlFragment, NotXmlAttributeValue,
    CannotInsert, TooLarge.
    """
    if selector.kind is NodeKind.NAMESPACES:
        raise MethodNotAllowed(["GET"])
    if selector.attribute is not None:
        return _put_attribute(content, selector, selector.attribute, body.strip(WHITESPACE))
    return _put_element(content, selector, body.strip(WHITESPACE))


def delete_node(content: bytes, selector: NodeSelector) -> bytes:
    """The document without the selected node; white space around an element stays (§8.4).

    Raises MethodNotAllowed for namespace bindings, NotFound, CannotDelete, and SchemaValidationError for the root.
    """
    if selector.kind is NodeKind.NAMESPACES:
        raise MethodNotAllowed(["GET"])
    path = _path(content, selector)
    if selector.attribute is not None:
        # Without the attribute no step matches more than before, so nothing else can be selected instead.
        span = _attribute(content, path, selector.attribute)
        return content[: span.start] + content[span.end :]
    if len(path) == 1:
        raise SchemaValidationError("a document has a root element; DELETE the document instead")
    edited = content[: path[-1].start] + content[path[-1].end(content) :]
    if len(locate(scan(edited), selector.steps)) == len(selector.steps):
        raise CannotDelete("the selector would then select another element")
    return edited


def _path(content: bytes, selector: NodeSelector) -> list[Element]:
    """The elements down to the selected one. Raises NotFound."""
    path = locate(scan(content), selector.steps)
    if len(path) < len(selector.steps):
        raise NotFound("the node selector selects no single node")
    return path


# Elements


def _put_element(content: bytes, selector: NodeSelector, fragment: bytes) -> tuple[bytes, bool]:
    *parents, target = selector.steps
    root = scan(content)
    path = locate(root, parents)
    if len(path) < len(parents):
        raise NoParent(selector.prefix(len(path)))
    _check_fragment(fragment)
    siblings = path[-1].children if path else [root]
    selected = target.select(siblings)
    if len(selected) > 1:
        raise CannotInsert("the selector matches several elements")
    if selected:
        start, end = selected[0].start, selected[0].end(content)
        edited = content[:start] + fragment + content[end:]
    else:
        start, edited = _inserted(content, path, target, fragment)
    _check_selected(edited, selector, start)
    return edited, not selected


def _check_fragment(fragment: bytes) -> None:
    """Raises NotXmlFragment unless it is one balanced element and nothing else (§8.2.2); TooLarge, NotUtf8."""
    try:
        element = scan(fragment, namespaces=False)
    except NotWellFormed as error:
        raise NotXmlFragment(error.reason, error.line, error.column) from None
    if element.start != 0 or element.end(fragment) != len(fragment):
        raise NotXmlFragment("something beside the one element", 1, 1)


def _check_selected(edited: bytes, selector: NodeSelector, start: int) -> None:
    """Raises CannotInsert unless the selector now selects the fragment, at `start`."""
    try:
        path = locate(scan(edited), selector.steps)
    except NotWellFormed as error:
        # The fragment was balanced, so it is a prefix without binding here: the fault is the fragment's.
        raise NotXmlFragment(f"{error.reason} in the document", 1, 1) from None
    if len(path) < len(selector.steps) or path[-1].start != start:
        raise CannotInsert("the selector would not select what was put")


def _inserted(content: bytes, path: Sequence[Element], target: Step, fragment: bytes) -> tuple[int, bytes]:
    """Where the fragment begins as a new child of the last of `path`, and the bytes with it (§8.2.3)."""
    if not path:
        raise CannotInsert("a document has one root element")
    parent = path[-1]
    at = _position(content, parent, target)
    if at is not None:
        return at, content[:at] + fragment + content[at:]
    tag = parent.tag(content)
    if not tag.endswith(b"/>"):
        return parent.close, content[: parent.close] + fragment + content[parent.close :]
    at = parent.start + len(tag) - len(b"/>") + 1
    return at, content[: at - 1] + b">" + fragment + b"</" + parent.raw_name(content) + b">" + content[at + 1 :]


def _position(content: bytes, parent: Element, target: Step) -> int | None:
    """The offset of a new child: earliest last, or earliest nth. None is last of all, after text and comments too.

    Raises CannotInsert when there are too few siblings for the position.
    """
    siblings = [child for child in parent.children if target.name in (None, child.name)]
    match target.position:
        case None if target.name is None or not siblings:
            return None
        case None:
            return siblings[-1].end(content)
        case 1:
            return siblings[0].start if siblings else None
        case position if 1 < position <= len(siblings) + 1:
            return siblings[position - 2].end(content)
        case _:
            raise CannotInsert("no element can stand at that position yet")


# Attributes


def _put_attribute(
    content: bytes, selector: NodeSelector, attribute: AttributeName, value: bytes
) -> tuple[bytes, bool]:
    path = locate(scan(content), selector.steps)
    if len(path) < len(selector.steps):
        raise NoParent(selector.prefix(len(path)))
    _check_value(value)
    span = _find(content, path, attribute)
    if span is not None:
        edited = content[: span.value] + value + content[span.end :]
    else:
        tag = path[-1].tag(content)
        at = path[-1].start + len(tag.rstrip(WHITESPACE + b"/>"))
        edited = content[:at] + b" " + _written_name(path, attribute).encode() + b"=" + value + content[at:]
    _check_attribute(edited, selector, attribute)
    return edited, span is None


def _check_value(value: bytes) -> None:
    """Raises NotXmlAttributeValue unless it is an AttValue with its quotes (§8.2.2); TooLarge, NotUtf8."""
    try:
        attribute_value(value)
    except NotWellFormed as error:
        raise NotXmlAttributeValue(error.reason) from None


def _check_attribute(edited: bytes, selector: NodeSelector, attribute: AttributeName) -> None:
    """Raises CannotInsert unless the selector now selects the attribute (§7.7, §8.2.4)."""
    try:
        path = locate(scan(edited), selector.steps)
    except NotWellFormed as error:
        raise CannotInsert(error.reason) from None
    if len(path) < len(selector.steps) or _find(edited, path, attribute) is None:
        raise CannotInsert("the selector would not select what was put")


def _written_name(path: Sequence[Element], attribute: AttributeName) -> str:
    """The attribute's name with a prefix that means the same in the document as the selector's does in the URI.

    Raises CannotInsert when there is none: a client cannot set the namespace bindings of an element (§7.10).
    """
    if attribute.prefix in (None, "xml"):
        return attribute.text
    prefixes = [prefix for prefix, uri in in_scope(path).items() if prefix and attribute.is_in(uri)]
    if not prefixes:
        raise CannotInsert("no prefix is declared there for the attribute's namespace")
    return attribute.text if attribute.prefix in prefixes else f"{prefixes[0]}:{attribute.local}"


def _find(content: bytes, path: Sequence[Element], attribute: AttributeName) -> AttributeSpan | None:
    return next((span for span in attribute_spans(content, path) if span.name == attribute.name), None)


def _attribute(content: bytes, path: Sequence[Element], attribute: AttributeName) -> AttributeSpan:
    """The attribute of the last element of `path`. Raises NotFound."""
    span = _find(content, path, attribute)
    if span is None:
        raise NotFound("the element has no such attribute")
    return span


# Namespace bindings


def _bindings(content: bytes, path: Sequence[Element]) -> bytes:
    """The namespaces in scope for the last of `path`, as an empty element of its name (§10)."""
    scope = sorted(in_scope(path).items(), key=lambda binding: binding[0] or "")
    declarations = [
        f"xmlns:{prefix}={quoteattr(uri)}" if prefix else f"xmlns={quoteattr(uri)}" for prefix, uri in scope
    ]
    return f"<{' '.join([path[-1].raw_name(content).decode(), *declarations])}/>".encode()
