"""What an owner's card and rules say, kept parsed: the policy of one owner at one moment.

The law: no watcher is shown anything by rules that were replaced before. A change is noted here before its edit is
answered (`forget`), and a policy that was being read meanwhile is read again; so a policy handed out is, at that
moment, card and rules of one instant, and whoever uses it without awaiting anything in between uses the newest.

The same holds for the grounds of the rules: the owner's lists and presence, as far as the rules ask for them. Whoever
hears of a change asks whether the owner's rules rest on that document (`rests_on`).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from abserver.domain import lists, spheres
from abserver.domain.card import parse_card
from abserver.domain.explanation import ExplainedRules, explain_items, explain_rules
from abserver.domain.identity import ANONYMOUS, NO_ALIASES
from abserver.domain.instants import EARLIEST, LATEST
from abserver.domain.rules import (
    EVERYTHING,
    NO_LISTS,
    UNDECIDED,
    Decision,
    Grant,
    Handling,
    combined,
    matching,
    parse_rules,
)
from abserver.domain.ruleset import Ruleset, next_change, touched_by
from abserver.domain.view import view_of
from abserver.ports import Ground
from abserver.services.recent import Recent
from xcap.core.usages import pidf_manipulation

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from abserver.domain.card import Card
    from abserver.domain.conditions import Members
    from abserver.domain.explanation import ExplainedItem
    from abserver.domain.identity import Identities, Owner, Watcher
    from abserver.domain.spheres import Spheres
    from abserver.domain.view import View
    from abserver.ports import Documents, StoredDocument

KEPT = 10_000
"""Policies kept in memory, the least recently used dropped first."""
KEPT_DECISIONS = 200_000
"""Decisions of one owner's rules kept in memory; beyond them all are made anew, as they are asked for."""

KEPT_EDITS = 7
"""Edits of which it is remembered whom they touched, beside the last one."""

OWN = Decision(Handling.ALLOW, EVERYTHING, None)
"""Owners see their own card whole, on as many devices as they like."""

PRESENCE = Ground(pidf_manipulation.AUID, "index")

NO_GROUNDS: Mapping[Ground, str | None] = MappingProxyType({})

_grants: WeakValueDictionary[Grant, Grant] = WeakValueDictionary()
"""The one object of each grant that somebody has."""
_decisions: WeakValueDictionary[Decision, Decision] = WeakValueDictionary()
"""The same of decisions."""


