"""The HTTP listener: an ASGI application served by an embedded uvicorn.

The application gets the request's path as it came (`scope["raw_path"]`, undecoded): XCAP's node selectors need it (RFC
4825 §6). Law of the file: what a peer can make grow has a bound - head, body, time - and the answer when one is passed
is a plain status (RFC 9110 §15.5, RFC 6585 §5). The peer address in the scope is the connection's own, never what a
forwarding header says.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from abserver.net.listeners import bind, bound_address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence

    from abserver.sip.transport import Address

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one server spends on HTTP peers."""

    body: int = 2 * 1024 * 1024
    """Bytes of a request body; the application may be stricter."""
    body_pause: float = 30.0
    """Seconds to wait for the next piece of a request body."""
    head: int = 64 * 1024
    """Bytes of a request line with its header fields."""
    head_time: float = 15.0
    """Seconds from a connection's start, or a request's first byte, to the end of its head."""
    keep_alive: int = 75
    """Seconds that a connection may rest between requests."""
    connections: int = 5000
    """Open at once; a request on one more is answered 503."""
    stop: int = 5
    """Seconds that requests in progress get when the server stops."""


class HttpServer:
    """Serves one application on some addresses, from `start` to `stop`."""

    def __init__(self, app: AsgiApp, listen: Sequence[Address], *, limits: HttpLimits | None = None) -> None:
        self._listen = listen
        self._limits = limits or HttpLimits()
        self._server = _Server(_config(_Bounded(app, self._limits), self._limits))
        self._task: asyncio.Task[None] | None = None
        self.ready: tuple[Address, ...] = ()
        """Where it listens, with real port numbers, once `start` has returned."""

    async def start(self) -> None:
        """Bind and serve; returns when requests are taken. Raises PortTaken, ListenerError."""
        sockets: list[socket.socket] = []
        with contextlib.ExitStack() as opened:
            for listener in self._listen:
                sockets.append(opened.enter_context(bind(socket.SOCK_STREAM, listener)))
            opened.pop_all()
        ready = tuple(bound_address(sock) for sock in sockets)
        self._task = asyncio.create_task(self._server.serve(sockets=sockets), name="http")
        await self._server.accepting.wait()
        self.ready = ready

    async def stop(self) -> None:
        """Take no more connections, let requests in progress end within the limit, close."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None


def _config(app: AsgiApp, limits: HttpLimits) -> uvicorn.Config:
    def http(*args: Any, **kwargs: Any) -> _Connection:
        return _Connection(*args, limits=limits, **kwargs)

    config = uvicorn.Config(
        app,
        http=http,  # type: ignore[arg-type]  # wants a class, calls it
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=limits.keep_alive,
        timeout_graceful_shutdown=limits.stop,
    )
    config.load()
    return config


class _Server(uvicorn.Server):
    """uvicorn without a hand on signals, which are `app`'s, and with an event instead of a flag to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.accepting.set()


class _Connection(HttpToolsProtocol):
    """One connection whose request heads are bounded in bytes and in time."""

    def __init__(self, *args: Any, limits: HttpLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._head = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        super().connection_made(transport)
        self._start_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._end_head()
        self._start_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def _start_head(self) -> None:
        self._head = 0
        self._head_timer = self.loop.call_later(self._limits.head_time, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self._limits.head:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _refuse(self, status: HTTPStatus) -> None:
        if not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\n\r\n".encode())
            self.transport.close()


class _BodyTooLarge(Exception):
    pass


class _BodyTooSlow(Exception):
    pass


class _Bounded:
    """Hands requests to the application with a body that ends within its bounds, or answers 413 or 408 itself."""

    def __init__(self, app: AsgiApp, limits: HttpLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _content_length(scope) > self._limits.body:
            await _answer(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        request = _BoundedRequest(self._limits, receive, send)
        try:
            await self._app(scope, request.receive, request.send)
        except _BodyTooLarge:
            await request.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except _BodyTooSlow:
            await request.refuse(HTTPStatus.REQUEST_TIMEOUT)


class _BoundedRequest:
    """One request's two channels."""

    def __init__(self, limits: HttpLimits, receive: Receive, send: Send) -> None:
        self._limits = limits
        self._receive = receive
        self._send = send
        self._size = 0
        self._ended = False
        self._answered = False

    async def receive(self) -> Message:
        if self._ended:  # nothing but the disconnect is left to wait for, and that takes as long as it takes
            return await self._receive()
        try:
            async with asyncio.timeout(self._limits.body_pause):
                message = await self._receive()
        except TimeoutError:
            raise _BodyTooSlow from None
        self._ended = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self._limits.body:
            raise _BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        self._answered = True
        await self._send(message)

    async def refuse(self, status: HTTPStatus) -> None:
        if not self._answered:
            await _answer(self._send, status)


def _content_length(scope: Scope) -> int:
    """The announced length of the body, which the parser has checked to be a number; 0 without one."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


async def _answer(send: Send, status: HTTPStatus) -> None:
    """A plain answer that ends the connection, since a body may still be on its way."""
    text = f"{status.phrase}\n".encode()
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": text})
