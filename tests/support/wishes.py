"""A device that asks for more than `abserver watch` does: rates, silence, filters, content-codings.

What it asks for is written into its SUBSCRIBEs where they leave, and what it is told is unpacked where that arrives. So
the subscriber in between is the one that users have, and keeps its copy by all its rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from abserver.events import codings, filters
from abserver.events.follow import Follow
from abserver.events.subscription import ANY
from abserver.ports import DeviceKey
from abserver.services.watching import Watching
from abserver.sip.message import Request
from abserver.sip.transport import Address
from abserver.sip.uas import make_response
from tests.support.filters import filter_set, one
from tests.support.network import SimNode
from tests.support.server import ADDRESS
from tests.support.world import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from abserver.domain.identity import Owner, Watcher
    from abserver.ports import Answered, RequestHandler, Respond
    from abserver.sip.outgoing import Outgoing
    from abserver.sip.trace import Tracer
    from abserver.sip.transport import Flow
    from abserver.sip.uas import Capabilities
    from tests.support.network import Network
    from tests.support.world import World

LARGEST = 100_000
"""Octets of a body that is unpacked."""

RATES = ("", ";max-rate=0.05", ";max-rate=2;min-rate=0.004", ";adaptive-min-rate=0.003")
CODINGS = (None, "gzip", "deflate;q=0.5, identity;q=0")
FILTERS = {
    "whole": one("<what><include>//vc:fn</include></what>", 'id="1" enabled="false"'),
    "numbers": one("<what><include>//vc:tel</include></what>"),
    "no notes": one("<what><exclude>//vc:note</exclude></what>"),
    "when a number comes": one("<trigger><added>//vc:tel</added></trigger>"),
}
"""Each replaces the one before it, since all have one id."""
FILTER_SETS = {name: filter_set(each) for name, each in FILTERS.items()}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a device asks for in all its SUBSCRIBEs from now on."""

    rates: str = ""
    """Parameters of Event."""
    coding: str | None = None
    """Accept-Encoding."""
    filter: str | None = None
    """Of FILTERS; None sends no body, which leaves a filter of the dialog as it is."""
    silent: bool = False
    """Suppress-If-Match: * (RFC 5839 §5.2)."""

    def with_filter(self, name: str) -> Wish:
        return replace(self, filter=name)


class WishingNode(SimNode):
    """The device's way to the network."""

    def __init__(
        self, network: Network, address: Address, handler: RequestHandler, capabilities: Capabilities, wish: Wish
    ) -> None:
        super().__init__(
            network, address, self._take, replace(capabilities, codings=(codings.IDENTITY, *codings.CODINGS))
        )
        self._hand_on = handler
        self.wish = wish
        self.busy = 0
        """How many of the next NOTIFYs are answered with 503."""

    def send(self, request: Request | Outgoing, *, flow: Flow | None, answered: Answered) -> None:
        assert isinstance(request, Request)
        super().send(self._wishing(request), flow=flow, answered=answered)

    def _wishing(self, request: Request) -> Request:
        wish, headers = self.wish, request.headers.copy()
        headers.set("Event", f"{headers.get('Event')}{wish.rates}")
        if wish.coding is not None:
            headers.set("Accept-Encoding", wish.coding)
        if wish.silent:
            headers.set("Suppress-If-Match", ANY)
        if wish.filter is None:
            return Request(request.method, request.uri, headers)
        headers.set("Content-Type", filters.MEDIA_TYPE)
        return Request(request.method, request.uri, headers, FILTER_SETS[wish.filter])

    async def _take(self, request: Request, flow: Flow, respond: Respond) -> None:
        if request.method == "NOTIFY" and self.busy:
            self.busy -= 1
            respond(make_response(request, 503))
            return
        await self._hand_on(self._plain(request), flow, respond)

    def _plain(self, request: Request) -> Request:
        """The NOTIFY as if nothing had been asked for."""
        headers, body = request.headers.copy(), request.body
        coding = headers.get("Content-Encoding")
        if coding is not None:
            body = codings.unpack(body, coding, LARGEST)
            headers.remove("Content-Encoding")
        if self.wish.silent:  # the tag of what is withheld: to be in step is not wanted
            headers.remove("SIP-ETag")
        return Request(request.method, request.uri, headers, body)


class Restless(Watching):
    """Refreshes when it is told to, as a device may at any time (RFC 6665 §4.1.2.2)."""

    async def refresh(self) -> None:
        self._carry_out(self._subscriber_now()._subscribe(self._now()))


class WishingDevice:
    """A device of one watcher that follows one owner, on or off, with the file that it keeps its copy in."""

    def __init__(
        self, world: World, watcher: Watcher, owner: Owner, *, host: str, accept: tuple[str, ...], keep_in: Path
    ) -> None:
        self.key = DeviceKey(owner, watcher, f"urn:uuid:{host}")
        self.host = host
        self.accept = accept
        self.file = keep_in
        self.wish = Wish()
        self.blocked = False
        """Whether it may have heard that it is rejected: then it is not to ask again."""
        self.watching: Restless | None = None
        self._world = world
        self._node: WishingNode | None = None

    @property
    def owner(self) -> Owner:
        return self.key.owner

    @property
    def watcher(self) -> Watcher:
        return self.key.watcher

    async def switch_on(self) -> None:
        """Start; it asks for what it wishes at that time."""
        follow = Follow(
            owner=self.owner, watcher=self.watcher, password=PASSWORD, route=f"sip:{ADDRESS}", accept=self.accept
        )
        self.watching = Restless(follow, self._opened, instance=self.key.device, keep_in=self.file)
        await self.watching.start()

    def _opened(self, handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> WishingNode:
        address = Address(self.host, 5060)
        self._node = WishingNode(self._world.network, address, handler, capabilities, self.wish)
        return self._node

    async def switch_off(self, *, leaves: bool) -> None:
        """End, with or without a word."""
        if self.watching is not None:
            await (self.watching.leave() if leaves else self.watching.stop())
            self.watching = self._node = None

    def ask_for(self, wish: Wish) -> None:
        """Wish for something else from the next SUBSCRIBE on."""
        self.wish = wish
        if self._node is not None:
            self._node.wish = wish

    async def refresh(self) -> None:
        """Send a SUBSCRIBE in the dialog now, as a device does that found another address."""
        if self.watching is not None:
            await self.watching.refresh()

    def be_busy(self, times: int) -> None:
        """Refuse the next NOTIFYs for now."""
        if self._node is not None:
            self._node.busy = times