class Rulings:
    """The rules of one owner with all that they rest on, and what they said of whom.

    Shared by policies while none of that changes. Equal decisions are one object, and so are equal grants, of these
    and of later rulings: whoever compares watchers with each other may compare by identity.
    """

    def __init__(
        self,
        etag: str | None = None,
        ruleset: Ruleset | None = None,
        sphere: Spheres = spheres.UNKNOWN,
        members: Mapping[str, Members] = NO_LISTS,
        grounds: Mapping[Ground, str | None] = NO_GROUNDS,
        before: Rulings | None = None,
    ) -> None:
        """etag: of the rules. members: who is on the lists. grounds: the documents behind those two, with etags.

        before: the last rulings of the same owner; what is the same as there is not decided anew.
        """
        self.etag = etag
        self.ruleset = ruleset
        self.grounds = grounds
        self._spheres = sphere
        self._members = members
        self._sphere: str | None = None
        self._decisions: dict[Watcher | None, Decision] = {}
        self._together: dict[tuple[int, ...], Decision] = {}
        self._began: datetime.datetime | None = None
        self._until = EARLIEST
        """Until when nothing changes by itself."""
        self._period = object()
        self._edits: Sequence[tuple[object, frozenset[Watcher]]] = ()
        """Periods that led to this one by edits alone, with the watchers whom each edit may have touched."""
        if before is not None and before.grounds == grounds:
            self._go_on_from(before)

    def decide(self, watcher: Watcher | None, utc: datetime.datetime) -> Decision:
        """What the rules say of `watcher` (None, ANONYMOUS: not authenticated) now; kept while time changes nothing."""
        if utc >= self._until:
            self._begin(utc)
        decision = self._decisions.get(watcher)
        return self._made(watcher, utc) if decision is None else decision

    def period(self, utc: datetime.datetime) -> object:
        """The same object as long as no decision can have changed (RFC 4745 §7.3, §7.4)."""
        if utc >= self._until:
            self._begin(utc)
        return self._period

    def touched_since(self, period: object) -> frozenset[Watcher] | None:
        """The watchers about whom something else may be said now than in that period; None for anybody."""
        for place, (since, _) in enumerate(self._edits):
            if since is period:
                return frozenset().union(*(touched for _, touched in self._edits[place:]))
        return None

    def explained(self, decision: Decision, watcher: Watcher, utc: datetime.datetime) -> ExplainedRules:
        """What each rule does for `watcher`, of whom `decide` has just said `decision`."""
        known = None if watcher == ANONYMOUS else watcher
        return explain_rules(self.ruleset, decision, known, utc, sphere=self._sphere, lists=self._members)

    def next_change(self, utc: datetime.datetime) -> datetime.datetime | None:
        """When a decision may change without an edit; looked up once for each period."""
        known = self._began is not None and self._began <= utc < self._until
        end = self._until if known else self._end_of(utc)
        return None if end == LATEST else end

    def _end_of(self, utc: datetime.datetime) -> datetime.datetime:
        """Until when nothing changes by itself, from `utc` on."""
        times = (next_change(self.ruleset, utc), self._spheres.next_change(utc))
        return min((time for time in times if time is not None), default=LATEST)

    def _go_on_from(self, before: Rulings) -> None:
        touched = touched_by(before.ruleset, self.ruleset)
        if touched is None or before._began is None:
            return
        self._decisions = before._decisions.copy()
        for watcher in touched:
            self._decisions.pop(watcher, None)
        self._sphere, self._began = before._sphere, before._began
        self._until = self._end_of(before._began)
        self._edits = (*before._edits[-KEPT_EDITS:], (before._period, touched))

    def _begin(self, utc: datetime.datetime) -> None:
        self._decisions.clear()
        self._edits = ()
        self._sphere, self._began = self._spheres.at(utc), utc
        self._until = self._end_of(utc)
        self._period = object()

    def _made(self, watcher: Watcher | None, utc: datetime.datetime) -> Decision:
        if len(self._decisions) >= KEPT_DECISIONS:
            self._decisions.clear()
        known = None if watcher == ANONYMOUS else watcher
        decision = self._decisions[watcher] = self._said(self.ruleset, known, utc) if self.ruleset else UNDECIDED
        return decision

    def _said(self, ruleset: Ruleset, watcher: Watcher | None, utc: datetime.datetime) -> Decision:
        """What the rules say together; once for each set of rules that match anybody."""
        rules = matching(ruleset, watcher, utc, self._sphere, self._members)
        key = tuple(map(id, rules))  # of rules in the ruleset, which live as long as it does
        decision = self._together.get(key)
        if decision is None:
            made = combined(rules)
            made = Decision(made.handling, _grants.setdefault(made.grant, made.grant), made.rule)
            decision = self._together[key] = _decisions.setdefault(made, made)
        return decision


class Policy:
    """Card and rules of one owner at one moment; views are computed once."""

    def __init__(
        self, owner: Owner, card: StoredDocument | None, rulings: Rulings, defaults: Mapping[str, str]
    ) -> None:
        self.owner = owner
        self.card_etag = card.etag if card else None
        self.rulings = rulings
        self._self: str = owner
        self._card: Card | None = parse_card(card.content) if card else None
        self._defaults = defaults
        self._views: dict[Grant, View] = {}
        self._moment = object()
        self._period: object = None

    @property
    def rules_etag(self) -> str | None:
        return self.rulings.etag

    def decide(self, watcher: Watcher | None, utc: datetime.datetime) -> Decision:
        """What `watcher` (None, ANONYMOUS: not authenticated) may see now; owners see all of their own card."""
        return OWN if watcher == self._self else self.rulings.decide(watcher, utc)

    def is_owner(self, watcher: Watcher) -> bool:
        """Whether this is the owner's own device."""
        return watcher == self._self

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

    def explained_rules(self, watcher: Watcher, utc: datetime.datetime) -> ExplainedRules:
        """What each rule does for `watcher`; none decides about owners."""
        if self.is_owner(watcher):
            return ExplainedRules()
        return self.rulings.explained(self.decide(watcher, utc), watcher, utc)

    def explained_items(self, decision: Decision) -> Sequence[ExplainedItem]:
        """What becomes of each item of the card."""
        return explain_items(self._card, decision, self._defaults)

    def next_change(self, utc: datetime.datetime) -> datetime.datetime | None:
        """When a decision may change without an edit."""
        return self.rulings.next_change(utc)


