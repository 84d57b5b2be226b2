"""A document server with one usage of no schema, its users, and ways to reach it: in process, and over a socket."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from xcap.core.digest import Nonces
from xcap.core.throttle import Throttle
from xcap.core.usage import ApplicationUsage, Usages
from xcap.core.usages import xcap_caps
from xcap.http import AuthenticationRules, DigestAuthenticator, XcapApp
from xcap.http.listener import HttpServer
from xcap.ports import Change, Credential
from xcap.service import XcapService
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore
from xcap.storage.memory import MemoryCredentialStore, MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from xcap.http.exchange import AsgiApp
    from xcap.http.limits import HttpLimits
    from xcap.http.tls import Tls
    from xcap.http.upgrading import Upgrades
    from xcap.ports import DocumentStore

NOTES = ApplicationUsage(
    auid="notes",
    media_type="application/notes+xml",
    default_namespace="urn:test:notes",
    namespaces=("urn:test:notes",),
    names=frozenset({"index", "other"}),
)
ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"
PASSWORD = "open sesame"
ROOT = "/xcap-root"


class Sink:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def changed(self, change: Change) -> None:
        self.changes.append(change)


@dataclass
class Server:
    """Everything of one document server that tests look at."""

    store: DocumentStore = field(default_factory=MemoryDocumentStore)
    sink: Sink = field(default_factory=Sink)
    credentials: MemoryCredentialStore = field(default_factory=MemoryCredentialStore)
    nonces: Nonces = field(default_factory=lambda: Nonces(b"a secret of tests"))
    rules: AuthenticationRules = field(
        default_factory=lambda: AuthenticationRules(domains=("example.com", "example.org"))
    )
    throttle: Throttle = field(default_factory=lambda: Throttle(user_failures=3, source_failures=5))
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.usages = Usages([NOTES, xcap_caps.XCAP_CAPS])
        self.service = XcapService(self.usages, self.store, self.sink)

    def app(self) -> XcapApp:
        authenticator = DigestAuthenticator(
            self.credentials, self.nonces, self.rules, self.throttle, clock=lambda: self.now, sleep=self._sleep
        )
        return XcapApp(self.service, authenticator, ROOT, self.usages, max_body=10_000)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
async def server() -> Server:
    made = Server()
    for user in (ALICE, BOB):
        await made.credentials.put(Credential.of(user, "example.com", PASSWORD))
    return made


@pytest.fixture
async def any_server(storage: str | None) -> AsyncIterator[Server]:
    """On each kind of store."""
    if storage is None:
        yield Server()
        return
    async with open_database(storage) as database:
        await migrate.upgrade(database)
        async with GroupCommit(database) as committer:
            yield Server(SqlDocumentStore(database, committer))


@contextlib.asynccontextmanager
async def listening(
    app: AsgiApp, *, limits: HttpLimits | None = None, tls: Tls | None = None, upgrades: Upgrades | None = None
) -> AsyncIterator[int]:
    """Serve on a loopback port; the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    serving = HttpServer(app, limits=limits, tls=tls, upgrades=upgrades)
    await serving.start([listener])
    try:
        yield port
    finally:
        await serving.stop()


@pytest.fixture
async def port(server: Server) -> AsyncIterator[int]:
    async with listening(server.app()) as port:
        yield port
