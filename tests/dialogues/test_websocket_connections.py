"""What gets a WebSocket cut, and how one ends: over real sockets, after the handshake."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from wsproto.events import CloseConnection, Ping

from abserver.net.connections import Connections, StreamLimits
from abserver.net.websocket import WebSocketShell
from abserver.sip.transport import Address, Flow, Transport
from tests.support.browser import Wire
from tests.support.websocket import CONTINUATION, HANDSHAKE, PING, TEXT, close_frame, frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MESSAGE = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\n\r\n"


class Server:
    """The WebSockets of one driver, without the HTTP before them."""

    def __init__(self, **limits: float) -> None:
        self.messages: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.closed: asyncio.Queue[Flow] = asyncio.Queue()
        self.connections = Connections(
            received=lambda data, flow: self.messages.put_nowait((data, flow)),
            broken=lambda error, flow: None,
            closed=self.closed.put_nowait,
            limits=StreamLimits(**limits),  # type: ignore[arg-type]  # those that are whole are given so
        )
        self.shell = WebSocketShell(self.connections)
        self.address = Address("127.0.0.1", 0)

    async def flow_of(self, wire: Wire) -> Flow:
        """The flow of a client's connection."""
        await wire.send(MESSAGE)
        return (await self.messages.get())[1]


@asynccontextmanager
async def listening(*, secure: bool = False, **limits: float) -> AsyncIterator[Server]:
    server = Server(**limits)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: server.shell.connection(secure=secure), "127.0.0.1", 0)
    server.address = Address(*listener.sockets[0].getsockname())
    try:
        yield server
    finally:
        listener.close()
        await server.shell.stop()
        await listener.wait_closed()


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection(*server.address)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(("secure", "transport"), [(False, Transport.WS), (True, Transport.WSS)])
async def test_a_message_comes_with_its_flow(secure: bool, transport: Transport) -> None:
    """RFC 7118 §5.1."""
    async with listening(secure=secure) as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        assert (flow.transport, flow.local) == (transport, server.address)
        assert server.connections.is_live(flow)
        assert server.connections.flow_to(transport, flow.remote) == flow
        server.connections.send(MESSAGE, flow)
        assert await wire.message() == MESSAGE


async def test_a_silent_peer_is_asked_for_life_and_cut_if_it_gives_none() -> None:
    """RFC 6455 §5.5.2, RFC 7118 §6."""
    async with listening(ping=0.02, pong=0.05) as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        assert isinstance(await wire.event(), Ping)
        assert await wire.event() is None
        assert await server.closed.get() == flow


async def test_a_peer_that_answers_pings_is_asked_again_and_stays() -> None:
    async with listening(ping=0.02, pong=5.0) as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        for _ in range(3):
            event = await wire.event()
            assert isinstance(event, Ping)
            await wire.answer(event)
        assert server.connections.is_live(flow)


async def test_a_peer_that_speaks_is_not_asked() -> None:
    async with listening(ping=5.0) as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        server.connections.send(MESSAGE, flow)
        assert await wire.message() == MESSAGE


async def test_a_message_without_end_gets_the_connection_cut() -> None:
    async with listening(unfinished=0.05) as server, connected(server) as wire:
        begun = frame(TEXT, MESSAGE, fin=False) + frame(PING) + frame(CONTINUATION, b"", fin=False)
        await wire.write(frame(TEXT, MESSAGE) + begun)
        assert await wire.closed() is None
        assert server.messages.qsize() == 1


async def test_a_peer_that_does_not_read_is_cut() -> None:
    async with listening(unsent=100_000) as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        while server.connections.is_live(flow):
            server.connections.send(b"x" * 65_536, flow)
            await asyncio.sleep(0)
        assert await server.closed.get() == flow
        assert not server.connections.send(MESSAGE, flow)


async def test_a_peer_that_sends_but_takes_nothing_is_cut_off_in_time() -> None:
    async with listening(unsent=64 * 1024 * 1024, untaken=0.05) as server:
        with socket.create_connection(server.address) as peer:
            peer.sendall(frame(TEXT, MESSAGE))
            _, flow = await server.messages.get()
            server.connections.send(b"x" * 16 * 1024 * 1024, flow)
            peer.sendall(frame(PING))
            assert await server.closed.get() == flow


async def test_a_close_of_the_peers_is_answered_and_ends_the_connection() -> None:
    """RFC 6455 §7.1.1: the server closes the TCP connection first."""
    async with listening() as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        await wire.close()
        assert await wire.event() is None
        assert await server.closed.get() == flow


async def test_a_connection_that_just_ends_is_over_too() -> None:
    async with listening() as server:
        async with connected(server) as wire:
            flow = await server.flow_of(wire)
        assert await server.closed.get() == flow


async def test_what_is_written_before_the_stop_still_leaves_and_nothing_is_taken_after() -> None:
    async with listening() as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        server.connections.send(MESSAGE, flow)
        stopping = asyncio.create_task(server.shell.stop())
        assert await wire.message() == MESSAGE
        event = await wire.event()
        assert isinstance(event, CloseConnection)
        assert event.code == 1001
        await wire.write(frame(TEXT, MESSAGE))
        await wire.answer(event)
        await stopping
        assert server.messages.empty()
        assert not server.connections.is_live(flow)


async def test_a_stop_does_not_wait_for_a_peer_that_says_nothing() -> None:
    """RFC 6455 §7.1.1: "after a reasonable time period"."""
    async with listening(connect=0.05) as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        await server.shell.stop()
        assert not server.connections.is_live(flow)


async def test_bytes_that_are_no_frames_are_refused_and_the_connection_ends_in_time() -> None:
    """RFC 6455 §7.1.7: the peer gets a moment to read why."""
    async with listening(connect=0.05) as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        await wire.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
        event = await wire.event()
        assert isinstance(event, CloseConnection)
        assert event.code == 1002
        await wire.write(b"x" * 65_536)
        assert await server.closed.get() == flow


async def test_where_there_is_no_room_the_handshake_is_answered_503() -> None:
    async with listening(of_one_peer=1) as server, connected(server) as wire:
        await server.flow_of(wire)
        crowded = server.shell.answer(b"GET", HANDSHAKE, "127.0.0.1")
        other = server.shell.answer(b"GET", HANDSHAKE, "127.0.0.2")
        assert crowded is not None
        assert (crowded.status, crowded.fields) == (503, (("Retry-After", "10"),))
        assert other is not None
        assert other.status == 101
        await wire.write(close_frame(1000))
        await server.closed.get()
        await server.shell.stop()
        stopped = server.shell.answer(b"GET", HANDSHAKE, "127.0.0.1")
        assert stopped is not None
        assert stopped.status == 503


async def test_one_connection_too_many_is_closed_at_once() -> None:
    """Two clients may have got their 101 for the last room."""
    async with listening(of_one_peer=1) as server, connected(server) as wire:
        flow = await server.flow_of(wire)
        async with connected(server) as late:
            assert await late.closed() is None
        assert server.connections.refused == 1
        assert server.connections.is_live(flow)


async def test_an_offer_of_something_else_is_none_of_ours() -> None:
    async with listening() as server:
        assert server.shell.answer(b"GET", [(b"upgrade", b"h2c")], "127.0.0.1") is None
