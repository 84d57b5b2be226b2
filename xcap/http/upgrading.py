"""Other protocols on the HTTP listener (RFC 9110 §7.8): what an offer to change is, and what may be said to it.

The listener knows none of them. Whoever has one puts an `Upgrade` at its path; a connection that changes over is given
to its protocol and is none of the listener's any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Offer:
    """A request with an Upgrade, and without a body."""

    method: bytes
    fields: Sequence[tuple[bytes, bytes]]
    """The header fields, names in lower case."""
    host: str
    """The numeric host of the peer."""
    secure: bool
    """It came over TLS."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The offer is taken: 101, and the connection is the protocol's."""

    fields: Sequence[tuple[str, str]]
    protocol: Callable[[], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The offer, or how it was made, is refused; the connection ends."""

    status: HTTPStatus
    fields: Sequence[tuple[str, str]] = ()
    reason: str = ""
    """For people."""


Upgrade = Callable[[Offer], Switch | Refusal | None]
"""Answers an offer; None to ignore it, which serves the request as if it had made none."""
Upgrades = Mapping[bytes, Upgrade]
"""By path, as it comes in a request, without query."""
