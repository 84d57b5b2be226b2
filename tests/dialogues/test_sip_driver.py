"""The SIP driver over real sockets: requests served and sent, over UDP and TCP, with every way to fail."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from abserver.net import sip_driver, ways
from abserver.net.listeners import ListenerError, PortTaken
from abserver.net.sip_driver import SipDriver
from abserver.ports import RequestHandler, Respond, SendFailure
from abserver.sip.codec import serialize, write_fields
from abserver.sip.dialog import Dialog
from abserver.sip.identifiers import new_call_id
from abserver.sip.message import Headers, Request, Response
from abserver.sip.outgoing import ON_FLOW, Outgoing
from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, make_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from abserver.net.connections import StreamLimits

ANY = Address("127.0.0.1", 0)
CAPABILITIES = Capabilities(methods=("OPTIONS", "NOTIFY", "SUBSCRIBE"), body_types=("text/plain",))


class Served:
    """A handler that answers 200 and keeps what it got."""

    def __init__(self) -> None:
        self.requests: list[tuple[Request, Flow]] = []

    async def __call__(self, request: Request, flow: Flow, respond: Respond) -> None:
        self.requests.append((request, flow))
        respond(make_response(request, 200))


@asynccontextmanager
async def node(
    handler: RequestHandler | None = None,
    *,
    udp: tuple[Address, ...] = (ANY,),
    tcp: tuple[Address, ...] = (ANY,),
    tracer: Callable[[TracedMessage], None] | None = None,
    limits: StreamLimits | None = None,
) -> AsyncIterator[SipDriver]:
    driver = SipDriver(
        handler or Served(),
        CAPABILITIES,
        udp=udp,
        tcp=tcp,
        tracer=tracer,
        limits=limits,
    )
    await driver.start()
    try:
        yield driver
    finally:
        await driver.stop()


def address_of(driver: SipDriver, transport: Transport) -> Address:
    return next(each.address for each in driver.ready if each.transport is transport)


def request_to(address: Address, *, method: str = "NOTIFY", transport: str = "udp", body: bytes = b"") -> Request:
    headers = Headers(
        [
            ("Max-Forwards", "70"),
            ("From", "<sip:ann@example.com>;tag=1"),
            ("To", "<sip:bob@example.com>;tag=2"),
            ("Call-ID", new_call_id()),
            ("CSeq", f"1 {method}"),
        ]
    )
    if body:
        headers.add("Content-Type", "text/plain")
    return Request(method, f"sip:bob@{address};transport={transport}", headers, body)


async def outcome_of(
    driver: SipDriver, request: Request | Outgoing, flow: Flow | None = None
) -> Response | SendFailure:
    """Send and wait for what becomes of it."""
    outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
    driver.send(request, flow=flow, answered=outcome.set_result)
    return await outcome


def status(outcome: Response | SendFailure) -> int:
    assert isinstance(outcome, Response), outcome
    return outcome.status


@pytest.mark.rfc("3261", "18", "UDP and TCP")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_request_reaches_the_handler_and_its_response_comes_back(host: str, transport: Transport) -> None:
    served, here = Served(), Address(host, 0)
    async with node(served, udp=(here,), tcp=(here,)) as server, node(udp=(here,), tcp=(here,)) as client:
        target = address_of(server, transport)
        outcome = await outcome_of(client, request_to(target, transport=transport.value.lower(), body=b"hello"))
    assert status(outcome) == 200
    [(request, flow)] = served.requests
    assert request.body == b"hello"
    assert flow.transport is transport
    assert flow.local == target


@pytest.mark.rfc("3261", "18.1.1", "a connection is used again")
async def test_a_tcp_connection_is_used_again() -> None:
    served = Served()
    async with node(served) as server, node() as client:
        target = address_of(server, Transport.TCP)
        for _ in range(3):
            assert status(await outcome_of(client, request_to(target, transport="tcp"))) == 200
    assert len({flow.connection for _, flow in served.requests}) == 1


async def test_a_request_goes_back_on_the_live_connection_whatever_its_uri_says() -> None:
    served, answers = Served(), Served()
    async with node(served) as server, node(answers) as client:
        await outcome_of(client, request_to(address_of(server, Transport.TCP), transport="tcp"))
        [(_, flow)] = served.requests
        back = request_to(Address("192.0.2.1", 9), transport="udp")
        assert status(await outcome_of(server, back, flow)) == 200
    assert len(answers.requests) == 1


async def test_a_request_for_its_flow_alone_leaves_there_whatever_its_uri_and_size_rfc5626_5_3() -> None:
    served, answers = Served(), Served()
    async with node(served, tcp=()) as server, node(answers, tcp=()) as client:
        await outcome_of(client, request_to(address_of(server, Transport.UDP)))
        [(_, flow)] = served.requests
        back = Outgoing.of(request_to(Address("192.168.1.7", 5060), body=b"x" * 2000))
        back.next_hop = ON_FLOW
        assert status(await outcome_of(server, back, flow)) == 200
    assert [each.body for each, _ in answers.requests] == [b"x" * 2000]


@pytest.mark.parametrize(
    "flow",
    [
        None,
        Flow(Transport.TCP, Address("127.0.0.1", 1), Address("127.0.0.1", 2), connection=99),
        Flow(Transport.TCP, Address("127.0.0.1", 1), Address("127.0.0.1", 2)),  # as a journal remembers it
        Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("127.0.0.1", 2)),
    ],
)
async def test_a_request_for_a_flow_that_is_gone_is_unreachable_rfc5626_5_3_1(flow: Flow | None) -> None:
    served = Served()
    async with node(served) as server, node() as client:
        request = Outgoing.of(request_to(address_of(server, Transport.UDP)))
        request.next_hop = ON_FLOW
        assert await outcome_of(client, request, flow) is SendFailure.UNREACHABLE
    assert served.requests == []


@pytest.mark.rfc("3261", "18.1.1", "large requests go by TCP")
async def test_a_request_over_1300_bytes_leaves_by_tcp() -> None:
    """RFC 3261 §18.1.1."""
    served = Served()
    async with node(served) as server, node() as client:
        target = address_of(server, Transport.UDP)
        assert status(await outcome_of(client, request_to(target, body=b"x" * 1300))) == 200
        assert status(await outcome_of(client, request_to(target, body=b"x" * 100))) == 200
    assert [flow.transport for _, flow in served.requests] == [Transport.TCP, Transport.UDP]
    assert served.requests[0][0].via.transport == "TCP"


@pytest.mark.rfc("3261", "18.1.1", "large requests go by TCP")
async def test_requests_of_a_dialog_leave_as_text_by_the_way_that_is_known_and_large_ones_by_tcp() -> None:
    """RFC 3261 §18.1.1 holds for a next hop that was reached by UDP before."""
    served = Served()
    async with node(served) as server, node() as client:
        target = address_of(server, Transport.UDP)
        dialog = Dialog("c1", "a1", "b1", "sip:ann@example.com", "sip:bob@example.com", f"sip:bob@{target}")
        fields = write_fields(
            [("Contact", f"<sip:{address_of(client, Transport.UDP)}>"), ("Content-Type", "text/plain")]
        )
        for octets in (10, 20, 1300, 30):
            outgoing = dialog.next_outgoing("NOTIFY", fields, b"x" * octets)
            assert status(await outcome_of(client, outgoing)) == 200
    transports = [flow.transport for _, flow in served.requests]
    assert transports == [Transport.UDP, Transport.UDP, Transport.TCP, Transport.UDP]
    assert [request.cseq.number for request, _ in served.requests] == [1, 2, 3, 4]
    assert [len(request.body) for request, _ in served.requests] == [10, 20, 1300, 30]


async def test_known_ways_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "MAX_KNOWN", 1)
    async with node() as one, node() as other, node() as client:
        for server in (one, other, one):
            assert status(await outcome_of(client, request_to(address_of(server, Transport.UDP)))) == 200


async def test_a_request_that_cannot_be_written_is_our_fault_and_raised() -> None:
    forged = request_to(ANY)
    forged.headers.add("Subject", "two\r\nlines")
    async with node() as client:
        with pytest.raises(ValueError, match="line break"):
            client.send(forged, flow=None, answered=lambda outcome: None)


async def test_many_requests_at_once_all_get_their_answers() -> None:
    served = Served()
    async with node(served) as server, node() as client:
        target = address_of(server, Transport.UDP)
        outcomes = await asyncio.gather(*(outcome_of(client, request_to(target)) for _ in range(500)))
        assert {status(outcome) for outcome in outcomes} == {200}
    assert len(served.requests) == 500


@pytest.mark.rfc("3261", "18.1.1", "and by UDP where there is no TCP")
async def test_a_large_request_goes_by_udp_when_the_peer_refuses_tcp_and_the_refusal_is_remembered() -> None:
    """RFC 3261 §18.1.1."""
    served = Served()
    seen: list[TracedMessage] = []
    async with node(served, tcp=()) as server, node(tracer=seen.append) as client:
        target = address_of(server, Transport.UDP)
        assert status(await outcome_of(client, request_to(target, body=b"x" * 1300))) == 200
        with socket.create_server(target):  # now it would take TCP, but nobody asks
            assert status(await outcome_of(client, request_to(target, body=b"x" * 1300))) == 200
    assert {flow.transport for _, flow in served.requests} == {Transport.UDP}
    assert {each.flow.transport for each in seen} == {Transport.UDP}


@pytest.mark.rfc("3261", "18.1.1", "a connection is used again")
async def test_requests_that_wait_for_one_connection_share_it() -> None:
    served = Served()
    async with node(served) as server, node() as client:
        target = address_of(server, Transport.TCP)
        outcomes = await asyncio.gather(
            *(outcome_of(client, request_to(target, transport="tcp", body=b"%d" % n)) for n in range(20))
        )
    assert {status(outcome) for outcome in outcomes} == {200}
    assert len({flow.connection for _, flow in served.requests}) == 1


@pytest.mark.rfc("3261", "8.1.3.1", "a transport error is a 503")
@pytest.mark.rfc("3261", "18.4", "unreachable is a failure")
async def test_a_refused_connection_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = Address("127.0.0.1", closed.getsockname()[1])
    async with node() as client:
        assert await outcome_of(client, request_to(nobody, transport="tcp")) is SendFailure.UNREACHABLE


@pytest.mark.rfc("3261", "8.1.3.1", "a transport error is a 503")
async def test_an_icmp_error_is_unreachable_long_before_timer_f() -> None:
    """RFC 3261 §18.4."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Address("127.0.0.1", closed.getsockname()[1])
    async with node() as server, node() as client:
        async with asyncio.timeout(10):  # timer F would be 32 s
            assert await outcome_of(client, request_to(nobody)) is SendFailure.UNREACHABLE
        assert status(await outcome_of(client, request_to(address_of(server, Transport.UDP)))) == 200


