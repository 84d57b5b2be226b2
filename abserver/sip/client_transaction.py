"""The non-INVITE client transaction (RFC 3261 §17.1.2, Figure 6).

A machine without messages: it sees status codes and times, and says what its owner is to do. INVITE is not among our
methods, so this is the only client machine.
"""

from __future__ import annotations

import enum
import math

from abserver.sip.timers import T1, T2, T4, TRANSACTION_TIMEOUT


class State(enum.Enum):
    """The states of Figure 6."""

    TRYING = "the request is sent, nothing was heard"
    PROCEEDING = "a provisional response came"
    COMPLETED = "a final response came; its retransmissions are absorbed"
    TERMINATED = "to be destroyed at once"


class Effect(enum.Enum):
    """What the owner is to do."""

    SEND = "pass the request to the transport"
    DELIVER = "pass the response to the transaction user"
    TIMED_OUT = "tell the transaction user that there will be no response"
    FAILED = "tell the transaction user that the transport failed"


class ClientTransaction:
    """One request of ours and its one outcome: a final response, a timeout, or a failure."""

    __slots__ = ("_end_at", "_interval", "_send_at", "reliable", "state")

    def __init__(self, *, reliable: bool, now: float) -> None:
        """Enter Trying; the owner sends the request along with this (§17.1.2.2)."""
        self.reliable = reliable
        self.state = State.TRYING
        self._interval = T1
        self._send_at = math.inf if reliable else now + T1
        """Timer E: send the request again."""
        self._end_at = now + TRANSACTION_TIMEOUT
        """Timer F: give up waiting for a final response. In Completed timer K: absorb no more responses."""

    def next_deadline(self) -> float:
        """When the first timer fires; infinity if none runs."""
        return self._send_at if self._send_at < self._end_at else self._end_at

    def receive(self, status: int, now: float) -> list[Effect]:
        """Take a response with this status code (100 to 699)."""
        if self.state is not State.TRYING and self.state is not State.PROCEEDING:
            return []  # a retransmitted final response, or a late provisional one
        if status < 200:
            self.state = State.PROCEEDING
        else:
            self._complete(now)
        return [Effect.DELIVER]

    def _complete(self, now: float) -> None:
        self._send_at = math.inf
        if self.reliable:
            self.state = State.TERMINATED  # timer K is zero seconds
            self._end_at = math.inf
        else:
            self.state = State.COMPLETED
            self._end_at = now + T4

    def expire(self, now: float) -> list[Effect]:
        """Fire the timers that are due by `now`."""
        effects: list[Effect] = []
        if self._send_at <= now and self._send_at < self._end_at:
            # "reset, but this time with a value of MIN(2*T1, T2)"; in Proceeding always T2.
            self._interval = T2 if self.state is State.PROCEEDING else min(2 * self._interval, T2)
            self._send_at = now + self._interval
            effects.append(Effect.SEND)
        if self._end_at <= now:
            if self.state is not State.COMPLETED:
                effects.append(Effect.TIMED_OUT)
            self._terminate()
        return effects

    def transport_failed(self) -> list[Effect]:
        """Take word that the request could not be sent (§17.1.4)."""
        if self.state is not State.TRYING and self.state is not State.PROCEEDING:
            return []  # the outcome is known already
        self._terminate()
        return [Effect.FAILED]

    def _terminate(self) -> None:
        self.state = State.TERMINATED
        self._send_at = self._end_at = math.inf
