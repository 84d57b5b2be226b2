"""The UDP shell over real sockets: bursts, full buffers, ICMP errors."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from abserver.net import udp
from abserver.net.listeners import bind, bound_address
from abserver.net.udp import UdpSocket
from abserver.sip import stun
from abserver.sip.transport import Address, Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANY = Address("127.0.0.1", 0)


def ignore(*_: object) -> None:
    """For what a test does not look at."""


@contextmanager
def opened(
    received: Callable[[bytes, Flow], None] = ignore, failed: Callable[[Flow], None] = ignore, host: str = "127.0.0.1"
) -> Iterator[UdpSocket]:
    shell = UdpSocket(bind(socket.SOCK_DGRAM, Address(host, 0)), received=received, failed=failed)
    shell.start(asyncio.get_running_loop())
    try:
        yield shell
    finally:
        shell.close()
        shell.close()


async def test_a_burst_larger_than_a_batch_arrives_in_order() -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[bytes] = []

    def take(data: bytes, flow: Flow) -> None:
        seen.append(data)
        if len(seen) == udp.BATCH * 2:
            done.set_result(None)

    with opened(take) as here, opened() as there:
        for number in range(udp.BATCH * 2):
            there.send(b"%d" % number, there.flow_to(here.address))
        await done
    assert seen == [b"%d" % number for number in range(udp.BATCH * 2)]


async def test_other_work_goes_on_between_batches() -> None:
    order: list[str] = []
    done = asyncio.Event()

    def take(data: bytes, flow: Flow) -> None:
        order.append("datagram")
        if len(order) == 1:
            asyncio.get_running_loop().call_soon(order.append, "other")
        if order.count("datagram") == udp.BATCH + 1:
            done.set()

    with opened(take) as here, opened() as there:
        for _ in range(udp.BATCH + 1):
            there.send(b"x", there.flow_to(here.address))
        await done.wait()
    assert order.index("other") == udp.BATCH


async def test_a_flow_names_both_ends() -> None:
    got: asyncio.Future[Flow] = asyncio.get_running_loop().create_future()
    with opened(lambda data, flow: got.set_result(flow)) as here, opened() as there:
        there.send(b"x", there.flow_to(here.address))
        flow = await got
        assert (flow.local, flow.remote) == (here.address, there.address)
        assert here.flow_to(there.address) is flow


@pytest.mark.rfc("3261", "18.4", "unreachable is a failure")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_icmp_error_names_the_flow_it_is_about_and_spares_the_others(host: str) -> None:
    """RFC 3261 §18.4."""
    failed: asyncio.Future[Flow] = asyncio.get_running_loop().create_future()
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    closed = bind(socket.SOCK_DGRAM, Address(host, 0))
    nobody = bound_address(closed)
    closed.close()
    with (
        opened(failed=failed.set_result, host=host) as here,
        opened(lambda data, _: got.set_result(data), host=host) as live,
    ):
        here.send(b"lost", here.flow_to(nobody))
        here.send(b"found", here.flow_to(live.address))  # the waiting error must not cost this one
        assert (await failed).remote == nobody
        assert await got == b"found"


class TroubledSocket:
    """A socket whose error queue holds what a test says: errno, origin, ICMP type and code, and whom it is about."""

    def __init__(self, sock: socket.socket, errors: list[tuple[tuple[int, int, int, int], Address]]) -> None:
        self._sock = sock
        self._errors = errors

    def recvmsg(self, *_: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, Address]:
        if not self._errors:
            raise BlockingIOError
        facts, peer = self._errors.pop(0)
        return b"", [(0, 0, struct.pack("=IBBB", *facts))], 0, peer

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


@pytest.mark.rfc("3261", "18.4", "what is no failure is ignored")
async def test_icmp_errors_that_say_nothing_of_the_peer_are_ignored() -> None:
    """RFC 3261 §18.4: "Source quench and TTL exceeded ICMP errors SHOULD be ignored"."""
    one, other, third, fourth = (Address(f"192.0.2.{number}", 5060) for number in (1, 2, 3, 4))
    failed: list[Address] = []
    done = asyncio.Event()

    def fail(flow: Flow) -> None:
        failed.append(flow.remote)
        done.set()

    with opened(failed=fail) as here, opened() as there:
        errors = [
            ((errno.EHOSTUNREACH, 2, 11, 0), one),  # time exceeded in transit
            ((errno.EHOSTUNREACH, 3, 3, 0), other),  # the same of IPv6
            ((0, 2, 4, 0), third),  # source quench
            ((errno.EHOSTUNREACH, 2, 3, 1), fourth),  # host unreachable
        ]
        here._sock = TroubledSocket(here._sock, errors)  # type: ignore[assignment]  # stands in for a network
        here._errors = True
        there.send(b"x", there.flow_to(here.address))
        await done.wait()
    assert failed == [fourth]


@pytest.mark.rfc("3261", "18.1.1", "any datagram can be read")
async def test_the_largest_datagram_arrives_whole() -> None:
    """RFC 3261 §18.1.1."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    largest = b"x" * 65_507
    with opened(lambda data, _: got.set_result(data)) as here, opened() as there:
        there.send(largest, there.flow_to(here.address))
        assert await got == largest