async def test_a_connection_that_breaks_fails_the_requests_on_it() -> None:
    """RFC 3261 §17.1.4."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
        listener.setblocking(False)
        async with node() as client:
            waiting = asyncio.create_task(outcome_of(client, request_to(address, transport="tcp")))
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            await asyncio.get_running_loop().sock_recv(connection, 65535)
            connection.close()
            assert await waiting is SendFailure.UNREACHABLE


@pytest.mark.parametrize(
    "uri",
    [
        "sip:bob@no-such-host.invalid",
        "tel:+49123",
        "sips:bob@127.0.0.1",
        "sip:bob@127.0.0.1;transport=ws",
        "sip:bob@[::1]",
    ],
)
async def test_a_target_without_a_way_to_it_is_unreachable(uri: str) -> None:
    request = request_to(ANY)
    async with node() as client:
        outcome = await outcome_of(client, Request(request.method, uri, request.headers))
    assert outcome is SendFailure.UNREACHABLE


@pytest.mark.rfc("3261", "8.1.2", "the DNS tells the destination")
async def test_a_host_name_is_looked_up() -> None:
    async with node() as server, node() as client:
        port = address_of(server, Transport.UDP).port
        for _ in range(2):
            named = Request("NOTIFY", f"sip:bob@localhost:{port}", request_to(ANY).headers)
            assert status(await outcome_of(client, named)) == 200


@pytest.mark.rfc("3261", "8.1.2", "otherwise the first Route")
async def test_the_first_route_takes_precedence_over_the_request_uri() -> None:
    """RFC 3261 §8.1.2."""
    served = Served()
    async with node(served) as server, node() as client:
        request = request_to(Address("192.0.2.1", 9))
        request.headers.add("Route", f"<sip:{address_of(server, Transport.UDP)};lr>, <sip:192.0.2.2;lr>")
        assert status(await outcome_of(client, request)) == 200
    assert served.requests[0][0].uri == request.uri


@pytest.mark.rfc("3261", "8.1.2", "behind a strict router the Request-URI counts")
async def test_a_strict_router_is_the_request_uri() -> None:
    """RFC 3261 §12.2.1.1: the Request-URI of such a request names the next hop."""
    async with node() as server, node() as client:
        request = request_to(address_of(server, Transport.UDP))
        request.headers.add("Route", "<sip:192.0.2.2>")
        assert status(await outcome_of(client, request)) == 200


@pytest.mark.rfc("3261", "8.2.2.3", "extensions not understood are a 420")
async def test_what_the_server_cannot_serve_is_refused_before_the_handler() -> None:
    served = Served()
    async with node(served) as server, node() as client:
        target = address_of(server, Transport.UDP)
        assert status(await outcome_of(client, request_to(target, method="MESSAGE"))) == 405
        unsupported = request_to(target)
        unsupported.headers.add("Require", "replaces")
        assert status(await outcome_of(client, unsupported)) == 420
    assert served.requests == []


async def test_a_fault_in_a_handler_is_logged_once_and_answered_500(caplog: pytest.LogCaptureFixture) -> None:
    async def faulty(request: Request, flow: Flow, respond: Respond) -> None:
        raise ZeroDivisionError

    async with node(faulty) as server, node() as client:
        assert status(await outcome_of(client, request_to(address_of(server, Transport.UDP)))) == 500
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["request failed"]


async def test_a_handler_that_forgets_to_answer_is_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(request: Request, flow: Flow, respond: Respond) -> None:
        return

    async with node(silent) as server, node() as client:
        assert status(await outcome_of(client, request_to(address_of(server, Transport.UDP)))) == 500
    assert "request failed" in caplog.messages


async def test_a_second_answer_is_a_fault_and_never_leaves(caplog: pytest.LogCaptureFixture) -> None:
    async def twice(request: Request, flow: Flow, respond: Respond) -> None:
        respond(make_response(request, 200))
        respond(make_response(request, 403))

    async with node(twice) as server, node() as client:
        assert status(await outcome_of(client, request_to(address_of(server, Transport.UDP)))) == 200
    assert "request failed" in caplog.messages


@pytest.mark.rfc("3261", "18.2.2", "or by a new one")
async def test_a_response_whose_connection_is_gone_leaves_on_another_one() -> None:
    """RFC 3261 §18.2.2: to the source of the request, at the port in the sent-by."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: Request, flow: Flow, respond: Respond) -> None:
        entered.set()
        await leave.wait()
        respond(make_response(request, 200))

    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    listener = await asyncio.start_server(listen, *ANY)
    async with listener, node(slow) as server:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(*address_of(server, Transport.TCP))
        request = request_to(address_of(server, Transport.TCP))
        request.headers.add("Via", f"SIP/2.0/TCP phone.example.com:{port};branch=z9hG4bKcut")
        writer.write(serialize(request))
        await entered.wait()
        writer.write_eof()
        assert await reader.read() == b""  # the server has closed it
        writer.close()
        leave.set()
        response = await heard.get()
    assert response.startswith(b"SIP/2.0 200 ")
    assert b"branch=z9hG4bKcut" in response


