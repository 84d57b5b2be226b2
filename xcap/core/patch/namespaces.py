"""How names of a patch become names of the document (RFC 5261 §4.2.3), and how single declarations change.

Law: an expanded name of added content never changes. A name that is bound by a declaration within that content keeps
prefix and declaration; every other name takes a prefix which the document already has for its namespace, and gets a
declaration of its own only if there is none. Adding or removing a declaration never changes what another name means.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xcap.core.patch.errors import InvalidNamespacePrefix, InvalidNamespaceUri, InvalidPatchDirective
from xcap.core.patch.locating import NODE
from xcap.core.patch.tree import Element, expanded, inside, prefix_of
from xcap.core.source import MAX_DEPTH, XML_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xcap.core.patch.locating import Budget
    from xcap.core.patch.tree import Node, Scope

XMLNS_NAMESPACE: Final = "http://www.w3.org/2000/xmlns/"
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Context:
    """Where content goes: the evaluation context node of RFC 5261 §4.2.3, which is the parent of what is added."""

    patch: Scope
    """In scope of the operation in the patch."""
    document: Scope
    """In scope inside of the context node."""
    prefix: str | None
    """Of the context node's own name; None when that is the root node."""
    depth: int
    """Elements around the added content."""
    budget: Budget

    def prefix_for(self, prefix: str, *, shadowed: Mapping[str, str], attribute: bool) -> str | None:
        """The document's prefix for what the patch calls `prefix`, by the RFC's three rules; None when it has none.

        shadowed: declarations of the content around the name, which hide the document's.
        """
        uri = self.patch.get(prefix, "")
        visible = shadowed.get(prefix, self.document.get(prefix, "" if not prefix else None))
        if visible == uri:
            return prefix
        self.budget.spend(len(self.document))
        candidates = sorted(
            known
            for known, namespace in self.document.items()
            if namespace == uri and known not in shadowed and (known or not attribute)
        )
        if not uri or not candidates:
            return None
        if self.prefix in candidates:
            return self.prefix
        return candidates[max(bisect_left(candidates, prefix) - 1, 0)]


def adopt(node: Node, context: Context) -> Node:
    """A node of the patch, an element as a copy with the names that it has in the document.

    Raises InvalidPatchDirective when the document would nest too deep or the work is used up.
    """
    if type(node) is Element:
        return _adopt(node, context, context.depth, local=_NOTHING, shadowed=_NOTHING)
    return node


def _adopt(
    element: Element, context: Context, depth: int, *, local: Mapping[str, str], shadowed: Mapping[str, str]
) -> Element:
    """local: declared by the content itself so far; shadowed: that, and what had to be declared in adopting it."""
    if depth >= MAX_DEPTH:
        raise InvalidPatchDirective(f"more than {MAX_DEPTH} elements deep")
    local = inside(element, local)
    declarations, prefixes = _resolve(element, context, local, inside(element, shadowed))
    name = _renamed(element.name, prefixes, attribute=False)
    attributes = {_renamed(key, prefixes, attribute=True): value for key, value in element.attributes.items()}
    adopted = Element(name, {**element.declarations, **declarations}, attributes)
    context.budget.spend(NODE + len(name) + sum(map(len, attributes)) + sum(map(len, declarations.values())))
    shadowed = inside(adopted, shadowed)
    adopted.children = [
        _adopt(child, context, depth + 1, local=local, shadowed=shadowed) if type(child) is Element else child
        for child in element.children
    ]
    return adopted


def _resolve(
    element: Element, context: Context, local: Mapping[str, str], shadowed: Mapping[str, str]
) -> tuple[dict[str, str], dict[tuple[str, bool], str]]:
    """What must be declared on the element, and the document's prefix for each (prefix, is of an attribute)."""
    names = {(element.prefix, False)} | {(prefix_of(name), True) for name in element.attributes if ":" in name}
    free = [(prefix, attribute) for prefix, attribute in sorted(names) if prefix not in local and prefix != "xml"]
    added: dict[str, str] = {}
    while True:  # each declaration hides one of the document's, on which another name may have counted
        hidden = {**shadowed, **added}
        prefixes = {
            (prefix, attribute): context.prefix_for(prefix, shadowed=hidden, attribute=attribute)
            for prefix, attribute in free
        }
        missing = [prefix for (prefix, _), known in prefixes.items() if known is None]
        if not missing:
            return added, {key: known for key, known in prefixes.items() if known is not None}
        added[missing[0]] = context.patch.get(missing[0], "")


def _renamed(name: str, prefixes: Mapping[tuple[str, bool], str], *, attribute: bool) -> str:
    prefix, colon, local = name.rpartition(":")
    if attribute and not colon:
        return name
    known = prefixes.get((prefix, attribute), prefix)
    return f"{known}:{local}" if known else local


def declare(element: Element, prefix: str, uri: str, *, scope: Scope, budget: Budget) -> None:
    """Add a declaration to `element`, which stands in `scope` (RFC 5261 §4.3.3).

    Raises InvalidNamespacePrefix (reserved, declared here, or used below for another namespace), InvalidNamespaceUri.
    """
    if prefix in ("xml", "xmlns"):
        raise InvalidNamespacePrefix("the prefix is reserved")
    if prefix in element.declarations:
        raise InvalidNamespacePrefix("the element declares that prefix already")
    _check_uri(uri)
    if scope.get(prefix, uri) != uri and _is_used(element, prefix, budget):
        raise InvalidNamespacePrefix("the prefix is in use for another namespace")
    element.declarations[prefix] = uri


def redeclare(element: Element, prefix: str, uri: str, *, scope: Scope, budget: Budget) -> None:
    """Change the namespace that `element` declares for a prefix, for all names that use it (RFC 7351 A.2).

    Raises InvalidNamespaceUri, also when an element would get two attributes of one name.
    """
    _check_uri(uri)
    element.declarations[prefix] = uri
    if any(_has_twins(user, within) for user, within in _reach(element, prefix, scope, budget)):
        raise InvalidNamespaceUri("an element would have two attributes of the same name")


def undeclare(element: Element, prefix: str, *, scope: Scope, budget: Budget) -> None:
    """Remove the declaration of a prefix from `element` (RFC 5261 §4.5.3).

    Raises InvalidNamespacePrefix when a name uses it, unless the same declaration is in scope further out.
    """
    if scope.get(prefix) != element.declarations[prefix] and _is_used(element, prefix, budget):
        raise InvalidNamespacePrefix("the prefix is in use")
    del element.declarations[prefix]


def _check_uri(uri: str) -> None:
    if uri in ("", XML_NAMESPACE, XMLNS_NAMESPACE):
        raise InvalidNamespaceUri("a prefix cannot be bound to that")


def _reach(element: Element, prefix: str, scope: Scope, budget: Budget) -> Iterator[tuple[Element, Scope]]:
    """The elements for which a declaration of `prefix` on `element` holds, each with the scope inside of it."""
    waiting = [(element, inside(element, scope))]
    while waiting:
        current, within = waiting.pop()
        budget.spend(NODE * (1 + len(current.children)))
        yield current, within
        waiting += [
            (child, inside(child, within))
            for child in current.children
            if type(child) is Element and prefix not in child.declarations
        ]


def _is_used(element: Element, prefix: str, budget: Budget) -> bool:
    return any(
        user.prefix == prefix or any(prefix_of(name) == prefix for name in user.attributes)
        for user, _ in _reach(element, prefix, _NOTHING, budget)
    )


def _has_twins(element: Element, scope: Scope) -> bool:
    names = [expanded(name, scope) if ":" in name else ("", name) for name in element.attributes]
    return len(set(names)) < len(names)
