"""What has to hold: waiting with an end, and checks that either tell the ladder so or end the demo."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from abserver.demo.views import body_for, granted
from abserver.events.contact_card import PATCH
from abserver.sip.headers import SubscriptionState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from abserver.demo.cast import Part
    from abserver.demo.devices import Device
    from abserver.demo.ladder import Ladder
    from abserver.demo.owner import OwnersHand
    from abserver.sip.message import Request

PATIENCE = 10.0
"""Seconds for anything that is waited for; on an idle machine a message takes milliseconds, a command half a second."""


class Unmet(Exception):
    """An expectation does not hold; the text says which, and what was there instead."""


@asynccontextmanager
async def expected(what: str) -> AsyncIterator[None]:
    """Wait inside; raises Unmet when `what` takes too long."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise Unmet(f"{what} did not come within {PATIENCE:.0f} seconds") from None


class Expectations:
    """The checks; each raises Unmet."""

    def __init__(self, ladder: Ladder, owner: OwnersHand, devices: Mapping[Part, Device]) -> None:
        self.held = 0
        """How many did."""
        self._ladder = ladder
        self._owner = owner
        self._devices = devices

    def that(self, expectation: str, holds: bool, instead: object = "") -> None:
        """A statement that has to be true; `instead` is what there is if it is not."""
        if not holds:
            raise Unmet(f"expected that {expectation}" + (f"; instead: {instead}" if instead else ""))
        self.held += 1
        self._ladder.held(expectation)

    async def notify(self, part: Part, state: str, body: str | None, *, reason: str | None = None) -> Request:
        """The device's next NOTIFY, which has to be of this state, reason and body type; None is no body."""
        notify = await self._devices[part].told()
        told = SubscriptionState.parse(notify.headers.get("Subscription-State") or "")
        content_type = notify.content_type.name if notify.content_type else None
        heard = (told.state, told.reason, content_type, bool(notify.body))
        if heard != (state, reason, body, body is not None):
            raise Unmet(f"{part.name} was to be told {state} with {body or 'no body'}, and heard {heard[:3]}")
        return notify

    async def patch(self, part: Part) -> Request:
        """The device's next NOTIFY, which has to be a difference that is smaller than the full view."""
        notify = await self.notify(part, "active", PATCH)
        copy = self._devices[part].copy
        full = len(copy.content) if copy else 0
        small = len(notify.body) < full
        self.that(f"{part.name} got {len(notify.body)} bytes in place of a full view of {full}", small)
        return notify

    async def notify_after_restart(self, part: Part, last: Request) -> Request:
        """The device's next NOTIFY by a server that was killed and restarted, which uses no CSeq number again.

        One that follows `last` directly got away before the kill, with nobody left to take note of its answer.
        """
        notify = await self._devices[part].told()
        if notify.cseq.number == last.cseq.number + 1:
            notify = await self._devices[part].told()
        return notify

    def copies(self, *parts: Part) -> None:
        """The copies are what the rules grant of the card, and nobody was told more than was looked for."""
        card, rules = self._owner.card().content, self._owner.rules().content
        for part in parts:
            device = self._devices[part]
            if device.unread:
                raise Unmet(f"{part.name} was told {device.unread} times more than it should have been")
            if device.copy is None or device.copy.content != body_for(granted(card, rules, part), part):
                raise Unmet(f"the copy of {part.name} is not what the rules grant of the card")
        self.that(f"to the byte what the rules grant: {', '.join(part.name for part in parts)}", True)
