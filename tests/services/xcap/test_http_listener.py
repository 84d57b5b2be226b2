"""The HTTP listener over raw sockets: paths byte for byte, bounds in bytes and time, and the manners of RFC 9112."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.services.xcap.conftest import listening
from xcap.http.connection import Connection
from xcap.http.limits import HttpLimits
from xcap.http.listener import HttpServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from xcap.http.exchange import AsgiApp
    from xcap.http.message import Receive, Scope, Send


def answering(describe: Callable[[Scope, bytes], bytes]) -> AsgiApp:
    """An application that reads the body and answers with what `describe` makes of scope and body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await answer(send, 200, describe(scope, body))

    return app


async def answer(send: Send, status: int, text: bytes, *fields: tuple[bytes, bytes]) -> None:
    headers = [(b"content-length", str(len(text)).encode()), *fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def stranger(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers 401 to all and reads nothing."""
    await answer(send, 401, b"who?")


NOTHING = answering(lambda scope, body: b"")
TAKEN = answering(lambda scope, body: b"taken")


class Peer:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def send(self, *lines: bytes, body: bytes = b"") -> None:
        """A head of these lines, and what follows it."""
        await self.write(b"\r\n".join([*lines, b"", b""]) + body)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def write_on(self, data: bytes) -> None:
        """Again and again, for as long as the server lets us."""
        while True:
            await self.write(data)

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """All until the server closes."""
        return await self.reader.read()

    async def answered(self, text: bytes) -> None:
        """An answer that ends in `text`."""
        assert (await self.reader.readuntil(text)).endswith(text)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)  # a reset is the server's good right


@asynccontextmanager
async def peer(app: AsgiApp, **limits: float) -> AsyncIterator[Peer]:
    """A connection to a server of its own."""
    bounds = HttpLimits(**limits)  # type: ignore[arg-type]  # each test names its own few
    async with listening(app, limits=bounds) as port, connected(port) as made:
        yield made


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            b"/xcap-root/a/users/sip:ann@ex.org/index/~~/vcards/vcard/tel%5B1%5D",
            b"/xcap-root/a/users/sip%3Aann%40ex.org/index/%7E%7E/list/entry%5b@uri=%22sip:b%40ex.org%22%5d",
            b'/xcap-root/a/users/sip:ann@ex.org/index/~~/list/entry[@uri="sip:b@ex.org"]',
            b"/xcap-root/a/global//index/~~/~~/%2e%2e/%2F",
        ],
    )
    async def test_the_application_gets_the_path_byte_for_byte(self, path: bytes) -> None:
        async with peer(answering(lambda scope, body: scope["raw_path"] + b"?" + scope["query_string"])) as client:
            await client.send(b"GET " + path + b"?xmlns(a=urn:b) HTTP/1.1", b"Host: x")
            await client.answered(path + b"?xmlns(a=urn:b)")

    async def test_a_target_in_absolute_form_is_its_path(self) -> None:
        """RFC 9112 §3.2.2: "a server MUST accept the absolute-form in requests"."""
        async with peer(answering(lambda scope, body: scope["raw_path"])) as client:
            await client.send(b"GET http://example.com/xcap-root/a/%5B HTTP/1.1", b"Host: example.com")
            await client.answered(b"\r\n\r\n/xcap-root/a/%5B")

    async def test_a_forwarding_header_does_not_change_the_peer(self) -> None:
        async with peer(answering(lambda scope, body: str(scope["client"][0]).encode())) as client:
            forwarded = (b"X-Forwarded-For: 203.0.113.9", b"Forwarded: for=203.0.113.9", b"X-Real-IP: 203.0.113.9")
            await client.send(b"GET / HTTP/1.1", b"Host: x", *forwarded)
            await client.answered(b"\r\n\r\n127.0.0.1")


class TestBodyBounds:
    async def test_a_body_announced_too_large_is_refused_before_the_application(self) -> None:
        called: list[Scope] = []

        async def note(scope: Scope, receive: Receive, send: Send) -> None:
            called.append(scope)

        async with peer(note, body=10) as client:
            await client.send(b"PUT / HTTP/1.1", b"Host: x", b"Content-Length: 11")
            assert (await client.rest()).startswith(b"HTTP/1.1 413 ")
        assert called == []

    async def test_a_chunked_body_that_grows_too_large_is_refused(self) -> None:
        async with peer(TAKEN, body=10) as client:
            chunks = b"8\r\n12345678\r\n" * 2
            await client.send(b"PUT / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", body=chunks)
            assert (await client.rest()).startswith(b"HTTP/1.1 413 ")

    @pytest.mark.parametrize(
        ("field", "body"),
        [
            (b"Content-Length: 10", b"1234567890"),
            (b"Transfer-Encoding: chunked", b"4\r\n1234\r\n6;ext=1\r\n567890\r\n0\r\nTrailer: x\r\n\r\n"),
        ],
    )
    async def test_a_body_that_fits_reaches_the_application_however_it_is_framed(
        self, field: bytes, body: bytes
    ) -> None:
        async with peer(answering(lambda scope, body: body), body=10) as client:
            await client.send(b"PUT / HTTP/1.1", b"Host: x", field, body=body)
            await client.answered(b"\r\n\r\n1234567890")

    async def test_a_body_in_single_octets_arrives_whole(self) -> None:
        async with peer(answering(lambda scope, body: body)) as client:
            request = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            for octet in request:
                await client.write(bytes([octet]))
            await client.answered(b"\r\n\r\nabc")

    async def test_a_body_that_stalls_is_answered_408(self) -> None:
        async with peer(TAKEN, body_pause=0.05) as client:
            await client.send(b"PUT / HTTP/1.1", b"Host: x", b"Content-Length: 10", body=b"12345")
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")


class TestHeadBounds:
    async def test_a_head_that_stalls_is_answered_408(self) -> None:
        async with peer(NOTHING, head_time=0.05) as client:
            await client.write(b"GET / HTTP/1.1\r\nHos")
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    async def test_a_connection_without_a_request_is_closed_without_an_answer(self) -> None:
        async with peer(NOTHING, head_time=0.05) as client:
            assert await client.rest() == b""

    async def test_a_head_without_end_is_answered_431(self) -> None:
        async with peer(NOTHING, head=1000) as client:
            await client.write(b"GET / HTTP/1.1\r\n" + b"X-Pad: 12345678\r\n" * 80)
            assert (await client.rest()).startswith(b"HTTP/1.1 431 ")

    async def test_a_request_line_without_end_is_answered_431(self) -> None:
        async with peer(NOTHING, head=1000) as client:
            await client.write(b"GET /" + b"a" * 2000)
            assert (await client.rest()).startswith(b"HTTP/1.1 431 ")

    async def test_each_request_of_a_connection_has_its_own_head_bound(self) -> None:
        async with peer(answering(lambda scope, body: b"seen"), head=1000) as client:
            for _ in range(3):
                await client.send(b"GET / HTTP/1.1", b"Host: x", b"X-Pad: " + b"p" * 600)
                await client.answered(b"seen")

    @pytest.mark.parametrize(
        "request_",
        [
            b"rubbish\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n",
        ],
    )
    async def test_what_two_servers_could_read_differently_is_400_and_the_end(self, request_: bytes) -> None:
        """RFC 9112 §6.3, §11.2: no request is smuggled behind another one."""
        called: list[Scope] = []

        async def note(scope: Scope, receive: Receive, send: Send) -> None:
            called.append(scope)
            await NOTHING(scope, receive, send)

        async with peer(note) as client:
            await client.write(request_ + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
            received = await client.rest()
        assert received.count(b"HTTP/1.1 ") == 1
        assert received.startswith(b"HTTP/1.1 400 ")
        assert all(scope["raw_path"] != b"/smuggled" for scope in called)


class TestExpectations:
    """RFC 9110 §10.1.1."""

    HEAD = (b"PUT / HTTP/1.1", b"Host: x", b"Expect: 100-continue", b"Content-Length: 4")

    async def test_100_continue_comes_when_the_application_asks_for_the_body(self) -> None:
        async with peer(answering(lambda scope, body: body)) as client:
            await client.send(*self.HEAD)
            assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.write(b"body")
            await client.answered(b"\r\n\r\nbody")

    async def test_whoever_is_refused_first_is_not_told_to_continue_and_the_connection_ends(self) -> None:
        """Nobody can know whether the body will come, so what follows could not be told from a body."""
        async with peer(stranger) as client:
            await client.send(*self.HEAD)
            received = await client.rest()
        assert received.startswith(b"HTTP/1.1 401 ")
        assert b"100 Continue" not in received
        assert received.lower().count(b"connection: close") == 1

    async def test_http_1_0_gets_no_100(self) -> None:
        """Where it MUST be ignored."""
        async with peer(answering(lambda scope, body: body)) as client:
            await client.send(b"PUT / HTTP/1.0", *self.HEAD[1:], body=b"body")
            received = await client.rest()
        assert received.startswith(b"HTTP/1.1 200 ")


class TestConnections:
    """RFC 9112 §9."""

    async def test_a_connection_serves_many_requests(self) -> None:
        async with peer(answering(lambda scope, body: scope["raw_path"])) as client:
            for number in range(5):
                await client.send(b"GET /%d HTTP/1.1" % number, b"Host: x")
                await client.answered(b"\r\n\r\n/%d" % number)

    async def test_pipelined_requests_are_answered_in_their_order(self) -> None:
        async with peer(answering(lambda scope, body: scope["raw_path"] + body)) as client:
            await client.write(
                b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                b"PUT /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb"
                b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            received = await client.rest()
        assert [received.index(text) for text in (b"/1", b"/2b", b"/3")] == sorted(
            received.index(text) for text in (b"/1", b"/2b", b"/3")
        )

    async def test_a_good_request_is_answered_though_rubbish_follows(self) -> None:
        async with peer(TAKEN) as client:
            await client.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nrubbish\r\n\r\n")
            received = await client.rest()
        assert received.endswith(b"taken")
        assert received.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in received

    @pytest.mark.parametrize("good", [1, 2])
    async def test_good_requests_are_answered_though_a_broken_body_follows_at_once(self, good: int) -> None:
        """What is refused has not its turn yet: its answer would be taken for that of the request before."""
        async with peer(TAKEN) as client:
            broken = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n"
            await client.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * good + broken)
            received = await client.rest()
        assert received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 200 ") == good
        assert received.endswith(b"taken")
        assert received.count(b"connection: close") == 1

    async def test_close_is_said_and_done_when_it_is_asked_for(self) -> None:
        async with peer(TAKEN) as client:
            await client.send(b"GET / HTTP/1.1", b"Host: x", b"Connection: close")
            assert b"connection: close" in (await client.rest()).lower()

    @pytest.mark.parametrize("connections", [0, 1])
    async def test_nothing_is_answered_after_a_close(self, connections: int) -> None:
        """§9.6: "MUST NOT process any further requests", whether the server wants to close or the client."""
        async with peer(TAKEN, connections=connections) as client:
            wish = b"Connection: close\r\n" * connections
            await client.write(b"GET / HTTP/1.1\r\nHost: x\r\n%s\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n" % wish)
            assert (await client.rest()).count(b"HTTP/1.1 ") == 1

    async def test_a_close_that_was_asked_for_is_gentle_too(self) -> None:
        """§9.6: what the client still sends must not reset the connection, which could take the answer with it."""
        async with listening(TAKEN) as port, connected(port) as client, connected(port) as other:
            await client.send(b"GET / HTTP/1.1", b"Host: x", b"Connection: close")
            assert (await client.rest()).endswith(b"taken")
            await client.write(b"more")
            await other.send(b"GET / HTTP/1.1", b"Host: x")
            await other.answered(b"taken")
            await client.write(b"and more")  # raises after a reset

    async def test_http_1_0_is_answered_and_closed(self) -> None:
        async with peer(TAKEN) as client:
            await client.send(b"GET / HTTP/1.0")
            received = await client.rest()
        assert received.endswith(b"\r\n\r\ntaken")
        assert b"transfer-encoding" not in received.lower()

    async def test_a_body_that_nobody_read_is_skipped_and_the_connection_goes_on(self) -> None:
        """As with the first, unauthenticated PUT of a client that sends its body at once."""
        async with peer(stranger) as client:
            for _ in range(2):
                await client.send(b"PUT / HTTP/1.1", b"Host: x", b"Content-Length: 100000", body=b"b" * 100_000)
                await client.answered(b"\r\n\r\nwho?")

    async def test_a_long_body_that_nobody_reads_ends_the_connection_after_its_answer(self) -> None:
        """The client is still sending when the answer comes, and gets it all the same (§9.6)."""
        async with peer(stranger, leftover=500_000, body=10_000_000) as client:
            await client.send(b"PUT / HTTP/1.1", b"Host: x", b"Content-Length: 600000", body=b"b" * 400_000)
            received = await client.rest()
        assert received.endswith(b"\r\n\r\nwho?")
        assert b"connection: close" in received.lower()

    async def test_a_body_without_end_that_nobody_reads_is_cut_off(self) -> None:
        async with peer(stranger, leftover=100_000) as client:
            await client.send(b"PUT / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked")
            await client.answered(b"\r\n\r\nwho?")
            with pytest.raises(ConnectionError):
                await client.write_on(b"1000\r\n" + b"b" * 4096 + b"\r\n")

    async def test_a_body_that_nobody_reads_is_not_waited_for_either(self) -> None:
        async with peer(stranger, leftover_time=0.05) as client:
            await client.send(b"PUT / HTTP/1.1", b"Host: x", b"Content-Length: 100", body=b"b")
            assert (await client.rest()).endswith(b"who?")

    async def test_a_resting_connection_is_closed(self) -> None:
        async with peer(TAKEN, keep_alive=0.05) as client:
            await client.send(b"GET / HTTP/1.1", b"Host: x")
            assert (await client.rest()).endswith(b"taken")

    async def test_dribbled_line_ends_do_not_keep_a_connection(self) -> None:
        async with peer(TAKEN, keep_alive=0.1) as client:
            await client.send(b"GET / HTTP/1.1", b"Host: x")
            await client.answered(b"taken")
            await client.write(b"\r\n")
            assert await client.rest() == b""

    async def test_an_offer_to_upgrade_is_ignored(self) -> None:
        """RFC 9110 §7.8; curl offers h2c this way."""
        offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ")
        async with peer(answering(lambda scope, body: body + b" taken")) as client:
            for body in (b"", b"abc"):
                length = b"Content-Length: %d" % len(body)
                await client.send(b"PUT / HTTP/1.1", b"Host: x", length, *offer, body=body)
                await client.answered(b"\r\n\r\n" + body + b" taken")

    async def test_this_is_no_tunnel(self) -> None:
        async with peer(TAKEN) as client:
            await client.send(b"CONNECT example.com:443 HTTP/1.1", b"Host: example.com:443")
            assert (await client.rest()).startswith(b"HTTP/1.1 501 ")

    async def test_one_connection_too_many_is_answered_503_with_retry_after(self) -> None:
        async with (
            listening(TAKEN, limits=HttpLimits(connections=1)) as port,
            connected(port) as first,
            connected(port) as second,
        ):
            await second.send(b"GET / HTTP/1.1", b"Host: x")
            received = await second.rest()
            await first.send(b"GET / HTTP/1.1", b"Host: x")
            await first.answered(b"taken")
        assert received.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 10" in received

    async def test_answers_have_the_date(self) -> None:
        async with peer(TAKEN) as client:
            await client.send(b"GET / HTTP/1.1", b"Host: x")
            assert b"\r\ndate: " in await client.head()

    async def test_answers_are_not_kept_back_by_the_system(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not even on a socket that was made without naming its protocol, as socket.create_server does."""
        connections = []
        made = Connection.connection_made

        def remembered(connection: Connection, transport: asyncio.Transport) -> None:
            made(connection, transport)
            connections.append(transport.get_extra_info("socket"))

        monkeypatch.setattr(Connection, "connection_made", remembered)
        async with peer(TAKEN) as client:
            await client.send(b"GET / HTTP/1.1", b"Host: x")
            await client.answered(b"taken")
            [connection] = connections
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class TestStopping:
    async def test_a_request_in_progress_is_answered_before_the_stop_ends(self) -> None:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            entered.set()
            await leave.wait()
            await answer(send, 200, b"late")

        listener = socket.create_server(("127.0.0.1", 0))
        server = HttpServer(slow)
        async with asyncio.timeout(30):
            await server.start([listener])
            async with connected(listener.getsockname()[1]) as client:
                await client.send(b"GET / HTTP/1.1", b"Host: x")
                await entered.wait()
                stopped = asyncio.create_task(server.stop())
                leave.set()
                assert (await client.rest()).endswith(b"late")
            await stopped

    async def test_a_connection_that_lingers_does_not_hold_up_the_stop(self) -> None:
        async with peer(TAKEN, body=10, stop=1) as client:
            await client.send(b"PUT / HTTP/1.1", b"Host: x", b"Content-Length: 11")
            await client.answered(b"Large\n")

    async def test_the_signal_handlers_stay_the_programs_own(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        async with listening(NOTHING):
            assert signal.getsignal(signal.SIGTERM) is before
