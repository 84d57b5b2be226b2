"""One UDP socket on which SIP comes and goes (RFC 3261 §18): datagrams in, datagrams out, ICMP errors told.
STUN keep-alives are answered here (`sip/stun.py`); nobody above sees them.

A plain non-blocking socket drained from the event loop costs a seventh of what the standard datagram transport costs
per message, so that is what this is. Law of the file: one wake-up handles a bounded number of datagrams and then lets
the loop go on; nothing here waits; what does not fit into the kernel's buffer waits in a bounded queue, and past the
bound a datagram is dropped, which the transaction layer's retransmissions heal.

ICMP errors (§18.4) come by Linux's IP_RECVERR; elsewhere a dead peer shows by Timer F.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import struct
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from abserver.net.listeners import Place, bound_address, source_towards
from abserver.sip import stun
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

log = logging.getLogger(__name__)

MAX_DATAGRAM = 65_535
BATCH = 64
"""Datagrams taken in one wake-up: some milliseconds of work, after which other tasks get their turn."""
MAX_QUEUED = 8 * 1024 * 1024
"""Bytes that may wait for the kernel's buffer."""
KERNEL_BUFFER = 4 * 1024 * 1024
"""Asked of the kernel (which grants less by its own limits): answers to a large fan-out arrive in one burst."""
MAX_FLOWS = 65_536
"""Peers whose Flow value is kept for the next datagram."""

LEAST_RATE = 500
"""Datagrams that are taken in a second even if there were fewer of late: some that come at once do not wait long."""

_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=I")
"""Bytes in the receive buffer: the head of Linux's answer."""
_IN_BUFFER = 2304
"""Bytes that a datagram of the usual size takes there."""
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_EXTENDED_ERROR = struct.Struct("=IBBB")
"""errno, origin, ICMP type, ICMP code: the head of Linux's sock_extended_err."""
_UNREACHABLE = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENOPROTOOPT,
    errno.EACCES,
    errno.EPROTO,
}
_TIME_EXCEEDED = {(2, 11), (3, 3)}
"""(origin, type) of ICMPv4 and ICMPv6 "time exceeded", which §18.4 says to ignore."""


