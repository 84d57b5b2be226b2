"""Deciding about <trigger>: whether what changed between two documents is worth a notification (RFC 4661 §3.6).

"This instance of that element" has to be found again in the other document, which has no identities in general. Two
elements are the same instance if their parents are, their names are, and among siblings of that name they have the same
key where the shape knows one; else equal ones are matched first, and of the others each with the next in order. So an
entry that moves is no change, one that is put in front of others is one addition, and a corrected one is one change.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from abserver.events.filters.shapes import number

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from abserver.events.filters.criteria import Changed, Trigger
    from abserver.events.filters.documents import Document, Node
    from abserver.events.filters.shapes import Shape


class Changes:
    """What happened between two versions of a document."""

    def __init__(self, old: Document, new: Document, shape: Shape) -> None:
        self._old = old
        self._new = new
        self._shape = shape
        self._prints = _Prints()
        self._before: dict[Element, Element] = {}
        """Element of the new document -> the same instance in the old one."""
        if old.root.tag == new.root.tag:
            self._align(old.root, new.root)
        self._after = {before: after for after, before in self._before.items()}

    def satisfy(self, trigger: Trigger) -> bool:
        """Whether all that the trigger names has happened."""
        return (
            all(map(self._changed, trigger.changed))
            and all(_any_missing(self._new.select(path), self._before) for path in trigger.added)
            and all(_any_missing(self._old.select(path), self._after) for path in trigger.removed)
        )

    def _changed(self, changed: Changed) -> bool:
        return any(self._differs(node, changed) for node in self._new.select(changed.path))

    def _differs(self, node: Node, changed: Changed) -> bool:
        element, attribute = node
        before = self._before.get(element)
        if before is None:
            return False
        if attribute is None:
            if changed.any_sort:
                return self._print(before) != self._print(element)
            return self._matches(element.tag, self._old.text(before), self._new.text(element), changed)
        old = before.get(attribute)
        return old is not None and self._matches(attribute, old, element.attrib[attribute], changed)

    def _matches(self, name: str, old: str, new: str, changed: Changed) -> bool:
        """Whether a value changed, and as it should have."""
        value = self._shape.value
        if changed.by is not None:
            return _moved(old, new, changed, changed.by)
        return (
            value(name, old) != value(name, new)
            and (changed.before is None or value(name, old) == value(name, changed.before))
            and (changed.after is None or value(name, new) == value(name, changed.after))
        )

    def _print(self, element: Element) -> int:
        return self._prints.of(element, self._shape)

    # -- instances --------------------------------------------------------------------------------------------------

    def _align(self, old: Element, new: Element) -> None:
        """Find the instances within two elements that are the same instance."""
        waiting = [(old, new)]
        while waiting:
            old, new = waiting.pop()
            self._before[new] = old
            news = _by_tag(new)
            for tag, olds in _by_tag(old).items():
                if tag in news:
                    waiting.extend(self._paired(olds, news[tag], self._shape.keys.get(tag)))

    def _paired(
        self, olds: list[Element], news: list[Element], key: Sequence[str] | None
    ) -> Iterator[tuple[Element, Element]]:
        """Siblings of one name that are the same instance."""
        if key is not None:
            known = {tuple(map(each.get, key)): each for each in olds}
            found = ((known.pop(tuple(map(each.get, key)), None), each) for each in news)
            yield from ((old, new) for old, new in found if old is not None)
            return
        equal: defaultdict[int, list[Element]] = defaultdict(list)
        for each in olds:
            equal[self._print(each)].append(each)
        others = []
        for each in news:
            same = equal[self._print(each)]
            if same:
                yield same.pop(), each
            else:
                others.append(each)
        rest = {each for some in equal.values() for each in some}
        yield from zip((each for each in olds if each in rest), others, strict=False)


class _Prints:
    """Small numbers that are equal for equal elements: same name, attributes, text and content, as values."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._known: dict[Element, int] = {}

    def of(self, element: Element, shape: Shape) -> int:
        known = self._known.get(element)
        if known is not None:
            return known
        for each in reversed(list(element.iter())):  # what is within an element comes before it
            fields = frozenset((name, shape.value(name, value)) for name, value in each.items())
            inside = tuple((self._known[child], (child.tail or "").strip()) for child in each)
            text = (each.text or "").strip() if inside else shape.value(each.tag, each.text or "")
            content: Hashable = (each.tag, fields, text, inside)
            self._known[each] = self._numbers.setdefault(content, len(self._numbers))
        return self._known[element]


def _by_tag(element: Element) -> dict[str, list[Element]]:
    tags: defaultdict[str, list[Element]] = defaultdict(list)
    for child in element:
        tags[child.tag].append(child)
    return tags


def _any_missing(nodes: Iterable[Node], counterparts: Mapping[Element, Element]) -> bool:
    """Whether one of these nodes has no counterpart in the other document."""
    for element, attribute in nodes:
        other = counterparts.get(element)
        if other is None or (attribute is not None and attribute not in other.attrib):
            return True
    return False


def _moved(old: str, new: str, changed: Changed, by: Decimal) -> bool:
    """`by`: the value moved at least so far, from and to where it says (§3.6.1.3, §3.6.1.4)."""
    before, after = number(old), number(new)
    if not (isinstance(before, Decimal) and isinstance(after, Decimal)):
        return False
    return (
        before != after
        and abs(after - before) >= by
        and (changed.before is None or before == number(changed.before))
        and (changed.after is None or after == number(changed.after))
    )
