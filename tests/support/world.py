"""A server, its owners' documents and its watchers' devices, on a simulated network in virtual time.

    @story
    async def test_something(world: World) -> None:
        phone = await world.phone(BOB)
        ...

A story ends with nothing left over: no fault in the loop, no error in the log, no long-lived task that gave up.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from abserver.domain.identity import NO_ALIASES
from abserver.events.contact_card import PATCH, XCARD
from abserver.events.follow import Follow
from abserver.services.watching import Watching
from abserver.sip.transport import Address
from tests.support.fakes import MemoryDocuments, MemoryJournal
from tests.support.network import Network, SimNode
from tests.support.phone import Phone
from tests.support.server import ADDRESS, DOMAIN, Limits, SimServer
from tests.support.virtual_time import VirtualTimeLoop
from xcap.core.etag import Conditions
from xcap.core.uri import ResourceUri
from xcap.ports import Credential
from xcap.service import Representation
from xcap.storage.memory import MemoryCredentialStore, MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from abserver.domain.identity import Owner, Watcher
    from abserver.ports import RequestHandler
    from abserver.sip.trace import Tracer
    from abserver.sip.uas import Capabilities
    from xcap.ports import DocumentKey

Parameters = ParamSpec("Parameters")

PASSWORD = "secret"
MOMENT = 1.0
"""Seconds in which all that a step sets going is over, in an undisturbed network."""


class World:
    """All that one story needs."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self.loop = loop
        self.clock = loop.clock
        self.network = Network()
        self.journal = MemoryJournal(latency=0.002)
        self.documents = MemoryDocuments()
        self.users = MemoryCredentialStore()
        self.store = MemoryDocumentStore()
        """Documents that no rules rest on: what stories say of cards and rules is in `documents`."""
        self.limits = Limits()
        self.identities = NO_ALIASES
        self.expected_errors: set[str] = set()
        """Messages that the log may have at level error."""
        self.background: list[asyncio.Task[None]] = []
        """Work that a test has running, to be ended with it."""
        self._server: SimServer | None = None
        self._killed: list[SimServer] = []
        """Kept, since what waits in them waits forever."""
        self._phones = 0

    @property
    def server(self) -> SimServer:
        assert self._server is not None
        return self._server

    @property
    def is_up(self) -> bool:
        return self._server is not None

    async def start(self) -> None:
        """Let the server live, on what its journal and documents hold."""
        self._server = SimServer(
            self.network,
            self.journal,
            self.documents,
            self.users,
            self.clock,
            self.limits,
            self.store,
            self.identities,
        )
        await self._server.start()

    async def kill(self) -> None:
        """The server dies without warning."""
        self.kill_now()

    def kill_now(self) -> None:
        """The server dies before anything else happens that was about to."""
        self.server.kill()
        self._killed.append(self.server)
        self._server = None

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def add_user(self, name: Owner | Watcher) -> None:
        await self.users.put(Credential.of(name, DOMAIN, PASSWORD))

    def put_card(self, owner: Owner, content: bytes | None) -> None:
        self.documents.put_card(owner, content)

    def put_rules(self, owner: Owner, content: bytes | None) -> None:
        self.documents.put_rules(owner, content)

    async def put(self, key: DocumentKey, content: bytes, *, node: str | None = None) -> str:
        """Have the user put a document, or an element of it, by XCAP; its etag."""
        usage = next(each for each in self.server.usages if each.auid == key.auid)
        media_type = usage.media_type if node is None else "application/xcap-el+xml"
        resource = ResourceUri(key, node)
        return (await self.server.xcap.put(str(key.user), resource, content, media_type, Conditions())).etag

    async def delete(self, key: DocumentKey, *, node: str | None = None) -> None:
        """Have the user delete a document, or a node of it, by XCAP."""
        await self.server.xcap.delete(str(key.user), ResourceUri(key, node), Conditions())

    async def get(self, user: str, key: DocumentKey) -> Representation:
        """What a GET of the document by this user is answered. Raises XcapError."""
        found = await self.server.xcap.get(user, ResourceUri(key), Conditions())
        assert isinstance(found, Representation)
        return found

    async def pass_time(self, seconds: float = MOMENT) -> None:
        """Let time pass, and everything happen that falls into it."""
        await asyncio.sleep(seconds)

    async def phone(self, watcher: Watcher) -> Phone:
        """A device that the test plays."""
        self._phones += 1
        phone = Phone(self.network, Address(f"10.9.0.{self._phones}", 5060), watcher)
        await phone.start()
        return phone

    def device(
        self,
        watcher: Watcher,
        owner: Owner,
        *,
        host: str,
        accept: tuple[str, ...] = (XCARD, PATCH),
        keep_in: Path | None = None,
    ) -> Watching:
        """A device as it should be, to be started: it authenticates, keeps its copy, refreshes, recovers."""
        follow = Follow(owner=owner, watcher=watcher, password=PASSWORD, route=f"sip:{ADDRESS}", accept=accept)

        def open_sip(handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> SimNode:
            return SimNode(self.network, Address(host, 5060), handler, capabilities)

        return Watching(follow, open_sip, instance=f"urn:uuid:{host}", keep_in=keep_in)


class _Errors(logging.Handler):
    """Collects what the server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


async def _end(tasks: set[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def virtual_world() -> Iterator[tuple[World, VirtualTimeLoop]]:
    """A world on a loop of its own; checks at the end that nothing failed behind the test's back."""
    loop, errors = VirtualTimeLoop(), _Errors()
    logger = logging.getLogger("abserver")
    logger.addHandler(errors)
    try:
        world = World(loop)
        yield world, loop
        loop.run_until_complete(_end(asyncio.all_tasks(loop)))
        assert loop.faults == [], loop.faults
        assert {record.getMessage() for record in errors.records} <= world.expected_errors
    finally:
        logger.removeHandler(errors)
        loop.close()


def story(test: Callable[Concatenate[World, Parameters], Awaitable[None]]) -> Callable[Parameters, None]:
    """Make a test of a coroutine that takes a World with a running server."""

    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        async def play(world: World) -> None:
            await world.start()
            await test(world, *args, **kwargs)

        with virtual_world() as (world, loop):
            loop.run_until_complete(play(world))

    signature = inspect.signature(test)
    others = [parameter for name, parameter in signature.parameters.items() if name != "world"]
    functools.update_wrapper(run, test)
    vars(run)["__signature__"] = signature.replace(parameters=others, return_annotation=None)
    return run
