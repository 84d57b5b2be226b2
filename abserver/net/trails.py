"""The hops of one request, tried one after the other (RFC 3263 §4.3), and those that failed of late.

A hop fails if it cannot be reached, if it answers 503, or if nothing at all comes from it until Timer F fires. Then the
request goes to the next one, in a transaction of its own. Two bounds keep that short: no hop is begun later than
`PATIENCE` after the first, so that two in a row may be silent, and any number refuse; and a hop that failed is the last
choice of all other requests for a while. An outcome is known `PATIENCE`, Timer F and the time of opening a connection
after the hops were found at the latest: 70 seconds.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.ports import SendFailure
from abserver.sip.errors import SipSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from abserver.ports import Answered
    from abserver.sip.locating import Hop
    from abserver.sip.message import Response
    from abserver.sip.outgoing import Outgoing
    from abserver.sip.transport import Flow

PATIENCE = 34.0
"""Seconds after the first attempt in which another one may be begun: a little more than Timer F."""
FAILURE_KEPT = 60.0
"""Seconds for which a hop that was silent or unreachable is the last choice."""
LONGEST_KEPT = 3600.0
"""Seconds for which one is at most, whatever its Retry-After says."""
MAX_FAILED = 4096
"""Hops of which that is remembered."""


class FailedHops:
    """Remembers which hops failed of late."""

    def __init__(self) -> None:
        self._until: dict[Hop, float] = {}

    def last(self, hops: Iterable[Hop], now: float) -> list[Hop]:
        """The hops in their order, but those that failed after all others: nothing else may be left."""
        if not self._until:
            return list(hops)
        return sorted(hops, key=lambda hop: self._until.get(hop, now) > now)

    def note(self, hop: Hop, now: float, seconds: float) -> None:
        """A hop failed."""
        if len(self._until) >= MAX_FAILED:
            self._until.clear()
        self._until[hop] = now + min(seconds, LONGEST_KEPT)

    def clear(self, hop: Hop) -> None:
        """A hop took a request."""
        self._until.pop(hop, None)


class Trail:
    """What is left of the hops of one request."""

    def __init__(self, hops: Iterable[Hop], failed: FailedHops, now: float) -> None:
        """hops: in the order to try them."""
        self._hops = failed.last(hops, now)
        self._hops.reverse()
        self._failed = failed
        self._until = now + PATIENCE
        self._at: Hop | None = None

    def next(self, now: float) -> Hop | None:
        """The hop to try now; None if none is left, or it is too late for another one."""
        self._at = self._hops.pop() if self._hops and now < self._until else None
        return self._at

    def fails(self, outcome: Response | SendFailure, now: float, *, heard: bool) -> bool:
        """Take what became of the request at the hop tried last; whether the next one is to be tried.

        heard: a provisional response came, so a timeout is none of the hop's (§4.3).
        """
        hop = self._at
        if hop is None:
            return False
        if not isinstance(outcome, SendFailure):
            return self._refuses(hop, outcome, now)
        if outcome is SendFailure.TIMEOUT and heard:
            return False
        self._failed.note(hop, now, FAILURE_KEPT)
        return True

    def _refuses(self, hop: Hop, response: Response, now: float) -> bool:
        if response.status != 503:
            self._failed.clear(hop)
            return False
        with contextlib.suppress(SipSyntaxError):
            if response.retry_after is not None:  # without one, a 503 says nothing of other requests (RFC 3261 §21.5.4)
                self._failed.note(hop, now, response.retry_after)
        return True


@dataclass(slots=True)
class Attempt:
    """Takes what becomes of a request at one of several hops (an `Answered`)."""

    trail: Trail
    request: Outgoing
    came_on: Flow | None
    answered: Answered
    """Who wants to know in the end."""
    ended: Callable[[Attempt, Response | SendFailure], None]
    heard: bool = False
    """Whether a provisional response came."""

    def __call__(self, outcome: Response | SendFailure) -> None:
        self.ended(self, outcome)

    def again(self) -> Attempt:
        """The attempt at the next hop."""
        return Attempt(self.trail, self.request, self.came_on, self.answered, self.ended)
