"""Following one owner's card as a device does: the subscriber's machine on a socket of its own.

What `abserver watch`, the demo's watchers and the tests use. The copy lives in memory and, if wanted, in a file, so
that a device that was away comes back with its last entity-tag and is told the difference (RFC 5839 §5.5). Law of the
file: a NOTIFY is answered after its effect on the copy is kept, so what the notifier believes us to hold, we hold.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from abserver.events.card_copy import CardCopy
from abserver.events.contact_card import PACKAGE
from abserver.events.follow import CopyChanged, Device, Effect, Follow, SendSubscribe, State, StateChanged
from abserver.events.subscriber import Subscriber
from abserver.ports import RequestHandler, Respond, SendFailure, SipSender
from abserver.sip.message import Response
from abserver.sip.trace import TracedMessage, Tracer
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, make_response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from abserver.sip.message import Request

log = logging.getLogger(__name__)

WatchEvent = TracedMessage | StateChanged | CopyChanged
"""What happens to one who watches: a message on the wire, another state, another copy."""


class Listening(Protocol):
    """A socket that is ready."""

    @property
    def transport(self) -> Transport: ...

    @property
    def address(self) -> Address: ...


class SipNode(SipSender, Protocol):
    """A SIP driver: what `abserver.net.sip_driver.SipDriver` is."""

    @property
    def ready(self) -> Sequence[Listening]: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class OpenSip(Protocol):
    """Makes the node that a watcher owns, listening at one address that the server can reach; not started yet."""

    def __call__(self, handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> SipNode: ...


class Watching:
    """One device that follows one owner, from `start` until `leave` (unsubscribes) or `stop` (is just switched off)."""

    def __init__(
        self, follow: Follow, open_sip: OpenSip, *, instance: str | None = None, keep_in: Path | None = None
    ) -> None:
        """instance: `urn:uuid:...`; None takes the file's, or makes one. keep_in: the file for the copy.

        Raises UnusableFile.
        """
        kept = _Kept.read(keep_in, follow.owner) if keep_in is not None else None
        self.follow = follow
        self.instance = instance or (kept.instance if kept else f"urn:uuid:{uuid.uuid4()}")
        self._file = keep_in
        self._copy = kept.copy if kept else None
        self._node = open_sip(self._handle, _CAPABILITIES, self._publish)
        self._subscriber: Subscriber | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._queues: set[asyncio.Queue[WatchEvent | None]] = set()

    @property
    def state(self) -> State:
        """Where the subscription stands."""
        return State.INIT if self._subscriber is None else self._subscriber.state

    @property
    def copy(self) -> CardCopy | None:
        """The copy of now."""
        return self._copy if self._subscriber is None else self._subscriber.copy

    @property
    def ends_for_good(self) -> bool:
        """Whether the subscription is over and will not begin anew by itself."""
        return self.state is State.TERMINATED and self._subscriber_now().next_deadline() is None

    async def start(self) -> None:
        """Open the socket and subscribe; returns before there is an answer. Raises ListenerError."""
        await self._node.start()
        device = Device(self.instance, _contact(self.follow.watcher, self._node.ready[0]))
        self._subscriber = Subscriber(self.follow, device, copy=self._copy)
        self._carry_out(self._subscriber.begin(self._now()))

    async def leave(self) -> None:
        """Unsubscribe, wait for the end (Timer N at the latest), and close."""
        self._carry_out(self._subscriber_now().leave(self._now()))
        await self.reached(lambda watching: watching.ends_for_good)
        await self.stop()

    async def stop(self) -> None:
        """Close without a word, as a device that loses power: the server keeps the subscription until it expires."""
        if self._timer is not None:
            self._timer.cancel()
        await self._node.stop()
        for queue in self._queues:
            queue.put_nowait(None)

    async def reached(self, holds: Callable[[Watching], bool]) -> None:
        """Wait until `holds`, which is asked after every change of state or copy."""
        while not holds(self):
            await self._changed.wait()

    def events(self) -> AsyncIterator[WatchEvent]:
        """All that happens from this call on, until the watching stops."""
        queue: asyncio.Queue[WatchEvent | None] = asyncio.Queue()
        self._queues.add(queue)
        return self._drain(queue)

    async def _drain(self, queue: asyncio.Queue[WatchEvent | None]) -> AsyncIterator[WatchEvent]:
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.discard(queue)

    def _publish(self, event: WatchEvent) -> None:
        for queue in self._queues:
            queue.put_nowait(event)

    # -- the machine's wishes ---------------------------------------------------------------------------------------

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendSubscribe(request):
                    self._send(request)
                case CopyChanged(copy):
                    if self._file is not None:
                        _Kept(self.follow.owner, self.instance, copy).write(self._file)
                    self._publish(effect)
                case StateChanged():
                    self._publish(effect)
        self._arm()
        self._changed.set()
        self._changed = asyncio.Event()

    def _send(self, request: Request) -> None:
        def answered(outcome: Response | SendFailure) -> None:
            response = outcome if isinstance(outcome, Response) else None
            self._carry_out(self._subscriber_now().answered(request, response, self._now()))

        self._node.send(request, flow=None, answered=answered)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._subscriber_now().next_deadline()
        self._timer = None if deadline is None else asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._carry_out(self._subscriber_now().expire(self._now()))

    async def _handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        if request.method == "OPTIONS":
            respond(make_response(request, 200, headers=[("Allow", _CAPABILITIES.allow)]))
            return
        response, effects = self._subscriber_now().notified(request, self._now())
        self._carry_out(effects)
        respond(response)

    def _subscriber_now(self) -> Subscriber:
        if self._subscriber is None:
            raise RuntimeError("not started")
        return self._subscriber

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_CAPABILITIES = Capabilities(methods=("NOTIFY", "OPTIONS"), body_types=PACKAGE.body_types)


def _contact(watcher: str, listening: Listening) -> str:
    """The Contact URI of a listener."""
    transport = "" if listening.transport is Transport.UDP else f";transport={listening.transport.value.lower()}"
    return f"sip:{SipUri.parse(watcher).userinfo}@{listening.address}{transport}"


class UnusableFile(Exception):
    """The file for the copy holds something else, or is another owner's."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file holds: JSON, readable by its user alone, replaced as a whole."""

    owner: str
    instance: str
    copy: CardCopy

    @classmethod
    def read(cls, path: Path, owner: str) -> _Kept | None:
        """None if there is no file yet. Raises UnusableFile."""
        try:
            text = path.read_text()
        except FileNotFoundError:
            return None
        try:
            fields = json.loads(text)
            content = base64.b64decode(fields["content"], validate=True)
            kept = cls(fields["owner"], fields["instance"], CardCopy(content, fields["content_type"], fields["etag"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UnusableFile(f"{path} is no copy of a card; remove it or name another file") from error
        if kept.owner != owner:
            raise UnusableFile(f"{path} holds the card of {kept.owner}; name another file for {owner}")
        return kept

    def write(self, path: Path) -> None:
        """Replace the file. A crash leaves the old one or the new one, and with either the entity-tag is right."""
        fields = {
            "owner": self.owner,
            "instance": self.instance,
            "etag": self.copy.etag,
            "content_type": self.copy.content_type,
            "content": base64.b64encode(self.copy.content).decode(),
        }
        fresh = path.with_name(f"{path.name}.new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(fields, file)
        fresh.replace(path)
