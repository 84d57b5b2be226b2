"""The watchers' devices: SIP subscribers on sockets of their own, each with a memory of what it was told.

A NOTIFY counts as told when its answer leaves, since the copy is in step then. Retransmissions are told once.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from typing import TYPE_CHECKING

from abserver.demo.expectations import Unmet, expected
from abserver.events.follow import Follow, State
from abserver.net.sip_driver import SipDriver
from abserver.services.watching import Watching
from abserver.sip.codec import parse
from abserver.sip.message import Request
from abserver.sip.trace import Direction
from abserver.sip.transport import Address, Transport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from abserver.demo.cast import Part
    from abserver.events.card_copy import CardCopy
    from abserver.ports import RequestHandler
    from abserver.sip.trace import TracedMessage, Tracer
    from abserver.sip.uas import Capabilities

ANY_PORT = Address("127.0.0.1", 0)


class Device:
    """One device that follows the owner; it keeps its copy in a file, and can be switched off and on."""

    def __init__(
        self, part: Part, owner: str, server: Address, folder: Path, tell: Callable[[str, TracedMessage], None]
    ) -> None:
        """tell: gets the device's name and each message, in their order."""
        self.part = part
        self.instance = f"urn:uuid:{uuid.uuid4()}"
        self.subscribes = 0
        """How many SUBSCRIBEs it sent."""
        self.answer = 0
        """The status of the last response to a request of its own."""
        self._follow = Follow(
            owner=owner,
            watcher=part.person.aor,
            password=part.person.password,
            route=f"sip:{server};transport={part.transport.value.lower()}",
            accept=part.accept,
        )
        self._file = folder / f"{part.name.lower().replace(' ', '-')}.json"
        self._tell = tell
        self._watching: Watching | None = None
        self._inbox: deque[Request] = deque()
        self._arrived = asyncio.Event()
        self._unanswered: dict[tuple[str, int], Request] = {}
        self._told: dict[tuple[str, int], Request] = {}

    @property
    def name(self) -> str:
        return self.part.name

    @property
    def state(self) -> State:
        return State.INIT if self._watching is None else self._watching.state

    @property
    def copy(self) -> CardCopy | None:
        return None if self._watching is None else self._watching.copy

    @property
    def last_notify(self) -> Request:
        """The last NOTIFY that it was told. Raises Unmet if there was none."""
        if not self._told:
            raise Unmet(f"{self.name} was never told anything")
        return next(reversed(self._told.values()))

    @property
    def unread(self) -> int:
        """NOTIFYs that were told and not taken yet."""
        return len(self._inbox)

    # -- the switch -------------------------------------------------------------------------------------------------

    async def switch_on(self) -> None:
        """Open a socket on a port of its own and subscribe, with the copy that it kept."""
        self._watching = Watching(self._follow, self._open, instance=self.instance, keep_in=self._file)
        await self._watching.start()

    async def switch_off(self) -> None:
        """Close the socket without a word. Nothing to do for a device that is off."""
        if self._watching is not None:
            await self._watching.stop()

    async def leave(self) -> None:
        """Unsubscribe, then switch off."""
        if self._watching is not None:
            async with expected(f"{self.name}: the answer to its unsubscription"):
                await self._watching.leave()

    def _open(self, handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> SipDriver:
        def trace(message: TracedMessage) -> None:
            self._notice(message)
            tracer(message)

        udp = (ANY_PORT,) if self.part.transport is Transport.UDP else ()
        return SipDriver(handler, capabilities, udp=udp, tcp=(ANY_PORT,), tracer=trace)

    # -- what it was told -------------------------------------------------------------------------------------------

    async def told(self) -> Request:
        """The next NOTIFY that was answered and not taken yet. Raises Unmet."""
        async with expected(f"{self.name}: a NOTIFY"):
            while not self._inbox:
                self._arrived.clear()
                await self._arrived.wait()
        return self._inbox.popleft()

    async def reaches(self, state: State) -> None:
        """Wait for a state of the subscription. Raises Unmet."""
        if self._watching is None:
            raise Unmet(f"{self.name} is off")
        async with expected(f"{self.name}: {state.value}"):
            await self._watching.reached(lambda watching: watching.state is state)

    def _notice(self, traced: TracedMessage) -> None:
        self._tell(self.name, traced)
        message = parse(traced.data)
        key = (message.call_id, message.cseq.number)
        if isinstance(message, Request):
            if traced.direction is Direction.OUT:
                self.subscribes += 1
            else:
                self._unanswered[key] = message
        elif traced.direction is Direction.OUT and key not in self._told:
            self._told[key] = self._unanswered.pop(key)
            self._inbox.append(self._told[key])
            self._arrived.set()
        elif traced.direction is Direction.IN:
            self.answer = message.status
