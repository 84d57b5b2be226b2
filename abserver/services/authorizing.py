"""What an owner's card and rules say, kept parsed: the policy of one owner at one moment.

The law: no watcher is shown anything by rules that were replaced before. A change is noted here before its edit is
answered (`forget`), and a policy that was being read meanwhile is read again; so a policy handed out is, at that
moment, card and rules of one instant, and whoever uses it without awaiting anything in between uses the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.card import parse_card
from abserver.domain.identity import Aor
from abserver.domain.rules import EVERYTHING, Decision, Handling, decide, next_change, parse_rules
from abserver.domain.view import view_of
from abserver.services.recent import Recent

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

    from abserver.domain.card import Card
    from abserver.domain.identity import Owner, Watcher
    from abserver.domain.rules import Grant, Ruleset
    from abserver.domain.view import View
    from abserver.ports import Documents, StoredDocument

KEPT = 10_000
"""Policies kept in memory, the least recently used dropped first."""

OWN = Decision(Handling.ALLOW, EVERYTHING, None)
"""Owners see their own card whole, on as many devices as they like."""


class Rulings:
    """The rules of one owner, parsed once, and what they said of whom; shared by policies while the rules stay."""

    def __init__(self, rules: StoredDocument | None) -> None:
        self.etag = rules.etag if rules else None
        self._ruleset: Ruleset | None = parse_rules(rules.content) if rules else None
        self._decisions: dict[Watcher, Decision] = {}
        self._until: datetime.datetime | None = None
        self._period = object()

    def decide(self, watcher: Watcher, utc: datetime.datetime) -> Decision:
        """What the rules say of `watcher` now; remembered until a validity boundary passes (RFC 4745 §7.3)."""
        self.period(utc)
        decision = self._decisions.get(watcher)
        if decision is None:
            decision = self._decisions[watcher] = decide(self._ruleset, watcher, utc)
        return decision

    def period(self, utc: datetime.datetime) -> object:
        """The same object as long as no decision can have changed."""
        if self._until is not None and utc >= self._until:
            self._decisions.clear()
            self._period = object()
        if not self._decisions:
            self._until = self.next_change(utc)
        return self._period

    def next_change(self, utc: datetime.datetime) -> datetime.datetime | None:
        """When a decision may change without an edit."""
        return next_change(self._ruleset, utc) if self._ruleset else None


class Policy:
    """Card and rules of one owner at one moment; views are computed once."""

    def __init__(
        self, owner: Owner, card: StoredDocument | None, rulings: Rulings, defaults: Mapping[str, str]
    ) -> None:
        self.owner = owner
        self.card_etag = card.etag if card else None
        self.rulings = rulings
        self._card: Card | None = parse_card(card.content) if card else None
        self._defaults = defaults
        self._views: dict[Grant, View] = {}
        self._moment = object()
        self._period: object = None

    @property
    def rules_etag(self) -> str | None:
        return self.rulings.etag

    def decide(self, watcher: Watcher, utc: datetime.datetime) -> Decision:
        """What `watcher` may see now; owners see all of their own card."""
        return OWN if Aor(watcher) == self.owner else self.rulings.decide(watcher, utc)

    def moment(self, utc: datetime.datetime) -> object:
        """The same object as long as nobody's view or decision can have changed."""
        period = self.rulings.period(utc)
        if period is not self._period:
            self._period, self._moment = period, object()
        return self._moment

    def view(self, grant: Grant) -> View:
        """What every watcher with this grant sees."""
        view = self._views.get(grant)
        if view is None:
            view = self._views[grant] = view_of(self._card, grant, self.owner, self._defaults)
        return view

    def next_change(self, utc: datetime.datetime) -> datetime.datetime | None:
        """When a decision may change without an edit."""
        return self.rulings.next_change(utc)


class Authorizer:
    """Hands out policies and forgets those that an edit made old."""

    def __init__(self, documents: Documents, defaults: Mapping[str, str]) -> None:
        """defaults: property name -> level of items that carry none."""
        self._documents = documents
        self._defaults = defaults
        self._policies: Recent[Owner, Policy] = Recent(KEPT)
        self._rulings: Recent[Owner, Rulings] = Recent(KEPT)
        self._reading: dict[Owner, object] = {}
        """Owners whose documents are being read; the mark is taken away by an edit."""

    def forget(self, owner: Owner) -> None:
        """The owner's card or rules changed; to be called before the edit is answered."""
        self._policies.drop(owner)
        self._reading.pop(owner, None)

    def current(self, owner: Owner) -> Policy | None:
        """The policy as of now if it is at hand."""
        return self._policies.get(owner)

    async def policy(self, owner: Owner) -> Policy:
        """The policy as of now; to be used before anything else is awaited."""
        while (policy := self._policies.get(owner)) is None:
            mark = self._reading.setdefault(owner, object())
            card, rules = await self._documents.card(owner), await self._documents.rules(owner)
            if self._reading.get(owner) is mark:
                del self._reading[owner]
                self._policies.put(owner, Policy(owner, card, self._rulings_of(owner, rules), self._defaults))
        return policy

    def _rulings_of(self, owner: Owner, rules: StoredDocument | None) -> Rulings:
        """Those of the last policy, if the rules are still the same: an edit of the card decides nothing anew."""
        rulings = self._rulings.get(owner)
        if rulings is None or rulings.etag != (rules.etag if rules else None):
            rulings = Rulings(rules)
            self._rulings.put(owner, rulings)
        return rulings
