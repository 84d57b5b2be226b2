"""The `xcap-diff` package at the notifier: a user is told what changes in the documents that he may read (RFC 5875).

A subscription belongs to a user, who subscribes to himself or to the server, and is about the resources that its list
names. It is told what a GET by that user would show, and nothing else: what he may not read is not looked at, so it
makes no difference to what is sent, or when.

What a subscriber was told is kept in memory. The journal keeps the tag of the last state that he acknowledged: after a
restart, whoever has the state of now goes on, and whoever lacks something is asked to subscribe again (`deactivated`,
RFC 6665 §4.1.3), since nobody knows any more what he would have to be told to be gone. So before a NOTIFY leaves, the
journal knows that its subscriber may have another state than that.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Protocol

from abserver.domain.identity import Aor, Identities, InvalidAor, Owner, domain_of
from abserver.events import codings
from abserver.events.contact_card import Entity
from abserver.events.xcap_diff.lists import read_list
from abserver.events.xcap_diff.package import PACKAGE
from abserver.events.xcap_diff.resources import Resources
from abserver.events.xcap_diff.telling import Telling, document
from abserver.ports import DeviceRecord
from abserver.services.document_watch import Contents, Watch
from abserver.services.recent import ENTRY
from abserver.sip.headers import EventReason, Substate
from abserver.sip.uas import make_response
from abserver.sip.uri import SipUri
from xcap.core.xcapdiff import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from abserver.domain.identity import Watcher
    from abserver.events.package import EventPackage
    from abserver.events.subscription import Notice
    from abserver.events.xcap_diff.selections import Catalog, Tree
    from abserver.ports import Clock, DeviceKey, Record
    from abserver.services.followers import Followed, Followers
    from abserver.services.outbox import Outbox
    from abserver.services.reconciling import Reconciler
    from abserver.services.senders import Sender
    from abserver.sip.message import Request, Response
    from xcap.ports import DocumentKey, DocumentReader

KEPT_CONTENTS = 16 * 1024 * 1024
"""Octets of former versions of computed documents in memory, from which patches are made."""

UNKNOWN: Final = ""
"""The tag of a state that may be another one than was acknowledged."""
RESUMED: Final = "resumed"
"""The mark (`Followed.settled`) of a subscription from before a restart."""


class Interest(Protocol):
    """Told that subscribers begin to be interested in a tree, or that none is any more; only takes note."""

    def __call__(self, tree: Tree, *, begins: bool) -> None: ...


class DocumentChanges:
    """Serves the package (a `PackageServer`)."""

    def __init__(
        self,
        *,
        followers: Followers,
        catalog: Catalog,
        reader: DocumentReader,
        rest_on: Callable[[DocumentKey], Iterable[DocumentKey]],
        on_interest: Interest,
        acknowledged: Callable[[DeviceKey], str | None],
        outbox: Outbox,
        reconciler: Reconciler,
        clock: Clock,
        pump: Callable[[Followed], object],
        domains: Sequence[str],
        identities: Identities,
        package: EventPackage = PACKAGE,
    ) -> None:
        """rest_on: the documents that are computed from a document, and so may change with it.

        on_interest: told of a tree when the first subscriber selects something in it, and when none does any more.
        acknowledged: the tag of what a device acknowledged before a restart (`UpdateLists.held`).
        pump: sends a follower what is due (`Notifier.pump`). domains: those whose users are ours.
        """
        self.package = package
        self.followers = followers
        self._catalog = catalog
        self._reader = reader
        self._rest_on = rest_on
        self._on_interest = on_interest
        self._acknowledged = acknowledged
        self._outbox = outbox
        self._reconciler = reconciler
        self._clock = clock
        self._pump = pump
        self._domains = frozenset(domains)
        self._identities = identities
        self._contents: Contents = Contents(KEPT_CONTENTS, lambda content: ENTRY + len(content))
        self._watches: dict[Followed, Watch] = {}
        self._interested: defaultdict[Tree, set[Followed]] = defaultdict(set)
        """Who selects anything in a tree."""
        self._unsure: set[DeviceKey] = set()
        """Subscribers of whom the journal knows that they may have another state than the one they acknowledged."""
        followers.listen(self._came_or_went)

    # -- what changes -----------------------------------------------------------------------------------------------

    def changed(self, key: DocumentKey) -> None:
        """The document may be another one, or gone, or new; only takes note."""
        if not self._interested:
            return
        self._doubt(key)
        for each in self._rest_on(key):
            self._doubt(each)

    def tree_changed(self, tree: Tree) -> None:
        """Any document of the tree may be another one; only takes note.

        For what is in no listing: the documents that are selected by name are looked at.
        """
        for followed in self._interested.get(tree, ()):
            watch = self._watches[followed]
            for key in watch.named_in(tree):
                watch.doubt(key)
                self._reconciler.hint(self, followed.key.owner)

    def _doubt(self, key: DocumentKey) -> None:
        for followed in self._interested.get((key.auid, key.user), ()):
            watch = self._watches[followed]
            if watch.concerns(key):
                watch.doubt(key)
                self._reconciler.hint(self, followed.key.owner)

    # -- a SUBSCRIBE ------------------------------------------------------------------------------------------------

    async def admit(self, request: Request, sender: Sender) -> Owner | Response:
        """Users of ours subscribe to themselves, or to the server, which is a URI without a user."""
        watcher = sender.identity
        if domain_of(watcher) in self._domains and self._is_for(sender.resource, watcher):
            return Owner(Aor(f"{watcher};documents"))  # another resource than the card that the user may follow, too
        return make_response(request, 403)

    def _is_for(self, uri: str, watcher: Watcher) -> bool:
        """Whether a URI is that of the watcher, or of no user at all."""
        try:
            return self._identities.canonical(uri) == watcher
        except InvalidAor:
            return SipUri.parse(uri).userinfo is None

    def known_as(self, owner: Owner, sender: Sender) -> Watcher:
        """By name: nobody but the user himself is told of anything."""
        return sender.identity

    def held(self, followed: Followed) -> str | None:
        """Nothing: a subscription begins with everything (RFC 5875 §4.7)."""
        return None

    def acknowledged(self, key: DeviceKey) -> str | None:
        """What the journal said at the start."""
        return self._acknowledged(key)

    def requested(self, followed: Followed, request: Request) -> Sequence[Record]:
        """Nothing is promised but the subscription."""
        return ()

    def subscribed(self, followed: Followed) -> None:
        """`settle` sees to it."""

    def ended(self, followed: Followed) -> None:
        """`Followers` told of it."""

    def _came_or_went(self, followed: Followed) -> None:
        if followed.living:
            watch = self._watches[followed] = Watch(followed.key.watcher, self._reader, self._contents)
            if followed.dialog.local_cseq:  # it lived before a restart
                followed.settled = RESUMED
            self._select(followed, watch)
        else:
            gone = self._watches.pop(followed, None)
            if gone is not None:
                self._lose_interest(followed, gone)
                self._unsure.discard(followed.key)

    def _select(self, followed: Followed, watch: Watch) -> None:
        """Have the watch look at what the terms of the subscription name."""
        self._lose_interest(followed, watch)
        terms, user = followed.terms, followed.key.watcher
        listed = read_list(terms.body) if terms.body else None
        selections = self._catalog.everything_of(user) if listed is None else self._catalog.select(listed, user)
        watch.select(terms, selections)
        for tree in selections.trees:
            if tree not in self._interested:
                self._on_interest(tree, begins=True)
            self._interested[tree].add(followed)

    def _lose_interest(self, followed: Followed, watch: Watch) -> None:
        for tree in watch.trees:
            self._interested[tree].discard(followed)
            if not self._interested[tree]:
                del self._interested[tree]
                self._on_interest(tree, begins=False)

    # -- what should be there ---------------------------------------------------------------------------------------

    async def ready(self, followed: Followed) -> None:
        """The documents as they are."""
        watch = self._watches.get(followed)
        if watch is not None:  # else the subscription ended meanwhile
            if not watch.is_for(followed.terms):
                self._select(followed, watch)
            await watch.look()

    def settle(self, followed: Followed) -> bool:
        """Show the documents; all of them, once, after a SUBSCRIBE."""
        watch = self._watches[followed]
        if watch.state is None or not (watch.is_current and watch.is_for(followed.terms)):
            return False
        if followed.settled is None:
            watch.telling.start_over()
        elif followed.settled is RESUMED and not self._goes_on(followed, watch, watch.state):
            followed.machine.terminate(EventReason.DEACTIVATED)
            return True
        followed.settled = watch
        followed.machine.set_active(watch.state)
        return True

    def _goes_on(self, followed: Followed, watch: Watch, state: Resources) -> bool:
        """Whether a subscriber from before a restart has the state of now, or wants to hear of none."""
        machine = followed.machine
        if machine.told is not Substate.ACTIVE or not (followed.terms.quenched or machine.delivered == state.tag):
            return False
        watch.telling = Telling(state)
        return True

    async def reconcile(self, owner: Owner) -> None:
        """Bring all subscriptions of one user up to date."""
        for followed in self.followers.of(owner):
            while followed.living and not self.settle(followed):
                await self.ready(followed)
            if followed.living:
                self._pump(followed)

    # -- a NOTIFY ---------------------------------------------------------------------------------------------------

    def preparations(self, followed: Followed) -> Sequence[Record]:
        """That it is not known any more which state the subscriber has."""
        if not followed.lasting or followed.key in self._unsure:
            return ()
        return (DeviceRecord(followed.key, UNKNOWN, 0, self._clock.utc()),)

    def prepared(self, record: Record) -> None:
        """It is durable."""
        if isinstance(record, DeviceRecord):
            self._unsure.add(record.key)

    def entity(self, followed: Followed, notice: Notice) -> Entity | None:
        """Everything, or what changed; nothing for a subscriber who named the state of now."""
        state = notice.view
        if not isinstance(state, Resources):
            return None
        watch = self._watches[followed]
        if notice.unchanged:
            watch.telling.sent(state)
            return None
        body = document(self._catalog.root.uri, watch.entries(state))
        formats = followed.formats
        coding, packed = codings.pack(body, formats.coding, always=formats.always_coded)
        return Entity(MEDIA_TYPE, packed, coding=coding)

    def delivered(self, followed: Followed, notice: Notice) -> None:
        """The next difference starts from here."""
        if isinstance(notice.view, Resources):
            self._watches[followed].telling.acknowledged(notice.view)
            if followed.lasting:
                self._unsure.discard(followed.key)
                self._outbox.put(DeviceRecord(followed.key, notice.view.tag, 0, self._clock.utc()))
