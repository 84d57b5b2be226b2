"""The filters of subscriptions to cards (RFC 4660): what each follower is held to in place of the view that it may see.

`<what>` leaves a part of the view, shared by all who have that view and that filter. `<trigger>` decides whether a
change is worth a NOTIFY: where it is not, the follower is still held to what it was told last. A SUBSCRIBE is answered
with the state of now, whatever the triggers say (§5.3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.events import filters
from abserver.services.recent import ENTRY, Recent

if TYPE_CHECKING:
    from abserver.domain.view import View
    from abserver.events.filters import Criteria
    from abserver.services.followers import Followed

KEPT = 8 * 1024 * 1024
"""Octets of filtered views in memory; what was dropped is made again."""


class Filtering:
    """Applies the filters of all followers; whoever has none costs one look."""

    def __init__(self) -> None:
        self._parts: Recent[tuple[str, str], View] = Recent(KEPT, lambda view: ENTRY + len(view.content))
        self._current: dict[Followed, View] = {}
        """The whole view of each follower who has triggers, as of its last `held_to`."""
        self._told: dict[Followed, View] = {}
        """The same at the time of its last NOTIFY."""

    def held_to(self, followed: Followed, view: View, *, asked: bool) -> View | None:
        """What the follower is held to while `view` is what it may see; None: still to what it was.

        asked: a NOTIFY is due whatever the triggers say: it follows a SUBSCRIBE, or one that failed, or is the first.
        """
        if followed.terms.body_type != filters.MEDIA_TYPE:
            return view
        criteria = filters.filters_of(followed.terms.body).criteria_for(followed.key.owner)
        if criteria is None:
            self.forget(followed)
            return view
        if criteria.triggers:
            self._current[followed] = view
            told = self._told.get(followed)
            if not asked and told is not None and not filters.is_due(told, view, criteria):
                return None
        return self._part(view, criteria)

    def left(self, followed: Followed) -> None:
        """A NOTIFY leaves."""
        if followed in self._current:
            self._told[followed] = self._current[followed]

    def forget(self, followed: Followed) -> None:
        """The subscription is over, or has no filter any more."""
        self._current.pop(followed, None)
        self._told.pop(followed, None)

    def _part(self, view: View, criteria: Criteria) -> View:
        key = view.tag, criteria.tag
        part = self._parts.get(key)
        if part is None:
            part = filters.filtered(view, criteria)
            self._parts.put(key, part)
        return part
