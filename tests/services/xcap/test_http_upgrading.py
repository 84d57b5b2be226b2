"""Other protocols on the HTTP listener (RFC 9110 §7.8), with one that only shouts back."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import pytest

from tests.services.xcap.conftest import listening
from tests.services.xcap.test_http_listener import TAKEN, Peer, answer, connected
from xcap.http.limits import HttpLimits
from xcap.http.upgrading import Offer, Refusal, Switch

if TYPE_CHECKING:
    from xcap.http.message import Receive, Scope, Send

OFFER = (b"Host: x", b"Connection: upgrade", b"Upgrade: shout")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: shout\r\nConnection: upgrade\r\n\r\n"
FIELDS = (("Upgrade", "shout"), ("Connection", "upgrade"))


class Shout(asyncio.Protocol):
    """Says what it hears, louder."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data.upper())


def shout(offer: Offer) -> Switch | Refusal | None:
    """Takes what asks for it at this path, unless that comes by POST."""
    if (b"upgrade", b"shout") not in offer.fields:
        return None
    if offer.method != b"GET":
        return Refusal(HTTPStatus.BAD_REQUEST, (("X-Wanted", "GET"),), f"not for {offer.host}, {offer.secure}")
    return Switch(FIELDS, Shout)


UPGRADES = {b"/shout": shout, b"/": shout}


async def shouted(peer: Peer) -> None:
    """It has changed over, and works."""
    assert await peer.head() == SWITCHED
    await peer.write(b"hello")
    await peer.answered(b"HELLO")


@pytest.mark.parametrize("target", [b"/shout", b"/shout?a=b", b"/", b"http://x/shout"])
async def test_an_offer_that_is_taken_hands_the_connection_over(target: bytes) -> None:
    async with listening(TAKEN, upgrades=UPGRADES) as port, connected(port) as peer:
        await peer.send(b"GET " + target + b" HTTP/1.1", *OFFER)
        await shouted(peer)


async def test_what_comes_with_the_offer_is_the_other_protocols() -> None:
    async with listening(TAKEN, upgrades=UPGRADES) as port, connected(port) as peer:
        await peer.send(b"GET /shout HTTP/1.1", *OFFER, body=b"GET / HTTP/1.1\r\n\r\n")
        assert await peer.head() == SWITCHED
        assert await peer.head() == b"GET / HTTP/1.1\r\n\r\n"


async def test_a_connection_that_changed_has_none_of_the_bounds_of_http() -> None:
    limits = HttpLimits(head_time=0.02, keep_alive=0.02, connections=1)  # type: ignore[arg-type]  # too short for a user
    async with listening(TAKEN, upgrades=UPGRADES, limits=limits) as port, connected(port) as peer:
        await peer.send(b"GET /shout HTTP/1.1", *OFFER)
        await shouted(peer)
        for _ in range(2):  # each of these has had its time
            async with connected(port) as other:
                await other.send(b"GET /elsewhere HTTP/1.1", b"Host: x")
                assert (await other.rest()).endswith(b"taken")
        await peer.write(b"again")
        await peer.answered(b"AGAIN")


async def test_an_offer_may_follow_requests_that_were_answered() -> None:
    async with listening(TAKEN, upgrades=UPGRADES) as port, connected(port) as peer:
        await peer.send(b"GET /elsewhere HTTP/1.1", b"Host: x")
        await peer.answered(b"taken")
        await peer.send(b"GET /shout HTTP/1.1", *OFFER)
        await shouted(peer)


async def test_an_offer_that_comes_while_others_are_answered_is_ignored() -> None:
    """Their answers come first, and who offers that way is no client of such a protocol."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await go_on.wait()
        await answer(send, 200, scope["raw_path"])

    async with listening(slow, upgrades=UPGRADES) as port, connected(port) as peer:
        first, second = [b"GET /one HTTP/1.1", b"Host: x", b"", b""], [b"GET / HTTP/1.1", *OFFER, b"", b""]
        await peer.write(b"\r\n".join([*first[:-1], *second]))
        await asked.wait()
        go_on.set()
        await peer.answered(b"/one")
        assert (await peer.head()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET /shout HTTP/1.1\r\nHost: x\r\n\r\n", id="none"),
        pytest.param(b"GET /shout HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", id="another"),
        pytest.param(b"GET /shout HTTP/1.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n", id="http-1.0"),
        pytest.param(
            b"GET /shout HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: shout\r\nContent-Length: 2\r\n\r\nab",
            id="with-a-body",
        ),
    ],
)
async def test_where_only_another_protocol_is_spoken_a_request_without_an_offer_gets_426(request_bytes: bytes) -> None:
    """RFC 9110 §15.5.22, with the Upgrade that it MUST have."""
    async with listening(TAKEN, upgrades=UPGRADES) as port, connected(port) as peer:
        await peer.write(request_bytes)
        received = (await peer.rest()).lower()
    assert received.startswith(b"http/1.1 426 ")
    assert b"\r\nupgrade: " in received


async def test_at_the_root_requests_are_the_applications() -> None:
    async with listening(TAKEN, upgrades=UPGRADES) as port, connected(port) as peer:
        await peer.send(b"GET / HTTP/1.1", b"Host: x")
        await peer.answered(b"taken")


async def test_an_offer_that_is_refused_says_why_and_ends_the_connection() -> None:
    async with listening(TAKEN, upgrades=UPGRADES) as port, connected(port) as peer:
        await peer.send(b"POST /shout HTTP/1.1", *OFFER)
        head, _, body = (await peer.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\nX-Wanted: GET\r\nConnection: close\r\n")
    assert body == b"not for 127.0.0.1, False\n"


async def test_a_server_that_has_no_room_takes_no_offer() -> None:
    limits = HttpLimits(connections=1)
    async with (
        listening(TAKEN, upgrades=UPGRADES, limits=limits) as port,
        connected(port) as first,
        connected(port) as second,
    ):
        await second.send(b"GET /shout HTTP/1.1", *OFFER)
        assert (await second.rest()).startswith(b"HTTP/1.1 503 ")
        await first.send(b"GET /shout HTTP/1.1", *OFFER)
        await shouted(first)