async def test_an_address_that_cannot_be_sent_to_fails_later_not_at_once() -> None:
    failed: asyncio.Future[Flow] = asyncio.get_running_loop().create_future()
    with opened(failed=failed.set_result) as here:
        nowhere = here.flow_to(Address("255.255.255.255", 9))
        here.send(b"x", nowhere)
        assert not failed.done()
        assert await failed == nowhere


class FullSocket:
    """A socket whose kernel buffer is full until it is told otherwise."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.full = True
        self.asked = asyncio.Event()

    def sendto(self, data: bytes, address: Address) -> int:
        if self.full:
            self.asked.set()
            raise BlockingIOError
        return self._sock.sendto(data, address)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


async def test_datagrams_wait_in_order_while_the_kernel_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    done = asyncio.Event()

    def take(data: bytes, flow: Flow) -> None:
        seen.append(data)
        if data == b"last":
            done.set()

    with opened(take) as here, opened() as there:
        monkeypatch.setattr(udp, "MAX_QUEUED", 10)
        full = FullSocket(there._sock)
        there._sock = full  # type: ignore[assignment]  # stands in for a slow network card
        flow = there.flow_to(here.address)
        there.send(b"first", flow)
        there.send(b"last", flow)
        there.send(b"too much", flow)
        assert there.dropped == 1
        full.asked.clear()
        await full.asked.wait()  # once more, from the loop
        full.full = False
        await done.wait()
        there.send(b"after", flow)
    assert seen == [b"first", b"last"]


async def test_closing_from_within_a_callback_ends_the_batch() -> None:
    seen: list[bytes] = []
    shells: list[UdpSocket] = []
    closed = asyncio.Event()

    def take(data: bytes, flow: Flow) -> None:
        seen.append(data)
        shells[0].close()
        closed.set()

    with opened(take) as here, opened() as there:
        shells.append(here)
        there.send(b"1", there.flow_to(here.address))
        there.send(b"2", there.flow_to(here.address))
        await closed.wait()
    assert seen == [b"1"]


async def test_flows_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "MAX_FLOWS", 2)
    with opened() as here:
        first = here.flow_to(Address("127.0.0.1", 1))
        for port in (2, 3):
            here.flow_to(Address("127.0.0.1", port))
        assert here.flow_to(Address("127.0.0.1", 1)) == first
        assert here.flow_to(Address("127.0.0.1", 1)) is not first


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_stun_keep_alive_is_answered_with_the_address_it_came_from_rfc5626_4_4_2(host: str) -> None:
    """And none above hears of it, nor of what only begins like one."""
    loop = asyncio.get_running_loop()
    seen: list[bytes] = []
    arrived = asyncio.Event()

    def take(data: bytes, flow: Flow) -> None:
        seen.append(data)
        arrived.set()

    request = b"\0\x01\0\0\x21\x12\xa4\x42" + b"transaction!"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with opened(take, host=host) as server, socket.socket(family, socket.SOCK_DGRAM) as phone:
        phone.bind((host, 0))
        phone.setblocking(False)
        for datagram in (request, b"\0", b"\x01rubbish", b"SIP"):
            phone.sendto(datagram, server.address)
        answer = await loop.sock_recv(phone, 2048)
        await arrived.wait()
        mapped = Address(host, phone.getsockname()[1])
    assert answer == stun.answer(request, mapped)
    assert seen == [b"SIP"]
