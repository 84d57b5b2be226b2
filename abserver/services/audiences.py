"""Audiences: those who follow one owner and are shown the same, so that whom a change does not concern costs nothing.

An audience remembers the view that its members were last held to. After an edit of the card one look per audience says
whether it has to hear; its members are gone through only then. Who sees nothing of a change is not even looked at.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abserver.domain.identity import Owner
    from abserver.domain.rules import Grant
    from abserver.services.authorizing import Policy
    from abserver.services.followers import Followed


class Audience:
    """The followers of one owner who have one grant."""

    __slots__ = ("grant", "members", "tag")

    def __init__(self, grant: Grant, tag: str) -> None:
        self.grant = grant
        self.tag: str | None = tag
        """The view that all members are held to; None if some may be held to another one than others."""
        self.members: set[Followed] = set()


class Audiences:
    """All audiences, by owner and grant. A follower who is shown nothing, since nobody decided, is in none."""

    def __init__(self) -> None:
        self._owners: defaultdict[Owner, dict[Grant, Audience]] = defaultdict(dict)
        self._places: dict[Followed, Audience] = {}

    def place(self, followed: Followed, grant: Grant, tag: str) -> None:
        """The follower is held to the view `tag` by this grant."""
        place = self._places.get(followed)
        if place is None or place.grant is not grant:
            place = self._move(followed, grant, tag)
        if place.tag != tag:
            place.tag = None

    def _move(self, followed: Followed, grant: Grant, tag: str) -> Audience:
        self.leave(followed)
        audiences = self._owners[followed.key.owner]
        place = audiences.get(grant)
        if place is None:
            place = audiences[grant] = Audience(grant, tag)
        place.members.add(followed)
        self._places[followed] = place
        return place

    def leave(self, followed: Followed) -> None:
        """The follower is shown nothing any more, or something else."""
        place = self._places.pop(followed, None)
        if place is not None:
            place.members.discard(followed)
            if not place.members:
                audiences = self._owners[followed.key.owner]
                del audiences[place.grant]
                if not audiences:
                    del self._owners[followed.key.owner]

    def concerned(self, policy: Policy) -> Iterator[Followed]:
        """The members of those audiences whose view is another one now; they count as held to it from now on."""
        for audience in list(self._owners.get(policy.owner, {}).values()):
            tag = policy.view(audience.grant).tag
            if tag != audience.tag:
                audience.tag = tag
                yield from audience.members
