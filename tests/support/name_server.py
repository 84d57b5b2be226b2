"""A name server of ours on loopback: dnspython's messages, a zone of the test's."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

import dns.message
import dns.rcode
import dns.rrset

from abserver.net.resolver import Resolver
from abserver.sip.transport import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class NameServer(asyncio.DatagramProtocol):
    """Answers from the zone, and counts what it is asked.

    The zone has name and type of a record set, its lifetime in seconds, and its records, one in a line.
    """

    def __init__(self, zone: Mapping[tuple[str, str], tuple[int, str]]) -> None:
        self.zone = zone
        self.asked: list[tuple[str, str]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    @property
    def address(self) -> Address:
        return Address(*self.transport.get_extra_info("sockname")[:2])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        key = (question.name.to_text(), question.rdtype.name)
        self.asked.append(key)
        response = dns.message.make_response(query)
        if key in self.zone:
            ttl, text = self.zone[key]
            response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", key[1], *text.splitlines()))
        elif key[0] not in {name for name, _ in self.zone}:
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(), addr)


@contextlib.asynccontextmanager
async def name_server(
    zone: Mapping[tuple[str, str], tuple[int, str]],
) -> AsyncIterator[tuple[NameServer, Resolver]]:
    """A server of this zone, and a resolver that asks it."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(zone), local_addr=("127.0.0.1", 0))
    try:
        yield server, Resolver([server.address])
    finally:
        transport.close()
