"""A thousand devices in one process, each on a connection of its own: they log in, subscribe, answer every NOTIFY."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import uvloop

from tests.bench.messages import OWNER_DOMAIN, answer_to, field_of, nonce, owner
from tests.bench.watchers import PATIENCE, LoadProcess, Outcome
from tests.support.websocket import handshake
from xcap.core.digest import Challenge, authorization

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

AT_ONCE = 64
"""Devices that are about to connect, log in or wait for their first NOTIFY."""
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")
_UNMASKED = bytes(4)
"""A masking key that leaves the payload as it is: whoever loads has to cost less than what is loaded."""


@dataclass(frozen=True, slots=True)
class Way:
    """How devices reach the server."""

    transport: str
    """`TCP`, `TLS`, `WS` or `WSS`."""
    address: tuple[str, int]
    tls: ssl.SSLContext | None = None

    @property
    def web(self) -> bool:
        return self.transport in ("WS", "WSS")


class Devices(LoadProcess):
    """Handle to the load process. Device n is watcher n's, whose password is `password_of` it."""

    def __init__(self, way: Way) -> None:
        super().__init__(lambda pipe: _Load(way, pipe).run())

    def subscribe(self, count: int) -> Outcome:
        """Have so many connect, log in and subscribe; over when each has its first NOTIFY."""
        self._pipe.send(("subscribe", count, 0))
        return self.finish()


def password_of(number: int) -> str:
    return f"secret{number}"


class _Load:
    def __init__(self, way: Way, pipe: Connection) -> None:
        self.way = way
        self._pipe = pipe
        self._devices: list[_Device] = []
        self.notifies = 0
        """Since the current phase began."""
        self._wanted = 0
        self._enough = asyncio.Event()

    def run(self) -> None:
        gc.disable()
        uvloop.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        commands: asyncio.Queue[tuple[str, int, int]] = asyncio.Queue()
        loop.add_reader(self._pipe.fileno(), lambda: commands.put_nowait(self._pipe.recv()))
        try:
            while (command := await commands.get())[0] != "stop":
                self._pipe.send(await self._carry_out(*command))
        except (OSError, RuntimeError) as error:  # TimeoutError among them
            self._pipe.send(repr(error))
        for device in self._devices:
            device.end()
        loop.remove_reader(self._pipe.fileno())

    async def _carry_out(self, name: str, number: int, _: int) -> Outcome:
        unasked, self.notifies, self._wanted = self.notifies, 0, number
        self._enough.clear()
        cpu, started = time.process_time(), time.monotonic()
        if name == "subscribe":
            await self._subscribe(number)
        else:
            self._pipe.send("listening")
            async with asyncio.timeout(PATIENCE):
                await self._enough.wait()
        finished = time.monotonic()
        notifies, self.notifies = self.notifies, 0
        return Outcome(started, finished, notifies, time.process_time() - cpu, unasked=unasked)

    async def _subscribe(self, count: int) -> None:
        numbers = iter(range(count))
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._in_turn(numbers))

    async def _in_turn(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            device = _Device(self, number)
            name = "xcap.example.com" if self.way.tls else None
            await asyncio.get_running_loop().create_connection(
                lambda made=device: made, *self.way.address, ssl=self.way.tls, server_hostname=name
            )
            self._devices.append(device)
            await device.subscribed

    def notified(self) -> None:
        self.notifies += 1
        if self.notifies == self._wanted:
            self._enough.set()


class _Device(asyncio.Protocol):
    """One device; what it sends and takes are whole SIP messages, in frames where it is a web page's."""

    def __init__(self, load: _Load, number: int) -> None:
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._load = load
        self._number = number
        self._buffer = bytearray()
        self._opening = load.way.web

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._opening:
            self._transport.write(handshake())
        else:
            self._send(self._subscribe())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._opening:
            head, ended, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not ended:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                raise RuntimeError(head.partition(b"\r\n")[0])
            self._opening, self._buffer = False, bytearray(rest)
            self._send(self._subscribe())
        for message in self._framed() if self._load.way.web else self._by_length():
            self._take(message)

    def _take(self, message: bytes) -> None:
        if message.startswith(b"NOTIFY"):
            self._send(answer_to(message))
            self._load.notified()
            if not self.subscribed.done():
                self.subscribed.set_result(None)
        elif message.startswith(b"SIP/2.0 401"):
            self._send(self._subscribe(field_of(message, b"WWW-Authenticate").partition(": ")[2]))
        elif not message.startswith(b"SIP/2.0 200"):
            self.subscribed.set_exception(RuntimeError(repr(message.partition(b"\r\n")[0])))

    def _subscribe(self, challenge: str = "") -> bytes:
        number, uri, cseq, proof = self._number, owner(0), 1, ""
        if challenge:
            asked, user = Challenge.parse_all(challenge)[0], f"w{number}@{OWNER_DOMAIN}"
            cseq = 2
            proof = authorization(asked, user, password_of(number), "SUBSCRIBE", uri, cnonce="load")
            proof = f"Authorization: {proof}\r\n"
        return (
            f"SUBSCRIBE {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/{self._load.way.transport} {number}.invalid;branch=z9hG4bK{number}x{cseq}x{nonce()}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:w{number}@{OWNER_DOMAIN}>;tag=w{number}\r\n"
            f"To: <{uri}>\r\n"
            f"Call-ID: {number}.{nonce()}@load\r\n"
            f"CSeq: {cseq} SUBSCRIBE\r\n"
            f'Contact: <sip:w{number}@{number}.invalid>;+sip.instance="<urn:x-bench:{number}>"\r\n'
            f"{proof}"
            "Event: contact-card\r\n"
            "Accept: application/vcard+xml, application/xml-patch+xml\r\n"
            "Expires: 3600\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode()

    def _send(self, message: bytes) -> None:
        if not self._load.way.web:
            self._transport.write(message)
        elif len(message) < 126:
            self._transport.write(bytes([0x81, 0x80 | len(message)]) + _UNMASKED + message)
        else:
            self._transport.write(b"\x81\xfe" + struct.pack("!H", len(message)) + _UNMASKED + message)

    def _by_length(self) -> Iterator[bytes]:
        while (end := self._buffer.find(b"\r\n\r\n") + 4) > 3:
            length = _LENGTH.search(self._buffer, 0, end)
            size = end + (int(length[1]) if length else 0)
            if len(self._buffer) < size:
                return
            yield self._cut(0, size)

    def _framed(self) -> Iterator[bytes]:
        """The messages of the frames that are here: the server sends each whole, and never a long one."""
        while len(self._buffer) >= 4:
            short = self._buffer[1]
            start, size = (2, short) if short < 126 else (4, struct.unpack_from("!H", self._buffer, 2)[0])
            if len(self._buffer) < start + size:
                return
            yield self._cut(start, start + size)

    def _cut(self, start: int, end: int) -> bytes:
        message = bytes(self._buffer[start:end])
        del self._buffer[:end]
        return message

    def end(self) -> None:
        with contextlib.suppress(Exception):
            self._transport.abort()
