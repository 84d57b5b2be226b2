"""From `application/xcap-diff+xml` to values (RFC 5874 §3), for clients.

Law: what the schema leaves to extensions is ignored (§3); all else that is not of the schema is refused, as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge
from xcap.core.patch.errors import PatchError
from xcap.core.patch.operations import read_operations
from xcap.core.patch.reading import Bounds, parse
from xcap.core.patch.tree import ROOT_SCOPE, SPACE, Element, expanded, inside
from xcap.core.source import MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS
from xcap.core.xcapdiff.values import (
    NAMESPACE,
    AttributeContent,
    DocumentChange,
    ElementContent,
    InvalidXcapDiff,
    XcapDiff,
)

if TYPE_CHECKING:
    from xcap.core.patch.operations import Operation
    from xcap.core.patch.tree import Scope
    from xcap.core.xcapdiff.values import Component

BOUNDS: Final = Bounds(4 * MAX_BYTES, 4 * MAX_ELEMENTS, MAX_DEPTH + 3, MAX_ATTRIBUTES * MAX_DEPTH)
"""Of an XCAP diff document: some of the largest documents in it, each within three elements (§4)."""

_EXISTS: Final = {"true": True, "1": True, "false": False, "0": False}


def read(content: bytes) -> XcapDiff:
    """What an XCAP diff document says. Raises InvalidXcapDiff."""
    try:
        root = parse(content, BOUNDS).root
    except (NotUtf8, NotWellFormed, TooLarge) as error:
        raise InvalidXcapDiff(error.phrase) from None
    scope = inside(root, ROOT_SCOPE)
    if expanded(root.name, scope) != (NAMESPACE, "xcap-diff"):
        raise InvalidXcapDiff("the document element is not that of an XCAP diff document")
    entries = (_entry(child, inside(child, scope)) for child in _own(root, scope))
    return XcapDiff(_required(root, "xcap-root"), tuple(entries))


def _own(parent: Element, scope: Scope) -> list[Element]:
    """The children that are no extensions."""
    elements = (child for child in parent.children if type(child) is Element)
    return [child for child in elements if expanded(child.name, inside(child, scope))[0] == NAMESPACE]


def _entry(element: Element, scope: Scope) -> DocumentChange | Component:
    match expanded(element.name, scope)[1]:
        case "document":
            return _document(element, scope)
        case "element":
            return _element(element, scope)
        case "attribute":
            return _attribute(element)
        case _:
            raise InvalidXcapDiff("an element that the schema does not have")


def _document(element: Element, scope: Scope) -> DocumentChange:
    etags = element.attributes.get("previous-etag"), element.attributes.get("new-etag")
    return DocumentChange(_required(element, "sel"), *etags, _operations(element, scope))


def _operations(element: Element, scope: Scope) -> tuple[Operation, ...] | None:
    own = _own(element, scope)
    if not own:
        return None
    if len(own) == 1 and expanded(own[0].name, inside(own[0], scope))[1] == "body-not-changed":
        return ()
    try:
        return tuple(read_operations(Element(element.name, {}, {}, [*own]), scope, NAMESPACE))
    except PatchError as error:
        raise InvalidXcapDiff(f"{error.condition}: {error.phrase}") from None


def _element(element: Element, scope: Scope) -> ElementContent:
    selector, exists = _required(element, "sel"), _exists(element)
    shown = [child for child in element.children if type(child) is Element]
    if len(shown) > 1:
        raise InvalidXcapDiff("more than one element where one was located")
    if not shown or not exists:
        return ElementContent(selector, exists)
    return ElementContent(selector, exists, shown[0], scope)


def _attribute(element: Element) -> AttributeContent:
    if any(type(child) is Element for child in element.children):
        raise InvalidXcapDiff("an element in the value of an attribute")
    value = "".join(child for child in element.children if type(child) is str)
    exists = _exists(element)
    return AttributeContent(_required(element, "sel"), exists, value if exists else "")


def _required(element: Element, name: str) -> str:
    try:
        return element.attributes[name]
    except KeyError:
        raise InvalidXcapDiff(f"there is no {name}") from None


def _exists(element: Element) -> bool:
    try:
        return _EXISTS[element.attributes.get("exists", "true").strip(SPACE)]
    except KeyError:
        raise InvalidXcapDiff("exists is no boolean") from None
