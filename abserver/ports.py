"""What services ask of the shells, as protocols: sending SIP, clocks, stores, the change bus.

Services and shells are siblings that know only this file and the pure rooms below it; `app` joins them.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from abserver.sip.message import Request, Response
from abserver.sip.transport import Flow

if TYPE_CHECKING:
    import datetime


class SendFailure(enum.Enum):
    """Why a request of ours has no answer."""

    TIMEOUT = "timeout"
    """Timer F fired (RFC 3261 §17.1.2.2)."""
    UNREACHABLE = "unreachable"
    """No address, no connection, or the transport reported an error (§8.1.3.1)."""


Answered = Callable[[Response | SendFailure], None]
"""Called exactly once with the final response to a request, or why there is none."""

Respond = Callable[[Response], None]
"""Sends the response through the request's server transaction; to be called once."""

RequestHandler = Callable[[Request, Flow, Respond], Awaitable[None]]
"""Takes a request that passed the transaction layer and RFC 3261 §8.2's inspection; must call its Respond."""


class SipSender(Protocol):
    """Sends requests of ours within their own client transactions."""

    def send(self, request: Request, *, flow: Flow | None, answered: Answered) -> None:
        """Send to the first Route or the Request-URI (RFC 3261 §8.1.2), on `flow` if that is a live connection."""
        ...


class Clock(Protocol):
    """Time for services; pure rooms get it as an argument."""

    def now(self) -> float:
        """Monotonic seconds, the scale of every deadline."""
        ...

    def utc(self) -> datetime.datetime:
        """The wall clock, aware UTC: for rows and validity rules only."""
        ...
