"""A device at a SIP socket of its own, whose every message the script decides.

It is known to the server by the word of a trusted proxy (P-Asserted-Identity), unless it is given a password. Of each
subscription it checks what no script should have to say: that NOTIFYs are within the dialog, numbered without gaps, and
for the package that was asked for. So a NOTIFY that nobody expected cannot hide between two that were.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from abserver.events.contact_card import PATCH, VCARD, XCARD
from abserver.events.digest_answers import DigestAnswers
from abserver.net.sip_driver import SipDriver
from abserver.sip.dialog import Dialog
from abserver.sip.headers import NameAddr, SubscriptionState
from abserver.sip.message import Headers, Request, Response
from abserver.sip.transport import Address, Transport
from abserver.sip.uas import Capabilities, make_response
from tests.dialogues.flows.expecting import Copy, Notify, has_fields
from tests.dialogues.flows.house import PASSWORD
from tests.dialogues.flows.record import SERVER, of_sip

if TYPE_CHECKING:
    from abserver.ports import Respond, SendFailure
    from abserver.sip.transport import Flow
    from tests.dialogues.flows.record import Record
    from tests.support.nat import Nat

PRIVATE = "sip:192.168.1.7:5060;ob"
"""The Contact of whoever is behind a NAT: an address of no use to the server, and the word for that (RFC 5626)."""
PATIENCE = 10.0
"""Seconds for a message that is waited for."""
BOTH = f"{XCARD}, {PATCH}"
"""The Accept of a device that keeps its copy."""
_BODIES = (XCARD, PATCH, VCARD, "application/watcherinfo+xml", "application/xcap-diff+xml")


@dataclass(slots=True)
class Subscription:
    """One subscription at the device."""

    event: str
    """The Event field that it was asked for with."""
    resource: str
    request: Request
    """The SUBSCRIBE that began it."""
    dialog: Dialog | None = None
    cseq: int = 0
    """Of the last NOTIFY."""

    @property
    def package(self) -> str:
        return self.event.partition(";")[0]


@dataclass(frozen=True, slots=True)
class Told:
    """A NOTIFY that waits for its answer."""

    request: Request
    answer: asyncio.Future[Response]
    sent: asyncio.Future[None]


class Phone:
    """One device of a watcher."""

    def __init__(
        self, record: Record, name: str, aor: str, server: Address, transport: Transport, nat: Nat | None = None
    ) -> None:
        """name: in the ladder, and what its instance and its Call-IDs are made of. nat: what is before it, to be
        started already."""
        self.name = name
        self.aor = aor
        self.transport = transport
        self.copies: dict[tuple[str, str], Copy] = {}
        """By package and resource; kept over subscriptions."""
        self._record = record
        self._server = server if nat is None else nat.inside
        self._nat = nat
        self._registrations = 0
        self._slug = name.lower().replace("'s ", "-").replace(" ", "-")
        self._instance = uuid.uuid5(uuid.NAMESPACE_URL, self._slug)
        self._dialogs = 0
        self._subscriptions: list[Subscription] = []
        self._request: Request | None = None
        """The last one outside of dialogs."""
        self._digest: DigestAnswers | None = None
        self._driver: SipDriver | None = None
        self._inbox: list[Told] = []
        self._unanswered: Told | None = None
        self._arrived = asyncio.Event()
        self._answer: asyncio.Future[Response | SendFailure] | None = None
        self.addresses: list[Address] = []
        """Where it was, the first first."""

    # -- the switch -------------------------------------------------------------------------------------------------

    async def switches_on(self) -> None:
        """Open a socket at a new port."""
        if self.addresses:
            self._record.note(self.name, "on, at another address")
        here = (Address("127.0.0.1", 0),)
        udp = here if self.transport is Transport.UDP else ()
        capabilities = Capabilities(("NOTIFY",), body_types=_BODIES, codings=("identity", "gzip", "deflate"))
        self._driver = SipDriver(self._notified, capabilities, udp=udp, tcp=here)
        await self._driver.start()
        self.addresses.append(self._driver.ready[0].address)

    async def switches_off(self) -> None:
        """Close the socket without a word."""
        self._record.note(self.name, "off")
        await self.goes()

    async def goes(self) -> None:
        """Close the socket, if there is one."""
        if self._driver is not None:
            for told in (*self._inbox, *filter(None, [self._unanswered])):
                told.answer.cancel()
            self._inbox.clear()
            await self._driver.stop()
            self._driver = None

    async def has_nothing_left(self) -> None:
        """Fails if there is anything that the script did not expect, or left unanswered.

        What the server has sent before it answers an OPTIONS is here by then.
        """
        if self._driver is not None and self._answer is None:
            await self._asks_for_options()
        assert self._unanswered is None, "a NOTIFY was left unanswered"
        assert self._answer is None, "an answer was not received"
        assert [of_sip(told.request).label for told in self._inbox] == []

    async def _asks_for_options(self) -> None:
        """Have the server say something."""
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"<{self.aor}>;tag=options"),
                ("To", f"<sip:{self._server}>"),
                ("Call-ID", f"{self._slug}-options"),
                ("CSeq", "1 OPTIONS"),
                ("Route", f"<sip:{self._server};lr{self._transport_parameter}>"),
            ]
        )
        self._record.secret = True
        self._send_now(Request("OPTIONS", f"sip:{self._server}", headers))
        await self.receives(200)

    # -- requests of its own ----------------------------------------------------------------------------------------

    async def registers(self, *, to: str | None = None, contact: str | None = "", **fields: str | None) -> None:
        """Register its flow, or another Contact; None fetches. `fields` are added, replaced, or left out when None."""
        self._registrations += 1
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"<{self.aor}>;tag={self._slug}"),
                ("To", f"<{to or self.aor}>"),
                ("Call-ID", f"{self._slug}-registers"),
                ("CSeq", f"{self._registrations} REGISTER"),
            ]
        )
        self._request = Request("REGISTER", f"sip:{self.aor.partition('@')[2]}", headers)
        where = f"{self._contact};reg-id=1" if contact == "" else contact
        usual = {"Supported": "path, outbound", "Expires": "600"}
        await self._send(self._request, usual, {"Contact": where, **fields})

    async def subscribes(
        self, to: str, event: str = "contact-card", *, body: bytes = b"", **fields: str | None
    ) -> None:
        """Subscribe outside of any dialog. `fields` are added, replaced, or left out when None."""
        self._dialogs += 1
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"<{self.aor}>;tag={self._slug}-{self._dialogs}"),
                ("To", f"<{to}>"),
                ("Call-ID", f"{self._slug}-{self._dialogs}"),
                ("CSeq", "1 SUBSCRIBE"),
            ]
        )
        self._request = request = Request("SUBSCRIBE", to, headers, body)
        subscription = Subscription(event, to, request)
        self._subscriptions.append(subscription)
        usual = {"Event": event, "Expires": "3600"}
        if subscription.package == "contact-card":
            usual["Accept"] = BOTH
        await self._send(request, usual, fields)

    async def refreshes(
        self, *, event: str | None = None, nth: int = -1, body: bytes = b"", **fields: str | None
    ) -> None:
        """Subscribe within the dialog of the last subscription; of the last to the package `event`; of the nth."""
        subscription = self._subscriptions[nth] if event is None else self._last(event)
        assert subscription.dialog is not None
        request = subscription.dialog.next_request("SUBSCRIBE")
        request.body = body
        usual = {"Event": subscription.event, "Expires": "3600"}
        await self._send(request, usual, fields)

    async def unsubscribes(self, *, event: str | None = None) -> None:
        """Refresh with no more time."""
        await self.refreshes(event=event, Expires="0")

    async def tries_again(self) -> None:
        """Send the last SUBSCRIBE once more, with credentials for what it was challenged for."""
        request = self._request
        assert request is not None
        number, method = request.cseq.number + 1, request.method
        request.headers.set("CSeq", f"{number} {method}")
        if method == "REGISTER":
            self._registrations = number
        self._send_now(request)

    @property
    def _contact(self) -> str:
        where = f"sip:{self.addresses[-1]}{self._transport_parameter}" if self._nat is None else PRIVATE
        return f'<{where}>;+sip.instance="<urn:uuid:{self._instance}>"'

    async def is_mapped_anew(self) -> None:
        """Its NAT lets it be seen at another address; whatever comes to the old one is lost."""
        assert self._nat is not None
        await self._nat.changes_mapping()
        self._record.note(self.name, "its NAT gives it another address")

    @property
    def _transport_parameter(self) -> str:
        """Of SIP URIs."""
        return "" if self.transport is Transport.UDP else ";transport=tcp"

    def _last(self, event: str | None) -> Subscription:
        return next(each for each in reversed(self._subscriptions) if event in (None, each.package))

    async def _send(self, request: Request, usual: dict[str, str], fields: dict[str, str | None]) -> None:
        own = {"Contact": self._contact, **usual}
        if self._digest is None:
            own["P-Asserted-Identity"] = f"<{self.aor}>"
        request.headers.set("Route", f"<sip:{self._server};lr{self._transport_parameter}>")
        for name, value in (own | {name.replace("_", "-"): value for name, value in fields.items()}).items():
            if value is None:
                request.headers.remove(name)
            else:
                request.headers.set(name, value)
        self._send_now(request)

    def _send_now(self, request: Request) -> None:
        assert self._driver is not None
        assert self._answer is None
        if self._digest is not None:
            self._digest.sign(request)
        self._answer = asyncio.get_running_loop().create_future()
        self._driver.send(request, flow=None, answered=self._answer.set_result)
        self._record.arrow(self.name, SERVER, of_sip(request))

    def has_a_password(self, password: str = PASSWORD) -> None:
        """No proxy vouches for it from now on."""
        user = self.aor.removeprefix("sip:").partition("@")[0]
        self._digest = DigestAnswers(user, password, lambda: "cnonce")

    # -- what it gets -----------------------------------------------------------------------------------------------

    @overload
    async def receives(self, expected: int, **fields: str | None) -> Response: ...

    @overload
    async def receives(self, expected: Notify) -> Request: ...

    async def receives(self, expected: int | Notify, **fields: str | None) -> Response | Request:
        """Wait for the answer with this status and these fields, or for a NOTIFY as expected."""
        async with asyncio.timeout(PATIENCE):
            if isinstance(expected, Notify):
                return await self._receives_notify(expected)
            return await self._receives_answer(expected, fields)

    async def _receives_answer(self, status: int, fields: dict[str, str | None]) -> Response:
        assert self._answer is not None
        response = await self._answer
        self._answer = None
        assert isinstance(response, Response), response
        self._record.arrow(SERVER, self.name, of_sip(response))
        assert response.status == status, response
        has_fields(response.headers, fields)
        if status == 401 and self._digest is not None:
            self._digest.learn(response)
        return response

    async def _receives_notify(self, expected: Notify) -> Request:
        subscription = self._last(expected.event)
        while (told := self._next(subscription.package)) is None:
            self._arrived.clear()
            await self._arrived.wait()
        request = told.request
        self._record.arrow(SERVER, self.name, of_sip(request))
        self._unanswered = told
        self._within(subscription, request, gap=expected.gap)
        state = SubscriptionState.parse(request.headers.get("Subscription-State") or "")
        assert (state.state, state.reason) == (expected.state, expected.reason)
        has_fields(request.headers, expected.fields)
        place = (subscription.package, subscription.resource)
        copy = expected.body(self.copies.get(place), request)
        if copy is not None and expected.kept:
            self.copies[place] = copy
        return request

    def _next(self, package: str) -> Told | None:
        """Take the first NOTIFY of the package, if there is one."""
        for told in self._inbox:
            if told.request.event is not None and told.request.event.package == package:
                self._inbox.remove(told)
                return told
        return None

    def _within(self, subscription: Subscription, request: Request, *, gap: bool) -> None:
        """The NOTIFY is the next one in the dialog of the subscription."""
        begun = subscription.request
        assert (request.call_id, request.to.tag) == (begun.call_id, begun.from_.tag)
        if subscription.dialog is None:
            subscription.dialog = Dialog.subscriber(begun, request)
        assert request.from_.tag == subscription.dialog.remote_tag
        number = request.cseq.number
        assert number > subscription.cseq if gap else number == subscription.cseq + 1
        subscription.cseq = number

    async def answers(self, status: int = 200, **fields: str) -> None:
        """Answer the NOTIFY that it received last."""
        assert self._unanswered is not None
        told, self._unanswered = self._unanswered, None
        headers = [(name.replace("_", "-"), value) for name, value in fields.items()]
        response = make_response(told.request, status, headers=headers)
        self._record.arrow(self.name, SERVER, of_sip(response))
        told.answer.set_result(response)
        await told.sent

    async def _notified(self, request: Request, flow: Flow, respond: Respond) -> None:
        loop = asyncio.get_running_loop()
        told = Told(request, loop.create_future(), loop.create_future())
        self._inbox.append(told)
        self._arrived.set()
        respond(await told.answer)
        told.sent.set_result(None)

    # -- in short ---------------------------------------------------------------------------------------------------

    def copy(self, to: str, event: str = "contact-card") -> Copy:
        """What it holds."""
        return self.copies[event, to]

    @property
    def contact(self) -> NameAddr:
        contact = self._subscriptions[-1].request.contact
        assert contact is not None
        return contact
