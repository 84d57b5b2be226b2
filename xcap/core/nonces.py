"""Nonces that prove themselves, and the memory of those in use (RFC 7616 §3.3, §3.4, §5.12).

A nonce is time, number, and a keyed hash of both, so a challenge costs no memory. Memory begins with the first good
answer: then the nonce's counts are remembered, in a bounded table, to refuse a replay. Whatever that table had to
forget is refused as stale, never accepted twice.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
from dataclasses import dataclass


class Verdict(enum.Enum):
    """What a server makes of credentials."""

    GOOD = "the user knows the password, and this is no replay"
    STALE = "the password is right and the nonce is not valid (any more): challenge again with stale=true"
    REPLAYED = "the password is right and this count was seen before: challenge again with stale=true"
    BAD = "the user is unknown or the password is wrong: challenge again, without stale"


@dataclass(slots=True)
class _Counts:
    """Which counts of a nonce were used: the highest, and a bit for each of the WINDOW before it."""

    minted: int
    highest: int = 0
    seen: int = 0

    def use(self, count: int) -> bool:
        """Whether `count` is new; counts may arrive out of order within the window."""
        ahead = count - self.highest
        if ahead > 0:
            self.seen = ((self.seen << ahead) | 1) & _WINDOW_BITS if ahead < WINDOW else 1
            self.highest = count
            return True
        bit = 1 << -ahead
        if -ahead >= WINDOW or self.seen & bit:
            return False
        self.seen |= bit
        return True


WINDOW = 128
"""How far requests that share a nonce may overtake each other."""
_WINDOW_BITS = (1 << WINDOW) - 1
_STAMP = 16
"""Octets of a nonce before its keyed hash: 8 of time in milliseconds, 8 of a running number."""
_SIGNATURE = 16


class Nonces:
    """Mints nonces and remembers how those in use were counted; one per realm of trust, shared by HTTP and SIP.

    secret: random, at least 16 octets; a new one at each start makes older nonces stale.
    lifetime: seconds from minting to staleness.
    capacity: nonces remembered at most (about 300 octets each); when more are in use, the oldest go stale.
    """

    def __init__(self, secret: bytes, *, lifetime: float = 300.0, capacity: int = 100_000) -> None:
        self._key = hashlib.blake2b(secret, digest_size=32).digest()
        self._lifetime = int(lifetime * 1000)
        self._capacity = capacity
        self._number = 0
        self._used: dict[bytes, _Counts] = {}
        self._forgotten = -1
        """The latest minting among the nonces that were dropped from `_used`."""

    def mint(self, now: float) -> str:
        """A nonce that nobody else gets."""
        self._number += 1
        stamp = int(now * 1000).to_bytes(8, "big") + self._number.to_bytes(8, "big")
        return base64.b64encode(stamp + self._sign(stamp)).decode("ascii")

    def use(self, nonce: str, count: int, now: float) -> Verdict:
        """Count one request with `nonce`, whose response is known to be right: GOOD, STALE or REPLAYED."""
        stamp = self._stamp(nonce)
        if stamp is None:
            return Verdict.STALE
        minted = int.from_bytes(stamp[:8], "big")
        if int(now * 1000) - minted > self._lifetime:
            self._used.pop(stamp, None)
            return Verdict.STALE
        counts = self._used.get(stamp)
        if counts is None:
            if minted <= self._forgotten:
                return Verdict.STALE
            counts = self._remember(stamp, minted, now)
        return Verdict.GOOD if counts.use(count) else Verdict.REPLAYED

    def _remember(self, stamp: bytes, minted: int, now: float) -> _Counts:
        """Make room, first by what has expired: entries are in the order of first use, about that of minting."""
        expired = int(now * 1000) - self._lifetime
        while self._used:
            oldest, counts = next(iter(self._used.items()))
            if counts.minted >= expired and len(self._used) < self._capacity:
                break
            del self._used[oldest]
            self._forgotten = max(self._forgotten, counts.minted)
        self._used[stamp] = counts = _Counts(minted)
        return counts

    def _stamp(self, nonce: str) -> bytes | None:
        """The stamp of a nonce of ours, else None."""
        try:
            octets = base64.b64decode(nonce, validate=True)
        except (binascii.Error, ValueError):
            return None
        stamp, signature = octets[:_STAMP], octets[_STAMP:]
        return stamp if hmac.compare_digest(signature, self._sign(stamp)) else None

    def _sign(self, stamp: bytes) -> bytes:
        return hashlib.blake2b(stamp, key=self._key, digest_size=_SIGNATURE).digest()
