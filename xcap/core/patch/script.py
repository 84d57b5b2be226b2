"""The operations that a comparison collects, and what it writes among the children of one node.

Law: among the children operations go from left to right, so that all before a gap is as in the new document and all
after it as in the old one; positions count that mixture. Text nodes are merged, so each gap between two nodes that
stay holds at most one text once the nodes between are gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from xcap.core.patch.operations import Add, Position, Remove, Replace, Whitespace
from xcap.core.patch.tree import SPACE, Comment, Element, free_prefixes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xcap.core.patch.alignment import Branch
    from xcap.core.patch.operations import Operation
    from xcap.core.patch.tree import Node, Scope

OPERATION: Final = 60
"""About what one operation costs, in characters."""
_ELEMENT, _TEXT, _COMMENT, _INSTRUCTION = _TESTS = ("*", "text()", "comment()", "processing-instruction()")


@dataclass(frozen=True, slots=True)
class Content:
    """Nodes and the texts around them: there is one text more than nodes, and any may be empty."""

    branches: Sequence[Branch]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Draft:
    """An operation before it is known which namespaces it uses."""

    operation: Operation
    scope: Scope
    prefix: str

    def finished(self) -> Operation:
        prefixes = {self.prefix} - {"", "xml"}
        if not isinstance(self.operation, Remove):
            for node in self.operation.content:
                prefixes |= free_prefixes(node) if type(node) is Element else set()
        if not prefixes:
            return self.operation
        return replace(self.operation, namespaces={prefix: self.scope.get(prefix, "") for prefix in sorted(prefixes)})


class Script:
    """Operations in their order."""

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self.cost = 0
        """About the length of their text."""
        self.work = 0
        """What applying them will at most cost, in the unit of `locating.MAX_WORK`."""

    def emit(self, operation: Operation, scope: Scope, weight: int = 0, *, prefix: str = "") -> None:
        """Append an operation.

        scope: for the names in its content, of which `weight` is the length; prefix: of the attribute it names.
        """
        self._drafts.append(_Draft(operation, scope, prefix))
        self.cost += OPERATION + len(operation.selector) + weight

    def __len__(self) -> int:
        return len(self._drafts)

    def mark(self) -> tuple[int, int, int]:
        """A point to which `forget` can go back."""
        return len(self._drafts), self.cost, self.work

    def forget(self, mark: tuple[int, int, int]) -> None:
        """Drop what has been emitted since `mark`."""
        length, self.cost, self.work = mark
        del self._drafts[length:]

    def operations(self) -> list[Operation]:
        """All of them, with the namespaces that each uses."""
        return [draft.finished() for draft in self._drafts]


class Siblings:
    """The children of the node that `parent` selects (`""` is the root node), gap by gap from left to right."""

    def __init__(self, script: Script, parent: str, scope: Scope, old: Content) -> None:
        self._script = script
        self._parent = parent
        self._scope = scope
        self._done = dict.fromkeys(_TESTS, 0)
        """How many there are of each node test before the current gap."""
        self._rest = dict.fromkeys(_TESTS, 0)
        """How many there are from the current gap on."""
        self._count(self._rest, old)
        self._left: Branch | None = None
        self._right: Branch | None = None

    def fill(self, old: Content, new: Content, *, left: Branch | None, right: Branch | None) -> None:
        """Make the content `new` of the content `old` of the gap between two nodes that stay."""
        self._left, self._right = left, right
        text = self._clear(old, new)
        text = self._insert(text, new) if new.branches else self._set_text(text, new.texts[0])
        self._rest[_TEXT] -= bool(text)
        self._count(self._done, new)

    def keep(self, text: str) -> None:
        """Go on behind a gap with nothing but this text, which stays."""
        if text:
            self._rest[_TEXT] -= 1
            self._done[_TEXT] += 1

    def here(self, branch: Branch) -> str:
        """The selector of the node right of the gap."""
        return self._step(_test(branch), self._done[_test(branch)] + 1)

    def passed(self, branch: Branch) -> None:
        """Go on behind the node right of the gap."""
        self._rest[_test(branch)] -= 1
        self._done[_test(branch)] += 1

    def _count(self, counts: dict[str, int], content: Content) -> None:
        counts[_TEXT] += len(content.texts) - content.texts.count("")
        for branch in content.branches:
            counts[_test(branch)] += 1

    def _step(self, test: str, position: int) -> str:
        step = test if self._done[test] + self._rest[test] == 1 else f"{test}[{position}]"
        return f"{self._parent}/{step}" if self._parent else step

    def _before_right(self) -> tuple[str, Position | None]:
        """Selector and position of an add at the end of the gap."""
        if self._right is not None:
            return self.here(self._right), Position.BEFORE
        return (self._parent, None) if self._parent else self._after_left()

    def _after_left(self) -> tuple[str, Position | None]:
        """Selector and position of an add at the start of the gap."""
        if self._left is None:
            return self._parent, Position.PREPEND
        return self._step(_test(self._left), self._done[_test(self._left)]), Position.AFTER

    def _clear(self, old: Content, new: Content) -> str:
        """Remove the nodes of the gap; the text that is then left there."""
        text = old.texts[0]
        for index, branch in enumerate(old.branches, 1):
            is_last = index == len(old.branches)
            following = old.texts[index]
            wanted = (new.texts[0], new.texts[-1]) if is_last else (text,)
            result, whitespace = _removal(text, following, wanted)
            self._script.emit(Remove(self.here(branch), whitespace), self._scope)
            self._rest[_test(branch)] -= 1
            self._rest[_TEXT] += bool(result) - bool(text) - bool(following)
            text = result
        return text

    def _insert(self, text: str, new: Content) -> str:
        """Add the nodes of the gap; returns what of its old text was left to be built upon."""
        first, last = new.texts[0], new.texts[-1]
        if not first.startswith(text) and not last.endswith(text):
            text = self._set_text(text, first)
        if first.startswith(text):
            (selector, position), first = self._before_right(), first[len(text) :]
        else:
            (selector, position), last = self._after_left(), last[: len(last) - len(text)]
        content: list[Node] = []
        for before, branch in zip([first, *new.texts[1:-1]], new.branches, strict=True):
            content += [before, branch.node] if before else [branch.node]
        if last:
            content.append(last)
        weight = sum(map(len, new.texts)) + sum(branch.weight for branch in new.branches)
        self._script.emit(Add(selector, tuple(content), position), self._scope, weight)
        return text

    def _set_text(self, text: str, goal: str) -> str:
        """Make `goal` of the only text in the gap; either may be empty."""
        if text == goal:
            return goal
        selector = self._step(_TEXT, self._done[_TEXT] + 1)
        if not text:
            selector, position = self._before_right()
            self._script.emit(Add(selector, (goal,), position), self._scope, len(goal))
        elif not goal:
            self._script.emit(Remove(selector), self._scope)
        else:
            self._script.emit(Replace(selector, (goal,)), self._scope, len(goal))
        self._rest[_TEXT] += bool(goal) - bool(text)
        return goal


def _test(branch: Branch) -> str:
    if type(branch.node) is Element:
        return _ELEMENT
    return _COMMENT if type(branch.node) is Comment else _INSTRUCTION


def _removal(before: str, after: str, wanted: Sequence[str]) -> tuple[str, Whitespace | None]:
    """The text that is left between `before` and `after` when the node there goes, and the `ws` that leaves it.

    It is the first of `wanted` that can be had.
    """
    possible: dict[str, Whitespace | None] = {before + after: None}
    if before and not before.strip(SPACE):
        possible.setdefault(after, Whitespace.BEFORE)
    if after and not after.strip(SPACE):
        possible.setdefault(before, Whitespace.AFTER)
        if before and not before.strip(SPACE):
            possible.setdefault("", Whitespace.BOTH)
    result = next((text for text in wanted if text in possible), before + after)
    return result, possible[result]
