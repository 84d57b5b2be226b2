"""One who watches, at a terminal: what happens, as lines to read."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from typing import TYPE_CHECKING

import typer

from abserver.cli.card_lines import changed_lines, items_of, shortened
from abserver.cli.common import CommandError
from abserver.events.follow import CopyChanged, State, StateChanged
from abserver.net.listeners import source_towards
from abserver.net.sip_driver import SipDriver
from abserver.sip.transport import Address

if TYPE_CHECKING:
    from abserver.ports import RequestHandler
    from abserver.services.watching import OpenSip, Watching
    from abserver.sip.trace import Tracer
    from abserver.sip.uas import Capabilities

GOODBYE = 3.0
"""Seconds that the server gets to answer when the watcher leaves."""


def node_towards(server: Address, *, udp: bool) -> OpenSip:
    """Opens the watcher's own SIP node, on the address from which this machine reaches the server.

    udp: listen there too, not to TCP alone, which also takes what is too large for UDP.
    """
    anywhere = Address("::" if ":" in server.host else "0.0.0.0", 0)  # noqa: S104 - narrowed before it is bound
    here = (source_towards(server, anywhere),)

    def open_sip(handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> SipDriver:
        return SipDriver(handler, capabilities, udp=here if udp else (), tcp=here, tracer=tracer)

    return open_sip


class WatchTerminal:
    """Prints what happens to one who watches."""

    def __init__(self, watching: Watching, server: str, start: str) -> None:
        """server: how the server is named in messages. start: the command that starts it."""
        self._watching = watching
        self._server = server
        self._start = start
        self._lines = items_of(watching.copy)
        self._subscribed = False

    async def run(self) -> None:
        """Until the user interrupts. Raises ListenerError, and CommandError when the subscription is over for good."""
        if self._lines:
            _say(f"kept from the last watch: {len(self._lines)} items")
        events = self._watching.events()
        await self._watching.start()
        try:
            async for event in events:
                if isinstance(event, StateChanged):
                    self._tell_state(event)
                elif isinstance(event, CopyChanged):
                    self._tell_copy(event)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """Unsubscribe, unless the server takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await self._watching.leave()
                return
        await self._watching.stop()

    def _tell_state(self, event: StateChanged) -> None:
        """Raises CommandError for an end that is final, or comes before there ever was a subscription."""
        match event.state:
            case State.PENDING:
                _say(f"pending: {self._watching.follow.owner} has not decided yet")
            case State.ACTIVE:
                _say("active")
            case State.TERMINATED if not self._subscribed:
                raise CommandError(f"{self._server}: no subscription: {event.reason}", self._advice(event.reason or ""))
            case State.TERMINATED if event.retry_at is not None:
                pause = max(0.0, event.retry_at - asyncio.get_running_loop().time())
                _say(f"interrupted: {event.reason}; trying again in {pause:.0f} s")
            case State.TERMINATED:
                raise CommandError(f"the subscription ended: {event.reason}")
            case _:
                return
        self._subscribed = True

    def _advice(self, reason: str) -> str:
        match reason[:3]:
            case "401" | "403":
                return f"Check the password of {self._watching.follow.watcher}; `abserver user list` names the users"
            case "404":
                return f"{self._watching.follow.owner} is no user there; `abserver user list` names the users"
            case "no ":
                return f"Start the server: {self._start}"
            case _:
                return ""

    def _tell_copy(self, event: CopyChanged) -> None:
        before, self._lines = self._lines, items_of(event.copy)
        if event.patch is None:
            _say(f"full view, {len(event.copy.content)} bytes")
            shown = self._lines
        else:
            _say(f"difference, {len(event.patch)} bytes")
            shown = list(changed_lines(before, self._lines))
        for line in shown:
            typer.echo(f"  {shortened(line)}")


def _say(text: str) -> None:
    typer.echo(f"{datetime.datetime.now():%H:%M:%S} {text}")
