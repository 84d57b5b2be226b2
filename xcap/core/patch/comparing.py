"""The operations that make one document of another: small for small changes, about linear in time.

Law: carried out in their order on the old document they give the new one, equal in canonical form with comments
(RFC 5261 §3). Declarations are added or changed before the content of their element and removed after it, so that all
between them finds what it needs. What operations on one element cannot do, as changing its default namespace, is done
by replacing the element.

Selectors are positions only, `*/*[3]/text()`: the shortest there are (RFC 5261 §7), and they mean the same to an XPath
engine that knows nothing of the default namespace rule of §4.2.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xcap.core.patch.alignment import Identities, align
from xcap.core.patch.locating import MAX_WORK, NODE
from xcap.core.patch.operations import Add, Remove, Replace
from xcap.core.patch.script import OPERATION, Content, Script, Siblings
from xcap.core.patch.tree import ROOT_SCOPE, Element, free_prefixes, inside, prefix_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xcap.core.patch.alignment import Branch, Pair
    from xcap.core.patch.operations import Operation
    from xcap.core.patch.tree import Document, Scope


_MAX_WORK: Final = MAX_WORK // 2
"""A patch that costs more to apply is not made: scattered edits among many thousand siblings, each looked for anew."""


def compare(old: Document, new: Document) -> list[Operation]:
    """The operations that make `new` of `old`; none for equal documents. Neither is changed, both may be kept."""
    identities = Identities()
    before, after = (Content(*identities.split(document.children)) for document in (old, new))
    comparison = _Comparison()
    comparison.children(before, after, _pairs_of_roots(before.branches, after.branches), "", _Scopes())
    return comparison.script.operations()


def _pairs_of_roots(old: Sequence[Branch], new: Sequence[Branch]) -> list[Pair]:
    """The document element goes on in the document element, since it can be neither removed nor added."""
    i, j = (next(k for k, one in enumerate(branches) if type(one.node) is Element) for branches in (old, new))
    behind = [(i + 1 + k, j + 1 + m) for k, m in align(old[i + 1 :], new[j + 1 :])]
    return [*align(old[:i], new[:j]), (i, j), *behind]


@dataclass(frozen=True, slots=True)
class _Scopes:
    """Namespaces in scope at one place."""

    current: Scope = field(default_factory=lambda: ROOT_SCOPE)
    """In the document as the operations so far have left it."""
    final: Scope = field(default_factory=lambda: ROOT_SCOPE)
    """In the new document."""


@dataclass(frozen=True, slots=True)
class _Declarations:
    """What to do with the declarations of one element."""

    added: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)


class _Comparison:
    def __init__(self) -> None:
        self.script = Script()

    def pair(self, old: Branch, new: Branch, selector: str, scopes: _Scopes) -> None:
        """Make `new` of the node `old`, which `selector` selects: by what is shorter, changing or replacing it."""
        mark = self.script.mark()
        limit = self.script.cost + OPERATION + len(selector) + new.weight
        changed = self.change(old, new, selector, scopes)
        if not changed or self.script.cost > limit or self.script.work > _MAX_WORK:
            self.script.forget(mark)
            self.script.emit(Replace(selector, (new.node,)), scopes.final, new.weight)

    def change(self, old: Branch, new: Branch, selector: str, scopes: _Scopes) -> bool:
        """Change an element from within; False if that cannot be."""
        before, after = old.node, new.node
        if type(before) is not Element or type(after) is not Element or before.name != after.name:
            return False
        declarations = _compare_declarations(before, after, scopes)
        if declarations is None:
            return False
        current = {**inside(before, scopes.current), **after.declarations}
        for prefix, uri in declarations.added.items():
            self.script.emit(Add(selector, (uri,), type=f"namespace::{prefix}"), current, len(uri))
        for prefix, uri in declarations.changed.items():
            self.script.emit(Replace(f"{selector}/namespace::{prefix}", (uri,)), current, len(uri))
        self.attributes(before, after, selector, current)
        self.children(
            Content(old.branches, old.texts),
            Content(new.branches, new.texts),
            align(old.branches, new.branches),
            selector,
            _Scopes(current, inside(after, scopes.final)),
        )
        for prefix in declarations.removed:
            self.script.emit(Remove(f"{selector}/namespace::{prefix}"), current)
        self.script.work += len(declarations) * NODE * (old.weight + new.weight)  # which is more than all nodes below
        return True

    def attributes(self, old: Element, new: Element, selector: str, scope: Scope) -> None:
        """Removals come first: the new attribute may be the old one under another prefix."""
        for name in [name for name in old.attributes if name not in new.attributes]:
            self.script.emit(Remove(f"{selector}/@{name}"), scope, prefix=prefix_of(name))
        for name, value in new.attributes.items():
            if old.attributes.get(name) == value:
                continue
            if name not in old.attributes:  # with a single text node, which cannot be empty (RFC 5261 §4.3)
                add = Add(selector, (value or "-",), type=f"@{name}")
                self.script.emit(add, scope, len(value), prefix=prefix_of(name))
            if name in old.attributes or not value:
                change = Replace(f"{selector}/@{name}", (value,) if value else ())
                self.script.emit(change, scope, len(value), prefix=prefix_of(name))

    def children(self, old: Content, new: Content, pairs: Sequence[Pair], parent: str, scopes: _Scopes) -> None:
        """Make the children `new` of the children `old` of the node that `parent` selects; `""` is the root node."""
        siblings = Siblings(self.script, parent, scopes.final, old)
        count = len(self.script)
        i = j = 0
        for one, other in [*pairs, (len(old.branches), len(new.branches))]:
            right = old.branches[one] if one < len(old.branches) else None
            if i == one and j == other and old.texts[i] == new.texts[j]:
                siblings.keep(old.texts[i])
            else:
                siblings.fill(
                    Content(old.branches[i:one], old.texts[i : one + 1]),
                    Content(new.branches[j:other], new.texts[j : other + 1]),
                    left=new.branches[j - 1] if j else None,
                    right=right,
                )
            if right is not None:
                if right.identity != new.branches[other].identity:
                    self.pair(right, new.branches[other], siblings.here(right), scopes)
                siblings.passed(right)
            i, j = one + 1, other + 1
        self.script.work += (len(self.script) - count) * 2 * (len(old.branches) + len(new.branches) + 1)


def _compare_declarations(old: Element, new: Element, scopes: _Scopes) -> _Declarations | None:
    """What to do at the element; None if only replacing it helps.

    A declaration that repeats what is in scope anyway is no difference in canonical form, and none here.
    """
    declarations = _Declarations()
    for prefix in sorted(old.declarations.keys() | new.declarations.keys()):
        before, after = old.declarations.get(prefix), new.declarations.get(prefix)
        nothing = None if prefix else ""
        current, final = scopes.current.get(prefix, nothing), scopes.final.get(prefix, nothing)
        if before == after or (after is None and before == final) or (before is None and after == current == final):
            continue
        if not prefix:
            return None
        if after is None:
            if prefix in free_prefixes(new):  # so it means something else there
                return None
            declarations.removed.append(prefix)
        elif before is None:
            if prefix in free_prefixes(old):
                return None
            declarations.added[prefix] = after
        else:
            if _has_attribute_of(old, prefix):  # it might, for a moment, become the twin of another attribute
                return None
            declarations.changed[prefix] = after
    return declarations


def _has_attribute_of(element: Element, prefix: str) -> bool:
    return any(prefix_of(name) == prefix for name in element.attributes) or any(
        _has_attribute_of(child, prefix)
        for child in element.children
        if type(child) is Element and prefix not in child.declarations
    )