class Authorizer:
    """Hands out policies and forgets those that an edit made old."""

    def __init__(self, documents: Documents, defaults: Mapping[str, str], identities: Identities = NO_ALIASES) -> None:
        """defaults: property name -> level of items that carry none. identities: who is meant by addresses in rules."""
        self._documents = documents
        self._identities = identities
        self._defaults = defaults
        self._policies: Recent[Owner, Policy] = Recent(KEPT)
        self._rulings: Recent[Owner, Rulings] = Recent(KEPT)
        self._grounds: dict[Owner, frozenset[Ground]] = {}
        """What each owner's rules rest on, as of the last reading; only where there is something."""
        self._reading: dict[Owner, object] = {}
        """Owners whose documents are being read; the mark is taken away by an edit."""

    def forget(self, owner: Owner) -> None:
        """The owner's card or rules changed, or what they rest on; to be called before the edit is answered."""
        self._policies.drop(owner)
        self._reading.pop(owner, None)

    def rests_on(self, owner: Owner, ground: Ground) -> bool:
        """Whether a change of this document of the owner may change what the rules say."""
        return owner in self._reading or ground in self._grounds.get(owner, ())

    def current(self, owner: Owner) -> Policy | None:
        """The policy as of now if it is at hand."""
        return self._policies.get(owner)

    async def policy(self, owner: Owner) -> Policy:
        """The policy as of now; to be used before anything else is awaited."""
        while (policy := self._policies.get(owner)) is None:
            mark = self._reading.setdefault(owner, object())
            card, rulings = await self._documents.card(owner), await self._ruled(owner)
            if self._reading.get(owner) is mark:
                del self._reading[owner]
                self._policies.put(owner, Policy(owner, card, rulings, self._defaults))
        return policy

    async def _ruled(self, owner: Owner) -> Rulings:
        """The rulings of the last policy, if all that they rest on is still the same: an edit of the card decides
        nothing anew."""
        rules = await self._documents.rules(owner)
        rulings = self._rulings.get(owner)
        if (
            rulings is None
            or rulings.etag != (rules.etag if rules else None)
            or not await self._stand(owner, rulings.grounds)
        ):
            rulings = await self._read(owner, rules, rulings)
            self._rulings.put(owner, rulings)
            self._note_grounds(owner, rulings)
        return rulings

    async def _stand(self, owner: Owner, grounds: Mapping[Ground, str | None]) -> bool:
        """Whether these documents are what they were."""
        for ground, etag in grounds.items():
            document = await self._documents.ground(owner, ground)
            if (document.etag if document else None) != etag:
                return False
        return True

    async def _read(self, owner: Owner, rules: StoredDocument | None, before: Rulings | None) -> Rulings:
        if rules is None:
            return Rulings(before=before)
        ruleset = parse_rules(rules.content, self._identities)
        grounds = _Grounds(self._documents, owner, self._identities)
        sphere = await grounds.spheres() if ruleset.asks_sphere else spheres.UNKNOWN
        members = await grounds.members(ruleset) if ruleset.anchors else NO_LISTS
        return Rulings(rules.etag, ruleset, sphere, members, grounds.etags, before)

    def _note_grounds(self, owner: Owner, rulings: Rulings) -> None:
        if rulings.grounds:
            self._grounds[owner] = frozenset(rulings.grounds)
        else:
            self._grounds.pop(owner, None)


class _Grounds:
    """Reads what the rules of one owner rest on, and remembers the etags."""

    def __init__(self, documents: Documents, owner: Owner, identities: Identities) -> None:
        self.etags: dict[Ground, str | None] = {}
        self._documents = documents
        self._owner = owner
        self._identities = identities

    async def spheres(self) -> Spheres:
        """What the owner's presence says."""
        content = await self._content(PRESENCE)
        return spheres.UNKNOWN if content is None else spheres.read_spheres(content)

    async def members(self, ruleset: Ruleset) -> Mapping[str, Members]:
        """Who is on the lists that the rules refer to."""
        contents: dict[str, bytes | None] = {}
        while missing := (found := self._resolved(ruleset, contents)).missing:
            for name in missing:
                contents[name] = await self._content(Ground(lists.AUID, name))
        return found.lists

    def _resolved(self, ruleset: Ruleset, contents: Mapping[str, bytes | None]) -> lists.Resolution:
        return lists.resolve(ruleset.anchors, self._owner, contents, self._identities)

    async def _content(self, ground: Ground) -> bytes | None:
        document = await self._documents.ground(self._owner, ground)
        self.etags[ground] = document.etag if document else None
        return document.content if document else None
