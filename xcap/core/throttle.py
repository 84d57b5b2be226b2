"""Holding back who guesses passwords: after some failures each further attempt has to wait, twice as long each time.

Pure: `now` is monotonic seconds. Failures are counted for the user that was named and for the source they came from,
known user or not, so that the answer tells nothing about who exists. A held-back attempt is not looked at: the right
password is refused as well, or guessing would go on at full speed.

So that nobody can lock a user out by guessing wrong, a user who has logged in from a source before is familiar there:
only failures from that very source count then, and the waits stay short. Nothing but time clears a count, since a
success would clear it for a guesser behind the same address too.

Law: memory is bounded, and what had to be forgotten is forgiven.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

FAMILIARITY = 86_400.0
"""Seconds for which a success makes a user familiar at a source."""
SHORT_WAIT = 10.0
"""Seconds that a familiar user waits at most: a forgotten device with an old password must not keep the others out."""
MAX_NAME = 256
"""Characters of a user name that tell users apart here; longer ones are nobody's."""


class Throttle:
    """Counts failed logins, for all protocols of one server together.

    user_failures: of one user before waiting begins; 0 never holds a user back.
    source_failures: from one source before waiting begins; 0 never holds a source back.
    longest: seconds of the longest wait, and from the last failure until the failures are forgotten.
    capacity: users, sources, and familiar pairs remembered, each (some 200 octets).
    """

    def __init__(
        self, *, user_failures: int = 10, source_failures: int = 30, longest: float = 900.0, capacity: int = 50_000
    ) -> None:
        self._users = _Failures(user_failures, longest, longest, capacity)
        self._sources = _Failures(source_failures, longest, longest, capacity)
        self._pairs = _Failures(user_failures, min(SHORT_WAIT, longest), longest, capacity)
        self._familiar: dict[tuple[str, str], float] = {}
        self._capacity = capacity

    def wait(self, user: str, source: str | None, now: float) -> float:
        """Seconds until an attempt of `user` from `source` is looked at again; 0.0 is now.

        source: as `source_of` gives it; None where it says nothing about who asks.
        """
        name = user[:MAX_NAME]
        if self._is_familiar(name, source, now):
            return self._pairs.wait((name, source), now)
        return max(self._users.wait(name, now), self._sources.wait(source, now))

    def failed(self, user: str, source: str | None, now: float) -> None:
        """Count a wrong password, or an unknown user."""
        name = user[:MAX_NAME]
        if self._is_familiar(name, source, now):
            self._pairs.count((name, source), now)
            return
        self._users.count(name, now)
        if source is not None:
            self._sources.count(source, now)

    def succeeded(self, user: str, source: str | None, now: float) -> None:
        """Remember that `user` is at home at `source`."""
        if source is None:
            return
        pair = (user[:MAX_NAME], source)
        self._familiar.pop(pair, None)
        self._familiar[pair] = now  # as the youngest
        if len(self._familiar) > self._capacity:
            del self._familiar[next(iter(self._familiar))]

    def _is_familiar(self, name: str, source: str | None, now: float) -> bool:
        if source is None:
            return False
        since = self._familiar.get((name, source))
        return since is not None and now - since <= FAMILIARITY


@functools.lru_cache(maxsize=4096)
def source_of(host: str | None) -> str | None:
    """The source that a peer's address stands for: an IPv4 address, or the /64 that one IPv6 subscriber has whole.

    None for a peer without an IP address.
    """
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


@dataclass(slots=True)
class _Count:
    failures: int
    latest: float
    until: float


class _Failures:
    """Failures by key, and how long each key has to wait."""

    def __init__(self, free: int, longest: float, memory: float, capacity: int) -> None:
        self._free = free
        self._longest = longest
        self._memory = memory
        self._capacity = capacity
        self._counts: dict[Hashable, _Count] = {}
        """In the order of their latest failures."""

    def wait(self, key: Hashable, now: float) -> float:
        count = self._counts.get(key)
        return 0.0 if count is None else max(0.0, count.until - now)

    def count(self, key: Hashable, now: float) -> None:
        if not self._free:
            return
        before = self._counts.pop(key, None)
        failures = before.failures + 1 if before and now - before.latest <= self._memory else 1
        over = failures - self._free
        until = now + min(2.0 ** min(over, 30), self._longest) if over >= 0 else now
        self._counts[key] = _Count(failures, now, until)
        if len(self._counts) > self._capacity:
            del self._counts[next(iter(self._counts))]
