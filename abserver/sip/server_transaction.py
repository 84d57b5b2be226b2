"""The non-INVITE server transaction (RFC 3261 §17.2.2, Figure 8) as RFC 4320 changed it.

A machine without messages, like its peer in client_transaction.py. Of RFC 4320: the only provisional response is a
100, the machine itself asks for it when Timer E of the client has grown to T2, and no 408 is ever sent: an element that
can't answer in time does not answer. That last rule has a timer here, so that no request is kept for ever.
"""

from __future__ import annotations

import enum
import math

from abserver.sip.timers import T1, T2, TRANSACTION_TIMEOUT


def _time_until_t2() -> float:
    """Seconds until a client's Timer E is reset to T2: the sum of its shorter intervals (RFC 4320 §4.1)."""
    elapsed, interval = 0.0, T1
    while interval < T2:
        elapsed, interval = elapsed + interval, 2 * interval
    return elapsed


TRYING_DELAY = _time_until_t2()
"""Seconds after which a request without an answer gets a 100: 3.5."""


class State(enum.Enum):
    """The states of Figure 8."""

    TRYING = "the request is with the transaction user"
    PROCEEDING = "a 100 was sent"
    COMPLETED = "the final response was sent; it is sent again for each retransmitted request"
    TERMINATED = "to be destroyed at once"


class Effect(enum.Enum):
    """What the owner is to do."""

    SEND = "pass the last response to the transport"
    SEND_TRYING = "make a 100, now the last response, and pass it to the transport"
    FAILED = "tell the transaction user that the response could not be sent"


class ServerTransaction:
    """One request of a peer and the answer to it."""

    __slots__ = ("_end_at", "_trying_at", "reliable", "state")

    def __init__(self, *, reliable: bool, now: float) -> None:
        """Enter Trying; the owner passes the request to the transaction user along with this."""
        self.reliable = reliable
        self.state = State.TRYING
        self._trying_at = now + TRYING_DELAY
        """When a 100 is sent (RFC 4320 §4.1)."""
        self._end_at = now + TRANSACTION_TIMEOUT
        """When the client's timer F has fired, and no answer is of use any more (RFC 4320 §4.2). In Completed timer J:
        answer retransmitted requests no more."""

    def next_deadline(self) -> float:
        """When the first timer fires; infinity if none runs."""
        return self._trying_at if self._trying_at < self._end_at else self._end_at

    def receive(self) -> list[Effect]:
        """Take a retransmission of the request."""
        if self.state is State.PROCEEDING or self.state is State.COMPLETED:
            return [Effect.SEND]
        return []  # "any further request retransmissions are discarded"

    def respond(self, status: int, now: float) -> list[Effect]:
        """Take the transaction user's final response; SEND makes it the last one.

        Raises ValueError for a status that RFC 4320 §4 forbids: 408, or a provisional one.
        """
        if not 200 <= status <= 699 or status == 408:
            raise ValueError(f"a non-INVITE request is not answered {status}")
        if self.state is not State.TRYING and self.state is not State.PROCEEDING:
            return []  # "Any other final responses [...] MUST be discarded"
        if self.reliable:
            self._terminate()  # timer J is zero seconds
        else:
            self.state = State.COMPLETED
            self._trying_at = math.inf
            self._end_at = now + TRANSACTION_TIMEOUT
        return [Effect.SEND]

    def expire(self, now: float) -> list[Effect]:
        """Fire the timers that are due by `now`."""
        effects: list[Effect] = []
        if self._trying_at <= now:
            self._trying_at = math.inf
            self.state = State.PROCEEDING
            effects.append(Effect.SEND_TRYING)
        if self._end_at <= now:
            self._terminate()
        return effects

    def transport_failed(self) -> list[Effect]:
        """Take word that the last response could not be sent (§17.2.4)."""
        if self.state is State.PROCEEDING or self.state is State.COMPLETED:
            self._terminate()
            return [Effect.FAILED]
        return []  # nothing was sent yet

    def _terminate(self) -> None:
        self.state = State.TERMINATED
        self._trying_at = self._end_at = math.inf
