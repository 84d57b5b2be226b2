"""SUBSCRIBE and its neighbours at the notifier: who asks for what, and whether that can be served.

The order of checks is that of RFC 6665 §4.2.1: what the request says (`events/wish.py`), who sends it, whether the
dialog exists or the package's server admits the watcher to the resource. A 200 leaves after all that it promises is
durable; the NOTIFY follows it. Nobody waits for a human here: an undecided watcher gets 200 and `pending`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import random
import secrets
from typing import TYPE_CHECKING

from abserver.domain.identity import ANONYMOUS
from abserver.events import codings, filters
from abserver.events.card_copy import NO_COPY
from abserver.events.package import allow_events
from abserver.events.subscription import ANY, Subscription
from abserver.events.wish import Wish, agreed, read_wish
from abserver.events.xcap_diff import lists
from abserver.ports import DeviceKey, SubscriptionRecord
from abserver.services.contact_cards import BUSY_SECONDS, WITHHELD
from abserver.services.followers import Followed
from abserver.services.senders import sender_of
from abserver.sip.dialog import Dialog, DialogId
from abserver.sip.errors import SipSyntaxError
from abserver.sip.identifiers import new_tag
from abserver.sip.message import Response
from abserver.sip.uas import Capabilities, make_response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abserver.domain.identity import Owner, Watcher
    from abserver.events.terms import Terms
    from abserver.ports import Clock, Respond
    from abserver.services.authenticating import Authenticator
    from abserver.services.notifying import Notifier
    from abserver.services.outbox import Outbox
    from abserver.services.packages import PackageServer
    from abserver.services.senders import Sender
    from abserver.sip.message import Request
    from abserver.sip.transport import Flow

log = logging.getLogger(__name__)

CAPABILITIES = Capabilities(
    methods=("SUBSCRIBE", "OPTIONS"),
    body_types=(filters.MEDIA_TYPE, lists.MEDIA_TYPE),
    codings=(codings.IDENTITY, *codings.CODINGS),
    schemes=("sip", "sips", "tel"),
)
"""What this server lets others ask of it; it sends NOTIFY and takes none. Which bodies go with which package is for
`read_wish` to say."""

Pair = tuple["PackageServer", "Owner", "Watcher"]


class Subscribing:
    """Answers the SIP requests that phones send."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        servers: Sequence[PackageServer],
        notifier: Notifier,
        outbox: Outbox,
        clock: Clock,
        contact: Callable[[Followed], str],
        max_subscriptions: int = 200_000,
        max_devices: int = 16,
        jitter: float = 0.0,
        charging_ioi: str | None = None,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        """servers: one for each event package. contact: the value of our Contact in a subscription. jitter:
        part of a duration by which it may be cut. charging_ioi: our network in P-Charging-Vector (RFC 7315 §5.6).

        Limits, answered with 503 and Retry-After: max_subscriptions of the server, max_devices with which one watcher
        follows one owner.
        """
        self._authenticator = authenticator
        self._servers = {each.package.name: each for each in servers}
        self._packages = [each.package for each in servers]
        self._notifier = notifier
        self._outbox = outbox
        self._clock = clock
        self._contact = contact
        self._max_subscriptions = max_subscriptions
        self._max_devices = max_devices
        self._jitter = jitter
        self._charging_ioi = charging_ioi
        self._capabilities = capabilities
        self._secret = secrets.token_bytes(32)
        """Of the names that devices have whose users are not to be named."""
        self._starting: dict[Pair, int] = {}
        """Subscriptions on their way to the journal: they count for the limits already."""
        self._all_starting = 0

    async def handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        """Answer one request of the methods in CAPABILITIES (a `RequestHandler`)."""
        try:
            if request.method == "OPTIONS":
                respond(self._options(request))
            else:
                await self._subscribe(request, flow, respond)
        except SipSyntaxError as error:
            respond(make_response(request, error.status_hint, reason=error.reason))

    def _options(self, request: Request) -> Response:
        """What this server can do (RFC 3261 §11.2)."""
        return make_response(
            request,
            200,
            headers=[
                ("Allow", self._capabilities.allow),
                ("Accept", ", ".join(CAPABILITIES.body_types)),
                ("Accept-Encoding", ", ".join(CAPABILITIES.codings)),
                ("Accept-Language", "*"),
                ("Allow-Events", allow_events(self._packages)),
                ("Supported", ", ".join(sorted(self._capabilities.extensions))),
            ],
        )

    async def _subscribe(self, request: Request, flow: Flow, respond: Respond) -> None:
        wish = read_wish(request, self._packages)
        if isinstance(wish, Response):
            respond(wish)
            return
        wish = wish._replace(expires=self._spread(wish))
        watcher = await self._authenticator.identify(request, flow)
        if isinstance(watcher, Response):
            respond(watcher)
            return
        sender = sender_of(request, watcher, trusted=self._authenticator.trusts(flow))
        if isinstance(sender, Response):
            respond(sender)
            return
        if sender.charging is not None:
            charging = str(sender.charging.continued_by(self._charging_ioi))
            wish = wish._replace(terms=dataclasses.replace(wish.terms, charging=charging))
        dialog = DialogId.of_request(request)
        if dialog is not None:
            await self._refresh(request, flow, dialog, wish, sender, respond)
        else:
            await self._start(request, flow, wish, sender, respond)

    def _spread(self, wish: Wish) -> int:
        """The duration, a little shorter by chance: many who came at once do not all come back at once."""
        least = wish.package.min_expires
        cut = min(int(wish.expires * self._jitter), wish.expires - least)
        return wish.expires - int(cut * random.random()) if cut > 0 else wish.expires  # noqa: S311  # no secret

    # -- a new subscription -----------------------------------------------------------------------------------------

    async def _start(self, request: Request, flow: Flow, wish: Wish, sender: Sender, respond: Respond) -> None:
        server = self._servers[wish.package.name]
        owner = await server.admit(request, sender)
        if isinstance(owner, Response):
            respond(owner)
            return
        key = DeviceKey(owner, server.known_as(owner, sender), wish.device)
        if key.watcher == ANONYMOUS:
            key = key._replace(device=self._disguised(request, wish, sender))
            wish = wish._replace(terms=dataclasses.replace(wish.terms, identity=sender.identity))
        terms = agreed(request, wish, owner)
        if isinstance(terms, Response):
            respond(terms)
            return
        followed = self._followed(request, flow, wish, terms, server, key)
        if self._is_full(followed):
            respond(make_response(request, 503, headers=[("Retry-After", str(BUSY_SECONDS))]))
            return
        records = server.requested(followed, request)
        if isinstance(records, Response):
            respond(records)
            return
        self._count(followed, 1)
        try:
            await self._outbox.write(*records, *self._reserved(followed))
        finally:
            self._count(followed, -1)
        respond(self._accepted(request, followed, wish.expires, sender))
        if log.isEnabledFor(logging.INFO):
            log.info("subscribed", extra=_ids(followed))
        await self._notifier.begin(followed)

    def _disguised(self, request: Request, wish: Wish, sender: Sender) -> str:
        """A name for the device of somebody who is not to be named, by which nobody is found out: different users have
        different ones, and the same one only as long as this server runs. Of nobody, two requests are two devices."""
        whose = f"{sender.identity}\0{wish.device}" if sender.identity != ANONYMOUS else request.call_id
        return hashlib.blake2s(whose.encode(errors="surrogateescape"), key=self._secret, digest_size=12).hexdigest()

    def _followed(
        self, request: Request, flow: Flow, wish: Wish, terms: Terms, server: PackageServer, key: DeviceKey
    ) -> Followed:
        dialog = Dialog.notifier(request, new_tag())
        dialog.local_cseq = 0
        followed = Followed(
            key=key,
            dialog=dialog,
            server=server,
            event_id=wish.event_id,
            terms=terms,
            flow=flow,
            machine=Subscription(pace=server.package.pace),
            heard_at=self._clock.utc(),
            lasting=wish.expires > 0,
        )
        condition = _condition(wish, terms)
        holds = condition if condition not in (None, ANY) else server.held(followed)
        self._subscribed(followed, wish, holds)
        return followed

    def _subscribed(self, followed: Followed, wish: Wish, holds: str | None) -> None:
        """Have the machine take in a SUBSCRIBE that is accepted; `holds` is the tag of what the device has."""
        now, condition = self._clock.now(), _condition(wish, followed.terms)
        followed.settled = None
        followed.machine.subscribed(
            expires_at=now + wish.expires,
            holds=holds,
            full=condition is None and not followed.formats.patches,  # it keeps no copy (RFC 6665 §4.2.1.2)
            leaving=wish.expires == 0,
            condition=condition,
        )
        self._regulate(followed, wish.expires, now)

    def _regulate(self, followed: Followed, lasts: float, now: float) -> None:
        package = followed.package
        followed.machine.regulate(followed.terms.rates.agreed(package.limits, pace=package.pace, lasts=lasts), now)

    def _is_full(self, followed: Followed) -> bool:
        everybody = self._all_starting
        for server in self._servers.values():
            everybody += len(server.followers)
        if everybody >= self._max_subscriptions:
            return True
        key, followers = followed.key, followed.server.followers
        known = followers.by(key.owner, key.watcher)
        others = [each for each in known if each.key != key and each.identity == followed.identity]
        return len(others) + self._starting.get(_pair(followed), 0) >= self._max_devices

    def _reserved(self, followed: Followed) -> Sequence[SubscriptionRecord]:
        """The subscription, if it is to last."""
        if not followed.lasting:
            return ()
        record = followed.record(self._clock.now(), self._clock.utc())
        followed.ceiling = record.dialog.local_cseq or 0
        return (record,)

    def _count(self, followed: Followed, change: int) -> None:
        """Count one more, or one less, subscription among those that are starting."""
        pair = _pair(followed)
        self._all_starting += change
        starting = self._starting.get(pair, 0) + change
        if starting:
            self._starting[pair] = starting
        else:
            del self._starting[pair]

    # -- a subscription that goes on, or ends -----------------------------------------------------------------------

    def _find(self, dialog: DialogId) -> Followed | None:
        """The subscription of a dialog: each is in one package."""
        return next((found for each in self._servers.values() if (found := each.followers.find(dialog))), None)

    async def _refresh(
        self, request: Request, flow: Flow, dialog: DialogId, wish: Wish, sender: Sender, respond: Respond
    ) -> None:
        followed = self._find(dialog)
        if followed is None:
            respond(make_response(request, 481))
            return
        if (sender.identity, wish.package, wish.event_id) != (followed.identity, followed.package, followed.event_id):
            respond(make_response(request, 403, reason="Dialog Sharing Not Supported"))  # RFC 6665 §4.5.2
            return
        if not followed.dialog.receive(request):
            respond(make_response(request, 500, reason="CSeq Out Of Order"))
            return
        terms = agreed(request, wish, followed.key.owner, followed.terms)
        if isinstance(terms, Response):
            respond(terms)
            return
        known = followed.terms.body == terms.body and followed.settled is not WITHHELD
        held = followed.machine.delivered if followed.formats.is_like(terms.formats) else None
        followed.refresh(request, flow, terms, self._clock.utc())
        condition = _condition(wish, terms)
        if (
            condition is not None
            and (known or condition == ANY)  # else the state that is asked for is another one than that at hand
            and followed.machine.suppress(condition, expires_at=self._clock.now() + wish.expires)
        ):
            await self._take_silently(request, followed, wish, sender, respond)
            return
        self._subscribed(followed, wish, held if condition in (None, ANY) else condition)
        if followed.machine.over:
            followed.server.ended(followed)
        await self._keep(followed)
        respond(self._accepted(request, followed, wish.expires, sender))
        await self._notifier.refreshed(followed)

    async def _take_silently(
        self, request: Request, followed: Followed, wish: Wish, sender: Sender, respond: Respond
    ) -> None:
        """204: the refresh, or the end, is done, and no NOTIFY follows (RFC 5839 §6.3)."""
        self._regulate(followed, wish.expires, self._clock.now())
        await self._keep(followed)
        respond(self._accepted(request, followed, wish.expires, sender, status=204))
        if wish.expires == 0:
            self._notifier.dropped(followed)
        else:
            self._notifier.prolonged(followed)

    async def _keep(self, followed: Followed) -> None:
        record = followed.record(self._clock.now(), self._clock.utc())
        followed.answering += 1
        try:
            await self._outbox.write(record)
        finally:
            followed.answering -= 1
        followed.ceiling = record.dialog.local_cseq or 0

    def _accepted(
        self, request: Request, followed: Followed, expires: int, sender: Sender, *, status: int = 200
    ) -> Response:
        """2xx with the granted duration (RFC 6665 §4.2.1.1), never 202 (§8.3.1)."""
        headers = [("Expires", str(expires)), ("Contact", self._contact(followed))]
        if sender.charging is not None:  # only of a peer that we trust, and to it
            headers.append(("P-Charging-Vector", str(sender.charging.answered_by(self._charging_ioi))))
        return make_response(request, status, to_tag=followed.dialog.local_tag, headers=headers)


def _condition(wish: Wish, terms: Terms) -> str | None:
    """What Suppress-If-Match names: the tag of a state, ANY, NO_COPY for a tag of another form, None without one."""
    return wish.suppress if wish.suppress in (None, ANY) else terms.formats.view_tag(wish.suppress) or NO_COPY


def _pair(followed: Followed) -> Pair:
    return followed.server, followed.key.owner, followed.identity


def _ids(followed: Followed) -> dict[str, str]:
    key = followed.key
    return {"owner": key.owner, "watcher": key.watcher, "device": key.device, "call_id": followed.dialog.call_id}
