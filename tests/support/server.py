"""The server's services over fakes, joined as `abserver.app.server` joins them, on a node that can be killed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

from abserver.app.events import Choices, EventSide, Shells
from abserver.app.library import Library
from abserver.bus.local import LocalBus
from abserver.domain.identity import NO_ALIASES
from abserver.domain.usages import all_usages
from abserver.events.xcap_diff.selections import Root
from abserver.services.authenticating import Authenticator
from abserver.services.registering import with_registrar
from abserver.services.subscribing import CAPABILITIES
from abserver.services.trusting import TrustedPeers
from abserver.sip.transport import Address
from tests.support.network import SimNode
from xcap.core.digest import Nonces
from xcap.service import XcapService

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from abserver.domain.identity import Identities, Owner
    from abserver.ports import Clock
    from abserver.sip.bindings import Limits as RegistrarLimits
    from tests.support.fakes import MemoryDocuments, MemoryJournal
    from tests.support.network import Network
    from xcap.ports import CredentialStore, DocumentStore

ADDRESS = Address("10.0.0.1", 5060)
DOMAIN = "example.com"
XCAP_ROOT = "https://xcap.example.com/xcap-root/"
SERVERS = ("sip:rls@example.com",)
"""Users whom the document server trusts (RFC 4825 §5.7)."""
TRUSTED = (ip_network("10.9.0.0/16"),)
"""Whose P-Asserted-Identity counts."""
IOI = "ours.example"
"""Our network in charging records."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Those of `Subscribing`."""

    subscriptions: int = 1000
    devices: int = 16
    pending: int = 200
    requests: int = 1000
    registrar: RegistrarLimits | None = None
    """None: the server is no registrar."""


class SimServer:
    """One life of the server, from `start` until `kill`; the next one gets the same journal and documents."""

    def __init__(
        self,
        network: Network,
        journal: MemoryJournal,
        documents: MemoryDocuments,
        users: CredentialStore,
        clock: Clock,
        limits: Limits,
        store: DocumentStore,
        identities: Identities = NO_ALIASES,
    ) -> None:
        self.journal = journal.opened()
        self._documents = documents
        self._users = users
        self._clock = clock
        self._limits = limits
        self._store = store
        self._identities = identities
        self._tasks: list[asyncio.Task[None]] = []
        self.node = SimNode(
            network,
            ADDRESS,
            lambda request, flow, respond: self.events.reception.handle(request, flow, respond),
            with_registrar(CAPABILITIES) if limits.registrar else CAPABILITIES,
        )

    async def start(self) -> None:
        await self.journal.collect()
        known = await self.journal.load()
        bus = self.bus = LocalBus()
        self.usages = usages = all_usages(known_as=self._identities.xui)
        library = Library(
            store=self._store, usages=usages, root=Root(XCAP_ROOT), listed_root=XCAP_ROOT, trusted=SERVERS
        )
        self.events = EventSide(
            Shells(
                sender=self.node,
                journal=self.journal,
                documents=self._documents,
                library=library,
                users=self._users,
                clock=self._clock,
                bus=bus,
            ),
            known,
            Authenticator(
                self._users,
                Nonces(b"in these tests only"),
                self._clock,
                domains=[DOMAIN],
                trusts=TrustedPeers(TRUSTED),
                identities=self._identities,
            ),
            Choices(
                domains=[DOMAIN],
                max_subscriptions=self._limits.subscriptions,
                max_devices=self._limits.devices,
                max_pending=self._limits.pending,
                max_requests=self._limits.requests,
                identities=self._identities,
                charging_ioi=IOI,
                registrar=self._limits.registrar,
            ),
        )
        self.followers = self.events.contact_cards.followers
        self.lists, self.relating, self.authorizer = self.events.lists, self.events.relating, self.events.authorizer
        self.outbox, self.collector = self.events.outbox, self.events.collector
        self.xcap = XcapService(usages, self._store, bus, sources=self.events.computed, trusted=SERVERS)
        self._documents.publish = self._edited
        for work in (self.events.outbox.run(), *self.events.work()):
            self._spawn(work)
        await self.node.start()

    def _edited(self, owner: Owner) -> None:
        self.relating.edited(owner, "xcap")
        self.bus.publish(owner)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def kill(self) -> None:
        """End as `kill -9` does: nothing is finished, nothing is said, at this very moment."""
        self._documents.publish = lambda owner: None
        self.journal.kill()
        self.node.switch_off()
        for task in self._tasks:
            assert not task.done(), "a long-lived task ended by itself"
            task.cancel()
