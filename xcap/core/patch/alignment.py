"""Which children of one element go on in another: pairs in order, about linear in their number.

Law: the pairs rise on both sides, and the two of a pair are of one node type; so what is between two pairs has been
removed or added, and a pair that is not equal is changed or replaced.

Equal ends are cut off first. A small rest is aligned by what the pairs save, which is exact but takes the product of
both lengths. A large rest is cut at anchors, the longest rising run of what occurs once on both sides: first equal
subtrees, then elements of the same name and attributes, then the n-th of equal ones. What is still large between
anchors is taken in order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from xcap.core.patch.script import OPERATION
from xcap.core.patch.tree import Comment, Element, ProcessingInstruction

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from xcap.core.patch.tree import Node

MAX_CELLS: Final = 1024
"""Largest product of lengths that is aligned exactly: at most 32 comparisons for each node."""

Pair: TypeAlias = "tuple[int, int]"


@dataclass(slots=True, eq=False)
class Branch:
    """A node other than text, seen for comparison: `texts[i]` stands before `branches[i]`, the last one at the end."""

    node: Element | Comment | ProcessingInstruction
    identity: int
    """Equal for equal subtrees, in all trees that were made with the same `Identities`."""
    weight: int
    """About the length of its text."""
    branches: list[Branch]
    texts: list[str]


class Identities:
    """Numbers for nodes, the same for two nodes exactly when everything in them is the same."""

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}

    def branch(self, node: Element | Comment | ProcessingInstruction) -> Branch:
        """The node for comparison, with all below."""
        if type(node) is not Element:
            return Branch(node, self._known.setdefault(node, len(self._known)), _length(node), [], [""])
        branches, texts = self.split(node.children)
        key = (
            node.name,
            frozenset(node.declarations.items()) if node.declarations else None,
            frozenset(node.attributes.items()) if node.attributes else None,
            (*texts, *[branch.identity for branch in branches]),  # one text more than branches: no two are alike
        )
        weight = _length(node) + len("".join(texts)) + sum([branch.weight for branch in branches])
        return Branch(node, self._known.setdefault(key, len(self._known)), weight, branches, texts)

    def split(self, children: Iterable[Node]) -> tuple[list[Branch], list[str]]:
        """Children as branches and the texts around them."""
        branches, texts, text = [], [], ""
        for child in children:
            if isinstance(child, str):
                text = child
            else:
                branches.append(self.branch(child))
                texts.append(text)
                text = ""
        texts.append(text)
        return branches, texts


def _length(node: Element | Comment | ProcessingInstruction) -> int:
    if type(node) is Element:
        length = 2 * len(node.name) + 5
        for values in (node.attributes, node.declarations):
            if values:
                length += sum([len(name) + len(value) + 4 for name, value in values.items()])
        return length
    return 7 + (len(node.text) if type(node) is Comment else len(node.target) + len(node.data))


def align(old: Sequence[Branch], new: Sequence[Branch], level: int = 0) -> list[Pair]:
    """Pairs of indices into `old` and `new`."""
    start, length = 0, min(len(old), len(new))
    while start < length and old[start].identity == new[start].identity:
        start += 1
    end = 0
    while end < length - start and old[-1 - end].identity == new[-1 - end].identity:
        end += 1
    olds, news = old[start : len(old) - end], new[start : len(new) - end]
    head = [(index, index) for index in range(start)]
    tail = [(len(old) - end + index, len(new) - end + index) for index in range(end)]
    return head + [(i + start, j + start) for i, j in _align_rest(olds, news, level)] + tail


def _align_rest(old: Sequence[Branch], new: Sequence[Branch], level: int) -> list[Pair]:
    if not old or not new:
        return []
    if len(old) * len(new) <= MAX_CELLS:
        return _best(old, new)
    if level == len(_KEYS):
        return _in_order(old, new)
    pairs: list[Pair] = []
    at = (0, 0)
    for i, j in [*_anchors(_KEYS[level](old), _KEYS[level](new)), (len(old), len(new))]:
        gap = align(old[at[0] : i], new[at[1] : j], level + 1)
        pairs += [(at[0] + left, at[1] + right) for left, right in gap]
        pairs.append((i, j))
        at = (i + 1, j + 1)
    return pairs[:-1]


def _identity_keys(branches: Sequence[Branch]) -> list[Hashable]:
    return [branch.identity for branch in branches]


def _attribute_keys(branches: Sequence[Branch]) -> list[Hashable]:
    """Many elements of lists are told apart by an attribute, such as a URI."""
    return [
        (branch.node.name, frozenset(branch.node.attributes.items()))
        if type(branch.node) is Element and branch.node.attributes
        else None
        for branch in branches
    ]


def _occurrence_keys(branches: Sequence[Branch]) -> list[Hashable]:
    seen: Counter[int] = Counter()
    keys: list[Hashable] = []
    for branch in branches:
        seen[branch.identity] += 1
        keys.append((branch.identity, seen[branch.identity]))
    return keys


_KEYS: Final = (_identity_keys, _attribute_keys, _occurrence_keys)


def _anchors(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Pair]:
    """The longest rising run of pairs whose key is there once on both sides."""
    here, there = Counter(old), Counter(new)
    positions = {key: index for index, key in enumerate(old) if key is not None and here[key] == 1}
    return _rising([(positions[key], index) for index, key in enumerate(new) if there[key] == 1 and key in positions])


def _rising(pairs: Sequence[Pair]) -> list[Pair]:
    """The longest subsequence of pairs, which rise in the second, that rises in the first as well."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, (value, _) in enumerate(pairs):
        length = bisect_left(ends, value)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [value]
        last[length : length + 1] = [index]
    run: list[Pair] = []
    index = last[-1] if last else -1
    while index >= 0:
        run.append(pairs[index])
        index = before[index]
    return run[::-1]


