"""One server, built from its settings: what is joined to what, and in which order it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import ipaddress
import socket
from typing import TYPE_CHECKING

from abserver.app.certificates import SipCertificate, sip_certificate
from abserver.app.clock import SystemClock
from abserver.app.documents import CardChanges, XcapDocuments
from abserver.app.events import Choices, EventSide, Shells
from abserver.app.gates import gate_of
from abserver.app.http_side import certificate, http_side, store_limits
from abserver.app.library import Library
from abserver.app.logins import Logins
from abserver.app.stores import open_stores
from abserver.app.tracing import tracing
from abserver.app.websockets import websocket_upgrades
from abserver.bus.local import LocalBus
from abserver.domain.usages import all_usages
from abserver.events.contact_card import PACKAGE
from abserver.events.rates import Limits
from abserver.events.xcap_diff.selections import Root
from abserver.net.listeners import bind, bound_address
from abserver.net.sip_driver import SipDriver
from abserver.services.authenticating import Authenticator
from abserver.services.registering import with_registrar
from abserver.services.subscribing import CAPABILITIES
from abserver.services.trusting import TrustedPeers
from abserver.sip.bindings import Limits as RegistrarLimits
from abserver.sip.identities import identity_of
from xcap.http.listener import HttpServer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from abserver.app.stores import Stores
    from abserver.config import Settings
    from abserver.events.package import EventPackage
    from abserver.net.tls import Security
    from abserver.ports import Clock, Snapshot
    from abserver.sip.transport import Address
    from abserver.sip.uas import Capabilities
    from xcap.http.tls import Tls


class Server:
    """A server between `start` and `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running = contextlib.AsyncExitStack()
        self._certificate: Tls | None = None
        self._sip_certificate: SipCertificate | None = None
        self.ready: tuple[str, ...] = ()
        """One line per listener, with real port numbers, once `start` has returned."""
        self.tasks: list[asyncio.Task[None]] = []
        """Long-lived work; one that ends before `stop` is a fault, and the server is not whole any more."""

    async def start(self) -> None:
        """Open the database, take up the subscriptions that it remembers, listen.

        Raises ListenerError for a port that cannot be had, TlsError, IncompatibleDatabase, and the database driver's
        errors.
        """
        async with contextlib.AsyncExitStack() as started:
            await self._start(started)
            self._running = started.pop_all()

    def reload(self) -> None:
        """Read the certificates of SIP and HTTP again. Raises TlsError, and then the server goes on with all it has."""
        use = self._sip_certificate.prepare() if self._sip_certificate else None
        if self._certificate is not None:
            self._certificate.reload()
        if use is not None:
            use()

    async def stop(self) -> None:
        """Stop listening, finish what is in progress, write what is left.

        No NOTIFY is sent: devices keep their subscriptions over a restart.
        """
        await self._running.aclose()

    async def _start(self, started: contextlib.AsyncExitStack) -> None:
        settings, clock, bus = self._settings, SystemClock(), LocalBus()
        self._certificate, self._sip_certificate = certificate(settings), sip_certificate(settings.sip)
        stores = await started.enter_async_context(open_stores(settings.storage.url, store_limits(settings)))
        await stores.journal.collect()
        logins = Logins.of(settings)
        listener = bind(socket.SOCK_STREAM, settings.http.listen)
        started.callback(listener.close)
        place = f"{'https' if self._certificate else 'http'} {bound_address(listener)}{settings.http.xcap_root}"
        library = library_of(settings, stores, bound_address(listener))
        security = self._sip_certificate.security if self._sip_certificate else None
        known = await stores.journal.load()
        sip, events = event_side(settings, stores, known, library, logins, bus, clock, security)
        changes = CardChanges(bus.publish, rests_on=events.authorizer.rests_on, edited=events.relating.edited)
        bus.subscribe_changes(changes.changed)
        http = HttpServer(
            http_side(settings, stores, library, events.computed, bus, logins, clock),
            tls=self._certificate,
            upgrades=websocket_upgrades(settings.sip, sip.websockets),
        )

        # Stopping goes the other way: no more input, no more NOTIFYs, then all that is left is written.
        self._spawn(started, events.outbox.run())
        started.push_async_callback(events.outbox.drained)
        for work in events.work():
            self._spawn(started, work)
        await sip.start()
        started.push_async_callback(sip.stop)
        await started.enter_async_context(tracing(settings, sip, bound_address(listener)))
        await http.start([listener])
        started.push_async_callback(http.stop)
        started.push_async_callback(sip.websockets.stop)
        self.ready = (*(f"sip {each}" for each in sip.ready), *self._websockets(bound_address(listener)), place)

    def _websockets(self, listener: Address) -> Sequence[str]:
        """The line of the WebSockets, if there are any."""
        path = self._settings.sip.websocket_path
        return [f"sip {'wss' if self._certificate else 'ws'} {listener}{path}"] if path else []

    def _spawn(self, started: contextlib.AsyncExitStack, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        started.push_async_callback(_cancelled, task)


def library_of(settings: Settings, stores: Stores, listener: Address) -> Library:
    """The documents. listener: where HTTP is listened at, which stands in for the XCAP root if none is configured."""
    http, scheme = settings.http, "https" if settings.http.tls_certificate else "http"
    everywhere = ipaddress.ip_address(listener.host).is_unspecified
    place = f"{settings.server.domains[0]}:{listener.port}" if everywhere else str(listener)
    return Library(
        store=stores.documents,
        usages=all_usages(http.auid_aliases, known_as=settings.identities.xui),
        root=Root(http.xcap_root_uri or f"{scheme}://{place}{http.xcap_root}"),
        listed_root=http.xcap_root_uri or http.xcap_root,
        identities=settings.identities,
        trusted=tuple(map(settings.identities.xui, settings.auth.trusted_users)),
    )


def event_side(
    settings: Settings,
    stores: Stores,
    known: Snapshot,
    library: Library,
    logins: Logins,
    bus: LocalBus,
    clock: Clock,
    security: Security | None,
) -> tuple[SipDriver, EventSide]:
    """SIP and the services behind it; `known` is what the journal remembers, `security` what TLS needs."""
    trusts = TrustedPeers(settings.sip.trusted_peers, map(identity_of, settings.sip.trusted_names))
    sip = SipDriver(
        lambda request, flow, respond: events.reception.handle(request, flow, respond),
        dataclasses.replace(capabilities_of(settings), hosts=own_hosts(settings), schemes=schemes(settings)),
        udp=settings.sip.udp,
        tcp=settings.sip.tcp,
        tls=settings.sip.tls,
        security=security,
        name_servers=settings.sip.name_servers,
        gate=gate_of(settings, trusts),
        waiting=lambda: events.outbox.waiting,
    )
    authenticator = Authenticator(
        stores.credentials,
        logins.nonces,
        clock,
        domains=settings.server.domains,
        realm=settings.auth.realm,
        trusts=trusts,
        identities=settings.identities,
        offered=settings.auth.sip_algorithms,
        qops=settings.auth.sip_qops,
        throttle=logins.throttle,
    )
    events = EventSide(
        Shells(
            sender=sip,
            journal=stores.journal,
            documents=XcapDocuments(stores.documents),
            library=library,
            users=stores.credentials,
            clock=clock,
            bus=bus,
        ),
        known,
        authenticator,
        choices_of(settings),
    )
    return sip, events


def choices_of(settings: Settings) -> Choices:
    """What the operator decides about events."""
    subscriptions, notify = settings.subscriptions, settings.notify
    return Choices(
        domains=settings.server.domains,
        default_levels=settings.cards.default_levels,
        contact_card=contact_card_package(settings),
        winfo_pace=notify.winfo_pace,
        xcap_diff_pace=notify.xcap_diff_pace,
        max_subscriptions=subscriptions.max_subscriptions,
        max_devices=subscriptions.max_devices,
        max_pending=subscriptions.max_pending,
        max_requests=subscriptions.max_requests,
        keep_requests=datetime.timedelta(days=subscriptions.keep_requests),
        keep_devices=datetime.timedelta(days=subscriptions.keep_devices),
        jitter=subscriptions.expires_jitter,
        identities=settings.identities,
        charging_ioi=settings.sip.charging_ioi,
        registrar=registrar_of(settings),
        window=notify.window,
        in_flight=notify.in_flight,
    )


def schemes(settings: Settings) -> tuple[str, ...]:
    """Those of Request-URIs: SIPS only where there is TLS, or secure WebSockets."""
    secure = settings.sip.tls or (settings.http.tls_certificate and settings.sip.websocket_path)
    return tuple(each for each in CAPABILITIES.schemes if each != "sips" or secure)


def capabilities_of(settings: Settings) -> Capabilities:
    """What requests may ask of this server."""
    return with_registrar(CAPABILITIES) if settings.registrar.enabled else CAPABILITIES


def registrar_of(settings: Settings) -> RegistrarLimits | None:
    """What the operator decides about registrations; None for none."""
    registrar = settings.registrar
    if not registrar.enabled:
        return None
    return RegistrarLimits(
        min_expires=registrar.min_expires,
        default_expires=registrar.default_expires,
        max_expires=registrar.max_expires,
        contacts=registrar.max_contacts,
        flow_timer=registrar.flow_timer,
    )


def own_hosts(settings: Settings) -> frozenset[str] | None:
    """The hosts that a Request-URI for us may name: our domains and listeners; None if we listen everywhere."""
    sip = settings.sip
    listeners = (*sip.udp, *sip.tcp, *sip.tls)
    bound = [each.address.host for each in listeners] + ([settings.http.listen.host] if sip.websocket_path else [])
    if any(ipaddress.ip_address(each).is_unspecified for each in bound):
        return None
    advertised = [each.advertised.host for each in listeners if each.advertised]
    return frozenset({*(each.strip("[]") for each in settings.server.domains), *bound, *advertised})


def contact_card_package(settings: Settings) -> EventPackage:
    """The event package with the durations and the pace that the operator wants."""
    durations = settings.subscriptions
    return dataclasses.replace(
        PACKAGE,
        default_expires=durations.default_expires,
        min_expires=durations.min_expires,
        max_expires=durations.max_expires,
        pace=settings.notify.card_pace,
        limits=Limits(settings.notify.max_rate, settings.notify.min_rate),
    )


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task of ours and wait for its end; what it failed of was seen by whoever watches `tasks`."""
    task.cancel()
    await asyncio.wait([task])
