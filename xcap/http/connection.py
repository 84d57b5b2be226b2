"""One HTTP connection: uvicorn's protocol on httptools, with bounds and with the manners that RFC 9112 asks for.

What is added to uvicorn:
- Head and body end within their bounds, in bytes and in time, or the answer is a plain 431, 408 or 413.
- A request may be answered before its body is read (a stranger's 401, a 413). What is left of the body is then read
  and dropped, within bounds; past them, and where it is open whether the client will send it at all (`Expect:
  100-continue`, RFC 9110 §10.1.1), the connection closes after the answer. It closes gently (RFC 9112 §9.6): our side
  first, so that unread bytes do not make the system throw the answer away.
- A connection that rests between requests is closed in time, whatever bytes it dribbles.
- An offer to upgrade to a protocol that is not spoken here is ignored (RFC 9110 §7.8).
- An answer leaves at once. uvicorn writes head and body one after the other, and the system would keep the body back
  until the head is acknowledged, 40 ms later; asyncio sees to that for sockets which tell their protocol only.

uvicorn sends `100 Continue` when the application first asks for the body, so after authentication.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from xcap.http.limits import HttpLimits
    from xcap.http.message import Event, Receive, Scope, Send

    AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

_CLOSE = (b"connection", b"close")


class _Reading(enum.Enum):
    """Where in a request the connection is."""

    NOTHING = "no byte of a (further) request has come"
    HEAD = "the request line or a header field"
    BODY = "after the header fields, before the end of the body"


class _Refused(Exception):
    """Raised through the parser, so that it stops: the peer has its answer."""


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, limits: HttpLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits
        self._reading = _Reading.NOTHING
        self._head = 0
        self._leftover = 0
        self._timer: asyncio.TimerHandle | None = None
        """For the end of a head, or of a body that nobody waits for."""
        self._closing = False
        """Our side says nothing beyond what is being answered; what still comes is dropped."""
        self._latest: RequestResponseCycle | None = None
        """The request whose head came last."""
        self._current: RequestResponseCycle | None = None
        """The request that is being answered, or was last; those in `pipeline` wait for it."""

    # ------------------------------------------------------------------------------------------ the peer's doing

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        super().connection_made(transport)
        at = transport.get_extra_info("socket")
        if at.family in (socket.AF_INET, socket.AF_INET6):
            at.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > self.limits.connections:
            self.app = _overloaded
        self._set_timer(self.limits.head_time, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._drop(data)
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._ignore_offer(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.refuse(HTTPStatus.BAD_REQUEST)
        self._rest()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading = _Reading.HEAD
        self._head = 0
        self._set_timer(self.limits.head_time, self._head_is_late)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # the request comes again, without the offer
        self._unset_timer()
        self._reading = _Reading.BODY
        self._leftover = 0
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # "MUST ignore that expectation" (RFC 9110 §10.1.1)
        super().on_headers_complete()
        self._latest = self.cycle

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._drop(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._unset_timer()
        self._reading = _Reading.NOTHING
        super().on_message_complete()

    def _ignore_offer(self, rest: bytes) -> None:
        """Read the request anew as if it had no Upgrade: the parser has stopped there, even before a body."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.refuse(HTTPStatus.NOT_IMPLEMENTED)
            return
        request = method + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode()
        fields = (name + b": " + value for name, value in self.headers if name != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([request, *fields, b"", b""]) + rest)

    # ------------------------------------------------------------------------------------------ our doing

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._current = cycle
        super()._start_asgi_task(cycle, Exchange(self, cycle, app))  # type: ignore[arg-type]  # ASGI in other words

    def on_response_complete(self) -> None:
        if self._closing and not self.pipeline:
            self.close_gently()
            return
        unread = self._reading is _Reading.BODY and not self.pipeline
        super().on_response_complete()
        if unread:
            self._set_timer(self.limits.leftover_time, self.transport.close)

    def answer_begins(self, cycle: RequestResponseCycle) -> None:
        """Where uvicorn would end the connection abruptly after this answer, see to it that it ends gently.

        Also where the client wants it to end: some send a line too much even then.
        """
        if not cycle.keep_alive:
            cycle.keep_alive = True
            self._closing = True
            self.pipeline.clear()  # "MUST NOT process any further requests" (RFC 9112 §9.6)

    def close_gently(self) -> None:
        """End our side, then drop what comes until the peer ends its own, or bytes or time are over."""
        self._closing = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
            self._set_timer(self.limits.leftover_time, self.transport.close)
        else:  # TLS has such an end of its own
            self.transport.close()

    def refuse(self, status: HTTPStatus) -> None:
        """Answer what came in place of the application, and take no more."""
        if self._closing or self.transport.is_closing():
            return
        log.info("request refused", extra={"peer": self.client and self.client[0], "status": status.value})
        cycle = self._latest
        if cycle is not None and not cycle.response_complete:
            if self._reading is not _Reading.BODY:  # the fault came after a good request, which is answered first
                self._close_after(cycle)
                return
            if self.pipeline and self.pipeline[0][0] is cycle:  # the same, its own turn did not come yet
                self.pipeline.popleft()
                self._close_after(self.pipeline[0][0] if self.pipeline else self._current)
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        self.transport.write(head.encode())
        self.close_gently()

    def _close_after(self, cycle: RequestResponseCycle | None) -> None:
        """Let this be the last request that is answered."""
        self._closing = True
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    def shutdown(self) -> None:
        if self._closing:
            self.transport.close()
        else:
            super().shutdown()

    # ------------------------------------------------------------------------------------------ bounds

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self.limits.head:
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            raise _Refused

    def _drop(self, data: bytes) -> None:
        self._leftover += len(data)
        if self._leftover > self.limits.leftover:
            self.transport.close()

    def _head_is_late(self) -> None:
        if self._reading is _Reading.HEAD:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:  # nothing was asked, so there is nothing to answer
            self.transport.close()

    def _rest(self) -> None:
        """Close the connection in time if nothing is going on, which uvicorn does after an answer only."""
        timed = self._timer is not None or self.timeout_keep_alive_task is not None
        answered = self._latest is not None and self._latest.response_complete
        if answered and not timed and self._reading is _Reading.NOTHING:
            handle = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
            self.timeout_keep_alive_task = handle

    def _set_timer(self, seconds: float, late: Callable[[], None]) -> None:
        self._unset_timer()
        self._timer = self.loop.call_later(seconds, late)

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


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


async def _overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    await _plain(send, HTTPStatus.SERVICE_UNAVAILABLE, (b"retry-after", b"10"))


async def _plain(send: Send, status: HTTPStatus, *fields: tuple[bytes, bytes]) -> None:
    body = f"{status.phrase}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)), _CLOSE, *fields]
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
