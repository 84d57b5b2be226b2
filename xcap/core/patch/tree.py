"""The tree which patches work on: names, declarations and text exactly as written.

Law of this file: a tree says what its XML text says. Element and attribute names keep their prefix, namespace
declarations stay on the element that carries them, and no two text nodes are neighbours (the XPath data model which
RFC 5261 §4.3.5 relies on). Canonical XML with comments, the equality of RFC 5261 §3, tells apart all of this.

Why not lxml's own tree: a patch has to see and change single namespace declarations (RFC 7351 A.2) and must keep the
prefixes of what it adds (RFC 5261 §4.2.3). lxml shows neither the prefix of an attribute nor where a namespace is
declared, cannot add or remove one declaration, and renames prefixes when a node moves to another parent.

Everything in this package that recurses, recurses on the depth of a tree, and `source.MAX_DEPTH` bounds that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, final

from xcap.core.source import XML_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

SPACE = " \t\r\n"
"""The characters of white space text nodes."""

Scope: TypeAlias = "Mapping[str, str]"
"""Namespace names by prefix; the empty prefix is the default namespace, and `""` there means none."""

ROOT_SCOPE: Scope = {"xml": XML_NAMESPACE}
"""What is in scope outside of a document element."""


@final
@dataclass(frozen=True, slots=True)
class Comment:
    """A comment node."""

    text: str


@final
@dataclass(frozen=True, slots=True)
class ProcessingInstruction:
    """A processing instruction node; `data` is empty when there is none."""

    target: str
    data: str


@final
@dataclass(slots=True)
class Element:
    """An element; equal to another one when both have the same content, in whatever order attributes come."""

    name: str
    """The qualified name as written, `prefix:local` or `local`."""
    declarations: dict[str, str] = field(default_factory=dict)
    """The namespaces declared on this very element: name by prefix, the default namespace under `""`."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Values by qualified name as written, without the namespace declarations."""
    children: list[Node] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        """The prefix of the name, `""` when it has none."""
        return prefix_of(self.name)


Node: TypeAlias = "Element | Comment | ProcessingInstruction | str"
"""A child node; text is a plain non-empty `str`."""


@final
@dataclass(slots=True)
class Document:
    """The root node: one element, and comments and processing instructions around it."""

    children: list[Node]
    declared: bool = False
    """Whether the text begins with an XML declaration, which no patch can change (RFC 5261 §3)."""

    @property
    def root(self) -> Element:
        """The document element."""
        return next(child for child in self.children if type(child) is Element)


def prefix_of(name: str) -> str:
    """The prefix of a qualified name, `""` when it has none."""
    return name.rpartition(":")[0]


def inside(element: Element, scope: Scope) -> Scope:
    """The scope inside of `element`, which stands in `scope`."""
    return {**scope, **element.declarations} if element.declarations else scope


def expanded(name: str, scope: Scope) -> tuple[str, str]:
    """Namespace name and local name of an element's qualified name."""
    prefix, _, local = name.rpartition(":")
    return scope.get(prefix, ""), local


def free_prefixes(element: Element) -> set[str]:
    """The prefixes which names in `element` take from declarations outside of it; `""` for unprefixed elements."""
    prefixes = {prefix_of(name) for name in element.attributes if ":" in name}
    prefixes.add(element.prefix)
    for child in element.children:
        if type(child) is Element:
            prefixes |= free_prefixes(child)
    return prefixes - element.declarations.keys() - {"xml"}


def without_repetitions(document: Document) -> Document:
    """The document, itself, without declarations that repeat what is in scope anyway.

    Canonical form has none of them, so a difference does not tell of them: of two documents that are equal in it, one
    may have such a declaration and the other not, until something around it changes.
    """
    waiting = [(document.root, ROOT_SCOPE)]
    while waiting:
        element, scope = waiting.pop()
        for prefix, uri in list(element.declarations.items()):
            if scope.get(prefix, None if prefix else "") == uri:
                del element.declarations[prefix]
        scope = inside(element, scope)
        waiting += [(child, scope) for child in element.children if type(child) is Element]
    return document
