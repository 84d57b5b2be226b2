"""RFC 3263 §4.3: a request that fails at one hop goes to the next one. Zones of ours on loopback, real sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from abserver.net import trails
from abserver.net.sip_driver import SipDriver
from abserver.net.trails import FAILURE_KEPT, LONGEST_KEPT, PATIENCE, FailedHops, Trail
from abserver.ports import Respond, SendFailure
from abserver.sip import client_transaction
from abserver.sip.identifiers import new_call_id
from abserver.sip.locating import Hop
from abserver.sip.message import Headers, Request, Response
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, make_response
from tests.support.name_server import name_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ANY = Address("127.0.0.1", 0)
CAPABILITIES = Capabilities(methods=("NOTIFY",), body_types=("text/plain",))


class Hopping:
    """A server that answers one status, and keeps what it got."""

    def __init__(self, status: int = 200, **fields: str) -> None:
        self.status = status
        self.fields = [(name.replace("_", "-"), value) for name, value in fields.items()]
        self.requests: list[Request] = []

    async def __call__(self, request: Request, flow: Flow, respond: Respond) -> None:
        self.requests.append(request)
        respond(make_response(request, self.status, headers=self.fields))


@asynccontextmanager
async def serving(*handlers: Hopping | Address, transport: str = "udp") -> AsyncIterator[SipDriver]:
    """A client to whom sip:bob@example.test is served by these, the first preferred; an address is one as it is."""
    async with AsyncExitStack() as stack:
        ports = []
        for handler in handlers:
            if isinstance(handler, Address):
                ports.append(handler.port)
                continue
            server = SipDriver(handler, CAPABILITIES, udp=(ANY,), tcp=(ANY,))
            await server.start()
            stack.push_async_callback(server.stop)
            ports.append(server.ready[0].address.port)
        zone = {
            (f"_sip._{transport}.example.test.", "SRV"): (
                60,
                "\n".join(f"{place} 1 {port} a.example.test." for place, port in enumerate(ports)),
            ),
            ("a.example.test.", "A"): (60, "127.0.0.1"),
        }
        names, _ = await stack.enter_async_context(name_server(zone))
        client = SipDriver(Hopping(), CAPABILITIES, udp=(ANY,), tcp=(ANY,), name_servers=[names.address])
        await client.start()
        stack.push_async_callback(client.stop)
        yield client


@asynccontextmanager
async def silent(*, says: bytes = b"") -> AsyncIterator[tuple[Address, list[bytes]]]:
    """A UDP socket that takes everything; with `says`, a response with the fields of the request is said to each."""
    taken: list[bytes] = []

    class Silent(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            taken.append(data)
            if says:
                self.transport.sendto(says + data.partition(b"\r\n")[2], addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Silent, local_addr=ANY)
    try:
        yield Address(*transport.get_extra_info("sockname")), taken
    finally:
        transport.close()


def closed() -> Address:
    """A port that nobody listens at."""
    with socket.create_server(ANY) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        address = Address(*listener.getsockname())
        datagrams.bind(address)
        return address


async def outcome_of(client: SipDriver, *, transport: str = "udp") -> int | SendFailure:
    headers = Headers(
        [
            ("Max-Forwards", "70"),
            ("From", "<sip:ann@example.com>;tag=1"),
            ("To", "<sip:bob@example.com>;tag=2"),
            ("Call-ID", new_call_id()),
            ("CSeq", "1 NOTIFY"),
        ]
    )
    outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
    request = Request("NOTIFY", f"sip:bob@example.test;transport={transport}", headers)
    client.send(request, flow=None, answered=outcome.set_result)
    told = await outcome
    return told.status if isinstance(told, Response) else told


@pytest.mark.rfc("3261", "8.1.2", "each address is tried")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_hop_that_cannot_be_reached_is_passed_over(transport: str) -> None:
    """RFC 3263 §4.3: "a transport failure of some sort (generally, due to fatal ICMP errors in UDP or connection
    failures in TCP)"."""
    second = Hopping()
    async with serving(closed(), second, transport=transport) as client:
        assert await outcome_of(client, transport=transport) == 200
    assert len(second.requests) == 1


async def test_a_connection_that_breaks_without_an_answer_is_a_failure_of_the_hop() -> None:
    """RFC 3263 §4.3, RFC 3261 §17.1.4."""
    second, took = Hopping(), asyncio.Event()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        took.set()
        writer.close()

    listener = await asyncio.start_server(cut, *ANY)
    async with listener, serving(Address(*listener.sockets[0].getsockname()), second, transport="tcp") as client:
        assert await outcome_of(client, transport="tcp") == 200
    assert took.is_set()
    assert len(second.requests) == 1


@pytest.mark.rfc("3261", "8.1.2", "each address is tried")
@pytest.mark.rfc("3261", "21.5.4", "a 503 is taken to another server")
@pytest.mark.parametrize("fields", [{}, {"Retry_After": "30"}])
async def test_a_503_sends_the_request_to_the_next_hop_in_a_transaction_of_its_own(fields: dict[str, str]) -> None:
    """RFC 3263 §4.3: "identical to the previous, but has a different value of the Via branch ID"."""
    first, second = Hopping(503, **fields), Hopping()
    async with serving(first, second) as client:
        assert await outcome_of(client) == 200
    [one], [other] = first.requests, second.requests
    assert one.via.branch != other.via.branch
    for request in (one, other):
        request.headers.remove("Via")
    assert (one.uri, one.headers, one.body) == (other.uri, other.headers, other.body)


