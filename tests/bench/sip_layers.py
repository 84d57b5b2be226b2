"""What the SIP layers alone cost: a NOTIFY of ours and its 200, a SUBSCRIBE of a peer and its 200, over loopback.

The driver runs in this process on uvloop, as in the server; its peer is another process. The figures are CPU time of
this process from `send` to `answered`, and from a datagram's arrival to the answer's departure, the kernel's part
included; beside them stands what a plain socket needs for datagrams of such sizes.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import socket
import statistics
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvloop

from abserver.net.sip_driver import SipDriver
from abserver.ports import SendFailure
from abserver.sip.codec import write_fields
from abserver.sip.dialog import Dialog
from abserver.sip.effects import RequestReceived
from abserver.sip.endpoint import Endpoint
from abserver.sip.gate import Gate
from abserver.sip.shedding import Kind, Load, Shedder
from abserver.sip.sources import Sources
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, inspect, make_response
from tests.bench.measuring import ROUNDS, Row
from tests.bench.messages import answer_to, owner, subscribe_of
from tests.fuzz.worst import LARGEST, filled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from abserver.ports import Respond
    from abserver.sip.message import Request, Response

CALLS = 5_000
WINDOW = 256
PORTION = 250
"""SUBSCRIBEs that nobody waits for, at once."""
BODY = b"x" * 300
"""Makes a NOTIFY of about 900 octets."""


def rows(rounds: int = ROUNDS) -> Iterator[Row]:
    """What a plain socket needs, and one row for each direction."""
    bare = statistics.median(uvloop.run(_send_bare(rounds)))
    yield Row("a plain socket: as many octets out and back", bare, "µs", "CPU, blocking calls")
    remark = "CPU, the kernel's part included"
    yield Row("SIP layers: a NOTIFY of ours and its 200", statistics.median(uvloop.run(_send(rounds))), "µs", remark)
    yield Row("SIP layers: a SUBSCRIBE and its 200", statistics.median(uvloop.run(_serve(rounds))), "µs", remark)
    yield from worst()
    refused = statistics.median(uvloop.run(_turn_away(rounds, overloaded())))
    yield Row("SIP layers: a new SUBSCRIBE and its 503 under overload", refused, "µs", remark)
    ignored = statistics.median(uvloop.run(_turn_away(rounds, exhausted())))
    yield Row("SIP layers: a request of a source that is ignored", ignored, "µs", remark)


@asynccontextmanager
async def _driver(
    peer: Callable[[socket.socket, Address], None], served: Served, gate: Gate | None = None
) -> AsyncIterator[tuple[SipDriver, Address]]:
    """A driver and a process that runs `peer` with a socket until it gets an empty datagram."""
    driver = SipDriver(served, Capabilities(("SUBSCRIBE",)), udp=[Address("127.0.0.1", 0)], gate=gate)
    await driver.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.bind(("127.0.0.1", 0))
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        address = Address(*theirs.getsockname())
        process = multiprocessing.get_context("fork").Process(
            target=peer, args=(theirs, driver.ready[0].address), daemon=True
        )
        process.start()
        try:
            yield driver, address
        finally:
            await driver.stop()
            theirs.sendto(b"", address)
            process.join()


class Served:
    """Accepts every SUBSCRIBE, and tells when the last one of a round was answered."""

    def __init__(self) -> None:
        self.left = 0
        self.done: asyncio.Future[None] | None = None

    async def __call__(self, request: Request, flow: Flow, respond: Respond) -> None:
        headers = [("Expires", "3600"), ("Contact", f"<sip:{flow.local}>")]
        respond(make_response(request, 200, to_tag="0123456789abcdef", headers=headers))
        self.left -= 1
        if not self.left and self.done is not None:
            self.done.set_result(None)


# -- NOTIFY -----------------------------------------------------------------------------------------------------------


def _answer(sock: socket.socket, driver: Address) -> None:
    while notify := sock.recv(2048):
        sock.sendto(answer_to(notify), driver)


def _answer_to_sender(sock: socket.socket, driver: Address) -> None:
    while True:
        notify, sender = sock.recvfrom(2048)
        if not notify:
            return
        sock.sendto(answer_to(notify), sender)


def dialogs(count: int, peer: Address) -> list[Dialog]:
    """Dialogs with as many users behind one address."""
    return [
        Dialog(
            call_id=f"w{number}.0123456789@127.0.0.1",
            local_tag=f"{number:016x}",
            remote_tag=f"w{number}",
            local_uri="sip:ann@example.com",
            remote_uri=f"sip:w{number}@example.com",
            remote_target=f"sip:w{number}@{peer}",
        )
        for number in range(count)
    ]


def fields_of(contact: str) -> str:
    """The fields that NOTIFYs of one change share."""
    return write_fields(
        [
            ("SIP-ETag", "0123456789abcdef0123456789abcdef"),
            ("Event", "contact-card;base=0123456789abcdef0123456789abcdef"),
            ("Subscription-State", "active;expires=3599"),
            ("Contact", contact),
            ("Content-Type", "application/xml-patch+xml"),
        ]
    )


async def _send_bare(rounds: int) -> list[float]:
    [dialog] = dialogs(1, Address("127.0.0.1", 6000))
    notify = dialog.next_outgoing("NOTIFY", fields_of("<sip:127.0.0.1:5060>"), BODY)
    data = notify.written("SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK0123456789abcdef;rport")
    async with _driver(_answer_to_sender, Served()) as (_, peer):
        return [await asyncio.to_thread(_send_all_bare, data, peer) for _ in range(rounds)]


def _send_all_bare(data: bytes, peer: Address) -> float:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        started = time.process_time()
        for _ in range(WINDOW):
            sock.sendto(data, peer)
        for _ in range(CALLS - WINDOW):
            sock.recvfrom(65_535)
            sock.sendto(data, peer)
        for _ in range(WINDOW):
            sock.recvfrom(65_535)
        return (time.process_time() - started) / CALLS * 1e6


async def _send(rounds: int) -> list[float]:
    async with _driver(_answer, Served()) as (driver, peer):
        return [await _send_all(driver, peer) for _ in range(rounds)]


async def _send_all(driver: SipDriver, peer: Address) -> float:
    here = driver.ready[0].address
    flow = Flow(Transport.UDP, here, peer)
    fields = fields_of(f"<sip:{here}>")
    requests = iter([dialog.next_outgoing("NOTIFY", fields, BODY) for dialog in dialogs(CALLS, peer)])
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left = CALLS

    def answered(outcome: Response | SendFailure) -> None:
        nonlocal left
        if isinstance(outcome, SendFailure) or outcome.status != 200:
            done.set_exception(RuntimeError(f"a NOTIFY failed: {outcome}"))
        left -= 1
        if not left:
            done.set_result(None)
        for request in itertools.islice(requests, 1):
            driver.send(request, flow=flow, answered=answered)

    started = time.process_time()
    for request in itertools.islice(requests, WINDOW):
        driver.send(request, flow=flow, answered=answered)
    await done
    return (time.process_time() - started) / CALLS * 1e6


# -- SUBSCRIBE --------------------------------------------------------------------------------------------------------


def _ask(sock: socket.socket, driver: Address) -> None:
    """On each datagram `go`, send a round of SUBSCRIBEs."""
    port = sock.getsockname()[1]
    numbers = itertools.count()
    while sock.recv(2048):
        for asked in range(CALLS):
            if asked >= WINDOW:
                sock.recv(2048)
            sock.sendto(subscribe_of(next(numbers), port, followed=owner(0)), driver)
        for _ in range(WINDOW):
            sock.recv(2048)


async def _serve(rounds: int) -> list[float]:
    served, costs = Served(), []
    async with _driver(_ask, served) as (_, peer):
        for _ in range(rounds):
            served.left, served.done = CALLS, asyncio.get_running_loop().create_future()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as starter:
                starter.sendto(b"go", peer)
            started = time.process_time()
            await served.done
            costs.append((time.process_time() - started) / CALLS * 1e6)
    return costs


# -- what is made to cost ---------------------------------------------------------------------------------------------


def worst() -> Iterator[Row]:
    """The dearest of all messages that are full of one thing, and how much dearer it is than one a fourth as long."""
    costs = {what: _cost(data) for what, data in filled(LARGEST).items()}
    what = max(costs, key=costs.__getitem__)
    quarter = _cost(filled(LARGEST // 4)[what])
    remark = f"{what}; {costs[what] / quarter:.1f} times that of a quarter of it; the dearest of {len(costs)}"
    yield Row("SIP layers: the worst message of 64 kB", costs[what], "µs", remark)


def _cost(data: bytes) -> float:
    """Microseconds to read it from a datagram and to answer: the least of some."""
    flow, rounds = Flow(Transport.UDP, Address("127.0.0.1", 5060), Address("127.0.0.1", 6000)), []
    for _ in range(3):
        endpoint, started = Endpoint(allow=("SUBSCRIBE",)), time.process_time()
        for effect in endpoint.receive(data, flow, 0.0):
            if isinstance(effect, RequestReceived):
                inspect(effect.request, Capabilities(("SUBSCRIBE",)))
        rounds.append(time.process_time() - started)
    return min(rounds) * 1e6


# -- what is refused --------------------------------------------------------------------------------------------------


def overloaded() -> Gate:
    """A gate that refuses everything new, for good."""
    return _gate(None, Load(1e-9, 1, 1))


def exhausted() -> Gate:
    """A gate that ignores every source."""
    return _gate(Sources(rate=1e-6, burst=1), Load(60, 60_000, 60_000))


def _gate(sources: Sources | None, bounds: Load) -> Gate:
    shedder = Shedder(bounds, lambda: 0.0)
    for _ in range(100):
        shedder.refuses(Kind.NEW)
        shedder.measured(Load(1.0, 0, 0), 0.0)
    return Gate(sources, shedder, trusts=lambda flow: False, retry_after=20, draw=lambda: 0.5, started=0)


def _pour(sock: socket.socket, driver: Address) -> None:
    """On each datagram `go`, send a round of SUBSCRIBEs in portions; `done` at the end. Answers are thrown away."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    port = sock.getsockname()[1]
    numbers = itertools.count()
    while True:
        go, starter = sock.recvfrom(2048)
        if not go:
            return
        if go == b"go":
            for asked in range(CALLS):
                if not asked % PORTION:
                    time.sleep(0.02)
                sock.sendto(subscribe_of(next(numbers), port, followed=owner(0)), driver)
            sock.sendto(b"done", starter)


async def _turn_away(rounds: int, gate: Gate) -> list[float]:
    loop, costs = asyncio.get_running_loop(), []
    async with _driver(_pour, Served(), gate) as (_, peer):
        for _ in range(rounds):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as starter:
                starter.setblocking(False)
                starter.sendto(b"go", peer)
                started = time.process_time()
                await loop.sock_recv(starter, 16)
                await asyncio.sleep(0.05)  # what is left in the buffer
            costs.append((time.process_time() - started) / CALLS * 1e6)
    return costs


if __name__ == "__main__":
    for row in rows():
        print(f"{row.what}: {row.value:.1f} {row.unit}")
