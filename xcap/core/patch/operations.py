"""The three operations of RFC 5261 as values, and the elements that carry them.

RFC 5261 defines types only; the namespace is the container's. Here the container is a parameter: `urn:ietf:rfc:7351`
of an XML patch, or another one, as RFC 5874's `<document>` in `urn:ietf:params:xml:ns:xcap-diff`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from xcap.core.patch.errors import (
    InvalidAttributeValue,
    InvalidDiffFormat,
    InvalidPatchDirective,
    PatchError,
)
from xcap.core.patch.tree import SPACE, Element, expanded, inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xcap.core.patch.tree import Node, Scope

NAMESPACE: Final = "urn:ietf:rfc:7351"
"""Of an XML patch document and its operations (RFC 7351 §2.1)."""


class Position(enum.Enum):
    """`pos`: where an add puts its content, seen from the located node (RFC 5261 §4.3)."""

    BEFORE = "before"
    AFTER = "after"
    PREPEND = "prepend"


class Whitespace(enum.Enum):
    """`ws`: the white space text nodes that go away with a removed node (RFC 5261 §4.5)."""

    BEFORE = "before"
    AFTER = "after"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Add:
    """Put `content` into, before or after the located node, or make it the value of a new attribute or namespace."""

    selector: str
    content: tuple[Node, ...]
    position: Position | None = None
    type: str | None = None
    """`@name` or `namespace::prefix`."""
    namespaces: Scope = field(default_factory=dict)
    """For the prefixes in selector, type and content; the empty prefix is the default namespace."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Put `content` in the place of the located node or value."""

    selector: str
    content: tuple[Node, ...]
    namespaces: Scope = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the located node away."""

    selector: str
    whitespace: Whitespace | None = None
    namespaces: Scope = field(default_factory=dict)


Operation: TypeAlias = "Add | Replace | Remove"

_ATTRIBUTES: Final = {"add": {"sel", "pos", "type"}, "replace": {"sel"}, "remove": {"sel", "ws"}}


def read_operations(container: Element, scope: Scope, namespace: str = NAMESPACE) -> Iterator[Operation]:
    """The operations in `container`, one by one, so that those before a faulty one can be carried out first.

    scope: inside of the container; namespace: of the operation elements.
    Raises InvalidDiffFormat, InvalidPatchDirective, InvalidAttributeValue.
    """
    for child in container.children:
        if type(child) is Element:
            yield _read_operation(child, inside(child, scope), namespace)
        elif type(child) is str and child.strip(SPACE):
            raise InvalidDiffFormat("there is text between the operations")


def _read_operation(element: Element, scope: Scope, namespace: str) -> Operation:
    try:
        return _operation(element, {"": "", **scope}, namespace)
    except PatchError as error:
        declarations = {"": "", **{prefix: uri for prefix, uri in scope.items() if prefix != "xml"}}
        error.operation = Element(element.name, declarations, element.attributes, element.children)
        raise


def _operation(element: Element, namespaces: Scope, namespace: str) -> Operation:
    uri, kind = expanded(element.name, namespaces)
    if uri != namespace or kind not in _ATTRIBUTES:
        raise InvalidPatchDirective("the patch holds an element that is no operation")
    attributes = element.attributes
    if "sel" not in attributes or any(":" not in name and name not in _ATTRIBUTES[kind] for name in attributes):
        raise InvalidDiffFormat(f"the attributes of {kind} are not those of the schema")
    content = tuple(element.children)
    if kind == "replace":
        return Replace(attributes["sel"], content, namespaces)
    if kind == "remove":
        if any(type(node) is Element or (type(node) is str and node.strip(SPACE)) for node in content):
            raise InvalidDiffFormat("remove has no content")
        return Remove(attributes["sel"], _choice(Whitespace, "ws", attributes), namespaces)
    if "type" in attributes and "pos" in attributes:
        raise InvalidAttributeValue("pos is not used when adding attributes or namespaces")
    position = _choice(Position, "pos", attributes)
    return Add(attributes["sel"], content, position, attributes.get("type"), namespaces)


_Choice = TypeVar("_Choice", Position, Whitespace)


def _choice(choices: type[_Choice], name: str, attributes: Mapping[str, str]) -> _Choice | None:
    if name not in attributes:
        return None
    try:
        return choices(attributes[name])
    except ValueError:
        raise InvalidAttributeValue(f"{name} is none of its values") from None


def write_operations(operations: Sequence[Operation], name: str, namespace: str = NAMESPACE) -> Element:
    """A container element with this local name and `operations` in it, all in `namespace`.

    Namespaces are declared on the container, and where operations disagree, on the operation.
    """
    shared: dict[str, str] = {}
    for operation in operations:
        for prefix, uri in operation.namespaces.items():
            shared.setdefault(prefix, uri)
    own = unused_prefix(shared)
    declarations = {own: namespace, **_declarable(shared, {})}
    children: list[Node] = [_element(operation, own, declarations) for operation in operations]
    return Element(f"{own}:{name}", declarations, {}, children)


def echo(operation: Operation, namespace: str) -> Element:
    """The element of one operation, with all its namespaces declared on it, to be shown in an error."""
    own = unused_prefix(operation.namespaces)
    element = _element(operation, own, {})
    element.declarations |= {"": operation.namespaces.get("", ""), own: namespace}
    return element


def unused_prefix(namespaces: Scope) -> str:
    """A prefix that has no meaning there yet: `p`, unless it is taken."""
    names = ("p", *(f"p{number}" for number in range(len(namespaces))))
    return next(name for name in names if name not in namespaces)


def _declarable(namespaces: Scope, around: Scope) -> dict[str, str]:
    """What of `namespaces` is not in scope in `around` and has to be declared; no default namespace is `""`."""
    return {prefix: uri for prefix, uri in namespaces.items() if prefix != "xml" and around.get(prefix, "") != uri}


def _element(operation: Operation, own: str, around: Scope) -> Element:
    attributes = {"sel": operation.selector}
    content: tuple[Node, ...] = ()
    if isinstance(operation, Remove):
        if operation.whitespace is not None:
            attributes["ws"] = operation.whitespace.value
    else:
        content = operation.content
    if isinstance(operation, Add):
        if operation.position is not None:
            attributes["pos"] = operation.position.value
        if operation.type is not None:
            attributes["type"] = operation.type
    kind = type(operation).__name__.lower()
    return Element(f"{own}:{kind}", _declarable(operation.namespaces, around), attributes, list(content))
