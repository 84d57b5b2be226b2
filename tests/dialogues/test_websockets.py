"""SIP over WebSocket at a whole server (RFC 7118): handshakes, subscriptions from web pages, and what gets them cut."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from wsproto.events import CloseConnection, Pong

from abserver.app.server import Server
from abserver.app.stores import open_stores
from abserver.config import Settings
from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from abserver.sip.codec import parse
from abserver.sip.headers import NameAddr, SubscriptionState
from abserver.sip.message import Request, Response
from tests.support.browser import WebPhone, wired
from tests.support.documents import ANN, BOB, allow, card, rules
from tests.support.websocket import (
    ACCEPT,
    CONTINUATION,
    HANDSHAKE,
    PING,
    TEXT,
    close_frame,
    code_of,
    frame,
    handshake,
    without,
)
from xcap.client import AsyncXcapClient
from xcap.ports import Credential, DocumentKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PASSWORD = "secret"
CERTIFICATES = Path(__file__).resolve().parents[1] / "data" / "tls"
OPTIONS = (
    b"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"
    b"From: <sip:bob@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: %d@x.invalid\r\nCSeq: 1 OPTIONS\r\n\r\n"
)
"""Without a Content-Length (RFC 7118 §5)."""


@asynccontextmanager
async def served(folder: Path, *, tls: bool = False, **sip: object) -> AsyncIterator[tuple[int, AsyncXcapClient]]:
    """A server with Ann and Bob, whom she allows all: its HTTP port, and Ann's document client."""
    http: dict[str, object] = {"listen": "127.0.0.1:0"}
    if tls:
        for ending in ("pem", "key"):
            shutil.copy(CERTIFICATES / f"first.{ending}", folder / f"server.{ending}")
        http |= {"tls_certificate": folder / "server.pem", "tls_key": folder / "server.key"}
    settings = Settings.model_validate(
        {
            "sip": {"udp": ["127.0.0.1:0"], "tcp": ["127.0.0.1:0"], **sip},
            "http": http,
            "storage": {"url": f"sqlite:///{folder}/db.sqlite"},
            "notify": {"card_pace": 0},
        }
    )
    async with open_stores(settings.storage.url) as stores:
        for user in (ANN, BOB):
            await stores.credentials.put(Credential.of(user, "example.com", PASSWORD))
    server = Server(settings)
    await server.start()
    try:
        port = int(server.ready[-1].rpartition(":")[2].partition("/")[0])
        root = f"{'https' if tls else 'http'}://127.0.0.1:{port}/xcap-root"
        context = trusting(check_hostname=False) if tls else None
        async with AsyncXcapClient(root, ANN.removeprefix("sip:"), PASSWORD, tls=context) as ann:
            await put(ann, "1")
            allowed = rules(allow(BOB, "public"))
            await ann.put(DocumentKey(CARD_RULES.auid, ANN, "index"), allowed, media_type=CARD_RULES.media_type)
            yield port, ann
    finally:
        await server.stop()


def trusting(*, check_hostname: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=CERTIFICATES / "first.pem")
    context.check_hostname = check_hostname
    return context


async def put(ann: AsyncXcapClient, number: str) -> None:
    key = DocumentKey(CONTACT_CARD.auid, ANN, "index")
    await ann.put(key, card(number), media_type=CONTACT_CARD.media_type)


