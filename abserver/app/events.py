"""SIP events and everything behind them: which service is joined to which, whatever shells are around.

A new event package is a `PackageServer` and one line here.
"""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.app.computed import RelationLists, SharedCards
from abserver.app.restoring import restored
from abserver.domain.card import DEFAULT_LEVELS
from abserver.domain.usages import RELATIONS, SHARED_CARDS
from abserver.events.contact_card import PACKAGE
from abserver.services.authorizing import Authorizer
from abserver.services.collecting import Collector
from abserver.services.contact_cards import ContactCards
from abserver.services.followers import Followers
from abserver.services.giving_up import GivingUp
from abserver.services.notifying import Notifier
from abserver.services.outbox import Outbox
from abserver.services.reconciling import Reconciler
from abserver.services.relating import Relating
from abserver.services.subscribing import Subscribing
from abserver.services.update_lists import UpdateLists
from abserver.services.views import Views
from abserver.services.watched import CardWatchers, InfoWatchers
from abserver.services.watcher_infos import WatcherInfos
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from abserver.bus.local import LocalBus
    from abserver.events.package import EventPackage
    from abserver.ports import Clock, Documents, Journal, SipSender, Snapshot
    from abserver.services.authenticating import Authenticator
    from abserver.services.followers import Followed
    from abserver.services.packages import PackageServer
    from abserver.services.watched import Inner
    from abserver.services.windows import Windows
    from xcap.ports import CredentialStore, DocumentSource


def contact_at(flow: Flow) -> str:
    """Our Contact towards a peer on this flow: the listener that it uses, on the transport that it uses."""
    return _contact(flow.transport, flow.local)


@functools.cache
def _contact(transport: Transport, local: Address) -> str:
    parameter = "" if transport is Transport.UDP else f";transport={transport.value.lower()}"
    return f"<sip:{local}{parameter}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shells:
    """What the services reach through ports."""

    sender: SipSender
    journal: Journal
    documents: Documents
    users: CredentialStore
    clock: Clock
    bus: LocalBus


class EventSide:
    """The services of one server, joined; nothing runs before `work` does."""

    def __init__(
        self,
        shells: Shells,
        known: Snapshot,
        authenticator: Authenticator,
        *,
        domains: Sequence[str],
        default_levels: Mapping[str, str] = DEFAULT_LEVELS,
        contact_card: EventPackage = PACKAGE,
        winfo_pace: float = 5.0,
        max_subscriptions: int = 200_000,
        max_devices: int = 16,
        max_pending: int = 200,
        max_requests: int = 1000,
        keep_requests: datetime.timedelta = datetime.timedelta(days=30),
        jitter: float = 0.0,
        windows: Windows[Followed] | None = None,
    ) -> None:
        """known: what the journal remembers. domains: those whose users are ours. For the limits see the services.

        winfo_pace: seconds between two NOTIFYs of watcher information.
        keep_requests: after which time an undecided request is given up.
        """
        clock, followers = shells.clock, Followers()
        self.lists = UpdateLists(known.owners, known.devices, known.departures)
        self.relating = Relating(followers, known.relations, on_change=lambda event: self.watcher_infos.related(event))
        self.authorizer = Authorizer(shells.documents, default_levels)
        self.outbox = Outbox(shells.journal)
        self.collector = Collector(shells.journal, self.outbox, self.lists)
        self.reconciler = Reconciler(clock)
        self.notifier = Notifier(
            sender=shells.sender,
            outbox=self.outbox,
            reconciler=self.reconciler,
            clock=clock,
            contact=contact_at,
            windows=windows,
        )
        self.contact_cards = ContactCards(
            followers=followers,
            authorizer=self.authorizer,
            relating=self.relating,
            update_lists=self.lists,
            views=Views(shells.journal),
            outbox=self.outbox,
            users=shells.users,
            reconciler=self.reconciler,
            clock=clock,
            pump=self.notifier.pump,
            domains=domains,
            package=contact_card,
            max_pending=max_pending,
            max_requests=max_requests,
        )
        self.giving_up = GivingUp(
            relating=self.relating,
            followers=followers,
            outbox=self.outbox,
            clock=clock,
            pump=self.notifier.pump,
            after=keep_requests,
        )
        watchers = CardWatchers(self.contact_cards, self.relating, self.authorizer, clock)
        self.watcher_infos = self._watcher_infos(watchers, clock, winfo_pace)
        winfo_of_winfo = self._watcher_infos(InfoWatchers(self.watcher_infos), clock, winfo_pace)
        self.servers: Sequence[PackageServer] = [self.contact_cards, self.watcher_infos, winfo_of_winfo]
        self.subscribing = Subscribing(
            authenticator=authenticator,
            servers=self.servers,
            notifier=self.notifier,
            outbox=self.outbox,
            clock=clock,
            contact=contact_at,
            max_subscriptions=max_subscriptions,
            max_devices=max_devices,
            jitter=jitter,
        )
        self.computed: Mapping[str, DocumentSource] = {
            SHARED_CARDS.auid: SharedCards(self.authorizer, self.relating, clock),
            RELATIONS.auid: RelationLists(self.authorizer, self.relating, self.outbox, shells.journal, clock),
        }
        """The documents that show what is known here, by their usage."""
        shells.bus.subscribe(self.authorizer.forget)
        shells.bus.subscribe(self.contact_cards.hint)
        shells.bus.subscribe(self.watcher_infos.hint)
        servers = {each.package.name: each for each in self.servers}
        for record in known.subscriptions:
            if record.package in servers:  # else a program with more packages wrote it
                self.notifier.resume(restored(record, servers[record.package], clock))
        self.contact_cards.hint_all()

    def _watcher_infos(self, inner: Inner, clock: Clock, pace: float) -> WatcherInfos:
        return WatcherInfos(
            inner, followers=Followers(), reconciler=self.reconciler, clock=clock, pump=self.notifier.pump, pace=pace
        )

    def work(self) -> Sequence[Coroutine[object, object, None]]:
        """What runs as long as the server does, beside `outbox.run`, which has to outlive it."""
        return (
            self.reconciler.run(),
            self.reconciler.watch_the_clock(),
            self.notifier.watch_the_clock(),
            self.collector.run(),
            self.giving_up.run(),
        )
