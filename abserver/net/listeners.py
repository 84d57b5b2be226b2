"""Listening sockets: the addresses asked for, bound, or an error that names the listener and what to do.

A listener is asked for as a numeric host and a port; port 0 takes any free one. RFC 3261 §18.2.1 wants TCP wherever
there is UDP, on the same port, because large requests change over; so `bind_sip` gives a UDP and a TCP listener of one
host that both ask for port 0 the same number. TLS has ports of its own.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip.transport import Address, Listener, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BACKLOG = 1024
"""Connections that may wait to be accepted: after an outage all phones come back at once."""
_PAIR_ATTEMPTS = 32
"""How often another free port is tried when only one of UDP and TCP was free on it."""

_HINTS = {
    errno.EADDRINUSE: "the port is taken by another program",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "no permission; ports below 1024 need the right to bind them",
}


class ListenerError(OSError):
    """A listener cannot be had; the text names it and the reason."""

    def __init__(self, error: OSError, listener: str) -> None:
        reason = _HINTS.get(error.errno or 0) or error.strerror or str(error)
        super().__init__(error.errno, f"cannot listen on {listener}: {reason}")
        self.listener = listener

    def __str__(self) -> str:
        return str(self.strerror)


class PortTaken(ListenerError):
    """Another socket has the address."""


def bind(kind: socket.SocketKind, listener: Address) -> socket.socket:
    """Bind a non-blocking socket, already listening if it is a stream. Raises PortTaken, ListenerError."""
    return _bind(Transport.UDP if kind is socket.SOCK_DGRAM else Transport.TCP, listener)


def _bind(transport: Transport, listener: Address) -> socket.socket:
    kind = socket.SOCK_STREAM if transport.reliable else socket.SOCK_DGRAM
    try:
        return _bound(kind, listener)
    except OSError as error:
        kind_of_error = PortTaken if error.errno == errno.EADDRINUSE else ListenerError
        raise kind_of_error(error, f"{transport.value.lower()} {listener}") from error


def _bound(kind: socket.SocketKind, listener: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind is socket.SOCK_STREAM and os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(listener)
        if kind is socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


@dataclass(frozen=True, slots=True)
class Place:
    """What peers are to call a listener of ours."""

    port: int
    advertised: Address | None = None

    def seen_as(self, host: str) -> Address:
        """Its address for a peer that reached us, or is reached, at this address of the machine."""
        return self.advertised or Address(host, self.port)


@dataclass(frozen=True, slots=True)
class Bound:
    """A listener that is had."""

    transport: Transport
    sock: socket.socket
    advertised: Address | None

    @classmethod
    def of(cls, transport: Transport, sock: socket.socket, listener: Listener) -> Bound:
        """With the port that it got in place of port 0."""
        told = listener.advertised
        if told is not None and told.port == 0:
            told = Address(told.host, bound_address(sock).port)
        return cls(transport, sock, told)

    @property
    def address(self) -> Address:
        """Where it is bound."""
        return bound_address(self.sock)

    @property
    def place(self) -> Place:
        """What peers are to call it."""
        return Place(self.address.port, self.advertised)


def bind_sip(udp: Sequence[Listener], tcp: Sequence[Listener], tls: Sequence[Listener] = ()) -> list[Bound]:
    """Bind all listeners or none, in the order UDP, TCP, TLS; UDP and TCP on port 0 of one host share a port.

    Raises PortTaken, ListenerError.
    """
    with contextlib.ExitStack() as opened:
        bound: list[Bound] = []
        streams: list[Bound] = []
        singles = list(tcp)
        for listener in udp:
            twin = next((each for each in singles if each.address == listener.address), None)
            if listener.address.port == 0 and twin is not None:
                singles.remove(twin)
                datagram, stream = _pair(listener.address.host)
                streams.append(Bound.of(Transport.TCP, opened.enter_context(stream), twin))
            else:
                datagram = bind(socket.SOCK_DGRAM, listener.address)
            bound.append(Bound.of(Transport.UDP, opened.enter_context(datagram), listener))
        for transport, listeners in ((Transport.TCP, singles), (Transport.TLS, tls)):
            for listener in listeners:
                stream = opened.enter_context(_bind(transport, listener.address))
                streams.append(Bound.of(transport, stream, listener))
        opened.pop_all()
        return [*bound, *streams]


def _pair(host: str) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on one free port."""
    for last in _countdown(_PAIR_ATTEMPTS):
        stream = bind(socket.SOCK_STREAM, Address(host, 0))
        try:
            return bind(socket.SOCK_DGRAM, Address(host, bound_address(stream).port)), stream
        except PortTaken:
            stream.close()
            if last:
                raise
    raise AssertionError("unreachable")  # pragma: no cover


def _countdown(count: int) -> Iterator[bool]:
    return (left == 1 for left in range(count, 0, -1))


def bound_address(sock: socket.socket) -> Address:
    """Where a socket is bound, with the port it got."""
    host, port = sock.getsockname()[:2]
    return Address(host, port)


def is_wildcard(host: str) -> bool:
    """Whether a numeric host stands for every address of the machine, which no peer can send to."""
    return ipaddress.ip_address(host).is_unspecified


def source_towards(remote: Address, local: Address) -> Address:
    """`local` with the machine's own address on the way to `remote` in place of a wildcard.

    A datagram socket that is connected sends nothing; it only makes the kernel choose the route.
    """
    if not is_wildcard(local.host):
        return local
    family = socket.AF_INET6 if ":" in local.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote.host, remote.port or 9))
        except OSError:
            return local
        return Address(probe.getsockname()[0], local.port)
