"""One request of a connection at the application: its body ends within bounds, and some answers need no application."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from xcap.http.connection import Connection
    from xcap.http.message import Event, Receive, Scope, Send

    AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_CLOSE = (b"connection", b"close")


class _BodyTooLarge(Exception):
    pass


class _BodyTooSlow(Exception):
    pass


class Exchange:
    """The application with one request: the body ends within its bounds, and the answer says if the connection does."""

    __slots__ = ("_announced", "_app", "_connection", "_cycle", "_limits", "_size")

    def __init__(self, connection: Connection, cycle: RequestResponseCycle, app: AsgiApp) -> None:
        self._connection = connection
        self._cycle = cycle
        self._app = app
        self._limits = connection.limits
        self._announced = 0
        self._size = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # the parser has seen to it that the length is a number
        self._announced = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
        if self._announced > self._limits.body:
            await self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            await self._app(scope, self._receive, self._send)
        except _BodyTooLarge:
            await self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except _BodyTooSlow:
            await self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    async def _receive(self) -> Event:
        cycle = self._cycle
        if cycle.more_body and not cycle.response_complete:
            try:
                async with asyncio.timeout(self._limits.body_pause):
                    message: Event = await cycle.receive()  # type: ignore[assignment]  # a TypedDict of uvicorn's
            except TimeoutError:
                raise _BodyTooSlow from None
        else:  # the end of the body is here, or the disconnect is what is left to wait for
            message = await cycle.receive()  # type: ignore[assignment]
        self._size += len(message.get("body", b""))
        if self._size > self._limits.body:
            raise _BodyTooLarge
        return message

    async def _send(self, message: Event) -> None:
        cycle = self._cycle
        if cycle.response_started:
            await cycle.send(message)  # type: ignore[arg-type]
            return
        if cycle.more_body and (cycle.waiting_for_100_continue or self._announced > self._limits.leftover):
            others = [field for field in message["headers"] if field[0] != _CLOSE[0]]
            message = {**message, "headers": [*others, _CLOSE]}
        await cycle.send(message)  # type: ignore[arg-type]
        self._connection.answer_begins(cycle)

    async def _refuse(self, status: HTTPStatus) -> None:
        """A plain answer that ends the connection, since a body may still be on its way."""
        if not self._cycle.response_started:
            await _plain(self._send, status)


async def overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    await _plain(send, HTTPStatus.SERVICE_UNAVAILABLE, (b"retry-after", b"10"))


async def upgrade_required(scope: Scope, receive: Receive, send: Send) -> None:
    await _plain(send, HTTPStatus.UPGRADE_REQUIRED, (b"upgrade", b"websocket"), (b"connection", b"upgrade"))


async def _plain(send: Send, status: HTTPStatus, *fields: tuple[bytes, bytes]) -> None:
    body = f"{status.phrase}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)), _CLOSE, *fields]
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
