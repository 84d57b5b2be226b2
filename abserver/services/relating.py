"""The subscription relation list: who asked to follow whom, and what the owner made of it.

The list follows; it never decides. Its states come from the owner's rules (`decided`), from subscriptions that come
and go (`asked`, `unwatched`) and from the time that requests are kept (`give_up`). Each method gives the records that
its caller is to make durable: the relations that changed, and where the rules changed one, the line for the history of
the owner's decisions. Whoever listens (`on_change`) is told what happened, in the order in which it happened.

A relation begins with a request, as the state machine of RFC 3857 does: who was approved before he asked is confirmed
when he asks. Whom the rules refuse when he first asks, gets none; whom they refused before keeps the one that says so,
however often he asks again.
"""

from __future__ import annotations

import enum
import logging
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from abserver.domain import relation as relations
from abserver.domain.relation import ACCEPTED, DECIDED, UNDECIDED, Relation, RelationEvent, WinfoEvent, event_between
from abserver.ports import DecisionRecord
from abserver.services.requests import Requests

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from abserver.domain.identity import Owner, Watcher
    from abserver.services.authorizing import Policy
    from abserver.services.followers import Followers

log = logging.getLogger(__name__)

TURN = 500
"""Relations that are looked at before other work gets a turn."""


class Hand(enum.StrEnum):
    """By which hand a decision took effect, where it was not an edit (whose hand has a name of its own)."""

    STANDING = "standing"
    """A rule that was there before the watcher asked."""
    CLOCK = "clock"
    """A rule, or the owner's sphere, began or ended."""
    START = "start"
    """The server found it when it started: an edit just before it stopped, or a time that passed meanwhile."""


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
        """followers: of the package whose subscriptions the relations are about.

        on_change: told of each change at once; it must only take note.
        """
        self._followers = followers
        self._on_change = on_change
        self._relations: defaultdict[Owner, dict[Watcher, Relation]] = defaultdict(dict)
        self._asked: defaultdict[Watcher, set[Owner]] = defaultdict(set)
        """Whom each watcher ever asked."""
        self._requests = Requests()
        self._noted: dict[Owner, object] = {}
        """The period of the rules (`Rulings.period`) that each owner's relations are in step with."""
        self._hands: dict[Owner, str] = {}
        """Who edited what the rules say, since the relations were last in step with it."""
        for relation in sorted(known, key=lambda each: each.requested_at):
            self._put(None, relation)

    # -- what there is ----------------------------------------------------------------------------------------------

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
        return self._requests.of_watcher(watcher)

    def requests(self, owner: Owner) -> int:
        """How many watchers this owner has yet to decide about."""
        return self._requests.of_owner(owner)

    def is_open(self, owner: Owner, watcher: Watcher) -> bool:
        """Whether the watcher's request awaits the owner's decision: then asking again is the same request."""
        relation = self.of(owner, watcher)
        return relation is not None and relation.state in UNDECIDED

    # -- what happens -----------------------------------------------------------------------------------------------

    def edited(self, owner: Owner, hand: str) -> None:
        """What the owner's rules say was edited by that hand; to be called before the edit is announced."""
        self._hands[owner] = hand

    def asked(self, policy: Policy, watcher: Watcher, utc: datetime.datetime) -> Sequence[Relation | DecisionRecord]:
        """A SUBSCRIBE of the watcher is accepted. Owners have no relation with themselves."""
        if policy.is_owner(watcher):
            return ()
        old = self.of(policy.owner, watcher)
        new = relations.asked(old, policy.owner, watcher, policy.decide(watcher, utc), utc)
        if new is old:
            if new.state in ACCEPTED and not self._followers.by(policy.owner, watcher):
                self._on_change(RelationEvent(old, new, WinfoEvent.SUBSCRIBE, watched=True))
            return ()
        begins = old is None or old.state is relations.RelationState.ENDED
        return self._ruled(old, new, utc, watched=True, otherwise=Hand.STANDING if begins else Hand.CLOCK)

    def decided(self, policy: Policy, utc: datetime.datetime) -> Iterator[Sequence[Relation | DecisionRecord]]:
        """The owner's rules may say something new about anyone who asked; once for each version of the rules.

        Goes through them in turns of bounded length. If it is not gone through to its end, the next one begins anew.
        """
        owner, period = policy.owner, policy.rulings.period(utc)
        noted = self._noted.get(owner)
        if noted is period:
            self._hands.pop(owner, None)
            return
        otherwise = Hand.START if noted is None else Hand.CLOCK
        touched = policy.rulings.touched_since(noted)
        watchers = iter(list(self._relations.get(owner, ())) if touched is None else touched)
        while turn := list(islice(watchers, TURN)):
            yield [record for watcher in turn for record in self._decided(policy, watcher, utc, otherwise)]
        self._noted[owner] = period
        self._hands.pop(owner, None)

    def _decided(
        self, policy: Policy, watcher: Watcher, utc: datetime.datetime, otherwise: Hand
    ) -> Sequence[Relation | DecisionRecord]:
        old = self.of(policy.owner, watcher)
        if old is None:
            return ()
        watched = bool(self._followers.by(policy.owner, watcher))
        new = relations.decided(old, policy.decide(watcher, utc), utc, watched=watched)
        return () if new is old else self._ruled(old, new, utc, watched=watched, otherwise=otherwise)

    def unwatched(self, owner: Owner, watcher: Watcher) -> Sequence[Relation]:
        """The watcher's last subscription to this owner is over."""
        old = self.of(owner, watcher)
        if old is None:
            return ()
        new = relations.unwatched(old)
        if new is not old:
            return (self._changed(old, new, watched=False),)
        if new.state in ACCEPTED:
            self._on_change(RelationEvent(old, new, WinfoEvent.TIMEOUT, watched=False))
        return ()

    def give_up(self, utc: datetime.datetime, older_than: datetime.timedelta) -> Sequence[Relation]:
        """Give up requests that were made so long ago and not decided (RFC 3857 §4.7.1), the oldest first.

        A few at a time: there may be more as long as there are any. A subscription that still lasts under one has to be
        ended at once, with the reason `giveup`: as long as there is one, the rules make a request of it again.
        """
        given_up: list[Relation] = []
        while len(given_up) < TURN and (oldest := self._requests.oldest()) is not None:
            old = self._relations[oldest[0]][oldest[1]]
            if utc - old.requested_at < older_than:
                break
            given_up.append(self._changed(old, relations.given_up(old, utc), watched=False))
        return given_up

    def next_give_up(self, older_than: datetime.timedelta) -> datetime.datetime | None:
        """When `give_up` has something to do next."""
        oldest = self._requests.oldest()
        return None if oldest is None else self._relations[oldest[0]][oldest[1]].requested_at + older_than

    # -- bookkeeping ------------------------------------------------------------------------------------------------

    def _ruled(
        self, old: Relation | None, new: Relation, utc: datetime.datetime, *, watched: bool, otherwise: Hand
    ) -> Sequence[Relation | DecisionRecord]:
        """A change that may come of the rules; with a line for the history if it does."""
        self._changed(old, new, watched=watched)
        if new.state not in DECIDED and (old is None or old.state not in DECIDED):
            return (new,)
        by = self._hands.get(new.owner, otherwise)
        return new, DecisionRecord(new.owner, new.watcher, utc, new.state, new.rule, by)

    def _changed(self, old: Relation | None, new: Relation, *, watched: bool) -> Relation:
        self._put(old, new)
        event = event_between(old, new, watched=watched)
        if log.isEnabledFor(logging.INFO):
            log.info("relation changed", extra=_facts(new, event))
        self._on_change(RelationEvent(old, new, event, watched))
        return new

    def _put(self, old: Relation | None, new: Relation) -> None:
        self._relations[new.owner][new.watcher] = new
        if old is None:
            self._asked[new.watcher].add(new.owner)
        was, is_now = old is not None and old.state in UNDECIDED, new.state in UNDECIDED
        if is_now and not was:
            self._requests.add(new.owner, new.watcher)
        elif was and not is_now:
            self._requests.remove(new.owner, new.watcher)


def _facts(relation: Relation, event: WinfoEvent) -> dict[str, str | None]:
    return {
        "owner": relation.owner,
        "watcher": relation.watcher,
        "state": relation.state.value,
        "event": event.value,
        "rule": relation.rule,
    }
