"""SIP user agents in a web page: they speak by WebSocket, and have no address of their own (RFC 7118 §B.1)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from abserver.events.contact_card import PATCH, XCARD
from abserver.events.digest_answers import DigestAnswers
from abserver.sip.codec import parse, serialize
from abserver.sip.dialog import Dialog
from abserver.sip.message import Headers, Request, Response
from abserver.sip.uas import make_response
from tests.support.websocket import HANDSHAKE, handshake

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterable

    from wsproto.events import Event

_numbers = itertools.count(1)


class Wire:
    """One WebSocket of a client, after the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = Connection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()

    async def send(self, data: bytes, *, binary: bool = False) -> None:
        """Send a message."""
        await self.write(self._protocol.send(BytesMessage(data) if binary else TextMessage(data.decode())))

    async def write(self, data: bytes) -> None:
        """Send bytes, whatever they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def event(self) -> Event | None:
        """The next message or control frame; None at the connection's end."""
        while not self._events:
            with contextlib.suppress(ConnectionError):
                if data := await self._reader.read(65_536):
                    self._protocol.receive_data(data)
                    self._events += self._protocol.events()
                    continue
            return None
        return self._events.popleft()

    async def message(self) -> bytes:
        """The next message; pings are answered. Raises ConnectionError if the connection ends."""
        parts = b""
        while (event := await self.event()) is not None:
            if isinstance(event, (TextMessage, BytesMessage)):
                parts += event.data.encode() if isinstance(event.data, str) else event.data
                if event.message_finished:
                    return parts
            elif isinstance(event, (Ping, CloseConnection)):
                await self.answer(event)
            else:
                assert isinstance(event, Pong)
        raise ConnectionError("closed")

    async def answer(self, event: Ping | CloseConnection) -> None:
        await self.write(self._protocol.send(event.response()))

    async def closed(self) -> int | None:
        """Wait for the server's Close, and answer it; its code. None if the connection just ends."""
        while (event := await self.event()) is not None:
            if isinstance(event, CloseConnection):
                await self.answer(event)
                return int(event.code)
        return None

    async def close(self) -> None:
        """Close as a page does that is left."""
        await self.write(self._protocol.send(CloseConnection(1001)))
        while (event := await self.event()) is not None:
            if isinstance(event, CloseConnection):
                break


@contextlib.asynccontextmanager
async def wired(
    port: int,
    path: str = "/sip",
    *,
    tls: ssl.SSLContext | None = None,
    fields: Iterable[tuple[bytes, bytes]] = HANDSHAKE,
) -> AsyncIterator[Wire]:
    """A WebSocket to 127.0.0.1. tls: expects the certificate of xcap.example.com."""
    name = "xcap.example.com" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        writer.write(handshake(path, fields))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class WebPhone:
    """A device of a watcher that logs in with a password; its instance stays when it connects anew."""

    def __init__(self, watcher: str, password: str, wire: Wire, *, token: str = "ws") -> None:
        self.watcher = watcher
        self.wire = wire
        self.host = f"{next(_numbers)}.invalid"
        self.token = token
        self.dialog: Dialog | None = None
        self.notifies: deque[Request] = deque()
        self._digest = DigestAnswers(watcher.removeprefix("sip:"), password, lambda: f"c{next(_numbers)}")
        self._subscribe: Request | None = None

    @property
    def contact(self) -> str:
        return f'<sip:page@{self.host};transport=ws>;+sip.instance="<urn:uuid:{self.token}>"'

    async def subscribe(self, owner: str) -> Response:
        """Subscribe to a card outside of any dialog; the final response."""
        tag = f"t{next(_numbers)}"
        headers = [
            ("From", f"<{self.watcher}>;tag={tag}"),
            ("To", f"<{owner}>"),
            ("Call-ID", f"{tag}@{self.host}"),
            ("CSeq", "1 SUBSCRIBE"),
        ]
        self.dialog = None
        return await self._send(Request("SUBSCRIBE", owner, Headers(headers)))

    async def refresh(self, expires: int = 600) -> Response:
        """Subscribe again within the dialog."""
        assert self.dialog is not None
        return await self._send(self.dialog.next_request("SUBSCRIBE"), expires)

    async def notify(self) -> Request:
        """The next NOTIFY; it is answered."""
        while not self.notifies:
            assert not isinstance(await self._next(), Response)
        return self.notifies.popleft()

    async def _send(self, request: Request, expires: int = 600) -> Response:
        for name, value in (
            ("Max-Forwards", "70"),
            ("Contact", self.contact),
            ("Event", "contact-card"),
            ("Expires", str(expires)),
            ("Accept", f"{XCARD}, {PATCH}"),
        ):
            request.headers.set(name, value)
        while True:
            response = await self._exchange(request)
            if response.status != 401 or not self._digest.learn(response):
                self._digest.accepted()
                return response
            number = request.cseq.number + 1
            if self.dialog is not None:
                self.dialog.local_cseq = number
            request.headers.set("CSeq", f"{number} SUBSCRIBE")

    async def _exchange(self, request: Request) -> Response:
        request.headers.set("Via", f"SIP/2.0/{self.token.upper()[:3]} {self.host};branch=z9hG4bK{next(_numbers)}")
        self._digest.sign(request)
        self._subscribe = request
        await self.wire.send(serialize(request))
        while not isinstance(response := await self._next(), Response):
            pass
        return response

    async def _next(self) -> Request | Response:
        message = parse(await self.wire.message())
        if isinstance(message, Request):
            if self.dialog is None:
                assert self._subscribe is not None
                self.dialog = Dialog.subscriber(self._subscribe, message)
            self.notifies.append(message)
            await self.wire.send(serialize(make_response(message, 200)))
        return message