@pytest.mark.rfc("3261", "21.5.4", "and its Retry-After kept")
async def test_a_retry_after_keeps_other_requests_away_and_a_503_without_one_does_not() -> None:
    """RFC 3261 §21.5.4."""
    asked, unasked, second = Hopping(503, Retry_After="30"), Hopping(503), Hopping()
    async with serving(asked, unasked, second) as client:
        for _ in range(3):
            assert await outcome_of(client) == 200
    assert [len(each.requests) for each in (asked, unasked, second)] == [1, 3, 3]


async def test_another_refusal_is_the_answer() -> None:
    """RFC 3263 §4.3: only 503 is a failure."""
    first, second = Hopping(500), Hopping()
    async with serving(first, second) as client:
        assert await outcome_of(client) == 500
    assert second.requests == []


async def test_the_last_failure_is_the_outcome() -> None:
    async with serving(closed(), Hopping(503)) as client:
        assert await outcome_of(client) == 503
    async with serving(Hopping(503), closed()) as client:
        assert await outcome_of(client) is SendFailure.UNREACHABLE
    async with serving(Hopping(503), closed(), transport="tcp") as client:
        assert await outcome_of(client, transport="tcp") == 503


@pytest.mark.rfc("3261", "8.1.2", "each address is tried")
async def test_a_silent_hop_is_passed_over_when_timer_f_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3263 §4.3; the next request does not wait for it again."""
    monkeypatch.setattr(client_transaction, "TRANSACTION_TIMEOUT", 0.2)
    second = Hopping()
    async with silent() as (nobody, taken), serving(nobody, second) as client:
        assert await outcome_of(client) == 200
        assert len(taken) == 1
        assert await outcome_of(client) == 200
        assert len(taken) == 1
    assert len(second.requests) == 2


async def test_a_hop_that_said_100_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3263 §4.3: "times out without ever having received any response, provisional or final"."""
    monkeypatch.setattr(client_transaction, "TRANSACTION_TIMEOUT", 0.2)
    second = Hopping()
    async with silent(says=b"SIP/2.0 100 Trying\r\n") as (busy, _), serving(busy, second) as client:
        assert await outcome_of(client) is SendFailure.TIMEOUT
    assert second.requests == []


async def test_what_is_too_late_for_another_hop_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_transaction, "TRANSACTION_TIMEOUT", 0.2)
    monkeypatch.setattr(trails, "PATIENCE", 0.1)
    second = Hopping()
    async with silent() as (nobody, _), serving(nobody, second) as client:
        assert await outcome_of(client) is SendFailure.TIMEOUT
    assert second.requests == []


# The trail alone

HOPS = [Hop(Transport.UDP, Address(f"192.0.2.{number}", 5060)) for number in range(1, 5)]
REFUSED = Response(503, "Service Unavailable", Headers([("Retry-After", "7 (restarting)")]))


def walk(failed: FailedHops, now: float) -> list[Hop]:
    trail, hops = Trail(HOPS, failed, now), []
    while (hop := trail.next(now)) is not None:
        hops.append(hop)
    return hops


def test_two_hops_may_be_silent_and_any_number_may_refuse() -> None:
    """The bound of an outcome: PATIENCE and one more Timer F."""
    trail = Trail(HOPS, FailedHops(), 100.0)
    assert trail.next(100.0) == HOPS[0]
    assert trail.fails(SendFailure.TIMEOUT, 132.0, heard=False)
    assert trail.next(132.0) == HOPS[1]
    assert trail.fails(SendFailure.UNREACHABLE, 132.1, heard=False)
    assert trail.next(132.1) == HOPS[2]
    assert trail.fails(SendFailure.TIMEOUT, 164.1, heard=False)
    assert trail.next(100 + PATIENCE) is None
    assert not trail.fails(SendFailure.TIMEOUT, 200.0, heard=False)


def test_a_hop_that_failed_is_the_last_choice_for_a_while() -> None:
    failed = FailedHops()
    trail = Trail(HOPS, failed, 0.0)
    trail.next(0.0)
    trail.fails(SendFailure.UNREACHABLE, 0.0, heard=False)
    trail.next(0.0)
    assert trail.fails(REFUSED, 0.0, heard=False)
    assert walk(failed, 6.9) == [*HOPS[2:], *HOPS[:2]]
    assert walk(failed, 7.0) == [*HOPS[1:], HOPS[0]]
    assert walk(failed, FAILURE_KEPT) == HOPS


def test_a_hop_that_takes_a_request_has_not_failed_any_more() -> None:
    failed = FailedHops()
    failed.note(HOPS[0], 0.0, 1e9)
    assert walk(failed, LONGEST_KEPT - 1) == [*HOPS[1:], HOPS[0]]
    trail = Trail(HOPS[:1], failed, 1.0)
    trail.next(1.0)
    assert not trail.fails(Response(200, "OK"), 1.0, heard=False)
    assert walk(failed, 1.0) == HOPS


@pytest.mark.parametrize("value", [None, "soon"])
def test_a_503_without_a_time_says_nothing_of_other_requests(value: str | None) -> None:
    """RFC 3261 §21.5.4."""
    failed = FailedHops()
    trail = Trail(HOPS, failed, 0.0)
    trail.next(0.0)
    assert trail.fails(Response(503, "x", Headers([("Retry-After", value)] if value else [])), 0.0, heard=False)
    assert walk(failed, 0.0) == HOPS


def test_failed_hops_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trails, "MAX_FAILED", 1)
    failed = FailedHops()
    failed.note(HOPS[0], 0.0, 10.0)
    failed.note(HOPS[1], 0.0, 10.0)
    assert walk(failed, 1.0) == [HOPS[0], *HOPS[2:], HOPS[1]]
