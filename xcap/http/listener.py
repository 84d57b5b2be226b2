"""The HTTP listener: an ASGI application served by an embedded uvicorn, on sockets that the caller bound.

The application gets the request's path as it came (`scope["raw_path"]`, undecoded): XCAP's node selectors need it (RFC
4825 §6). The peer address in the scope is the connection's own, never what a forwarding header says.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import uvicorn

from xcap.http.connection import Connection
from xcap.http.limits import HttpLimits

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from xcap.http.exchange import AsgiApp
    from xcap.http.tls import Tls
    from xcap.http.upgrading import Upgrades


class HttpServer:
    """Serves one application, from `start` to `stop`."""

    def __init__(
        self,
        app: AsgiApp,
        *,
        limits: HttpLimits | None = None,
        tls: Tls | None = None,
        upgrades: Upgrades | None = None,
    ) -> None:
        """upgrades: the other protocols on this listener, by path."""
        self._server = _Server(_config(app, limits or HttpLimits(), tls, upgrades or {}))
        self._task: asyncio.Task[None] | None = None

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on listening sockets, which are the server's from now on; returns when requests are taken."""
        self._task = asyncio.create_task(self._server.serve(sockets=list(sockets)), name="http")
        await self._server.accepting.wait()

    async def stop(self) -> None:
        """Take no more connections, let requests in progress end within the limit, close."""
        if self._task is not None:
            self._server.should_exit = True
            self._server.leaving.set()
            await self._task
            self._task = None


def _config(app: AsgiApp, limits: HttpLimits, tls: Tls | None, upgrades: Upgrades) -> uvicorn.Config:
    def http(*args: Any, **kwargs: Any) -> Connection:
        return Connection(*args, limits=limits, upgrades=upgrades, **kwargs)

    config = uvicorn.Config(
        app,
        http=http,  # type: ignore[arg-type]  # wants a class, calls it
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.keep_alive,
        timeout_graceful_shutdown=limits.stop,
    )
    config.load()
    config.ssl = tls.context if tls else None
    return config


class _Server(uvicorn.Server):
    """uvicorn without a hand on signals, which are the program's, and with events instead of flags to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()
        self.leaving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.accepting.set()

    async def main_loop(self) -> None:
        while not self.leaving.is_set():
            await self.on_tick(0)  # which puts the time of day into the answers' Date
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), 1.0)
