"""One HTTP connection: uvicorn's protocol on httptools, with bounds and with the manners that RFC 9112 asks for.

What is added to uvicorn:
- Head and body end within their bounds, in bytes and in time, or the answer is a plain 431, 408 or 413.
- A request may be answered before its body is read (a stranger's 401, a 413). What is left of the body is then read
  and dropped, within bounds; past them, and where it is open whether the client will send it at all (`Expect:
  100-continue`, RFC 9110 §10.1.1), the connection closes after the answer. It closes gently (RFC 9112 §9.6): our side
  first, so that unread bytes do not make the system throw the answer away.
- A connection that rests between requests is closed in time, whatever bytes it dribbles.
- An offer to change to another protocol is shown to whoever speaks it at that path, and is ignored where nobody does
  (RFC 9110 §7.8). A connection that changes is not counted here any more, and has the bounds of its new protocol.
- An answer leaves at once. uvicorn writes head and body one after the other, and the system would keep the body back
  until the head is acknowledged, 40 ms later; asyncio sees to that for sockets which tell their protocol only.

uvicorn sends `100 Continue` when the application first asks for the body, so after authentication.
"""

from __future__ import annotations

import enum
import logging
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from xcap.http.exchange import Exchange, overloaded, upgrade_required
from xcap.http.upgrading import Offer, Refusal, Switch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from xcap.http.limits import HttpLimits
    from xcap.http.upgrading import Upgrades

log = logging.getLogger(__name__)


class _Reading(enum.Enum):
    """Where in a request the connection is."""

    NOTHING = "no byte of a (further) request has come"
    HEAD = "the request line or a header field"
    BODY = "after the header fields, before the end of the body"
    NO_MORE = "the connection is another protocol's"


class _Refused(Exception):
    """Raised through the parser, so that it stops: the peer has its answer."""


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, limits: HttpLimits, upgrades: Upgrades, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits
        self._upgrades = upgrades
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
            self.app = overloaded
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
            self._take_offer(data[offer.args[0] :])
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

    def _take_offer(self, rest: bytes) -> None:
        """Change to another protocol, if the offer is taken; `rest` is what came after it."""
        answer = self._answer_to_offer()
        if answer is None:
            self._ignore_offer(rest)
        elif isinstance(answer, Switch):
            self._switch(answer, rest)
        else:
            self._refuse_offer(answer)

    def _answer_to_offer(self) -> Switch | Refusal | None:
        """What is said to it: nothing while other requests are being answered, for their answers come first."""
        busy = self._latest is not None and not self._latest.response_complete
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        upgrade = self._upgrades.get(self._path())
        if upgrade is None or busy or has_body or self.app is overloaded or self.parser.get_http_version() != "1.1":
            return None
        host = self.client[0] if self.client else ""
        return upgrade(Offer(self.parser.get_method(), self.headers, host, self.scheme == "https"))

    def _path(self) -> bytes:
        """The path of the request's target; empty if it has none."""
        try:
            return httptools.parse_url(self.url).path or b""
        except httptools.HttpParserInvalidURLError:
            return b""

    def _switch(self, switch: Switch, rest: bytes) -> None:
        self._unset_timer()
        self.connections.discard(self)
        self._reading = _Reading.NO_MORE
        self.transport.write(_head(HTTPStatus.SWITCHING_PROTOCOLS, switch.fields))
        protocol = switch.protocol()
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if rest:
            protocol.data_received(rest)

    def _refuse_offer(self, refusal: Refusal) -> None:
        log.info("request refused", extra={"peer": self.client and self.client[0], "status": refusal.status.value})
        self._unset_timer()
        body = f"{refusal.reason or refusal.status.phrase}\n".encode()
        own = ("Connection", "close"), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))
        self.transport.write(_head(refusal.status, (*refusal.fields, *own)) + body)
        self.close_gently()

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
        path = cycle.scope["raw_path"]
        if path in self._upgrades and path != b"/" and app is not overloaded:  # at the root there may be more than that
            app = upgrade_required
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


def _head(status: HTTPStatus, fields: Sequence[tuple[str, str]]) -> bytes:
    lines = (f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{''.join(lines)}\r\n".encode()
