"""From a SIP URI to where its request is sent (RFC 3263 §4 as far as addresses and host names go).

A numeric host is itself (§4.2); a name is looked up as A and AAAA by the system's resolver. The transport is the URI's
`transport` parameter, else UDP (§4.1).
"""

from __future__ import annotations

import asyncio
import functools
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip.errors import SipSyntaxError
from abserver.sip.transport import Address, Transport
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULT_PORT = 5060
LOOKUP_TIME = 5.0
"""Seconds that a lookup may take."""
KEEP = 30.0
"""Seconds for which an answer of the system's resolver, which tells no lifetime, is used again."""
MAX_NAMES = 4096
"""Names that are kept or being looked up at once."""


@dataclass(frozen=True, slots=True)
class Target:
    """The next hop that a URI names."""

    transport: Transport
    host: str
    """Numeric without brackets, or a name."""
    port: int
    numeric: bool

    @property
    def address(self) -> Address:
        """Where to send, if the host is numeric."""
        return Address(self.host, self.port)


class Unresolvable(Exception):
    """The URI names no place that a request can be sent to."""


@functools.lru_cache(maxsize=4096)
def target_of(uri: str) -> Target:
    """Read the next hop from a Request-URI or Route URI. Raises Unresolvable: not sip, or a transport we don't have."""
    try:
        parsed = SipUri.parse(uri)
    except SipSyntaxError as error:
        raise Unresolvable(error.reason) from error
    transport = {None: Transport.UDP, "udp": Transport.UDP, "tcp": Transport.TCP}.get(parsed.transport)
    if transport is None or parsed.scheme != "sip":
        raise Unresolvable("no such transport here")
    host = (parsed.maddr or parsed.host).removeprefix("[").removesuffix("]")
    return Target(transport, host, parsed.port or _DEFAULT_PORT, _is_numeric(host))


def _is_numeric(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return False
    return True


class Resolver:
    """Looks names up; lookups of one name at one time are one, and answers are kept for a moment."""

    def __init__(self) -> None:
        self._lookups: dict[str, asyncio.Future[list[str]]] = {}
        self._until: dict[str, float] = {}

    async def resolve(self, target: Target, usable: Callable[[Address], bool]) -> Address:
        """The first address of the target's host that is `usable` (of a family we have). Raises Unresolvable."""
        hosts = [target.host] if target.numeric else await self._hosts(target.host)
        for host in hosts:
            address = Address(host, target.port)
            if usable(address):
                return address
        raise Unresolvable("no usable address")

    async def _hosts(self, name: str) -> list[str]:
        now = asyncio.get_running_loop().time()
        if self._until.get(name, 0.0) <= now:
            self._begin(name, now)
        try:
            return await asyncio.shield(self._lookups[name])
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that IDNA refuses
            self._until.pop(name, None)
            raise Unresolvable("no such host") from error

    def _begin(self, name: str, now: float) -> None:
        if len(self._until) >= MAX_NAMES:
            self._until.clear()
            self._lookups.clear()
        lookup = asyncio.ensure_future(_lookup(name))
        lookup.add_done_callback(_retrieve)
        self._lookups[name] = lookup
        self._until[name] = now + LOOKUP_TIME + KEEP


def _retrieve(lookup: asyncio.Future[list[str]]) -> None:
    """Mark the outcome as seen, since those who waited may be gone."""
    if not lookup.cancelled():
        lookup.exception()


async def _lookup(name: str) -> list[str]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LOOKUP_TIME):
        found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
