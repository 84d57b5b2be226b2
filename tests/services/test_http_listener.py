"""The HTTP listener over real sockets: raw paths, bounds, taken ports, an orderly stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from abserver.net.http import HttpLimits, HttpServer
from abserver.net.listeners import PortTaken
from abserver.sip.transport import Address

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
ANY_PORT = Address("127.0.0.1", 0)


def answering(describe: Callable[[Message, bytes], bytes]) -> App:
    """An application that reads the body and answers with what `describe` makes of scope and body."""

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        text = describe(scope, body)
        headers = [(b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return app


@asynccontextmanager
async def serving(app: App, limits: HttpLimits | None = None) -> AsyncIterator[Address]:
    server = HttpServer(app, [ANY_PORT], limits=limits)
    await server.start()
    try:
        yield server.ready[0]
    finally:
        await server.stop()


async def exchange(address: Address, request: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def get(path: bytes, *more: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", *more, b"", b""])


@pytest.mark.parametrize(
    "path",
    [
        b"/xcap-root/a/users/sip:ann@ex.org/index/~~/vcards/vcard/tel%5B1%5D",
        b"/xcap-root/a/users/sip%3Aann%40ex.org/index/%7E%7E/list/entry%5b@uri=%22sip:b%40ex.org%22%5d",
        b'/xcap-root/a/users/sip:ann@ex.org/index/~~/list/entry[@uri="sip:b@ex.org"]',
        b"/xcap-root/a/global//index/~~/~~/%2e%2e/%2F",
    ],
)
async def test_the_application_gets_the_path_byte_for_byte(path: bytes) -> None:
    async with serving(answering(lambda scope, body: scope["raw_path"] + b"?" + scope["query_string"])) as address:
        answer = await exchange(address, get(path + b"?xmlns(a=urn:b)"))
    assert answer.endswith(path + b"?xmlns(a=urn:b)")


async def test_a_forwarding_header_does_not_change_the_peer() -> None:
    async with serving(answering(lambda scope, body: str(scope["client"][0]).encode())) as address:
        answer = await exchange(address, get(b"/", b"X-Forwarded-For: 203.0.113.9"))
    assert answer.endswith(b"127.0.0.1")


async def test_a_body_announced_too_large_is_refused_before_the_application() -> None:
    called: list[Message] = []

    def note(scope: Message, body: bytes) -> bytes:
        called.append(scope)
        return body

    async with serving(answering(note), HttpLimits(body=10)) as address:
        answer = await exchange(address, b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert called == []


async def test_a_chunked_body_that_grows_too_large_is_refused() -> None:
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(answering(lambda scope, body: b"taken"), HttpLimits(body=10)) as address:
        answer = await exchange(address, head + b"8\r\n12345678\r\n" * 2)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_fits_reaches_the_application() -> None:
    request = b"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n1234567890"
    async with serving(answering(lambda scope, body: body), HttpLimits(body=10)) as address:
        assert (await exchange(address, request)).endswith(b"\r\n\r\n1234567890")


async def test_a_body_that_stalls_is_answered_408() -> None:
    request = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
    async with serving(answering(lambda scope, body: b"taken"), HttpLimits(body_pause=0.05)) as address:
        assert (await exchange(address, request)).startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_stalls_is_answered_408() -> None:
    async with serving(answering(lambda scope, body: b""), HttpLimits(head_time=0.05)) as address:
        assert (await exchange(address, b"GET / HTTP/1.1\r\nHos")).startswith(b"HTTP/1.1 408 ")


async def test_a_head_without_end_is_answered_431() -> None:
    async with serving(answering(lambda scope, body: b""), HttpLimits(head=1000)) as address:
        answer = await exchange(address, b"GET / HTTP/1.1\r\n" + b"X-Pad: 12345678\r\n" * 80)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_request_line_without_end_is_answered_431() -> None:
    async with serving(answering(lambda scope, body: b""), HttpLimits(head=1000)) as address:
        answer = await exchange(address, b"GET /" + b"a" * 2000)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_each_request_of_a_connection_has_its_own_head_bound() -> None:
    once = b"GET / HTTP/1.1\r\nHost: x\r\nX-Pad: " + b"p" * 600 + b"\r\n\r\n"
    async with serving(answering(lambda scope, body: b"seen"), HttpLimits(head=1000)) as address:
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(3):
            writer.write(once)
            assert await reader.readuntil(b"seen")
        writer.close()
        await writer.wait_closed()


async def test_a_request_in_progress_is_answered_before_the_stop_ends() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        entered.set()
        await leave.wait()
        await answering(lambda scope, body: b"late")(scope, receive, send)

    server = HttpServer(slow, [ANY_PORT])
    await server.start()
    answer = asyncio.create_task(exchange(server.ready[0], get(b"/")))
    await entered.wait()
    stopped = asyncio.create_task(server.stop())
    leave.set()
    assert (await answer).endswith(b"late")
    await stopped


async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Address("127.0.0.1", other.getsockname()[1])
        server = HttpServer(answering(lambda scope, body: b""), [ANY_PORT, taken])
        with pytest.raises(PortTaken, match=rf"cannot listen on tcp 127\.0\.0\.1:{taken.port}: the port is taken"):
            await server.start()
        await server.stop()


async def test_the_signal_handlers_stay_the_programs_own() -> None:
    import signal

    before = signal.getsignal(signal.SIGTERM)
    async with serving(answering(lambda scope, body: b"")):
        assert signal.getsignal(signal.SIGTERM) is before
