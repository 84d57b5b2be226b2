"""What an owner's card and rules say, kept parsed: the policy of one owner at one moment.

The law: no watcher is shown anything by rules that were replaced before. A change is noted here before its edit is
answered (`forget`), and a policy that was being read meanwhile is read again; so a policy handed out is, at that
moment, card and rules of one instant, and whoever uses it without awaiting anything in between uses the newest.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from abserver.domain.card import parse_card
from abserver.domain.identity import Aor
from abserver.domain.rules import EVERYTHING, Decision, Handling, decide, next_change, parse_rules
from abserver.domain.view import view_of

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


class Policy:
    """Card and rules of one owner, parsed once; decisions and views are remembered."""

    def __init__(
        self, owner: Owner, card: StoredDocument | None, rules: StoredDocument | None, defaults: Mapping[str, str]
    ) -> None:
        self.owner = owner
        self.card_etag = card.etag if card else None
        self.rules_etag = rules.etag if rules else None
        self._card: Card | None = parse_card(card.content) if card else None
        self._ruleset: Ruleset | None = parse_rules(rules.content) if rules else None
        self._defaults = defaults
        self._views: dict[Grant, View] = {}
        self._decisions: dict[Watcher, Decision] = {}
        self._until: datetime.datetime | None = None

    def decide(self, watcher: Watcher, utc: datetime.datetime) -> Decision:
        """What the rules say of `watcher` now; remembered until a validity boundary passes (RFC 4745 §7.3)."""
        if Aor(watcher) == self.owner:
            return OWN
        if self._until is not None and utc >= self._until:
            self._decisions.clear()
        if not self._decisions:
            self._until = self.next_change(utc)
        decision = self._decisions.get(watcher)
        if decision is None:
            decision = self._decisions[watcher] = decide(self._ruleset, watcher, utc)
        return decision

    def view(self, grant: Grant) -> View:
        """What every watcher with this grant sees."""
        view = self._views.get(grant)
        if view is None:
            view = self._views[grant] = view_of(self._card, grant, self.owner, self._defaults)
        return view

    def next_change(self, utc: datetime.datetime) -> datetime.datetime | None:
        """When a decision may change without an edit."""
        return next_change(self._ruleset, utc) if self._ruleset else None


class Authorizer:
    """Hands out policies and forgets those that an edit made old."""

    def __init__(self, documents: Documents, defaults: Mapping[str, str]) -> None:
        """defaults: property name -> level of items that carry none."""
        self._documents = documents
        self._defaults = defaults
        self._policies: OrderedDict[Owner, Policy] = OrderedDict()
        self._reading: dict[Owner, object] = {}
        """Owners whose documents are being read; the mark is taken away by an edit."""

    def forget(self, owner: Owner) -> None:
        """The owner's card or rules changed; to be called before the edit is answered."""
        self._policies.pop(owner, None)
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
                self._keep(Policy(owner, card, rules, self._defaults))
        self._policies.move_to_end(owner)
        return policy

    def _keep(self, policy: Policy) -> None:
        self._policies[policy.owner] = policy
        while len(self._policies) > KEPT:
            self._policies.popitem(last=False)
