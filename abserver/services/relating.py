"""The subscription relation list: who asked to follow whom, and what the owner made of it.

The list follows; it never decides. Its states come from the owner's rules (`decided`), from subscriptions that come
and go (`asked`, `unwatched`) and from the time that requests are kept (`give_up`). Each method gives the relations that
changed, for the caller to make durable, and tells whoever listens (`on_change`) what happened, in the order in which it
happened.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from abserver.domain import relation as relations
from abserver.domain.identity import Aor
from abserver.domain.relation import ACCEPTED, UNDECIDED, Relation, RelationEvent, WinfoEvent, event_between

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Sequence

    from abserver.domain.identity import Owner, Watcher
    from abserver.services.authorizing import Policy
    from abserver.services.followers import Followers

log = logging.getLogger(__name__)


def _nobody_listens(event: RelationEvent) -> None:
    """What `on_change` is where nobody wants to know."""


class Relating:
    """All relations of one server, by owner."""

    def __init__(
        self,
        followers: Followers,
        known: Iterable[Relation] = (),
        *,
        on_change: Callable[[RelationEvent], None] = _nobody_listens,
    ) -> None:
        """on_change: told of each change at once; it must only take note."""
        self._followers = followers
        self._on_change = on_change
        self._relations: defaultdict[Owner, dict[Watcher, Relation]] = defaultdict(dict)
        self._asked: defaultdict[Watcher, set[Owner]] = defaultdict(set)
        """Whom each watcher ever asked."""
        self._pending: Counter[Watcher] = Counter()
        self._noted: dict[Owner, object] = {}
        """The period of the rules (`Rulings.period`) that each owner's relations are in step with."""
        for relation in known:
            self._put(relation)

    def of(self, owner: Owner, watcher: Watcher) -> Relation | None:
        """The relation, if the watcher ever asked."""
        return self._relations[owner].get(watcher) if owner in self._relations else None

    def followed(self, watcher: Watcher) -> Sequence[Owner]:
        """Those whom `watcher` ever asked, as of now."""
        return list(self._asked[watcher]) if watcher in self._asked else ()

    def all_of(self, owner: Owner) -> Sequence[Relation]:
        """The owner's list, as of now."""
        return list(self._relations[owner].values()) if owner in self._relations else ()

    def owners(self) -> Iterable[Owner]:
        """Everybody who was ever asked, as of now."""
        return list(self._relations)

    def pending(self, watcher: Watcher) -> int:
        """How many owners have yet to decide about this watcher."""
        return self._pending[watcher]

    def asked(self, policy: Policy, watcher: Watcher, utc: datetime.datetime) -> Sequence[Relation]:
        """A SUBSCRIBE of the watcher is accepted. Owners have no relation with themselves."""
        if Aor(watcher) == policy.owner:
            return ()
        old = self.of(policy.owner, watcher)
        new = relations.asked(old, policy.owner, watcher, policy.decide(watcher, utc), utc)
        if new is old and new.state in ACCEPTED and not self._followers.by(policy.owner, watcher):
            self._on_change(RelationEvent(old, new, WinfoEvent.SUBSCRIBE, watched=True))
        return self._changed(old, new, watched=True)

    def decided(self, policy: Policy, utc: datetime.datetime) -> Sequence[Relation]:
        """The owner's rules may say something new about anyone who asked; once for each version of the rules."""
        period = policy.rulings.period(utc)
        if self._noted.get(policy.owner) is period:
            return ()
        self._noted[policy.owner] = period
        changed: list[Relation] = []
        for old in self.all_of(policy.owner):
            watched = bool(self._followers.by(policy.owner, old.watcher))
            new = relations.decided(old, policy.decide(old.watcher, utc), utc, watched=watched)
            changed.extend(self._changed(old, new, watched=watched))
        return changed

    def unwatched(self, owner: Owner, watcher: Watcher) -> Sequence[Relation]:
        """The watcher's last subscription to this owner is over."""
        old = self.of(owner, watcher)
        if old is None:
            return ()
        new = relations.unwatched(old)
        if new is old and new.state in ACCEPTED:
            self._on_change(RelationEvent(old, new, WinfoEvent.TIMEOUT, watched=False))
        return self._changed(old, new, watched=False)

    def _changed(self, old: Relation | None, new: Relation, *, watched: bool) -> Sequence[Relation]:
        if new is old:
            return ()
        self._put(new)
        event = event_between(old, new, watched=watched)
        log.info(
            "relation changed",
            extra={
                "owner": new.owner,
                "watcher": new.watcher,
                "state": new.state.value,
                "event": event.value,
                "rule": new.rule,
            },
        )
        self._on_change(RelationEvent(old, new, event, watched))
        return (new,)

    def _put(self, new: Relation) -> None:
        old = self.of(new.owner, new.watcher)
        self._pending[new.watcher] += (new.state in UNDECIDED) - (old is not None and old.state in UNDECIDED)
        self._relations[new.owner][new.watcher] = new
        self._asked[new.watcher].add(new.owner)
