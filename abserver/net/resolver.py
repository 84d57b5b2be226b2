"""From a SIP URI to where its request is sent (RFC 3263 §4).

A numeric host is itself (§4.2), and most requests go to one, so that is told at once. For a name the DNS is asked
(`sip.locating`); what it doesn't know, the system's resolver may, which reads the machine's hosts file too.
"""

from __future__ import annotations

import asyncio
import functools
import random
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from abserver.net.dns import Dns
from abserver.sip.errors import SipSyntaxError
from abserver.sip.locating import Kind, Unlocatable, default_port, default_transport, locate, transport_of
from abserver.sip.transport import Address, Transport
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from abserver.sip.locating import Hop, Question, Records

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
    """Read the next hop from a Request-URI or Route URI. Raises Unresolvable: not sip, or a transport that its scheme
    forbids or that we don't have."""
    try:
        parsed = SipUri.parse(uri)
        transport = transport_of(parsed) or default_transport(parsed)
    except SipSyntaxError as error:
        raise Unresolvable(error.reason) from error
    except Unlocatable as error:
        raise Unresolvable(str(error)) from error
    host = (parsed.maddr or parsed.host).removeprefix("[").removesuffix("]")
    return Target(transport, host, parsed.port or default_port(transport), _is_numeric(host))


def _is_numeric(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return False
    return True


class Resolver:
    """Looks names up; lookups of one name at one time are one, and answers are kept for a moment."""

    def __init__(self, name_servers: Sequence[Address] = ()) -> None:
        """name_servers: whom to ask; empty for those of the system."""
        self._name_servers = name_servers
        self._dns: Dns | None = None
        self._lookups: dict[str, asyncio.Future[list[str]]] = {}
        self._until: dict[str, float] = {}

    async def locate(self, uri: str, supported: Collection[Transport], usable: Callable[[Address], bool]) -> list[Hop]:
        """The hops for a request to `uri`, those that are `usable`, in the order of RFC 3263. Raises Unresolvable if
        there is none.

        The lot among servers of one priority is drawn anew each time, though the answers are kept.
        """
        try:
            locating = locate(SipUri.parse(uri), supported, lambda most: random.randint(0, most))  # noqa: S311
            questions = next(locating)
            while True:
                questions = locating.send(await self._ask(questions))
        except StopIteration as found:
            hops = [hop for hop in cast("list[Hop]", found.value) if usable(hop.address)]
            if not hops:
                raise Unresolvable("no usable address") from None
            return hops
        except (SipSyntaxError, Unlocatable) as error:
            raise Unresolvable(str(error)) from error

    async def _ask(self, questions: tuple[Question, ...]) -> tuple[Records, ...]:
        if self._dns is None:
            self._dns = Dns(self._name_servers)
        dotted = [each for each in questions if "." in each.name]
        answers = dict(zip(dotted, await self._dns.ask(dotted), strict=True))
        known = {each.name for each, records in answers.items() if records}
        for each in questions:
            if each.kind is Kind.A and each.name not in known:
                answers[each] = await self._of_system(each.name)
        return tuple(answers.get(each, ()) for each in questions)

    async def _of_system(self, name: str) -> Records:
        try:
            return tuple(await self._hosts(name))
        except Unresolvable:
            return ()

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
