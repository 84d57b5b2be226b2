"""A NAT on loopback for one phone: the server sees another address than the phone's, and that may change.

The phone sends to `inside`, as it would to the server; what it sends leaves from `outside`. Only that address is
reached from the server, as long as the mapping lasts: what is sent to an older one disappears, as most NATs have it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from abserver.sip.transport import Address

if TYPE_CHECKING:
    from collections.abc import Callable


class Nat:
    """One phone's way to one server over UDP, from `start` to `stop`."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._phone: Address | None = None
        self._within: asyncio.DatagramTransport | None = None
        self._without: asyncio.DatagramTransport | None = None
        self._forgotten: list[asyncio.DatagramTransport] = []
        """Still bound, so that nobody says that nobody is there."""
        self.lost = 0
        """Datagrams that came to mappings that are no more."""

    async def start(self) -> None:
        self._within = await _socket(self._from_phone)
        self._without = await _socket(self._from_server)

    def stop(self) -> None:
        for each in (self._within, self._without, *self._forgotten):
            if each is not None:
                each.close()

    async def changes_mapping(self) -> None:
        """From now on the server sees another address, and reaches that one only."""
        assert self._without is not None
        self._forgotten.append(self._without)
        self._without = await _socket(self._from_server)

    @property
    def inside(self) -> Address:
        """The server as the phone knows it."""
        return _address(self._within)

    @property
    def outside(self) -> Address:
        """The phone as the server knows it."""
        return _address(self._without)

    def _from_phone(self, data: bytes, source: Address, at: asyncio.DatagramTransport) -> None:
        self._phone = source
        assert self._without is not None
        self._without.sendto(data, self._server)

    def _from_server(self, data: bytes, source: Address, at: asyncio.DatagramTransport) -> None:
        if at is not self._without:
            self.lost += 1
        elif source == self._server and self._phone is not None:
            assert self._within is not None
            self._within.sendto(data, self._phone)


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Address, asyncio.DatagramTransport], None]) -> None:
        self._received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received(data, Address(*addr[:2]), self._transport)


async def _socket(
    received: Callable[[bytes, Address, asyncio.DatagramTransport], None],
) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Socket(received), local_addr=("127.0.0.1", 0))
    return transport


def _address(transport: asyncio.DatagramTransport | None) -> Address:
    assert transport is not None
    return Address(*transport.get_extra_info("sockname")[:2])
