"""Lines for fail2ban about what only scanners send, of a real driver: one for each such request, some of a flood."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import pytest

from abserver.net.scans import MOST, Scans
from abserver.net.sip_driver import SipDriver
from abserver.sip.transport import Address
from abserver.sip.uas import Capabilities, make_response
from tests.support.failregex import banned_by
from xcap.logs import FactsFormatter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from abserver.ports import Respond
    from abserver.sip.message import Request
    from abserver.sip.transport import Flow

WHERE = "abserver.net.scans"


async def answer(request: Request, flow: Flow, respond: Respond) -> None:
    respond(make_response(request, 200))


@pytest.fixture
async def driver() -> AsyncIterator[SipDriver]:
    """One that serves OPTIONS of example.com."""
    here = [Address("127.0.0.1", 0)]
    capabilities = Capabilities(("OPTIONS",), hosts=frozenset({"example.com"}))
    made = SipDriver(answer, capabilities, udp=here, tcp=here)
    await made.start()
    yield made
    await made.stop()


def request(method: str, uri: str, port: int) -> bytes:
    fields = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{method}{len(uri)}",
        "From: <sip:x@example.com>;tag=1",
        "To: <sip:x@example.com>",
        f"Call-ID: {method}{len(uri)}",
        f"CSeq: 1 {method}",
        "Content-Length: 0",
    ]
    return "\r\n".join([*fields, "", ""]).encode()


async def ask(driver: SipDriver, method: str, uri: str) -> int:
    """The status of the response."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        await loop.sock_sendto(sock, request(method, uri, sock.getsockname()[1]), tuple(driver.ready[0].address))
        return int((await asyncio.wait_for(loop.sock_recv(sock, 65_536), 10)).split(b" ", 2)[1])


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    formatter = FactsFormatter("%(levelname)s %(name)s %(message)s")
    return [formatter.format(record) for record in caplog.records if record.name == WHERE]


@pytest.mark.parametrize(
    ("method", "uri", "status"),
    [
        ("INVITE", "sip:100@example.com", 405),
        ("MESSAGE", "sip:100@example.com", 405),
        ("PROBE", "sip:100@example.com", 501),
        ("OPTIONS", "sip:100@203.0.113.1", 404),
    ],
)
async def test_what_no_client_sends_leaves_a_line(
    driver: SipDriver, caplog: pytest.LogCaptureFixture, method: str, uri: str, status: int
) -> None:
    assert await ask(driver, method, uri) == status
    [line] = lines(caplog)
    assert line == f"WARNING {WHERE} scan peer=127.0.0.1 status={status}"
    assert banned_by(line) == "127.0.0.1"


async def test_what_clients_send_leaves_none(driver: SipDriver, caplog: pytest.LogCaptureFixture) -> None:
    assert await ask(driver, "OPTIONS", "sip:example.com") == 200
    assert lines(caplog) == []


async def test_a_stream_that_is_no_sip_leaves_a_line(driver: SipDriver, caplog: pytest.LogCaptureFixture) -> None:
    place = next(each.address for each in driver.ready[1:])
    reader, writer = await asyncio.open_connection(place.host, place.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not (await asyncio.wait_for(reader.read(), 10)).startswith(b"SIP/2.0 2")
    writer.close()
    [line] = lines(caplog)
    assert banned_by(line) == "127.0.0.1"


def test_a_flood_leaves_some_lines_a_second(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    scans = Scans()
    for number in range(10 * MOST):
        scans.note("198.51.100.9", 405, 7.0 + number / (10 * MOST))
    assert len(lines(caplog)) == MOST
    scans.note("198.51.100.9", 405, 8.0)
    assert len(lines(caplog)) == MOST + 1
