"""What this server computes for readers of documents: `xcap.ports.DocumentSource` over its services.

Both are made from the rules as they are at that moment, like a NOTIFY: who was shown something by rules that were
replaced is not shown it again, whether or not the notifier has come round to the change.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from abserver.domain.identity import NO_ALIASES, InvalidAor, Owner, Watcher, parse_aor
from abserver.domain.rules import Handling
from abserver.domain.usages import relations, shared_cards, views
from xcap.core.etag import etag_of
from xcap.ports import Computed, DocumentKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abserver.domain.identity import Aor, Identities
    from abserver.domain.relation import RelationEvent
    from abserver.domain.view import View
    from abserver.events.xcap_diff.selections import Tree
    from abserver.ports import Clock, Journal
    from abserver.services.authorizing import Authorizer
    from abserver.services.outbox import Outbox
    from abserver.services.relating import Relating
    from xcap.core.selector import NodeSelector

SHOWN = (Handling.ALLOW, Handling.POLITE_BLOCK)


class SharedCards:
    """The documents of `org.abserver.shared-cards`: one for each owner who was asked and shows something."""

    def __init__(
        self, authorizer: Authorizer, relating: Relating, clock: Clock, identities: Identities = NO_ALIASES
    ) -> None:
        self._authorizer = authorizer
        self._relating = relating
        self._clock = clock
        self._identities = identities

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        watcher, owner = _user(key.user), shared_cards.owner_of(key.name, self._identities)
        if watcher is None or owner is None:
            return None
        view = await self._view(owner, Watcher(watcher))
        return None if view is None else Computed(view.content, view.tag)

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        watcher = _user(user)
        owners = [] if watcher is None else sorted(self._relating.followed(Watcher(watcher)))
        listed: list[tuple[DocumentKey, str]] = []
        for owner in owners:
            key = DocumentKey(auid, user, shared_cards.name_of(owner))
            document = await self.load(key, None)
            if document is not None:
                listed.append((key, document.etag))
        return listed

    async def _view(self, owner: Owner, watcher: Watcher) -> View | None:
        """What the watcher sees of the card; None before a confirmation and after its end."""
        if self._relating.of(owner, watcher) is None:
            return None
        policy = await self._authorizer.policy(owner)
        decision = policy.decide(watcher, self._clock.utc())
        return policy.view(decision.grant) if decision.handling in SHOWN else None


class RelationLists:
    """The documents of `org.abserver.relations`."""

    def __init__(
        self, authorizer: Authorizer, relating: Relating, outbox: Outbox, journal: Journal, clock: Clock
    ) -> None:
        self._authorizer = authorizer
        self._relating = relating
        self._outbox = outbox
        self._journal = journal
        self._clock = clock

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        user = _user(key.user)
        if user is None or key.name != relations.NAME:
            return None
        owner = Owner(user)
        policy = await self._authorizer.policy(owner)
        for records in self._relating.decided(policy, self._clock.utc()):
            self._outbox.put(*records)
        await self._outbox.write()  # the history is read from where it is kept
        history = await self._journal.decisions(owner)
        content = relations.relations_document(owner, self._relating.all_of(owner), history)
        return Computed(content, etag_of(content))

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        key = DocumentKey(auid, user, relations.NAME)
        document = await self.load(key, None)
        return [] if document is None else [(key, document.etag)]


class ComputedChanges:
    """Tells which computed documents may be others now. A hint: whether they are is found out by reading them.

    Explanations are not told of: they are about the moment in which they are asked for.
    """

    def __init__(
        self, relating: Relating, changed: Callable[[DocumentKey], None], tree_changed: Callable[[Tree], None]
    ) -> None:
        """changed: told of each document that may have changed; tree_changed: of each tree in which any may have."""
        self._relating = relating
        self._changed = changed
        self._tree_changed = tree_changed
        self._readers: defaultdict[Owner, set[Watcher]] = defaultdict(set)
        """Of those whose shared cards somebody wants to hear of: who follows each owner."""
        self._interesting: set[Watcher] = set()

    def interest(self, tree: Tree, *, begins: bool) -> None:
        """Somebody wants to hear of documents in this tree from now on, or nobody does any more."""
        user = _user(tree[1])
        if tree[0] != shared_cards.AUID or user is None:
            return
        watcher = Watcher(user)
        if begins:
            self._interesting.add(watcher)
        else:
            self._interesting.discard(watcher)
        for owner in self._relating.followed(watcher):
            if begins:
                self._readers[owner].add(watcher)
            else:
                self._forget(owner, watcher)

    def _forget(self, owner: Owner, watcher: Watcher) -> None:
        self._readers[owner].discard(watcher)
        if not self._readers[owner]:
            del self._readers[owner]

    def card_changed(self, owner: Owner) -> None:
        """The card or the rules of `owner` changed, or what the rules say at this time."""
        for watcher in self._readers.get(owner, ()):
            self._changed(_shared(owner, watcher))
        self._tree_changed((views.AUID, owner))

    def related(self, event: RelationEvent) -> None:
        """A relation changed, or is new (`Relating.on_change`)."""
        owner, watcher = event.new.owner, event.new.watcher
        if watcher in self._interesting:
            self._readers[owner].add(watcher)
            self._changed(_shared(owner, watcher))
        self._changed(DocumentKey(relations.AUID, owner, relations.NAME))


def _shared(owner: Owner, watcher: Watcher) -> DocumentKey:
    return DocumentKey(shared_cards.AUID, watcher, shared_cards.name_of(owner))


def _user(xui: str | None) -> Aor | None:
    try:
        return None if xui is None else parse_aor(xui)
    except InvalidAor:  # a user of the document server who can have no card
        return None
