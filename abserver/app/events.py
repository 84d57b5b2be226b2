"""SIP events and everything behind them: which service is joined to which, whatever shells are around.

A new event package is a `PackageServer` and one line here.
"""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abserver.app.computed import ComputedChanges, RelationLists, SharedCards
from abserver.app.explanations import Explanations, WatchersViews
from abserver.app.restoring import restored
from abserver.domain.card import DEFAULT_LEVELS
from abserver.domain.identity import NO_ALIASES
from abserver.domain.usages import EXPLANATIONS, RELATIONS, SHARED_CARDS, VIEWS
from abserver.events.contact_card import PACKAGE
from abserver.events.xcap_diff.package import PACE as XCAP_DIFF_PACE
from abserver.events.xcap_diff.package import xcap_diff
from abserver.services.authorizing import Authorizer
from abserver.services.collecting import KEEP, Collector
from abserver.services.contact_cards import ContactCards
from abserver.services.document_changes import DocumentChanges
from abserver.services.endings import Endings
from abserver.services.explaining import Explaining
from abserver.services.followers import Followers
from abserver.services.giving_up import GivingUp
from abserver.services.notifying import Notifier
from abserver.services.outbox import Outbox
from abserver.services.reception import Reception
from abserver.services.reconciling import Reconciler
from abserver.services.registering import Registering, with_registrar
from abserver.services.relating import Relating
from abserver.services.subscribing import CAPABILITIES, Subscribing
from abserver.services.update_lists import UpdateLists
from abserver.services.views import Views
from abserver.services.watched import CardWatchers, InfoWatchers
from abserver.services.watcher_infos import WatcherInfos
from abserver.services.windows import IN_ALL, PER_DESTINATION, Windows
from abserver.sip.gruu import notifier_target
from xcap.sources import computed_from

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from abserver.app.library import Library
    from abserver.bus.local import LocalBus
    from abserver.domain.identity import Identities, Owner
    from abserver.domain.relation import RelationEvent
    from abserver.events.package import EventPackage
    from abserver.events.xcap_diff.selections import Tree
    from abserver.ports import Clock, Documents, Journal, SipSender, Snapshot
    from abserver.services.authenticating import Authenticator
    from abserver.services.followers import Followed
    from abserver.services.packages import PackageServer
    from abserver.services.watched import Inner
    from abserver.sip.bindings import Limits as RegistrarLimits
    from abserver.sip.transport import Address, Transport
    from xcap.ports import CredentialStore, DocumentSource


def contact_in(followed: Followed) -> str:
    """Our Contact in a subscription: a GRUU (RFC 6665 §4.5.1) by the listener and transport that the peer uses, and a
    SIPS URI where the dialog asks for one (RFC 3261 §12.1.1)."""
    flow = followed.flow
    return _contact(followed.key.owner, flow.transport, flow.local, followed.dialog.secure)