async def answer_to(port: int, data: bytes) -> bytes:
    """What the server says to these bytes until it ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()


def state_of(notify: Request) -> str:
    return SubscriptionState.parse(notify.headers.get("Subscription-State") or "").state


def options(number: int) -> bytes:
    return OPTIONS % (number, number)


class TestHandshake:
    async def test_the_handshake_of_the_rfc_is_answered_as_the_rfc_does(self, tmp_path: Path) -> None:
        """RFC 7118 §4.1, with its `/`, and at the configured path, whatever the query."""
        async with served(tmp_path) as (port, _):
            for path in ("/", "/sip", "/sip?token=1"):
                answer = await answer_to(port, handshake(path) + close_frame(1000))
                head, _, close = answer.partition(b"\r\n\r\n")
                assert head.decode().split("\r\n") == [
                    "HTTP/1.1 101 Switching Protocols",
                    "Upgrade: websocket",
                    "Connection: Upgrade",
                    f"Sec-WebSocket-Accept: {ACCEPT}",
                    "Sec-WebSocket-Protocol: sip",
                ]
                assert code_of(close) == 1000

    @pytest.mark.parametrize(
        ("request_bytes", "status"),
        [
            pytest.param(handshake(fields=without(b"sec-websocket-protocol")), 400, id="no-subprotocol"),
            pytest.param(handshake(fields=without(b"sec-websocket-version")), 426, id="no-version"),
            pytest.param(b"GET /sip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 426, id="no-offer"),
            pytest.param(handshake("/elsewhere", [*HANDSHAKE, (b"connection", b"close")]), 404, id="elsewhere"),
            pytest.param(
                handshake(fields=[*HANDSHAKE, (b"content-length", b"3"), (b"connection", b"close")]) + b"abc",
                426,
                id="with-a-body",
            ),
            pytest.param(
                handshake(fields=[*HANDSHAKE, (b"connection", b"close")]).replace(b"HTTP/1.1", b"HTTP/1.0"),
                426,
                id="http-1.0",
            ),
        ],
    )
    async def test_what_is_no_handshake_for_sip_is_refused(
        self, tmp_path: Path, request_bytes: bytes, status: int
    ) -> None:
        async with served(tmp_path) as (port, _):
            assert (await answer_to(port, request_bytes)).startswith(b"HTTP/1.1 %d " % status)

    async def test_pages_of_other_origins_are_refused(self, tmp_path: Path) -> None:
        """RFC 6455 §10.2."""
        async with served(tmp_path, websocket_origins=["https://phone.example.com"]) as (port, _):
            assert (await answer_to(port, handshake())).startswith(b"HTTP/1.1 403 ")
            own = [*without(b"origin"), (b"origin", b"https://Phone.example.com")]
            async with wired(port, fields=own) as wire:
                await wire.close()

    async def test_without_a_path_there_are_no_websockets(self, tmp_path: Path) -> None:
        async with served(tmp_path, websocket_path="") as (port, _):
            for path in ("/sip", "/"):
                request = handshake(path, [*HANDSHAKE, (b"connection", b"close")])
                assert (await answer_to(port, request)).startswith(b"HTTP/1.1 404 ")

    async def test_documents_are_served_beside_it_on_connections_that_stay(self, tmp_path: Path) -> None:
        """A connection that answered requests before may change over."""
        async with served(tmp_path) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /xcap-root/ HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = (int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
            await reader.readexactly(length)
            writer.write(handshake() + frame(TEXT, options(1)))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            assert b"SIP/2.0 200 OK" in await reader.readuntil(b"\r\n\r\n")
            writer.close()


class TestMessages:
    async def test_a_request_is_answered_on_its_connection_and_told_nothing_of_addresses(self, tmp_path: Path) -> None:
        """RFC 7118 §5.3: no `received`; RFC 3261 §18.2.2: the response goes where the request came from."""
        async with served(tmp_path) as (port, _), wired(port) as wire:
            for number, binary in enumerate((False, True)):
                await wire.send(options(number), binary=binary)
                response = parse(await wire.message())
                assert isinstance(response, Response)
                assert response.status == 200
                assert response.headers.get("Via") == f"SIP/2.0/WS x.invalid;branch=z9hG4bK{number}"

    async def test_a_double_crlf_is_answered_by_a_single_one(self, tmp_path: Path) -> None:
        """RFC 7118 §6, RFC 5626 §3.5.1."""
        async with served(tmp_path) as (port, _), wired(port) as wire:
            await wire.send(b"\r\n\r\n")
            assert await wire.message() == b"\r\n"

    async def test_a_ping_is_answered_in_the_middle_of_a_message(self, tmp_path: Path) -> None:
        """RFC 6455 §5.4, §5.5.3."""
        async with served(tmp_path) as (port, _), wired(port) as wire:
            message = options(1)
            await wire.write(frame(TEXT, message[:20], fin=False) + frame(PING, b"?"))
            assert await wire.event() == Pong(b"?")
            await wire.write(frame(CONTINUATION, message[20:]))
            assert (await wire.message()).startswith(b"SIP/2.0 200 ")

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            pytest.param(frame(TEXT, options(1), masked=False), 1002, id="unmasked"),
            pytest.param(frame(TEXT, b"\xff"), 1007, id="no-text"),
            pytest.param(frame(TEXT, b"a" * (1024 * 1024 + 32 * 1024 + 1)), 1009, id="too-large"),
        ],
    )
    async def test_bad_frames_get_the_connection_closed_with_a_code(
        self, tmp_path: Path, data: bytes, code: int
    ) -> None:
        """RFC 6455 §5.1, §8.1, §7.4.1. Another connection goes on."""
        async with served(tmp_path) as (port, _), wired(port) as wire, wired(port) as other:
            await wire.write(data)
            event = await wire.event()
            assert isinstance(event, CloseConnection)
            assert event.code == code
            await wire.answer(event)
            await other.send(options(2))
            assert (await other.message()).startswith(b"SIP/2.0 200 ")

    async def test_what_is_no_sip_is_met_with_silence(self, tmp_path: Path) -> None:
        async with served(tmp_path) as (port, _), wired(port) as wire:
            for nonsense in (b"", b"hello", b"\r\n", b"{}", b"SIP/2.0 200 OK\r\n\r\n"):
                await wire.send(nonsense)
            await wire.send(options(1))
            assert (await wire.message()).startswith(b"SIP/2.0 200 ")


class TestSubscriptions:
    @pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
    async def test_a_page_gets_the_card_and_its_changes(self, tmp_path: Path, secure: bool) -> None:
        """RFC 7118 §5.1, §5.2: Via and Contact; the digest of RFC 3261 §22; a host `.invalid` is no trouble."""
        token = "wss" if secure else "ws"
        async with (
            served(tmp_path, tls=secure) as (port, ann),
            wired(port, tls=trusting() if secure else None) as wire,
        ):
            bob = WebPhone(BOB, PASSWORD, wire, token=token)
            response = await bob.subscribe(ANN)
            assert response.status == 200
            contact = NameAddr.parse(response.headers.get("Contact") or "")
            assert contact.uri.startswith(f"sip:ann@127.0.0.1:{port};transport=ws;gr=")
            first = await bob.notify()
            assert (state_of(first), b"tel:1<" in first.body) == ("active", True)
            assert (first.headers.get("Via") or "").startswith(f"SIP/2.0/{token.upper()} 127.0.0.1:{port};branch=")
            await put(ann, "2")
            assert b"tel:2" in (await bob.notify()).body
            assert (await bob.refresh(expires=0)).status == 200
            assert state_of(await bob.notify()) == "terminated"

    async def test_a_refresh_from_a_new_connection_moves_the_subscription_to_it(self, tmp_path: Path) -> None:
        """The page lost its connection; nothing of its Contact can be looked up (RFC 7118 §B.1)."""
        async with served(tmp_path) as (port, ann):
            async with wired(port) as wire:
                bob = WebPhone(BOB, PASSWORD, wire)
                await bob.subscribe(ANN)
                await bob.notify()
            await put(ann, "2")
            async with wired(port) as wire:
                bob.wire = wire
                assert (await bob.refresh()).status == 200
                assert b"tel:2" in (await bob.notify()).body
                await put(ann, "3")
                assert b"tel:3" in (await bob.notify()).body

    async def test_nobody_asserts_an_identity_by_websocket(self, tmp_path: Path) -> None:
        """RFC 3325 §9.1: the trusted address is that of an HTTP proxy, behind which anybody may be."""
        async with served(tmp_path, trusted_peers=["127.0.0.1"]) as (port, _), wired(port) as wire:
            asserted = options(1).replace(b"OPTIONS", b"SUBSCRIBE").replace(b"sip:example.com", ANN.encode())
            fields = (
                b"Event: contact-card",
                b"Contact: <sip:x@x.invalid;transport=ws>",
                b"P-Asserted-Identity: <sip:bob@example.com>",
            )
            await wire.send(asserted[:-2] + b"\r\n".join([*fields, b"", b""]))
            assert (await wire.message()).startswith(b"SIP/2.0 401 ")


async def test_a_stopping_server_says_so_to_all_and_ends(tmp_path: Path) -> None:
    """RFC 6455 §7.4.1: 1001."""
    async with AsyncExitStack() as peers:
        async with served(tmp_path) as (port, _):
            wires = [await peers.enter_async_context(wired(port)) for _ in range(3)]
            closing = [asyncio.create_task(wire.closed()) for wire in wires]
        assert await asyncio.gather(*closing) == [1001] * 3