def _best(old: Sequence[Branch], new: Sequence[Branch]) -> list[Pair]:
    """The pairs that save most, by dynamic programming from the ends."""
    savings = [_savings(one, new) for one in old]
    totals = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) - 1, -1, -1):
        row, below, saved = totals[i], totals[i + 1], savings[i]
        for j in range(len(new) - 1, -1, -1):
            row[j] = max(saved[j] + below[j + 1] if saved[j] else 0, below[j], row[j + 1])
    pairs, i, j = [], 0, 0
    while i < len(old) and j < len(new):
        if savings[i][j] and totals[i][j] == savings[i][j] + totals[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif totals[i][j] == totals[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _savings(old: Branch, news: Sequence[Branch]) -> list[int]:
    """What each of `news` would save as the successor of `old`, in characters; 0 where it cannot be."""
    below = {branch.identity for branch in old.branches}
    texts = {text for text in old.texts if text}
    return [_saving(old, new, below, texts) for new in news]


def _saving(old: Branch, new: Branch, below: set[int], texts: set[str]) -> int:
    if old.identity == new.identity:
        return 2 * OPERATION + new.weight
    if type(old.node) is not type(new.node):
        return 0
    if type(old.node) is not Element or type(new.node) is not Element or old.node.name != new.node.name:
        return 1  # one replace in place of a remove and an add
    attributes = old.node.attributes
    return (
        OPERATION
        + sum([branch.weight for branch in new.branches if branch.identity in below])
        + sum([len(text) for text in new.texts if text in texts])
        + sum([len(value) for name, value in new.node.attributes.items() if attributes.get(name) == value])
    )


def _in_order(old: Sequence[Branch], new: Sequence[Branch]) -> list[Pair]:
    """One by one, as far as they are of one type."""
    return [
        (index, index) for index in range(min(len(old), len(new))) if type(old[index].node) is type(new[index].node)
    ]