class _Readiness:
    """Calls back when a socket can be read, and when it can be written if that is wanted."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, ready: Callable[[], None]) -> None:
        self._sock = sock
        self._loop = loop
        self._ready = ready
        loop.add_reader(sock, ready)

    def want_write(self, wanted: bool) -> None:
        if wanted:
            self._loop.add_writer(self._sock, self._ready)
        else:
            self._loop.remove_writer(self._sock)

    def close(self) -> None:
        self._loop.remove_writer(self._sock)
        self._loop.remove_reader(self._sock)


if sys.platform == "linux":

    class _LinuxReadiness(_Readiness):
        """The same with ICMP errors asked for.

        A socket with a waiting error polls as POLLERR, upon which libuv (so uvloop) gives the descriptor up for good.
        Therefore the loop watches an epoll object that holds the socket: its own readiness is plain readability.
        """

        def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, ready: Callable[[], None]) -> None:
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            self._sock = sock
            self._loop = loop
            self._epoll = select.epoll()
            self._epoll.register(sock, select.EPOLLIN)
            loop.add_reader(self._epoll.fileno(), ready)

        def want_write(self, wanted: bool) -> None:
            self._epoll.modify(self._sock, select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN)

        def close(self) -> None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    _readiness: type[_Readiness] = _LinuxReadiness
else:
    _readiness: type[_Readiness] = _Readiness


class UdpSocket:
    """A bound socket: `received` gets each datagram with its flow, `failed` each flow that ICMP calls unreachable."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        received: Callable[[bytes, Flow], None],
        failed: Callable[[Flow], None],
        advertised: Address | None = None,
    ) -> None:
        """advertised: what peers are to call it, if not by its address."""
        self._sock = sock
        self._received = received
        self._failed = failed
        self.address = bound_address(sock)
        self.advertised = advertised
        self._flows: dict[tuple[Any, ...], Flow] = {}
        self._queue: deque[tuple[bytes, Address]] = deque()
        self._queued = 0
        self._taken = 0
        """Datagrams since the last call of `delay`."""
        self._gathered: list[tuple[bytes, Flow]] | None = None
        """What is to be sent when the batch that is being taken is done. Sent together, it wakes the peer once."""
        self.dropped = 0
        """Datagrams that found the queue full."""
        self._errors = False
        """Whether a call reported a waiting ICMP error, whose particulars are in the error queue."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readiness: _Readiness | None = None
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, KERNEL_BUFFER)

    @property
    def place(self) -> Place:
        """What peers are to call it."""
        return Place(self.address.port, self.advertised)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to take datagrams."""
        self._loop = loop
        self._readiness = _readiness(self._sock, loop, self._ready)

    def close(self) -> None:
        """Stop and close; what is queued is lost, as datagrams may be. May be called again."""
        if self._readiness is not None:
            self._readiness.close()
            self._readiness = None
        self._loop = None
        self._sock.close()

    def delay(self, seconds: float) -> float:
        """Seconds that a datagram waits until it is taken, by how many were in the `seconds` since the last call; 0.0
        where the system doesn't tell how many wait."""
        taken, self._taken = self._taken, 0
        if self._readiness is None or sys.platform != "linux":
            return 0.0
        try:
            (waiting,) = _MEMINFO.unpack(self._sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
        except OSError:
            return 0.0
        return float(waiting / _IN_BUFFER * seconds / max(taken, seconds * LEAST_RATE)) if taken else 0.0

    def flow_to(self, remote: Address) -> Flow:
        """The flow between this socket and a peer."""
        return self._flows.get(remote) or self._new_flow(remote)

    def send(self, data: bytes, flow: Flow) -> None:
        """Send now, or as soon as the kernel takes it. `failed` is told later, from the loop, never from here."""
        if self._gathered is not None:
            self._gathered.append((data, flow))
        else:
            self._send_now(data, flow)

    def _send_now(self, data: bytes, flow: Flow) -> None:
        if self._queue:
            self._enqueue(data, flow.remote)
            return
        try:
            self._sock.sendto(data, flow.remote)
        except BlockingIOError:
            self._enqueue(data, flow.remote)
        except OSError:
            self._send_again(data, flow)

    def _send_again(self, data: bytes, flow: Flow) -> None:
        """Send after a failure, maybe a waiting ICMP error of another peer; a second one is this flow's own."""
        self._errors = True
        try:
            self._sock.sendto(data, flow.remote)
        except BlockingIOError:
            self._enqueue(data, flow.remote)
        except OSError as error:
            log.debug("datagram not sent", extra={"remote": str(flow.remote), "error": error.errno})
            if self._loop is not None:
                self._loop.call_soon(self._failed, flow)

    def _enqueue(self, data: bytes, remote: Address) -> None:
        if self._readiness is None or self._queued + len(data) > MAX_QUEUED:
            self.dropped += 1
            return
        if not self._queue:
            self._readiness.want_write(True)
        self._queue.append((data, remote))
        self._queued += len(data)

    def _ready(self) -> None:
        if self._queue:
            self._flush()
        self._gathered = []
        taken = self._drain()
        gathered, self._gathered = self._gathered, None
        for data, flow in gathered:
            self._send_now(data, flow)
        if self._errors or not taken:
            self._errors = False
            self._drain_errors()

    def _flush(self) -> None:
        for _ in range(min(len(self._queue), BATCH)):
            data, remote = self._queue[0]
            try:
                self._sock.sendto(data, remote)
            except BlockingIOError:
                return
            except OSError:
                self._send_again(data, self.flow_to(remote))
            self._queue.popleft()
            self._queued -= len(data)
        if not self._queue and self._readiness is not None:
            self._readiness.want_write(False)

    def _drain(self) -> int:
        """Take a batch; returns how many datagrams there were."""
        receive, flows, received = self._sock.recvfrom, self._flows, self._received
        taken = 0
        for _ in range(BATCH):
            if self._readiness is None:
                break  # closed by what it received
            try:
                data, peer = receive(MAX_DATAGRAM)
            except BlockingIOError:
                break
            except OSError:
                self._errors = True
                continue
            taken += 1
            flow = flows.get(peer) or self._new_flow(peer)
            if data and data[0] < stun.FIRST_OCTETS:
                self._keep_alive(data, flow)
            else:
                received(data, flow)
        self._taken += taken
        return taken

    def _keep_alive(self, data: bytes, flow: Flow) -> None:
        answer = stun.answer(data, flow.remote)
        if answer is not None:
            self.send(answer, flow)

    def _new_flow(self, peer: tuple[Any, ...]) -> Flow:
        if len(self._flows) >= MAX_FLOWS:
            self._flows.clear()
        remote = Address(peer[0], peer[1])
        flow = Flow(Transport.UDP, self.advertised or source_towards(remote, self.address), remote)
        self._flows[peer] = flow
        return flow

    def _drain_errors(self) -> None:
        """Tell which flows the waiting ICMP errors are about (§18.4)."""
        for _ in range(BATCH):
            if self._readiness is None or sys.platform != "linux":
                return
            try:
                _, ancillary, _, peer = self._sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            for _, _, content in ancillary:
                code, origin, kind, _ = _EXTENDED_ERROR.unpack_from(content)
                if code in _UNREACHABLE and (origin, kind) not in _TIME_EXCEEDED:
                    self._failed(self.flow_to(Address(peer[0], peer[1])))