async def test_a_response_that_finds_no_connection_is_lost_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    entered, leave, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(request: Request, flow: Flow, respond: Respond) -> None:
        entered.set()
        await leave.wait()
        respond(make_response(request, 200))
        left.set()

    with socket.create_server(ANY) as closed:
        port = closed.getsockname()[1]
    async with node(slow) as server:
        reader, writer = await asyncio.open_connection(*address_of(server, Transport.TCP))
        request = request_to(address_of(server, Transport.TCP))
        request.headers.add("Via", f"SIP/2.0/TCP phone.example.com:{port};branch=z9hG4bKcut")
        writer.write(serialize(request))
        await entered.wait()
        writer.write_eof()
        assert await reader.read() == b""  # the server has closed it
        writer.close()
        leave.set()
        await left.wait()
    assert "response not sent: its connection is gone" in caplog.messages


async def test_a_retransmitted_request_is_handled_once_and_answered_again() -> None:
    """RFC 3261 §17.2.2."""
    served = Served()
    async with node(served) as server:
        peer, answers = await open_peer(address_of(server, Transport.UDP))
        message = raw_options(peer)
        peer.sendto(message)
        first = await answers.get()
        peer.sendto(message)
        assert await answers.get() == first
        peer.close()
    assert len(served.requests) == 1


