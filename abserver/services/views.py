"""Views by tag, and the bodies made of them: computed once, shared by every device that needs them.

Watchers with equal grants share a view, and devices that hold the same view need the same difference; so a change
costs one diff per pair of views, and one lookup per device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.events.contact_card import Entity, Formats, entity
from abserver.services.recent import ENTRY, Recent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abserver.domain.view import View
    from abserver.ports import Journal

KEPT_VIEWS = 32 * 1024 * 1024
"""Octets of views in memory, those of some 20,000 ordinary ones; what was dropped is read from the journal again."""
KEPT_ENTITIES = 16 * 1024 * 1024
"""Octets of bodies in memory; what was dropped is computed again."""


class Views:
    """The views that devices hold or are about to get."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._views: Recent[str, View] = Recent(KEPT_VIEWS, lambda view: ENTRY + len(view.content))
        self._entities: Recent[tuple[str, str | None, Formats], Entity] = Recent(
            KEPT_ENTITIES, lambda entity: ENTRY + len(entity.body)
        )
        self._last: tuple[View, str | None, Formats, Entity] | None = None
        """What was asked for last, and the answer: in a fan-out it is asked for again and again."""

    async def recall(self, tags: Iterable[str | None]) -> None:
        """Bring the views with these tags into memory, as far as the journal has them."""
        for tag in set(tags):
            if tag is not None and self._views.get(tag) is None:
                view = await self._journal.view(tag)
                if view is not None:
                    self._views.put(tag, view)

    def entity(self, view: View, base: str | None, formats: Formats) -> Entity:
        """The body that takes a device from the view `base` (None, or unknown: from nothing) to `view`."""
        last = self._last
        if last is not None and last[0] is view and last[1] == base and last[2] is formats:
            return last[3]
        found = self._entity(view, base, formats)
        self._last = (view, base, formats, found)
        return found

    def _entity(self, view: View, base: str | None, formats: Formats) -> Entity:
        key = (view.tag, base, formats)
        found = self._entities.get(key)
        if found is None:
            self._views.put(view.tag, view)
            known = self._views.get(base) if base is not None else None
            found = entity(view, base=known, formats=formats)
            if base is None or known is not None:
                self._entities.put(key, found)
        return found
