"""SIP nodes that reach each other over TLS: which URIs ask for it, and what becomes of requests that cannot leave."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from abserver.net.dns import Dns
from abserver.net.sip_driver import SipDriver
from abserver.ports import RequestHandler, Respond, SendFailure
from abserver.sip import routing
from abserver.sip.codec import serialize
from abserver.sip.locating import Kind
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, make_response
from tests.support.certificates import installed, trusting
from tests.support.outcomes import Served, outcome_of, request_to, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from abserver.net.tls import Security
    from abserver.sip.locating import Question, Records
    from abserver.sip.message import Request
    from abserver.sip.trace import Tracer

CAPABILITIES = Capabilities(methods=("OPTIONS", "NOTIFY", "SUBSCRIBE"), body_types=("text/plain",))


@asynccontextmanager
async def node(
    handler: RequestHandler | None = None,
    security: Security | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    tracer: Tracer | None = None,
) -> AsyncIterator[SipDriver]:
    here, secure = (Address(host, 0),), (Address(host, port),)
    security = security or installed().security
    served = handler or Served()
    driver = SipDriver(served, CAPABILITIES, udp=here, tcp=here, tls=secure, security=security, tracer=tracer)
    await driver.start()
    try:
        yield driver
    finally:
        await driver.stop()


def place_of(driver: SipDriver) -> Address:
    return next(each.address for each in driver.ready if each.transport is Transport.TLS)


@pytest.mark.rfc("3261", "8.1.1.2", "sip and sips")
@pytest.mark.rfc("3261", "8.1.2", "a SIPS resource is reached by TLS only")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("form", ["sip:{};transport=tls", "sips:{}", "sips:{};transport=tcp"])
async def test_what_asks_for_tls_leaves_by_tls(host: str, form: str) -> None:
    """RFC 3261 §26.2.2, large messages and small ones."""
    served = Served()
    async with node(served, host=host) as server, node(host=host) as client:
        for body in (b"", b"x" * 2000):
            assert status(await outcome_of(client, request_to(form.format(place_of(server)), body=body))) == 200
    assert [flow.transport for _, flow in served.requests] == [Transport.TLS] * 2
    assert len({flow.connection for _, flow in served.requests}) == 1
    via = served.requests[0][0].via
    assert (via.transport, via.host, via.port) == ("TLS", f"[{host}]" if ":" in host else host, place_of(client).port)
    assert "alias" in via.params


async def test_a_route_that_is_secure_takes_an_ordinary_request_by_tls() -> None:
    """RFC 5630 §5.1.1: by a SIPS route with lr, the Request-URI stays as it is."""
    served = Served()
    async with node(served) as server, node() as client:
        sent = request_to("sip:bob@192.0.2.1", route=f"<sips:{place_of(server)};lr>")
        assert status(await outcome_of(client, sent)) == 200
    [(request, flow)] = served.requests
    assert (request.uri, flow.transport) == ("sip:bob@192.0.2.1", Transport.TLS)


async def test_a_name_is_looked_up_and_has_to_be_proven() -> None:
    """RFC 5922 §7.3."""
    served = Served()
    async with node(served) as server, node() as client:
        assert status(await outcome_of(client, request_to(f"sips:bob@LOCALHOST.:{place_of(server).port}"))) == 200
    assert served.requests[0][1].transport is Transport.TLS


async def test_a_server_that_does_not_prove_the_name_gets_nothing_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    served = Served()
    async with node(served, installed("wildcard").security) as server, node() as client:
        uri = f"sips:bob@localhost:{place_of(server).port}"
        assert await outcome_of(client, request_to(uri)) is SendFailure.UNREACHABLE
    assert not served.requests
    [record] = [each for each in caplog.records if each.name == "abserver.net.ways"]
    facts = record.__dict__
    assert record.getMessage() == "no TLS connection"
    assert (facts["remote"], facts["why"]) == (
        f"127.0.0.1:{place_of(server).port}",
        "its certificate does not name localhost",
    )


async def test_requests_that_wait_for_one_handshake_share_it() -> None:
    served = Served()
    async with node(served) as server, node() as client:
        outcomes: list[object] = []
        for _ in range(3):
            client.send(request_to(f"sips:{place_of(server)}"), flow=None, answered=outcomes.append)
        assert status(await outcome_of(client, request_to(f"sips:{place_of(server)}"))) == 200
    assert len(outcomes) == 3
    assert len({flow.connection for _, flow in served.requests}) == 1


async def test_without_a_certificate_nothing_that_asks_for_tls_leaves() -> None:
    """Rather not at all than by TCP."""
    here = (Address("127.0.0.1", 0),)
    served = Served()
    client = SipDriver(served, CAPABILITIES, udp=here, tcp=here)
    await client.start()
    async with node(served) as server:
        tcp = next(each.address for each in server.ready if each.transport is Transport.TCP)
        for uri in (f"sips:{tcp}", f"sip:{tcp};transport=tls", f"sips:localhost:{tcp.port}"):
            assert await outcome_of(client, request_to(uri)) is SendFailure.UNREACHABLE
    assert not served.requests
    await client.stop()


@pytest.mark.rfc("3261", "18.2.2", "or by a new one")
@pytest.mark.parametrize(("host", "arrives"), [("localhost", True), ("elsewhere.example.org", False)])
async def test_a_response_whose_connection_is_gone_leaves_on_another_one_to_whoever_proves_the_sent_by(
    host: str, arrives: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 3261 §18.2.2, RFC 5922 §7.3."""
    caplog.set_level(logging.INFO)
    entered, leave, left = asyncio.Event(), asyncio.Event(), asyncio.Event()
    heard: list[bytes] = []

    async def slow(request: Request, flow: Flow, respond: Respond) -> None:
        entered.set()
        await leave.wait()
        respond(make_response(request, 200))
        left.set()

    async with node(tracer=lambda message: heard.append(message.data)) as proxy, node(slow) as server:
        _, writer = await asyncio.open_connection(*place_of(server), ssl=trusting(), server_hostname="localhost")
        request = request_to("sip:example.com")
        request.headers.add("Via", f"SIP/2.0/TLS {host}:{place_of(proxy).port};branch=z9hG4bKcut")
        writer.write(serialize(request))
        await entered.wait()
        writer.close()
        await writer.wait_closed()
        leave.set()
        await left.wait()
    assert [each.startswith(b"SIP/2.0 200 ") for each in heard] == [True] * arrives
    assert ("response not sent: its connection is gone" in caplog.messages) is not arrives


