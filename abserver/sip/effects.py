"""What the endpoint asks its shell to do, and tells it (the sans-IO seam: nothing here does anything).

Values, though not all are frozen: those that every message makes are not, since freezing costs more than making.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from abserver.sip.message import Request, Response
    from abserver.sip.transport import Address, Flow, Transport

TransactionId = NewType("TransactionId", str)
"""What a transaction is matched by (§17.1.3, §17.2.3): branch and method at a client, with sent-by at a server.

One text, which is small: more than a hundred thousand answered requests may wait for timer J at a time."""


@dataclass(slots=True)
class Transmit:
    """Put these bytes on that flow."""

    flow: Flow
    data: bytes


@dataclass(frozen=True, slots=True)
class TransmitAnew:
    """Put this response on another connection: the one that its request came on is gone (§18.2.2)."""

    transport: Transport
    remote: Address
    """Where to open it, unless one is there."""
    host: str
    """Of the sent-by: what a peer proves over TLS."""
    data: bytes


@dataclass(slots=True)
class RequestReceived:
    """A request to answer by `Endpoint.respond`. It has passed `uas.check`; its top Via is stamped."""

    transaction_id: TransactionId
    request: Request
    flow: Flow
    """Where it came from."""


@dataclass(slots=True)
class ResponseReceived:
    """A response to a request of ours: any number of provisional ones, then one final."""

    transaction_id: TransactionId
    response: Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """There will be no response (timer F)."""

    transaction_id: TransactionId


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """A request or a response of ours could not be sent; its transaction is over."""

    transaction_id: TransactionId


Effect = Transmit | TransmitAnew | RequestReceived | ResponseReceived | TimedOut | TransportFailed
"""What a call of the endpoint returns, in order."""
