"""Views by tag, and the bodies made of them: computed once, shared by every device that needs them.

Watchers with equal grants share a view, and devices that hold the same view need the same difference; so a change
costs one diff per pair of views, and one lookup per device.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from abserver.events.contact_card import Entity, Formats, entity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abserver.domain.view import View
    from abserver.ports import Journal

KEPT_VIEWS = 20_000
"""Views in memory; what was dropped is read from the journal again."""
KEPT_ENTITIES = 5_000
"""Bodies in memory; what was dropped is computed again."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """A mapping that drops its least recently used entry when it is full."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)


class Views:
    """The views that devices hold or are about to get."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._views: Recent[str, View] = Recent(KEPT_VIEWS)
        self._entities: Recent[tuple[str, str | None, Formats], Entity] = Recent(KEPT_ENTITIES)

    async def recall(self, tags: Iterable[str | None]) -> None:
        """Bring the views with these tags into memory, as far as the journal has them."""
        for tag in set(tags):
            if tag is not None and self._views.get(tag) is None:
                view = await self._journal.view(tag)
                if view is not None:
                    self._views.put(tag, view)

    def entity(self, view: View, base: str | None, formats: Formats) -> Entity:
        """The body that takes a device from the view `base` (None, or unknown: from nothing) to `view`."""
        key = (view.tag, base, formats)
        found = self._entities.get(key)
        if found is None:
            self._views.put(view.tag, view)
            known = self._views.get(base) if base is not None else None
            found = entity(view, base=known, formats=formats)
            if base is None or known is not None:
                self._entities.put(key, found)
        return found