async def test_garbage_is_met_with_silence_and_serving_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with node() as server:
        peer, answers = await open_peer(address_of(server, Transport.UDP))
        for garbage in (b"", b"\x00" * 100, b"\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"x" * 60_000):
            peer.sendto(garbage)
        peer.sendto(raw_options(peer))
        assert (await answers.get()).startswith(b"SIP/2.0 200 ")
        peer.close()
    assert caplog.records == []


@pytest.mark.rfc("3261", "18.3", "framing")
async def test_a_malformed_request_gets_400() -> None:
    """RFC 3261 §18.3: a body shorter than Content-Length."""
    async with node() as server:
        peer, answers = await open_peer(address_of(server, Transport.UDP))
        peer.sendto(raw_options(peer).replace(b"Content-Length: 0", b"Content-Length: 5"))
        assert (await answers.get()).startswith(b"SIP/2.0 400 ")
        peer.close()


async def test_every_message_is_traced() -> None:
    seen: list[TracedMessage] = []
    async with node() as server, node(tracer=seen.append) as client:
        await outcome_of(client, request_to(address_of(server, Transport.UDP)))
    assert [each.direction for each in seen] == [Direction.OUT, Direction.IN]
    assert seen[0].data.startswith(b"NOTIFY sip:bob@")
    assert seen[1].data.startswith(b"SIP/2.0 200 ")
    assert seen[0].at <= seen[1].at
    assert seen[0].flow.remote == address_of(server, Transport.UDP)


async def test_a_taken_port_is_named_and_nothing_stays_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Address("127.0.0.1", other.getsockname()[1])
        driver = SipDriver(Served(), CAPABILITIES, udp=(taken,), tcp=(taken,))
        with pytest.raises(PortTaken, match=rf"cannot listen on tcp 127\.0\.0\.1:{taken.port}: the port is taken"):
            await driver.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(taken)


async def test_an_address_that_is_not_ours_is_named() -> None:
    driver = SipDriver(Served(), CAPABILITIES, udp=(Address("192.0.2.1", 5060),))
    with pytest.raises(
        ListenerError, match=r"cannot listen on udp 192\.0\.2\.1:5060: this machine has no such address"
    ):
        await driver.start()


@pytest.mark.rfc("3261", "18.2.1", "one port for UDP and TCP")
async def test_udp_and_tcp_on_any_port_share_it() -> None:
    """RFC 3261 §18.2.1."""
    async with node() as driver:
        assert address_of(driver, Transport.UDP) == address_of(driver, Transport.TCP)


async def test_a_wildcard_listener_names_the_address_that_its_peer_reaches() -> None:
    served, everywhere = Served(), Address("0.0.0.0", 0)
    async with node(served, udp=(everywhere,), tcp=(everywhere,)) as server, node() as client:
        port = server.ready[0].address.port
        await outcome_of(client, request_to(Address("127.0.0.1", port)))
        assert served.requests[0][1].local == Address("127.0.0.1", port)
        back = request_to(address_of(client, Transport.UDP))
        assert status(await outcome_of(server, back, served.requests[0][1])) == 200


@pytest.mark.rfc("3261", "18.1.1", "our sent-by is where we are found")
async def test_a_request_leaves_by_the_listener_that_its_peer_spoke_to() -> None:
    heard = Served()
    async with node(udp=(ANY, ANY), tcp=()) as server, node(heard, tcp=()) as client:
        to_client = address_of(client, Transport.UDP)
        for listening in server.ready:
            flow = Flow(Transport.UDP, listening.address, to_client)
            await outcome_of(server, request_to(to_client), flow)
    assert [flow.remote for _, flow in heard.requests] == [each.address for each in server.ready]


async def test_stopping_lets_a_handler_end_and_answers_newcomers_503() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: Request, flow: Flow, respond: Respond) -> None:
        entered.set()
        await leave.wait()
        respond(make_response(request, 200))

    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(node())
        server = await stack.enter_async_context(node(slow))
        target = address_of(server, Transport.UDP)
        first = asyncio.create_task(outcome_of(client, request_to(target)))
        await entered.wait()
        stopping = asyncio.create_task(server.stop())
        assert status(await outcome_of(client, request_to(target, method="SUBSCRIBE"))) == 503
        leave.set()
        assert status(await first) == 200
        await stopping


