"""The DNS behind a port: dnspython's asynchronous resolver answers the questions of `sip.locating`.

Answers are kept as long as their zone says, within bounds. A name that does not exist, or of which no server answers,
is as one that has no records, and is asked for again soon.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

from abserver.sip.locating import Kind, Naptr, Srv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dns.rdata import Rdata

    from abserver.sip.locating import Question, Records
    from abserver.sip.transport import Address

LOOKUP_TIME = 5.0
"""Seconds that a question may take."""
LONGEST = 3600.0
"""Seconds for which an answer is kept at most."""
SILENCE_KEPT = 5.0
"""Seconds until a question that found no answer is asked again."""
MAX_ANSWERS = 16_384
"""Questions whose answers are kept, or awaited, at once."""


class Dns:
    """Asks name servers; one question at one time is asked once."""

    def __init__(self, servers: Sequence[Address] = ()) -> None:
        """servers: the name servers to ask; empty for those of the system."""
        self._resolver = _system() if not servers else dns.asyncresolver.Resolver(configure=False)
        if self._resolver is not None:
            self._resolver.lifetime = LOOKUP_TIME
            if servers:
                self._resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in servers]
        self._asked: dict[Question, asyncio.Task[Records]] = {}
        self._until: dict[Question, float] = {}

    async def ask(self, questions: Iterable[Question]) -> tuple[Records, ...]:
        """The answers, in the order of the questions."""
        return tuple(await asyncio.gather(*(asyncio.shield(self._answer(each)) for each in questions)))

    def _answer(self, question: Question) -> asyncio.Task[Records]:
        loop = asyncio.get_running_loop()
        if self._until.get(question, 0.0) <= loop.time():
            if len(self._asked) >= MAX_ANSWERS:
                self._asked.clear()
                self._until.clear()
            self._until[question] = loop.time() + LOOKUP_TIME + LONGEST
            self._asked[question] = loop.create_task(self._look_up(question))
        return self._asked[question]

    async def _look_up(self, question: Question) -> Records:
        records, lifetime = await self._query(question)
        self._until[question] = asyncio.get_running_loop().time() + min(lifetime, LONGEST)
        return records

    async def _query(self, question: Question) -> tuple[Records, float]:
        if self._resolver is None:
            return (), LONGEST
        try:
            answer = await self._resolver.resolve(question.name, question.kind.value, raise_on_no_answer=False)
        except (dns.exception.DNSException, OSError, UnicodeError):
            return (), SILENCE_KEPT
        records = tuple(_record(question.kind, each) for each in answer.rrset or ())
        return records, float(answer.chaining_result.minimum_ttl)


def _system() -> dns.asyncresolver.Resolver | None:
    try:
        return dns.asyncresolver.Resolver()
    except (dns.resolver.NoResolverConfiguration, OSError):
        return None  # a machine without DNS; its hosts file is the system resolver's


def _record(kind: Kind, data: Rdata) -> Naptr | Srv | str:
    text = data.to_text
    if kind is Kind.SRV:
        priority, weight, port, target = text().split()
        return Srv(int(priority), int(weight), int(port), target.rstrip(".") or ".")
    if kind is Kind.NAPTR:
        order, preference, flags, service, _, replacement = text().split()
        return Naptr(int(order), int(preference), flags.strip('"'), service.strip('"'), replacement.rstrip("."))
    return text()