async def test_a_request_goes_back_on_the_connection_of_a_phone_without_a_certificate() -> None:
    """RFC 5922 §7.4: digest proves who it is, not TLS."""
    served, answers = Served(), Served()
    async with node(served) as server, node(answers) as client:
        await outcome_of(client, request_to(f"sips:{place_of(server)}"))
        [(_, flow)] = served.requests
        back = request_to("sips:bob@192.0.2.1:9")
        assert status(await outcome_of(server, back, flow)) == 200
    [(request, arrived)] = answers.requests
    assert arrived.connection
    assert "alias" not in request.via.params


# -- RFC 5923 -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def proxy_and_server(handler: Served, *, own: str = "proxy") -> AsyncIterator[tuple[SipDriver, SipDriver]]:
    """A proxy that shows a certificate, and a server that asks for one."""
    async with (
        node(handler, installed(own, clients="authority").security) as proxy,
        node(security=installed(clients="authority").security) as server,
    ):
        assert status(await outcome_of(proxy, request_to(f"sips:{place_of(server)}"))) == 200
        yield proxy, server


async def sent_by_name(server: SipDriver, host: str, to: SipDriver) -> int:
    """Send to where a name points that stands for the loopback here; the status, 0 if it was unreachable."""
    outcome = await outcome_of(server, request_to(f"sips:{host}:{place_of(to).port}"))
    return 0 if isinstance(outcome, SendFailure) else outcome.status


async def test_5923_8_2_requests_to_the_advertised_address_take_the_connection_on_which_its_owner_proved_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names_are_here(monkeypatch)
    served = Served()
    async with proxy_and_server(served) as (proxy, server):
        assert await sent_by_name(server, "proxy.example.net", proxy) == 200
        assert await sent_by_name(server, "example.net", proxy) == 200
    assert [flow.opened for _, flow in served.requests] == [True, True]


async def test_5923_9_3_a_name_that_was_not_proven_gets_a_connection_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names_are_here(monkeypatch)
    served = Served()
    async with proxy_and_server(served) as (proxy, server):
        assert await sent_by_name(server, "other.example.net", proxy) == 0
    assert not served.requests


async def test_5923_9_2_without_a_certificate_there_is_no_alias() -> None:
    """A connection of its own is opened, to the listener."""
    served = Served()
    async with node(served) as phone, node() as server:
        assert status(await outcome_of(phone, request_to(f"sips:{place_of(server)}"))) == 200
        assert status(await outcome_of(server, request_to(f"sips:{place_of(phone)}"))) == 200
    assert [flow.opened for _, flow in served.requests] == [False]


async def test_5923_8_2_who_does_not_offer_it_gets_no_requests_on_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names_are_here(monkeypatch)
    monkeypatch.setattr(routing, "via_of", lambda hop, branch, flow: f"{hop};branch={branch};rport")
    served = Served()
    async with proxy_and_server(served) as (proxy, server):
        assert await sent_by_name(server, "proxy.example.net", proxy) == 200
    assert [flow.opened for _, flow in served.requests] == [False]


async def test_5923_8_2_when_the_connection_is_gone_another_one_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    names_are_here(monkeypatch)
    served = Served()
    async with node(security=installed(clients="authority").security) as server:
        async with node(security=installed("proxy").security) as first:
            assert status(await outcome_of(first, request_to(f"sips:{place_of(server)}"))) == 200
            port = place_of(first).port
        async with node(served, installed("proxy").security, port=port) as second:
            assert await sent_by_name(server, "proxy.example.net", second) == 200
    assert [flow.opened for _, flow in served.requests] == [False]


def names_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all names be those of the loopback."""

    async def ask(self: Dns, questions: Sequence[Question]) -> list[Records]:
        return [("127.0.0.1",) if each.kind is Kind.A else () for each in questions]

    monkeypatch.setattr(Dns, "ask", ask)
