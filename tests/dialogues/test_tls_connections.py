"""TLS under SIP over real sockets: handshakes that succeed, fail and never end, and what passes after them."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
import threading
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import uvloop

from abserver.net.connections import Connection, Connections, StreamLimits
from abserver.net.listeners import Place, bind, bound_address
from abserver.net.stream import StreamShell
from abserver.sip.transport import Address, Flow, Transport
from tests.support.certificates import FOLDER, installed, trusting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from abserver.net.tls import Security
    from abserver.sip.errors import SipSyntaxError

ANY = Address("127.0.0.1", 0)
MESSAGE = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nContent-Length: 5\r\n\r\nhello"


class Node:
    """Stream connections without SIP above them."""

    def __init__(self, security: Security, limits: StreamLimits | None, kind: type[Connections]) -> None:
        self.messages: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.broken: asyncio.Queue[SipSyntaxError] = asyncio.Queue()
        self.closed: asyncio.Queue[Flow] = asyncio.Queue()
        self.connections = kind(
            received=lambda data, flow: self.messages.put_nowait((data, flow)),
            broken=lambda error, flow: self.broken.put_nowait(error),
            closed=self.closed.put_nowait,
            limits=limits,
        )
        self.shell = StreamShell(self.connections, security)
        self.address = ANY

    async def connect(self, remote: Address, server: str = "localhost") -> Flow:
        return await self.shell.connect(remote, place=Place(self.address.port), server=server)


@asynccontextmanager
async def node(
    security: Security | None = None, limits: StreamLimits | None = None, *, kind: type[Connections] = Connections
) -> AsyncIterator[Node]:
    """One that listens."""
    one = Node(security or installed().security, limits, kind)
    sock = bind(socket.SOCK_STREAM, ANY)
    one.address = bound_address(sock)
    await one.shell.listen(sock, Transport.TLS)
    try:
        yield one
    finally:
        await one.shell.stop()


@asynccontextmanager
async def connected(
    address: Address, own: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A peer by the standard library's TLS, maybe with a certificate of its own."""
    reader, writer = await asyncio.open_connection(*address, ssl=trusting(own), server_hostname="localhost")
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def end_of(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        await reader.read()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Message, peer and reason of what was logged."""
    return [
        (each.getMessage(), each.__dict__.get("remote", ""), each.__dict__.get("why", "")) for each in caplog.records
    ]


async def test_a_message_cut_at_every_byte_arrives_whole() -> None:
    """RFC 3261 §18.3, each byte in a record of its own."""
    async with node() as server, connected(server.address) as (_, writer):
        for byte in MESSAGE:
            writer.write(bytes([byte]))
        data, flow = await server.messages.get()
    assert data == MESSAGE
    assert (flow.transport, flow.local, flow.names, flow.opened) == (Transport.TLS, server.address, frozenset(), False)


async def test_messages_larger_than_a_record_pass_in_both_directions() -> None:
    large = MESSAGE.replace(b"Content-Length: 5", b"Content-Length: 60005") + b"x" * 60_000
    async with node() as server, connected(server.address) as (reader, writer):
        writer.write(large + MESSAGE + MESSAGE)
        assert [len((await server.messages.get())[0]) for _ in range(2)] == [len(large), len(MESSAGE)]
        _, flow = await server.messages.get()
        assert server.connections.send(large, flow)
        assert await reader.readexactly(len(large)) == large


async def test_a_ping_is_answered_by_a_pong() -> None:
    """RFC 5626 §3.5.1."""
    async with node() as server, connected(server.address) as (reader, writer):
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        assert server.messages.empty()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_what_comes_in_one_segment_with_the_end_of_the_handshake_is_not_lost(version: ssl.TLSVersion) -> None:
    context = trusting()
    context.minimum_version = context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    async with node() as server:
        reader, writer = await asyncio.open_connection(*server.address)
        if version is ssl.TLSVersion.TLSv1_2:  # here the server has the last word
            await shake_hands(tls, reader, writer, incoming, outgoing)
        else:
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            writer.write(outgoing.read())
            incoming.write(await reader.read(65_536))
            tls.do_handshake()
        tls.write(MESSAGE)
        writer.write(outgoing.read())
        assert (await server.messages.get())[0] == MESSAGE
        writer.close()


async def shake_hands(
    tls: ssl.SSLObject,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
) -> None:
    while True:
        try:
            tls.do_handshake()
            return
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            incoming.write(await reader.read(65_536))


async def test_older_versions_of_tls_are_refused() -> None:
    """RFC 8996."""
    old = trusting()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with node() as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(*server.address, ssl=old, server_hostname="localhost")


async def test_plain_text_gets_no_answer_and_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with node() as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(MESSAGE * 3)
        assert not (await reader.read()).startswith(b"SIP")
        writer.close()
        assert server.messages.empty()
    [(what, peer, why)] = told(caplog)
    assert (what, peer) == ("no TLS connection", "127.0.0.1")
    assert "WRONG_VERSION_NUMBER" in why


async def test_who_connects_and_leaves_without_a_word_is_forgotten_and_not_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with node(limits=StreamLimits(connections=1)) as server:
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write_eof()
            await end_of(reader)
            writer.close()
        async with connected(server.address) as (_, writer):
            writer.write(MESSAGE)
            assert (await server.messages.get())[0] == MESSAGE
    assert not caplog.records


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01\x00"])
async def test_a_handshake_that_does_not_end_is_cut_in_time(begun: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with node(limits=StreamLimits(handshake=0.05)) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(begun)
        await end_of(reader)
        writer.close()
    assert told(caplog) == [("no TLS connection", "127.0.0.1", "no handshake in time")]


async def test_a_greeting_that_comes_drop_by_drop_gets_no_more_time() -> None:
    async with node(limits=StreamLimits(handshake=0.2)) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        dropping = asyncio.create_task(_drop(b"\x16\x03\x01\x02\x00" + bytes(500), writer))
        await end_of(reader)
        dropping.cancel()
        writer.close()


async def _drop(data: bytes, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    for byte in data:
        writer.write(bytes([byte]))
        due = loop.create_future()
        loop.call_later(0.05, due.set_result, None)
        await due


async def test_each_part_of_a_handshake_has_its_time() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
    async with node(limits=StreamLimits(handshake=0.5)) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        for last in (False, True):
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            due = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.35, due.set_result, None)
            await due
            writer.write(outgoing.read())
            if not last:
                incoming.write(await reader.read(65_536))
        tls.write(MESSAGE)
        writer.write(outgoing.read())
        assert (await server.messages.get())[0] == MESSAGE
        writer.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_loop_that_is_late_itself_cuts_nobody_who_was_in_time(
    run: Callable[[Coroutine[None, None, None]], None],
) -> None:
    """After a restart all phones come at once. One of these loops looks at its timers before its sockets."""
    run(_greeted_late())


async def _greeted_late() -> None:
    begun, late = asyncio.Event(), threading.Event()

    class Watched(Connections):
        def admit(self, connection: Connection, host: str) -> bool:
            begun.set()
            return super().admit(connection, host)

    def keep_busy(data: bytes, flow: Flow) -> None:
        late.set()
        time.sleep(0.5)

    def greet(address: Address) -> None:
        with socket.create_connection(address) as raw:
            late.wait()
            trusting().wrap_socket(raw, server_hostname="localhost").close()

    brief = StreamLimits(handshake=0.2)
    async with node(limits=brief, kind=Watched) as server, connected(server.address) as (_, other):
        begun.clear()
        opening = asyncio.create_task(asyncio.to_thread(greet, server.address))
        await begun.wait()
        server.connections.received = keep_busy
        other.write(MESSAGE)
        await opening


async def test_who_is_in_time_is_not_cut_by_the_bound_of_the_handshake() -> None:
    async with node(limits=StreamLimits(handshake=0.05)) as server, connected(server.address) as (_, writer):
        time_is_over = asyncio.Event()
        asyncio.get_running_loop().call_later(0.15, time_is_over.set)
        await time_is_over.wait()
        writer.write(MESSAGE)
        assert (await server.messages.get())[0] == MESSAGE


async def test_handshakes_count_as_connections_of_their_peer() -> None:
    async with node(limits=StreamLimits(of_one_peer=1)) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        other_reader, other = await asyncio.open_connection(*server.address)
        await end_of(other_reader)
        assert server.connections.refused == 1
        other.close()
        writer.close()
        await end_of(reader)


async def test_the_stop_ends_handshakes_too() -> None:
    async with node() as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"\x16\x03\x01")
        await asyncio.sleep(0)
        await server.shell.stop()
        await end_of(reader)
        writer.close()


async def test_a_peer_that_does_not_read_is_cut() -> None:
    async with node(limits=StreamLimits(unsent=100_000)) as server, connected(server.address) as (_, writer):
        writer.write(MESSAGE)
        _, flow = await server.messages.get()
        while server.connections.is_live(flow):
            server.connections.send(b"x" * 65_536, flow)
            await asyncio.sleep(0)
        assert await server.closed.get() == flow


async def test_what_is_written_before_the_stop_still_leaves_and_the_end_is_said() -> None:
    """RFC 8446 §6.1: without a closure alert nobody knows whether something is missing."""
    async with node() as server:
        peer = await asyncio.to_thread(_greeting_peer, server.address)
        _, flow = await server.messages.get()
        server.connections.send(b"last words", flow)
        await server.shell.stop()
        assert await asyncio.to_thread(_all_of, peer) == b"last words"


def _greeting_peer(address: Address) -> ssl.SSLSocket:
    with socket.create_connection(address) as raw:
        peer = trusting().wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
    peer.sendall(MESSAGE)
    return peer


def _all_of(peer: ssl.SSLSocket) -> bytes:
    with peer:
        data = b""
        while more := peer.recv(1000):
            data += more
        return data


async def test_a_peer_that_says_the_end_is_gone() -> None:
    async with node() as server:
        async with connected(server.address) as (_, writer):
            writer.write(MESSAGE)
            _, flow = await server.messages.get()
        assert await server.closed.get() == flow


async def test_bytes_that_are_no_record_end_the_connection_and_are_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
    async with node() as server:
        reader, writer = await asyncio.open_connection(*server.address)
        await shake_hands(tls, reader, writer, incoming, outgoing)
        tls.write(MESSAGE)
        writer.write(outgoing.read() + MESSAGE)
        await server.messages.get()
        await server.closed.get()
        writer.close()
    assert [what for what, *_ in told(caplog)] == ["TLS broken"]


async def test_a_stream_that_cannot_be_framed_is_told_of_and_closed() -> None:
    async with node() as server, connected(server.address) as (reader, writer):
        writer.write(MESSAGE.replace(b"Content-Length: 5", b"Subject: no length"))
        await end_of(reader)
        assert (await server.broken.get()).status_hint == 400


# -- clients' certificates ------------------------------------------------------------------------------------------


async def test_5922_7_4_a_certificate_of_the_client_proves_its_identities() -> None:
    """A URI names the domains; a DNS name beside it counts for nothing (§7.1)."""
    security = installed(clients="authority").security
    async with node(security) as server, connected(server.address, own="proxy") as (_, writer):
        writer.write(MESSAGE)
        _, flow = await server.messages.get()
    assert flow.names == {"example.net", "proxy.example.net"}


async def test_5922_7_4_a_client_without_a_certificate_is_served_and_has_no_identity() -> None:
    async with node(installed(clients="authority").security) as server, connected(server.address) as (_, writer):
        writer.write(MESSAGE)
        _, flow = await server.messages.get()
    assert not flow.names


@pytest.mark.parametrize("own", ["stranger", "expired"])
async def test_a_client_whose_certificate_is_not_good_is_refused(own: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with node(installed(clients="authority").security) as server:
        with suppress(ssl.SSLError):
            async with connected(server.address, own=own) as (reader, writer):
                writer.write(MESSAGE)
                await end_of(reader)
        assert server.messages.empty()
    [(what, peer, why)] = told(caplog)
    assert (what, peer) == ("no TLS connection", "127.0.0.1")
    assert why in ("unable to get local issuer certificate", "certificate has expired")


async def test_without_an_authority_no_certificate_is_asked_for() -> None:
    async with node() as server, connected(server.address, own="stranger") as (_, writer):
        writer.write(MESSAGE)
        _, flow = await server.messages.get()
    assert not flow.names


# -- connections that we open ---------------------------------------------------------------------------------------


async def test_5922_7_3_a_server_that_proves_its_name_is_connected_to() -> None:
    async with node() as near, node() as far:
        flow = await near.connect(far.address)
        assert flow.local == near.address
        assert flow.opened
        assert near.connections.flow_to(Transport.TLS, far.address, "sip.example.com") == flow
        near.connections.send(MESSAGE, flow)
        assert (await far.messages.get())[0] == MESSAGE


@pytest.mark.parametrize("server", ["127.0.0.1", "sip.example.com"])
async def test_an_address_and_another_name_of_the_server_are_proven_likewise(server: str) -> None:
    async with node() as near, node() as far:
        assert (await near.connect(far.address, server)).names == {"sip.example.com", "localhost", "127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("shown", "server", "why"),
    [
        ("server", "example.com", "its certificate does not name example.com"),
        ("wildcard", "foo.example.com", "its certificate does not name foo.example.com"),
        ("stranger", "localhost", "unable to get local issuer certificate"),
        ("expired", "localhost", "certificate has expired"),
    ],
)
async def test_5922_7_3_a_server_that_does_not_prove_its_name_is_left(shown: str, server: str, why: str) -> None:
    """§7.2: neither parent domains nor wildcards."""
    async with node() as near, node(installed(shown).security) as far:
        with pytest.raises(ssl.SSLError, match=why):
            await near.connect(far.address, server)
        assert near.connections.flow_to(Transport.TLS, far.address, server) is None
        assert far.messages.empty()


async def test_we_show_our_certificate_to_a_server_that_asks() -> None:
    async with node(installed("proxy").security) as near, node(installed(clients="authority").security) as far:
        near.connections.send(MESSAGE, await near.connect(far.address))
        _, flow = await far.messages.get()
        assert flow.names == {"example.net", "proxy.example.net"}


@pytest.mark.parametrize("said", [b"SIP/2.0 400 What\r\n\r\n", b""])
async def test_a_server_that_speaks_no_tls_or_ends_the_handshake_is_left(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    other = await asyncio.start_server(answer, *ANY)
    async with node() as near:
        with pytest.raises(ssl.SSLError if said else ConnectionError):
            await near.connect(Address(*other.sockets[0].getsockname()))
    other.close()
    await other.wait_closed()


async def test_a_server_that_lets_the_handshake_hang_is_left_in_time() -> None:
    with socket.create_server(ANY) as mute:
        async with node(limits=StreamLimits(connect=0.05, connections=1)) as near:
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await near.connect(bound_address(mute))


async def test_5923_9_3_a_connection_serves_only_the_names_that_its_peer_has_proven() -> None:
    async with node() as near, node() as far:
        flow = await near.connect(far.address)
        assert near.connections.flow_to(Transport.TLS, far.address, "localhost") == flow
        assert near.connections.flow_to(Transport.TLS, far.address, "example.net") is None


async def test_5923_8_2_a_connection_is_found_by_the_address_that_its_peer_advertised_last_until_it_ends() -> None:
    async with node(installed(clients="authority").security) as server:
        async with connected(server.address, own="proxy") as (_, writer):
            writer.write(MESSAGE)
            _, flow = await server.messages.get()
            first, second = (Address("127.0.0.1", port) for port in (5061, 5081))

            def found(*addresses: Address) -> list[Flow | None]:
                return [server.connections.flow_to(Transport.TLS, each, "example.net") for each in addresses]

            for advertised in (first, second, second, flow.remote):
                server.connections.alias(flow, advertised)
            assert found(first, second, flow.remote) == [None, flow, flow]
        assert await server.closed.get() == flow
        assert found(first, second, flow.remote) == [None, None, None]
        server.connections.alias(flow, first)
        assert found(first) == [None]


async def test_of_two_connections_whose_peers_proved_the_same_the_newer_one_is_found() -> None:
    """The older one may be of a peer that fell over."""
    advertised = Address("127.0.0.1", 5061)
    async with node(installed(clients="authority").security) as server, connected(server.address, own="proxy") as old:
        flows = []
        async with connected(server.address, own="proxy") as new, connected(server.address, own="renewed") as other:
            for _, writer in (old, new, other):
                writer.write(MESSAGE)
                _, flow = await server.messages.get()
                server.connections.alias(flow, advertised)
                flows.append(flow)
            assert server.connections.flow_to(Transport.TLS, advertised, "example.net") == flows[1]
            assert server.connections.flow_to(Transport.TLS, advertised, "localhost") == flows[2]
        for _ in range(2):
            await server.closed.get()
        assert server.connections.flow_to(Transport.TLS, advertised) is None


# -- a certificate that changes -------------------------------------------------------------------------------------


async def test_a_renewed_certificate_is_shown_to_new_connections_and_the_others_go_on() -> None:
    certificate = installed()
    async with node(certificate.security) as server, connected(server.address) as (_, before):
        certificate.security.server = installed("renewed").security.server
        async with connected(server.address) as (_, after):
            shown = [each.get_extra_info("ssl_object").getpeercert(True) for each in (before, after)]
            assert shown == [
                ssl.PEM_cert_to_DER_cert((FOLDER / f"{name}.pem").read_text()) for name in ("server", "renewed")
            ]
        before.write(MESSAGE)
        assert (await server.messages.get())[0] == MESSAGE


async def test_a_certificate_that_expired_ends_no_connection_but_lets_no_new_one_begin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    certificate = installed()
    async with node(certificate.security) as server, connected(server.address) as (_, before):
        certificate.security.server = installed("expired").security.server
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await asyncio.to_thread(_greeting_peer, server.address)
        before.write(MESSAGE)
        assert (await server.messages.get())[0] == MESSAGE
    assert [(what, why) for what, _, why in told(caplog)] == [("no TLS connection", "SSLV3_ALERT_CERTIFICATE_EXPIRED")]


# -- anything at all ------------------------------------------------------------------------------------------------


async def test_whatever_bytes_come_a_connection_ends_and_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """Greetings and records with bytes changed, cut off and put in: seeded."""
    caplog.set_level(logging.INFO)
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    chance = random.Random(5922)
    async with node(limits=StreamLimits(handshake=0.2)) as server, connected(server.address) as (_, witness):
        for _ in range(150):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
            reader, writer = await asyncio.open_connection(*server.address)
            if chance.random() < 0.5:
                await shake_hands(tls, reader, writer, incoming, outgoing)
                tls.write(MESSAGE)
            else:
                with suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
            writer.write(spoiled(outgoing.read(), chance))
            writer.write_eof()
            await end_of(reader)
            writer.close()
        witness.write(MESSAGE)
        while (await server.messages.get())[1].remote != witness.get_extra_info("sockname"):
            pass
    assert not faults
    assert {what for what, *_ in told(caplog)} <= {"no TLS connection", "TLS broken"}
    assert len(caplog.records) <= 150


def spoiled(data: bytes, chance: random.Random) -> bytes:
    where, some = chance.randrange(len(data)), chance.randbytes(chance.randrange(1, 9))
    return chance.choice(
        [data[:where], data[:where] + some + data[where + len(some) :], data[:where] + some + data[where:], some * 99]
    )
