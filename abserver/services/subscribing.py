"""SUBSCRIBE and its neighbours at the notifier: who asks for whose card, and whether that can be served.

The order of checks is that of RFC 6665 §4.2.1: what the request says (`events/wish.py`), who sends it, whether the
dialog or the owner exists, what the owner's rules say. A 200 leaves after the relation and the subscription are
durable; the NOTIFY follows it. Nobody waits for a human here: an undecided watcher gets 200 and `pending`.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections import Counter
from typing import TYPE_CHECKING

from abserver.domain.identity import InvalidAor, Owner, domain_of, parse_aor
from abserver.domain.rules import Handling
from abserver.events.contact_card import PACKAGE
from abserver.events.subscription import Subscription
from abserver.events.wish import Wish, read_wish
from abserver.ports import DeviceKey
from abserver.services.followers import Followed
from abserver.sip.dialog import Dialog, DialogId
from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Response
from abserver.sip.uas import Capabilities, make_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from abserver.domain.identity import Watcher
    from abserver.events.contact_card import Formats
    from abserver.events.package import EventPackage
    from abserver.ports import Clock, Record, Respond
    from abserver.services.authenticating import Authenticator
    from abserver.services.authorizing import Authorizer, Policy
    from abserver.services.followers import Followers
    from abserver.services.notifying import Notifier
    from abserver.services.outbox import Outbox
    from abserver.services.relating import Relating
    from abserver.services.update_lists import UpdateLists
    from abserver.sip.message import Request
    from abserver.sip.transport import Flow
    from xcap.ports import CredentialStore

log = logging.getLogger(__name__)

CAPABILITIES = Capabilities(methods=("SUBSCRIBE", "OPTIONS"))
"""What this server lets others ask of it; it sends NOTIFY and takes none. No body type: filters are refused with 415,
because a filter that is ignored would be a promise broken."""

BUSY_SECONDS = 120
"""Retry-After of a 503 that a limit gives."""


class Subscribing:
    """Answers the SIP requests that phones send."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        relating: Relating,
        notifier: Notifier,
        followers: Followers,
        update_lists: UpdateLists,
        outbox: Outbox,
        users: CredentialStore,
        clock: Clock,
        contact: Callable[[Flow], str],
        domains: Sequence[str],
        packages: Sequence[EventPackage] = (PACKAGE,),
        max_subscriptions: int = 200_000,
        max_devices: int = 16,
        max_pending: int = 200,
    ) -> None:
        """contact: the value of our Contact towards a peer on that flow.

        Limits, answered with 503 and Retry-After: max_subscriptions of the server, max_devices with which one watcher
        follows one owner, max_pending requests of one watcher that await their owners.
        """
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._relating = relating
        self._notifier = notifier
        self._followers = followers
        self._lists = update_lists
        self._outbox = outbox
        self._users = users
        self._clock = clock
        self._contact = contact
        self._domains = frozenset(domains)
        self._packages = packages
        self._max_subscriptions = max_subscriptions
        self._max_devices = max_devices
        self._max_pending = max_pending
        self._starting: Counter[tuple[Owner, Watcher]] = Counter()
        """Subscriptions on their way to the journal: they count for the limits already."""

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
                ("Allow", CAPABILITIES.allow),
                ("Accept", "*/*;q=0"),
                ("Allow-Events", ", ".join(each.name for each in self._packages)),
                ("Supported", ""),
            ],
        )

    async def _subscribe(self, request: Request, flow: Flow, respond: Respond) -> None:
        wish = read_wish(request, self._packages)
        if isinstance(wish, Response):
            respond(wish)
            return
        watcher = await self._authenticator.identify(request, flow)
        if isinstance(watcher, Response):
            respond(watcher)
            return
        dialog = DialogId.of_request(request)
        if dialog is not None:
            await self._refresh(request, flow, dialog, wish, watcher, respond)
        else:
            await self._start(request, flow, wish, watcher, respond)

    # -- a new subscription -----------------------------------------------------------------------------------------

    async def _start(self, request: Request, flow: Flow, wish: Wish, watcher: Watcher, respond: Respond) -> None:
        owner = await self._owner(request)
        if owner is None:
            respond(make_response(request, 404))
            return
        policy = await self._authorizer.policy(owner)
        decision = policy.decide(watcher, self._clock.utc())
        if decision.handling is Handling.BLOCK:
            respond(make_response(request, 403))
            return
        followed = self._followed(request, flow, wish, DeviceKey(owner, watcher, wish.device))
        if self._is_full(followed, policy):
            respond(make_response(request, 503, headers=[("Retry-After", str(BUSY_SECONDS))]))
            return
        with self._counted(followed):
            await self._outbox.write(*self._records(followed, policy))
        respond(self._accepted(request, followed, wish.expires))
        log.info("subscribed", extra=_ids(followed))
        await self._notifier.begin(followed)

    async def _owner(self, request: Request) -> Owner | None:
        """Whose card the Request-URI names; None for a user we do not have. Raises SipSyntaxError."""
        try:
            owner = Owner(parse_aor(request.uri))
        except InvalidAor:
            return None
        if domain_of(owner) not in self._domains:
            return None
        known = await self._users.credential(owner) is not None
        return owner if known or (await self._authorizer.policy(owner)).card_etag is not None else None

    def _followed(self, request: Request, flow: Flow, wish: Wish, key: DeviceKey) -> Followed:
        dialog = Dialog.notifier(request, secrets.token_hex(8))
        dialog.local_cseq = 0
        machine = Subscription()
        machine.subscribed(
            expires_at=self._clock.now() + wish.expires,
            holds=self._holds(wish, key),
            full=_wants_all(wish.formats, wish),
            leaving=wish.expires == 0,
        )
        return Followed(
            key=key,
            dialog=dialog,
            package=wish.package,
            event_id=wish.event_id,
            formats=wish.formats,
            flow=flow,
            machine=machine,
            lasting=wish.expires > 0,
        )

    def _holds(self, wish: Wish, key: DeviceKey) -> str | None:
        """The view that the device has: its own word, else, if it promised to keep a copy, what it acknowledged."""
        if wish.suppress is not None and wish.suppress != "*":
            return wish.formats.view_tag(wish.suppress)
        return self._lists.held(key) if wish.formats.patches else None

    def _is_full(self, followed: Followed, policy: Policy) -> bool:
        key = followed.key
        others = [each for each in self._followers.by(key.owner, key.watcher) if each.key != key]
        return (
            len(self._followers) + self._starting.total() >= self._max_subscriptions
            or len(others) + self._starting[key.owner, key.watcher] >= self._max_devices
            or (
                policy.decide(key.watcher, self._clock.utc()).handling is Handling.CONFIRM
                and self._relating.of(key.owner, key.watcher) is None
                and self._relating.pending(key.watcher) >= self._max_pending
            )
        )

    def _records(self, followed: Followed, policy: Policy) -> Sequence[Record]:
        """The relation, changed or not, since the answer promises that it is durable; and the subscription, if it is to
        last."""
        utc = self._clock.utc()
        self._relating.asked(policy, followed.key.watcher, utc)
        relation = self._relating.of(policy.owner, followed.key.watcher)
        records: list[Record] = [] if relation is None else [relation]
        if followed.lasting:
            record = followed.record(self._clock.now(), utc)
            followed.ceiling = record.dialog.local_cseq or 0
            records.append(record)
        return records

    @contextlib.contextmanager
    def _counted(self, followed: Followed) -> Iterator[None]:
        """Count a subscription among those that are starting."""
        pair = followed.key.owner, followed.key.watcher
        self._starting[pair] += 1
        try:
            yield
        finally:
            self._starting[pair] -= 1
            if not self._starting[pair]:
                del self._starting[pair]

    # -- a subscription that goes on, or ends -----------------------------------------------------------------------

    async def _refresh(
        self, request: Request, flow: Flow, dialog: DialogId, wish: Wish, watcher: Watcher, respond: Respond
    ) -> None:
        followed = self._followers.find(dialog)
        if followed is None:
            respond(make_response(request, 481))
            return
        if (watcher, wish.package, wish.event_id) != (followed.key.watcher, followed.package, followed.event_id):
            respond(make_response(request, 403, reason="Dialog Sharing Not Supported"))  # RFC 6665 §4.5.2
            return
        if not followed.dialog.receive(request):
            respond(make_response(request, 500, reason="CSeq Out Of Order"))
            return
        followed.dialog.refresh(request)
        followed.flow = flow
        if request.accept is not None:
            followed.formats = wish.formats
        expires_at = self._clock.now() + wish.expires
        if wish.suppress is not None and self._is_suppressed(followed, wish.suppress, expires_at):
            await self._keep(followed)
            respond(self._accepted(request, followed, wish.expires, status=204))
            if wish.expires == 0:
                self._notifier.dropped(followed)
            else:
                self._notifier.prolonged(followed)
            return
        followed.machine.subscribed(
            expires_at=expires_at,
            holds=followed.machine.delivered
            if wish.suppress in (None, "*")
            else followed.formats.view_tag(wish.suppress),
            full=_wants_all(followed.formats, wish),
            leaving=wish.expires == 0,
        )
        await self._keep(followed)
        respond(self._accepted(request, followed, wish.expires))
        await self._notifier.refreshed(followed)

    def _is_suppressed(self, followed: Followed, entity_tag: str, expires_at: float) -> bool:
        tag = entity_tag if entity_tag == "*" else followed.formats.view_tag(entity_tag)
        return tag is not None and followed.machine.suppress(tag, expires_at=expires_at)

    async def _keep(self, followed: Followed) -> None:
        record = followed.record(self._clock.now(), self._clock.utc())
        await self._outbox.write(record)
        followed.ceiling = record.dialog.local_cseq or 0

    def _accepted(self, request: Request, followed: Followed, expires: int, *, status: int = 200) -> Response:
        """2xx with the granted duration (RFC 6665 §4.2.1.1), never 202 (§8.3.1)."""
        return make_response(
            request,
            status,
            to_tag=followed.dialog.local_tag,
            headers=[("Expires", str(expires)), ("Contact", self._contact(followed.flow))],
        )


def _wants_all(formats: Formats, wish: Wish) -> bool:
    """Whether the device is told everything whatever it has: it keeps no copy, and names none (RFC 6665 §4.2.1.2)."""
    return not formats.patches and wish.suppress is None


def _ids(followed: Followed) -> dict[str, str]:
    key = followed.key
    return {"owner": key.owner, "watcher": key.watcher, "device": key.device, "call_id": followed.dialog.call_id}
