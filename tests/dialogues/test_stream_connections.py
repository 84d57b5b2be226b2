"""TCP connections over real sockets: framing, keep-alives, and everything that gets a connection cut."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from abserver.net.connections import Connections, StreamLimits, peer_of
from abserver.net.listeners import Place, bind, bound_address
from abserver.net.stream import StreamShell
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from abserver.sip.errors import SipSyntaxError

ANY = Address("127.0.0.1", 0)
MESSAGE = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nContent-Length: 5\r\n\r\nhello"


class Inbox:
    """What connections tell their owner."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.broken: asyncio.Queue[SipSyntaxError] = asyncio.Queue()
        self.closed: asyncio.Queue[Flow] = asyncio.Queue()

    def connections(self, limits: StreamLimits | None = None) -> Connections:
        return Connections(
            received=lambda data, flow: self.messages.put_nowait((data, flow)),
            broken=lambda error, flow: self.broken.put_nowait(error),
            closed=self.closed.put_nowait,
            limits=limits,
        )


class Shell(StreamShell):
    """With its connections at hand."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self.connections = connections


@asynccontextmanager
async def listening(inbox: Inbox, limits: StreamLimits | None = None) -> AsyncIterator[tuple[Shell, Address]]:
    shell = Shell(inbox.connections(limits))
    sock = bind(socket.SOCK_STREAM, ANY)
    address = bound_address(sock)
    await shell.listen(sock)
    try:
        yield shell, address
    finally:
        await shell.stop()


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def end_of(reader: asyncio.StreamReader) -> None:
    """Wait for the other side to end the connection, in whatever way."""
    with suppress(ConnectionResetError):
        await reader.read()


async def test_a_message_cut_at_every_byte_arrives_whole() -> None:
    """RFC 3261 §18.3."""
    inbox = Inbox()
    async with listening(inbox) as (_, address), connected(address) as (_, writer):
        for byte in MESSAGE:
            writer.write(bytes([byte]))
            await writer.drain()
        data, flow = await inbox.messages.get()
    assert data == MESSAGE
    assert flow.transport is Transport.TCP
    assert flow.local == address


async def test_messages_in_one_segment_come_one_by_one() -> None:
    inbox = Inbox()
    async with listening(inbox) as (_, address), connected(address) as (_, writer):
        writer.write(MESSAGE * 3)
        assert [(await inbox.messages.get())[0] for _ in range(3)] == [MESSAGE] * 3


async def test_a_ping_is_answered_by_a_pong_and_goes_no_further() -> None:
    """RFC 5626 §3.5.1."""
    inbox = Inbox()
    async with listening(inbox) as (_, address), connected(address) as (reader, writer):
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        writer.write(MESSAGE)
        assert (await inbox.messages.get())[0] == MESSAGE
    assert inbox.messages.empty()


async def test_a_stream_that_cannot_be_framed_is_told_of_and_closed() -> None:
    inbox = Inbox()
    async with listening(inbox) as (_, address), connected(address) as (reader, writer):
        writer.write(MESSAGE.replace(b"Content-Length: 5", b"Subject: no length"))
        await end_of(reader)
    assert (await inbox.broken.get()).status_hint == 400


async def test_a_message_without_end_gets_the_connection_cut() -> None:
    inbox = Inbox()
    limits = StreamLimits(unfinished=0.05)
    async with listening(inbox, limits) as (_, address), connected(address) as (reader, writer):
        writer.write(MESSAGE + MESSAGE[:-1])
        await end_of(reader)
    assert inbox.messages.qsize() == 1


async def test_hundreds_that_come_back_at_once_need_not_knock_twice() -> None:
    """A knock that finds no room is repeated by the peer's kernel a second later."""
    async with listening(Inbox()) as (_, address):
        with ExitStack() as phones:
            for _ in range(300):  # while the loop has other work
                phones.enter_context(socket.create_connection(address, timeout=0.9))


@pytest.mark.rfc("3261", "18", "connections are kept open")
async def test_a_silent_connection_is_cut() -> None:
    inbox = Inbox()
    async with listening(inbox, StreamLimits(idle=0.05)) as (_, address), connected(address) as (reader, _):
        await end_of(reader)
        assert (await inbox.closed.get()).remote.host == "127.0.0.1"


@pytest.mark.rfc("3261", "18", "connections are kept open")
async def test_a_connection_in_use_outlives_the_idle_time() -> None:
    inbox = Inbox()
    time = asyncio.get_running_loop().time
    async with listening(inbox, StreamLimits(idle=0.5)) as (_, address), connected(address) as (reader, writer):
        enough = time() + 0.7
        while time() < enough:
            writer.write(b"\r\n\r\n")
            assert await reader.readexactly(2) == b"\r\n"
        assert inbox.closed.empty()


async def test_a_peer_that_does_not_read_is_cut() -> None:
    inbox = Inbox()
    async with listening(inbox, StreamLimits(unsent=100_000)) as (shell, address), connected(address) as (_, writer):
        writer.write(MESSAGE)
        _, flow = await inbox.messages.get()
        while shell.connections.is_live(flow):
            shell.connections.send(b"x" * 65_536, flow)
            await asyncio.sleep(0)
        assert await inbox.closed.get() == flow
        assert not shell.connections.send(MESSAGE, flow)


