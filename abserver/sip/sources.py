"""How many requests one source may send: a token bucket for each, so that nobody alone takes all (RFC 5390 REQ 5).

A source is an IPv4 address, or the /64 that one IPv6 subscriber has whole. What comes over connections counts apart
from datagrams, whose source can be forged: nobody can use up the bucket of a peer's connections without having one from
there.

The last quarter of a bucket is for requests within dialogs, so that who asks for too much new keeps what he has. A
source beyond its bucket is refused; of refusals there are as many as of requests, and what comes beyond those is
ignored, for a look into a table: neither a request nor a refusal is free.

Law: memory is bounded, and what had to be forgotten is forgiven.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xcap.core.throttle import source_of

if TYPE_CHECKING:
    from abserver.sip.transport import Flow

RESERVED = 0.25
"""Part of a bucket that requests outside of dialogs can't have."""
TOLD_EVERY = 10.0
"""Seconds between two reports of one source that goes on."""
MOST_TOLD = 10
"""Reports at once: a log is no place to flood either."""

_IN_DIALOG = re.compile(rb"\r\n(?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.IGNORECASE)
"""What a request within a dialog has, at first sight."""
_LOOK = 4096
"""Bytes that are worth a look."""


class Verdict(enum.Enum):
    """What becomes of a message."""

    SERVE = "it is within the bounds"
    REFUSE = "503"
    IGNORE = "no answer: of those there were enough"


@dataclass(frozen=True, slots=True)
class Excess:
    """One source that sent too much, since the last report of it."""

    peer: str
    """The address that the latest such message came from."""
    refused: int
    ignored: int


class _Source:
    __slots__ = ("at", "ignored", "level", "peer", "refused", "spare", "told")

    def __init__(self, burst: float, now: float) -> None:
        self.level = burst
        """Requests that it may send now."""
        self.spare = burst
        """Refusals that it may get now."""
        self.at = now
        """When the two were reckoned."""
        self.peer = ""
        self.refused = self.ignored = 0
        self.told = -math.inf


class Sources:
    """The buckets of all sources of late. rate: requests in a second; burst: at once, after a quiet time."""

    def __init__(self, *, rate: float, burst: int, capacity: int = 65_536) -> None:
        """capacity: sources remembered (some 350 octets each)."""
        self._rate = rate
        self._burst = float(burst)
        self._reserved = burst * RESERVED
        self._capacity = capacity
        self._sources: dict[tuple[str, bool], _Source] = {}
        """In the order of their latest messages."""
        self._over: dict[tuple[str, bool], _Source] = {}
        """Those beyond their bucket, until a report finds nothing new of them."""

    def judge(self, flow: Flow, now: float, *, new: bool) -> Verdict:
        """Count one request. new: it is outside of any dialog."""
        key = _key(flow)
        source = self._sources.pop(key, None)
        if source is None:
            source = self._remember(now)
        else:
            self._refill(source, now)
        self._sources[key] = source  # as the youngest
        if source.level - 1.0 >= (self._reserved if new else 0.0):
            source.level -= 1.0
            return Verdict.SERVE
        self._over[key] = source
        source.peer = flow.remote.host
        if source.spare >= 1.0:
            source.spare -= 1.0
            source.refused += 1
            return Verdict.REFUSE
        source.ignored += 1
        return Verdict.IGNORE

    def ignores(self, data: bytes, flow: Flow, now: float) -> bool:
        """Whether bytes that came on this flow are to be ignored, before anybody reads them; counted if so."""
        if not self._over:
            return False
        source = self._over.get(_key(flow))
        if source is None:
            return False
        self._refill(source, now)
        if source.spare >= 1.0 or (source.level >= 1.0 and _IN_DIALOG.search(data, 0, _LOOK)):
            return False
        source.ignored += 1
        return True

    def reports(self, now: float) -> list[Excess]:
        """What there is to tell: at once of a source that is new to it, later every TOLD_EVERY seconds."""
        told: list[Excess] = []
        for key, source in list(self._over.items()):
            if now - source.told < TOLD_EVERY:
                continue
            if not (source.refused or source.ignored):
                del self._over[key]
            elif len(told) < MOST_TOLD:
                told.append(Excess(source.peer, source.refused, source.ignored))
                source.refused = source.ignored = 0
                source.told = now
        return told

    def _remember(self, now: float) -> _Source:
        if len(self._sources) >= self._capacity:
            oldest = next(iter(self._sources))
            del self._sources[oldest]
            self._over.pop(oldest, None)
        return _Source(self._burst, now)

    def _refill(self, source: _Source, now: float) -> None:
        gained = (now - source.at) * self._rate
        source.at = now
        source.level = min(self._burst, source.level + gained)
        source.spare = min(self._burst, source.spare + gained)


def _key(flow: Flow) -> tuple[str, bool]:
    return source_of(flow.remote.host) or flow.remote.host, flow.transport.reliable