@functools.lru_cache(16_384)
def _contact(owner: Owner, transport: Transport, local: Address, secure: bool) -> str:
    return f"<{notifier_target(owner, transport, local, secure=secure)}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shells:
    """What the services reach through ports."""

    sender: SipSender
    journal: Journal
    documents: Documents
    library: Library
    users: CredentialStore
    clock: Clock
    bus: LocalBus


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the operator decides; for the meaning see the services and `abserver.config`."""

    domains: Sequence[str]
    """Those whose users are ours."""
    default_levels: Mapping[str, str] = field(default_factory=lambda: DEFAULT_LEVELS)
    contact_card: EventPackage = PACKAGE
    winfo_pace: float = 5.0
    xcap_diff_pace: float = XCAP_DIFF_PACE
    max_subscriptions: int = 200_000
    max_devices: int = 16
    max_pending: int = 200
    max_requests: int = 1000
    keep_requests: datetime.timedelta = datetime.timedelta(days=30)
    keep_devices: datetime.timedelta = KEEP
    jitter: float = 0.0
    identities: Identities = NO_ALIASES
    charging_ioi: str | None = None
    registrar: RegistrarLimits | None = None
    """None: this server is no registrar."""
    window: int = PER_DESTINATION
    in_flight: int = IN_ALL


class EventSide:
    """The services of one server, joined; nothing runs before `work` does."""

    def __init__(self, shells: Shells, known: Snapshot, authenticator: Authenticator, choices: Choices) -> None:
        """known: what the journal remembers."""
        self._shells, self._choices, clock = shells, choices, shells.clock
        self._authenticator = authenticator
        self._followers = Followers()
        self.windows: Windows[Followed] = Windows(choices.window, choices.in_flight)
        self.lists = UpdateLists(known.owners, known.devices, known.departures)
        self.relating = Relating(self._followers, known.relations, on_change=self._related)
        self.authorizer = Authorizer(shells.documents, choices.default_levels, choices.identities)
        self.outbox = Outbox(shells.journal)
        self.collector = Collector(shells.journal, self.outbox, self.lists, clock, choices.keep_devices)
        self.reconciler = Reconciler(clock)
        self.registering = self._registering(choices.registrar, known)
        self.notifier = Notifier(
            sender=shells.sender,
            outbox=self.outbox,
            reconciler=self.reconciler,
            clock=clock,
            contact=contact_in,
            windows=self.windows,
            trusts_next_hop=self._trusts_next_hop,
            reach=self.registering,
        )
        self.contact_cards = self._contact_cards()
        self.giving_up = GivingUp(
            relating=self.relating,
            followers=self._followers,
            outbox=self.outbox,
            clock=clock,
            pump=self.notifier.pump,
            after=choices.keep_requests,
        )
        self.explaining = self._explaining()
        watchers = CardWatchers(self.contact_cards, self.relating, self.authorizer, clock)
        self.watcher_infos = self._watcher_infos(watchers)
        self.computed: Mapping[str, DocumentSource] = self._computed()
        """Where computed documents come from, by their usage."""
        self.document_changes = self._document_changes()
        self.computed_changes = ComputedChanges(
            self.relating, self.document_changes.changed, self.document_changes.tree_changed
        )
        self.servers: Sequence[PackageServer] = [
            self.contact_cards,
            self.watcher_infos,
            self._watcher_infos(InfoWatchers(self.watcher_infos)),
            self.document_changes,
        ]
        self.subscribing = Subscribing(
            authenticator=authenticator,
            servers=self.servers,
            notifier=self.notifier,
            outbox=self.outbox,
            clock=clock,
            contact=contact_in,
            max_subscriptions=choices.max_subscriptions,
            max_devices=choices.max_devices,
            jitter=choices.jitter,
            charging_ioi=choices.charging_ioi,
            capabilities=CAPABILITIES if self.registering is None else with_registrar(CAPABILITIES),
        )
        self.reception = Reception(self.subscribing, self.registering)
        self._listen()
        self._take_up(known)

    def _registering(self, limits: RegistrarLimits | None, known: Snapshot) -> Registering | None:
        if limits is None:
            return None
        return Registering(
            authenticator=self._authenticator,
            outbox=self.outbox,
            clock=self._shells.clock,
            domains=self._choices.domains,
            limits=limits,
            known=known.bindings,
            kept=known.secrets,
            identities=self._choices.identities,
            on_reach=self._reached,
        )

    def _contact_cards(self) -> ContactCards:
        shells, choices = self._shells, self._choices
        return ContactCards(
            followers=self._followers,
            authorizer=self.authorizer,
            relating=self.relating,
            update_lists=self.lists,
            views=Views(shells.journal),
            outbox=self.outbox,
            users=shells.users,
            reconciler=self.reconciler,
            clock=shells.clock,
            pump=self.notifier.pump,
            looked_at=self._looked_at,
            domains=choices.domains,
            identities=choices.identities,
            package=choices.contact_card,
            max_pending=choices.max_pending,
            max_requests=choices.max_requests,
        )

    def _explaining(self) -> Explaining:
        endings = Endings(self._shells.clock)
        self._followers.listen(endings.note)
        return Explaining(
            authorizer=self.authorizer,
            relating=self.relating,
            followers=self._followers,
            endings=endings,
            update_lists=self.lists,
            windows=self.windows,
            outbox=self.outbox,
            journal=self._shells.journal,
            clock=self._shells.clock,
            registered_until=None if self.registering is None else self.registering.registered_until,
        )

    def _watcher_infos(self, inner: Inner) -> WatcherInfos:
        return WatcherInfos(
            inner,
            followers=Followers(),
            reconciler=self.reconciler,
            clock=self._shells.clock,
            pump=self.notifier.pump,
            pace=self._choices.winfo_pace,
        )

    def _computed(self) -> Mapping[str, DocumentSource]:
        journal, clock, identities = self._shells.journal, self._shells.clock, self._choices.identities
        return self._shells.library.sources(
            {
                SHARED_CARDS.auid: SharedCards(self.authorizer, self.relating, clock, identities),
                RELATIONS.auid: RelationLists(self.authorizer, self.relating, self.outbox, journal, clock),
                EXPLANATIONS.auid: Explanations(self.explaining, identities),
                VIEWS.auid: WatchersViews(self.explaining, identities),
            }
        )

    def _document_changes(self) -> DocumentChanges:
        library = self._shells.library
        return DocumentChanges(
            followers=Followers(),
            catalog=library.catalog(),
            reader=library.reader(self.computed),
            rest_on=computed_from,
            on_interest=self._interest,
            acknowledged=self.lists.held,
            outbox=self.outbox,
            reconciler=self.reconciler,
            clock=self._shells.clock,
            pump=self.notifier.pump,
            domains=self._choices.domains,
            identities=self._choices.identities,
            package=xcap_diff(pace=self._choices.xcap_diff_pace),
        )

    def _listen(self) -> None:
        """Have changes come in; what is in force is forgotten before anybody looks again."""
        bus = self._shells.bus
        bus.subscribe(self.authorizer.forget)
        bus.subscribe(self.contact_cards.hint)
        bus.subscribe(self.watcher_infos.hint)
        bus.subscribe(self.computed_changes.card_changed)
        bus.subscribe_changes(lambda change: self.document_changes.changed(change.key))

    def _take_up(self, known: Snapshot) -> None:
        """Go on with the subscriptions that the journal remembers."""
        servers = {each.package.name: each for each in self.servers}
        for record in known.subscriptions:
            if record.package in servers:  # else a program with more packages wrote it
                self.notifier.resume(restored(record, servers[record.package], self._shells.clock))
        self.contact_cards.hint_all()

    def _trusts_next_hop(self, followed: Followed) -> bool:
        uri, recorded = followed.next_hop
        return self._authenticator.trusts_next_hop(uri, followed.flow, recorded=recorded)

    # What is joined in a circle: these are called only after all of it is there.

    def _reached(self, followed: Followed) -> None:
        self.notifier.reached(followed)

    def _looked_at(self, owner: Owner) -> None:
        self.computed_changes.card_changed(owner)

    def _interest(self, tree: Tree, *, begins: bool) -> None:
        self.computed_changes.interest(tree, begins=begins)

    def _related(self, event: RelationEvent) -> None:
        self.watcher_infos.related(event)
        self.computed_changes.related(event)

    def work(self) -> Sequence[Coroutine[object, object, None]]:
        """What runs as long as the server does, beside `outbox.run`, which has to outlive it."""
        return (
            *([] if self.registering is None else [self.registering.watch_the_clock()]),
            self.reconciler.run(),
            self.reconciler.watch_the_clock(),
            self.notifier.watch_the_clock(),
            self.collector.run(),
            self.giving_up.run(),
        )