async def test_a_peer_that_sends_keep_alives_but_takes_nothing_is_cut_off_in_time() -> None:
    inbox, limits = Inbox(), StreamLimits(unsent=64 * 1024 * 1024, untaken=0.05)
    async with listening(inbox, limits) as (shell, address):
        with socket.create_connection(address) as peer:
            peer.sendall(MESSAGE)
            _, flow = await inbox.messages.get()
            shell.connections.send(b"x" * 16 * 1024 * 1024, flow)
            peer.sendall(b"\r\n\r\n")
            assert await inbox.closed.get() == flow


async def test_a_peer_that_takes_all_in_the_end_keeps_its_connection() -> None:
    inbox, limits = Inbox(), StreamLimits(unsent=64 * 1024 * 1024, untaken=0.5)
    async with listening(inbox, limits) as (shell, address), connected(address) as (reader, writer):
        writer.write(MESSAGE)
        _, flow = await inbox.messages.get()
        time_is_over = asyncio.Event()
        asyncio.get_running_loop().call_later(2 * limits.untaken, time_is_over.set)
        shell.connections.send(b"x" * 16 * 1024 * 1024, flow)
        await reader.readexactly(16 * 1024 * 1024)
        await time_is_over.wait()
        assert shell.connections.is_live(flow)


async def test_one_connection_too_many_is_closed_at_once() -> None:
    inbox = Inbox()
    async with listening(inbox, StreamLimits(connections=1)) as (shell, address), connected(address) as (_, writer):
        writer.write(MESSAGE)
        await inbox.messages.get()
        async with connected(address) as (reader, _):
            await end_of(reader)
        assert shell.connections.refused == 1
        with pytest.raises(ConnectionRefusedError):
            await shell.connect(address, place=Place(5060))
        writer.write(MESSAGE)
        assert (await inbox.messages.get())[0] == MESSAGE


async def test_one_peer_gets_so_many_connections_and_others_still_get_theirs() -> None:
    inbox, limits = Inbox(), StreamLimits(of_one_peer=1)
    async with listening(inbox, limits) as (shell, address), connected(address) as (_, writer):
        writer.write(MESSAGE)
        await inbox.messages.get()
        async with connected(address) as (reader, _):
            await end_of(reader)
        assert shell.connections.refused == 1
        _, other = await asyncio.open_connection(*address, local_addr=("127.0.0.2", 0))
        other.write(MESSAGE)
        assert (await inbox.messages.get())[1].remote.host == "127.0.0.2"
        other.close()


async def test_a_peer_whose_connection_ended_gets_another_one() -> None:
    inbox, limits = Inbox(), StreamLimits(of_one_peer=1)
    async with listening(inbox, limits) as (shell, address):
        for _ in range(3):
            async with connected(address) as (_, writer):
                writer.write(MESSAGE)
                await inbox.messages.get()
            await inbox.closed.get()
        assert shell.connections.refused == 0


async def test_a_peer_that_has_all_its_connections_can_still_be_connected_to() -> None:
    near, far, limits = Inbox(), Inbox(), StreamLimits(of_one_peer=1)
    async with listening(near, limits) as (shell, here), listening(far) as (_, there), connected(here) as (_, writer):
        writer.write(MESSAGE)
        await near.messages.get()
        assert shell.connections.is_live(await shell.connect(there, place=Place(here.port)))


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:2", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_addresses_of_one_ipv6_subscriber_are_one_peer(host: str, peer: str) -> None:
    assert peer_of(host) == peer


@pytest.mark.rfc("3261", "18.1.1", "our sent-by is where we are found")
async def test_an_opened_connection_names_our_listener_and_is_found_by_its_peer() -> None:
    near, far = Inbox(), Inbox()
    async with listening(near) as (shell, here), listening(far) as (_, there):
        flow = await shell.connect(there, place=Place(here.port))
        assert flow.local == here
        assert shell.connections.flow_to(Transport.TCP, there) == flow
        shell.connections.send(MESSAGE, flow)
        data, arrived = await far.messages.get()
        assert data == MESSAGE
        assert arrived.local == there


async def test_numbers_of_connections_are_never_used_again() -> None:
    inbox = Inbox()
    async with listening(inbox) as (_, address):
        numbers = []
        for _ in range(3):
            async with connected(address) as (_, writer):
                writer.write(MESSAGE)
                numbers.append((await inbox.messages.get())[1].connection)
            await inbox.closed.get()
    assert numbers == sorted(set(numbers))


async def test_an_attempt_to_connect_is_bounded_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = Address(*full.getsockname())
        shell = Shell(Inbox().connections(StreamLimits(connect=0.05)))
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # an accept queue that is full lets further attempts hang
            filler.setblocking(False)
            filler.connect_ex(address)
        with pytest.raises(TimeoutError):
            await shell.connect(address, place=Place(5060))
        for filler in fillers:
            filler.close()


async def test_what_is_written_before_the_stop_still_leaves() -> None:
    inbox = Inbox()
    async with listening(inbox) as (shell, address), connected(address) as (reader, writer):
        writer.write(MESSAGE)
        _, flow = await inbox.messages.get()
        shell.connections.send(b"last words", flow)
        await shell.stop()
        assert await reader.read() == b"last words"