async def test_more_requests_than_can_be_handled_get_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_driver, "MAX_HANDLING", 0)
    async with node() as server, node() as client:
        outcome = await outcome_of(client, request_to(address_of(server, Transport.UDP)))
    assert isinstance(outcome, Response)
    assert (outcome.status, outcome.headers.get("Retry-After")) == (503, "5")


async def test_a_stream_that_cannot_be_framed_is_answered_and_closed() -> None:
    """RFC 3261 §18.3: Content-Length is a must on streams."""
    async with node() as server:
        reader, writer = await asyncio.open_connection(*address_of(server, Transport.TCP))
        writer.write(
            b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
            b"To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
        assert (await reader.read()).startswith(b"SIP/2.0 400 ")
        writer.close()


async def test_a_fault_in_an_answer_is_logged_and_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    faulty = asyncio.Event()

    def answered(outcome: Response | SendFailure) -> None:
        faulty.set()
        raise ZeroDivisionError

    async with node() as server, node() as client:
        target = address_of(server, Transport.UDP)
        client.send(request_to(target), flow=None, answered=answered)
        await faulty.wait()
        assert status(await outcome_of(client, request_to(target))) == 200
    assert caplog.messages == ["answer not handled"]


async def test_a_message_that_cannot_be_written_is_our_fault_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(request: Request, flow: Flow, respond: Respond) -> None:
        respond(make_response(request, 200, headers=[("Subject", "two\r\nlines")]))

    async with node(broken) as server, node() as client:
        assert status(await outcome_of(client, request_to(address_of(server, Transport.UDP)))) == 500
    assert "request failed" in caplog.messages


async def test_answers_stop_with_the_driver() -> None:
    told: list[object] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with node() as client:
            client.send(request_to(Address(*silent.getsockname())), flow=None, answered=told.append)
            client.send(Request("NOTIFY", "tel:1", request_to(ANY).headers), flow=None, answered=told.append)
    assert told == []


async def test_a_listener_reads_like_its_configuration() -> None:
    async with node() as driver:
        port = driver.ready[0].address.port
        assert [str(each) for each in driver.ready] == [f"udp 127.0.0.1:{port}", f"tcp 127.0.0.1:{port}"]


async def test_it_runs_on_uvloop() -> None:
    """In a loop of its own, because the tests' loop is asyncio's."""
    import uvloop

    async def exchange() -> list[object]:
        async with node() as server, node() as client:
            target = address_of(server, Transport.UDP)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
                closed.bind(("127.0.0.1", 0))
                nobody = Address("127.0.0.1", closed.getsockname()[1])
            return [
                await outcome_of(client, request_to(nobody)),
                status(await outcome_of(client, request_to(target))),
                status(await outcome_of(client, request_to(target, body=b"x" * 1300))),
            ]

    def run() -> list[object]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(exchange())

    assert await asyncio.to_thread(run) == [SendFailure.UNREACHABLE, 200, 200]


async def open_peer(target: Address) -> tuple[asyncio.DatagramTransport, asyncio.Queue[bytes]]:
    """A plain UDP socket that speaks to one address, and what it is sent."""
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    class Peer(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            answers.put_nowait(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Peer, remote_addr=target)
    return transport, answers


def raw_options(peer: asyncio.DatagramTransport) -> bytes:
    host, port = peer.get_extra_info("sockname")
    lines = [
        "OPTIONS sip:example.com SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKraw{port}",
        "From: <sip:ann@example.com>;tag=1",
        "To: <sip:example.com>",
        f"Call-ID: raw-{port}",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()
