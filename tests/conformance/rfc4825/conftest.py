"""A server on a socket, and Bill's requests to an application of his own behind it."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import pytest
import uvloop

from tests.conformance.rfc4825.serving import Client, application
from tests.support.http import over_socket
from xcap.http.listener import HttpServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from xcap.http import XcapApp
    from xcap.http.message import Receive, Scope, Send


class Served:
    """One listener in a thread of its own, for whichever application is behind it at the time."""

    def __init__(self) -> None:
        self.app: XcapApp | None = None
        self.port = 0
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._run, name="served")

    def start(self) -> None:
        self._thread.start()
        assert self._listens.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(30)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        server = HttpServer(self)
        await server.start([listener])
        self._listens.set()
        await self._leave.wait()
        await server.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    made = Served()
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def bill(served: Served) -> AsyncIterator[Client]:
    """With no documents yet."""
    served.app = await application()
    async with over_socket(served.port) as exchange:
        yield Client(exchange)
