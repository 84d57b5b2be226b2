"""A subscriber to any package that keeps at it: whatever is lost, it asks again, and in the end it knows all.

What its NOTIFYs mean is for `Reader`s; here is what RFC 6665 §4.1 makes of a dialog.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from abserver.sip.dialog import Dialog
from abserver.sip.headers import SubscriptionState
from abserver.sip.message import Headers, Request, Response
from abserver.sip.uas import Capabilities, make_response
from tests.support.network import SimNode
from tests.support.server import ADDRESS

if TYPE_CHECKING:
    from abserver.domain.identity import Owner, Watcher
    from abserver.ports import Respond, SendFailure
    from abserver.sip.transport import Address, Flow
    from tests.support.network import Network

EXPIRES = 3600
REFRESH = 1500.0
"""Seconds until a dialog is refreshed."""
PATIENCE = 40.0
"""Seconds in which the NOTIFY after a SUBSCRIBE comes, if it comes."""
PAUSE = 30.0
"""Seconds until it is tried again."""


class Reader(Protocol):
    """What a subscriber makes of what it is told."""

    media_type: str

    def begin(self) -> None:
        """All is asked for: what was known before does not count."""
        ...

    def take(self, body: bytes) -> bool:
        """Take a NOTIFY's body; False if one before it is missing, so that all has to be asked for."""
        ...


class Steady:
    """One device of a watcher, known to the server by a trusted proxy's word."""

    def __init__(
        self,
        network: Network,
        address: Address,
        watcher: Watcher,
        resource: Owner,
        event: str,
        reader: Reader,
        body: tuple[str, bytes] | None = None,
    ) -> None:
        """event: the value of Event; body: media type and content of each SUBSCRIBE."""
        self.address = address
        self.watcher = watcher
        self.resource = resource
        self.reader = reader
        self.state = ""
        """As told last: `active`, `pending`, `terminated`; empty if nothing was told in the dialog of now."""
        self.is_asking = False
        """Whether it has asked for all and was not told yet."""
        self._event = event
        self._body = body
        self._network = network
        self._initial: Request | None = None
        self._dialog: Dialog | None = None
        self._names = itertools.count(1)
        self._told = asyncio.Event()
        """Something was told since the last SUBSCRIBE."""
        self._due = asyncio.Event()
        """The subscription is over, or something that was told is missing."""
        self._task: asyncio.Task[None] | None = None
        self._node: SimNode | None = None

    @property
    def is_on(self) -> bool:
        return self._task is not None

    async def switch_on(self) -> None:
        """Subscribe, and keep at it."""
        capabilities = Capabilities(("NOTIFY",), body_types=(self.reader.media_type,))
        self._node = SimNode(self._network, self.address, self._handle, capabilities)
        await self._node.start()
        self._task = asyncio.create_task(self._run())

    async def switch_off(self) -> None:
        """Lose power."""
        if self._task is not None and self._node is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            await self._node.stop()
            self._task = self._node = self._dialog = self._initial = None

    async def _run(self) -> None:
        while True:
            if await self._begins():
                while await self._goes_on():
                    pass
            self._dialog = self._initial = None
            await asyncio.sleep(PAUSE)

    async def _begins(self) -> bool:
        """Begin a subscription; whether one stands."""
        name = f"{self.address}-{next(self._names)}-{self._network.new_branch()}"
        fields = [("From", f"<{self.watcher}>;tag={name}"), ("To", f"<{self.resource}>"), ("Call-ID", name)]
        self.state = ""
        self._initial = Request(
            "SUBSCRIBE", self.resource, Headers([("Max-Forwards", "70"), *fields, ("CSeq", "1 SUBSCRIBE")])
        )
        return await self._asks(self._initial)

    async def _goes_on(self) -> bool:
        """Wait until something has to be done, and do it; whether the subscription stands after it."""
        await _within(REFRESH, self._due)
        if self.state == "terminated" or self._dialog is None:
            return False
        return await self._asks(self._dialog.next_request("SUBSCRIBE"))

    async def _asks(self, subscribe: Request) -> bool:
        """Ask for all; whether it comes."""
        self.reader.begin()
        self._told.clear()
        self._due.clear()
        self.is_asking = True
        try:
            return await self._accepted(subscribe) and await _within(PATIENCE, self._told)
        finally:
            self.is_asking = False

    async def _accepted(self, request: Request) -> bool:
        for name, value in (
            ("Route", f"<sip:{ADDRESS};lr>"),
            ("Contact", f'<sip:{self.address}>;+sip.instance="<urn:uuid:{self.address.host}>"'),
            ("Event", self._event),
            ("Expires", str(EXPIRES)),
            ("P-Asserted-Identity", f"<{self.watcher}>"),
        ):
            request.headers.set(name, value)
        if self._body is not None:
            request.headers.set("Content-Type", self._body[0])
            request = Request(request.method, request.uri, request.headers, self._body[1])
        outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
        assert self._node is not None
        self._node.send(request, flow=None, answered=outcome.set_result)
        answer = await outcome
        return isinstance(answer, Response) and answer.status < 300

    async def _handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        if self._dialog is None and self._initial is not None and request.call_id == self._initial.call_id:
            self._dialog = Dialog.subscriber(self._initial, request)
        elif self._dialog is None or request.call_id != self._dialog.call_id:
            respond(make_response(request, 481))
            return
        elif not self._dialog.receive(request):
            respond(make_response(request, 500))
            return
        self.state = SubscriptionState.parse(request.headers.get("Subscription-State") or "").state
        if self.state == "terminated" or (request.body and not self.reader.take(request.body)):
            self._due.set()
        self._told.set()
        respond(make_response(request, 200))


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for it so long; whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
