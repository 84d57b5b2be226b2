"""A document server on a socket for tests that are no coroutines: it and the requests to it share one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Self, TypeVar

import uvloop

from abserver.domain.usages import OURS
from tests.conformance.rfc4825.serving import Client, application
from tests.support.http import over_socket
from xcap.http.listener import HttpServer
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit
from xcap.storage.credentials import SqlCredentialStore
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType
    from typing import Any

    from xcap.http import XcapApp

T = TypeVar("T")


class Complaints(logging.Handler):
    """What is logged as an error: a request that failed, a connection whose handling raised, a task nobody awaits."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def taken(self) -> list[str]:
        """Those since the last call."""
        lines, self._lines = self._lines, []
        return lines


class Served:
    """All usages, ours too, in memory or in the database of this URL. What is done in `run` is served meanwhile."""

    def __init__(self, storage: str | None = None) -> None:
        self._storage = storage
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._open = contextlib.AsyncExitStack()
        self.complaints = Complaints()
        self.app: XcapApp
        self.bill: Client
        self.port = 0

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self.complaints)
        self.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.run(self._open.aclose())
        self._runner.close()
        logging.getLogger().removeHandler(self.complaints)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    async def _start(self) -> None:
        if self._storage is None:
            self.app = await application(OURS)
        else:
            database = await self._open.enter_async_context(open_database(self._storage))
            await migrate.upgrade(database)
            committer = await self._open.enter_async_context(GroupCommit(database))
            documents, credentials = SqlDocumentStore(database, committer), SqlCredentialStore(database, committer)
            self.app = await application(OURS, documents, credentials)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        server = HttpServer(self.app)
        await server.start([listener])
        self._open.push_async_callback(server.stop)
        self.bill = Client(await self._open.enter_async_context(over_socket(self.port)))
