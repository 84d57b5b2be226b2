"""The non-INVITE client transaction (RFC 3261 §17.1.2, Figure 6).

A machine without messages: it sees status codes and times, and says what its owner is to do. INVITE is not among our
methods, so this is the only client machine.
"""

from __future__ import annotations

import enum

from abserver.sip.timers import T1, T2, T4, TRANSACTION_TIMEOUT, Deadlines


class State(enum.Enum):
    """The states of Figure 6."""

    TRYING = "the request is sent, nothing was heard"
    PROCEEDING = "a provisional response came"
    COMPLETED = "a final response came; its retransmissions are absorbed"
    TERMINATED = "to be destroyed at once"


class Timer(enum.Enum):
    """Timers of Table 4 that this transaction uses."""

    E = "retransmit the request"
    F = "give up waiting for a final response"
    K = "absorb retransmitted responses"


class Effect(enum.Enum):
    """What the owner is to do."""

    SEND = "pass the request to the transport"
    DELIVER = "pass the response to the transaction user"
    TIMED_OUT = "tell the transaction user that there will be no response"
    FAILED = "tell the transaction user that the transport failed"


class ClientTransaction:
    """One request of ours and its one outcome: a final response, a timeout, or a failure."""

    __slots__ = ("_interval", "deadlines", "reliable", "state")

    def __init__(self, *, reliable: bool, now: float) -> None:
        """Enter Trying; the owner sends the request along with this (§17.1.2.2)."""
        self.reliable = reliable
        self.state = State.TRYING
        self.deadlines: Deadlines[Timer] = Deadlines()
        self.deadlines.set(Timer.F, now + TRANSACTION_TIMEOUT)
        self._interval = T1
        if not reliable:
            self.deadlines.set(Timer.E, now + self._interval)

    def receive(self, status: int, now: float) -> list[Effect]:
        """Take a response with this status code (100 to 699)."""
        match self.state:
            case State.TRYING | State.PROCEEDING if status < 200:
                self.state = State.PROCEEDING
                return [Effect.DELIVER]
            case State.TRYING | State.PROCEEDING:
                self._complete(now)
                return [Effect.DELIVER]
            case _:
                return []  # a retransmitted final response, or a late provisional one

    def _complete(self, now: float) -> None:
        self.deadlines.clear()
        if self.reliable:
            self.state = State.TERMINATED  # timer K is zero seconds
        else:
            self.state = State.COMPLETED
            self.deadlines.set(Timer.K, now + T4)

    def expire(self, now: float) -> list[Effect]:
        """Fire the timers that are due by `now`."""
        effects: list[Effect] = []
        while (timer := self.deadlines.pop_due(now)) is not None:
            effects += self._fire(timer, now)
        return effects

    def _fire(self, timer: Timer, now: float) -> list[Effect]:
        match timer:
            case Timer.E:
                # "reset, but this time with a value of MIN(2*T1, T2)"; in Proceeding always T2.
                self._interval = T2 if self.state is State.PROCEEDING else min(2 * self._interval, T2)
                self.deadlines.set(Timer.E, now + self._interval)
                return [Effect.SEND]
            case Timer.F:
                return self._end(Effect.TIMED_OUT)
            case _:
                return self._end()  # timer K

    def transport_failed(self) -> list[Effect]:
        """Take word that the request could not be sent (§17.1.4)."""
        if self.state in (State.TRYING, State.PROCEEDING):
            return self._end(Effect.FAILED)
        return []  # the outcome is known already

    def _end(self, *effects: Effect) -> list[Effect]:
        self.state = State.TERMINATED
        self.deadlines.clear()
        return list(effects)
