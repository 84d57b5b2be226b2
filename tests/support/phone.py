"""A user agent whose every message the test decides: for what no reasonable device would do, or in no such order."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.events.contact_card import PACKAGE, PATCH, XCARD
from abserver.events.winfo.package import WATCHERINFO
from abserver.events.wish import device_of
from abserver.ports import DeviceKey, SendFailure
from abserver.sip.dialog import Dialog
from abserver.sip.headers import Event, NameAddr, SubscriptionState
from abserver.sip.message import Headers, Request, Response
from abserver.sip.uas import Capabilities, make_response
from tests.support.network import SimNode
from tests.support.server import ADDRESS
from xcap.core.xcapdiff import MEDIA_TYPE as XCAP_DIFF

if TYPE_CHECKING:
    from abserver.domain.identity import Owner, Watcher
    from abserver.ports import Respond
    from abserver.sip.transport import Address, Flow
    from tests.support.network import Network

BOTH = f"{XCARD}, {PATCH}"
"""An Accept that promises to keep a copy."""


@dataclass(frozen=True, slots=True)
class Notify:
    """A NOTIFY as the phone got it."""

    at: float
    request: Request

    @property
    def state(self) -> str:
        return self.told.state

    @property
    def reason(self) -> str | None:
        return self.told.reason

    @property
    def told(self) -> SubscriptionState:
        return SubscriptionState.parse(self.request.headers.get("Subscription-State") or "")

    @property
    def etag(self) -> str | None:
        return self.request.headers.get("SIP-ETag")

    @property
    def event(self) -> Event:
        event = self.request.event
        assert event is not None
        return event

    @property
    def base(self) -> str | None:
        return self.event.params.get("base")

    @property
    def body(self) -> bytes:
        return self.request.body

    @property
    def content_type(self) -> str | None:
        found = self.request.content_type
        return found.name if found else None

    @property
    def cseq(self) -> int:
        return self.request.cseq.number


class Phone:
    """One device of a watcher, known to the server by a trusted proxy's word."""

    def __init__(self, network: Network, address: Address, watcher: Watcher) -> None:
        self.watcher = watcher
        self.address = address
        self.instance = f"urn:uuid:{address.host}"
        self.notifies: list[Notify] = []
        self.answers: list[tuple[int, list[tuple[str, str]]] | None] = []
        """What to answer to the next NOTIFYs in place of 200; None is silence."""
        self.dialog: Dialog | None = None
        self.responses: list[Response] = []
        self._subscribe: Request | None = None
        self._names = itertools.count(1)
        self._registrations = itertools.count(1)
        self._network = network
        self._node = self._node_at(address)

    def _node_at(self, address: Address) -> SimNode:
        body_types = (*PACKAGE.body_types, WATCHERINFO, XCAP_DIFF)
        capabilities = Capabilities(("NOTIFY",), body_types=body_types, codings=("identity", "gzip"))
        return SimNode(self._network, address, self._handle, capabilities)

    async def start(self) -> None:
        await self._node.start()

    async def stop(self) -> None:
        await self._node.stop()

    async def is_mapped_to(self, address: Address) -> None:
        """The NAT before it gives it another address towards the server; what is sent to the old one is lost."""
        await self._node.stop()
        self._node = self._node_at(address)
        await self._node.start()

    async def register(self, *contacts: str, to: str | None = None, **fields: str | None) -> Response:
        """Register these contacts; the response. `fields` are added, replaced, or left out when None."""
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"<{self.watcher}>;tag=1"),
                ("To", f"<{to or self.watcher}>"),
                ("Call-ID", f"{self.instance}-registers"),
                ("CSeq", f"{next(self._registrations)} REGISTER"),
                ("Supported", "path, outbound, gruu"),
            ]
        )
        request = Request("REGISTER", "sip:example.com", headers)
        own: dict[str, str | None] = {"Contact": ", ".join(contacts) or None, "Event": None, "Expires": "600"}
        return await self._send(request, own | {name.replace("_", "-"): value for name, value in fields.items()})

    @property
    def last(self) -> Notify:
        return self.notifies[-1]

    def device(self, owner: Owner) -> DeviceKey:
        """Its name in the update lists."""
        return DeviceKey(owner, self.watcher, device_of(NameAddr.parse(self._contact)))

    @property
    def _contact(self) -> str:
        return f'<sip:{self.address}>;+sip.instance="<{self.instance}>"'

    async def subscribe(self, owner: Owner, body: bytes = b"", /, **fields: str | None) -> Response:
        """Subscribe outside of any dialog; the response. `fields` are added, replaced, or left out when None."""
        self.dialog = None
        name = f"{self.address}-{next(self._names)}"
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"<{self.watcher}>;tag={name}"),
                ("To", f"<{owner}>"),
                ("Call-ID", name),
                ("CSeq", "1 SUBSCRIBE"),
            ]
        )
        self._subscribe = Request("SUBSCRIBE", owner, headers, body)
        return await self._send(self._subscribe, fields)

    async def refresh(self, body: bytes = b"", /, **fields: str | None) -> Response:
        """Subscribe within the dialog."""
        assert self.dialog is not None
        request = self.dialog.next_request("SUBSCRIBE")
        return await self._send(Request(request.method, request.uri, request.headers, body), fields)

    async def unsubscribe(self) -> Response:
        return await self.refresh(Expires="0")

    async def _send(self, request: Request, fields: dict[str, str | None]) -> Response:
        defaults: dict[str, str | None] = {
            "Route": f"<sip:{ADDRESS};lr>",
            "Contact": self._contact,
            "Event": "contact-card",
            "Expires": "3600",
            "P-Asserted-Identity": f"<{self.watcher}>",
        }
        for name, value in (defaults | {name.replace("_", "-"): value for name, value in fields.items()}).items():
            if value is None:
                request.headers.remove(name)
            else:
                request.headers.set(name, value)
        return await self.send(request)

    async def send(self, request: Request) -> Response:
        """Send any request; its final response."""
        outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
        self._node.send(request, flow=None, answered=outcome.set_result)
        response = await outcome
        assert isinstance(response, Response), response
        self.responses.append(response)
        return response

    async def _handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        self.notifies.append(Notify(asyncio.get_running_loop().time(), request))
        if self.dialog is None and self._subscribe is not None and request.call_id == self._subscribe.call_id:
            self.dialog = Dialog.subscriber(self._subscribe, request)
        answer = self.answers.pop(0) if self.answers else (200, [])
        if answer is not None:
            respond(make_response(request, answer[0], headers=answer[1]))
