"""Who guesses over SIP has to wait over HTTP as well, and the other way round: one count for both, in a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from abserver.app.server import Server
from abserver.app.stores import open_stores
from abserver.config import Settings
from abserver.events.digest_answers import DigestAnswers
from abserver.net.sip_driver import SipDriver
from abserver.sip.message import Headers, Request, Response
from abserver.sip.transport import Address
from abserver.sip.uas import Capabilities, make_response
from tests.support.documents import ANN, BOB
from xcap.core.uri import DocumentKey, ResourceUri
from xcap.ports import Credential

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from abserver.ports import Respond, SendFailure
    from abserver.sip.transport import Flow

FREE = 3
"""Failures before anybody waits."""


class House:
    """The places of a running server."""

    def __init__(self, server: Server) -> None:
        places = dict(line.rsplit(" ", 1) for line in server.ready)
        self.sip = next(place for name, place in places.items() if name.startswith("sip udp"))
        self.http = next(f"http://{place}" for name, place in places.items() if name == "http")

    async def subscribe(self, password: str) -> int:
        """The status of a SUBSCRIBE with this password, after a challenge."""
        driver = SipDriver(_no_request, Capabilities(("NOTIFY",)), udp=[Address("127.0.0.1", 0)])
        await driver.start()
        try:
            answers = DigestAnswers("bob", password, lambda: "c")
            response = await self._send(driver, 1, answers)
            if response.status == 401 and answers.learn(response):
                response = await self._send(driver, 2, answers)
            return response.status
        finally:
            await driver.stop()

    async def _send(self, driver: SipDriver, number: int, answers: DigestAnswers) -> Response:
        here = driver.ready[0].address
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"<{BOB}>;tag={here.port}"),
                ("To", f"<{ANN}>"),
                ("Call-ID", f"{here.port}"),
                ("CSeq", f"{number} SUBSCRIBE"),
                ("Contact", f"<sip:{here}>"),
                ("Event", "contact-card"),
                ("Expires", "0"),
                ("Route", f"<sip:{self.sip};lr>"),
            ]
        )
        request = Request("SUBSCRIBE", ANN, headers)
        answers.sign(request)
        outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
        driver.send(request, flow=None, answered=outcome.set_result)
        response = await asyncio.wait_for(outcome, 10)
        assert isinstance(response, Response)
        return response

    async def get(self, password: str) -> int:
        """The status of a GET with this password."""
        path = ResourceUri(DocumentKey("org.abserver.contact-card", BOB, "index")).to_path("")
        async with httpx.AsyncClient() as http:
            return (await http.get(self.http + path, auth=httpx.DigestAuth("bob", password))).status_code


async def _no_request(request: Request, flow: Flow, respond: Respond) -> None:
    respond(make_response(request, 200))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings.model_validate(
        {
            "sip": {"udp": ["127.0.0.1:0"], "tcp": ["127.0.0.1:0"]},
            "http": {"listen": "127.0.0.1:0"},
            "auth": {"user_failures": FREE, "source_failures": 0},
            "storage": {"url": f"sqlite:///{tmp_path}/db.sqlite"},
        }
    )
    async with open_stores(settings.storage.url) as stores:
        for user in (ANN, BOB):
            await stores.credentials.put(Credential.of(user, "example.com", "secret"))
    server = Server(settings)
    await server.start()
    yield House(server)
    await server.stop()


async def test_guesses_over_sip_hold_back_over_http(house: House) -> None:
    assert [await house.subscribe("guess") for _ in range(FREE)] == [401] * FREE
    assert await house.get("secret") == 429


async def test_guesses_over_http_hold_back_over_sip(house: House) -> None:
    assert [await house.get("guess") for _ in range(FREE)] == [401] * FREE
    assert await house.subscribe("secret") == 500
