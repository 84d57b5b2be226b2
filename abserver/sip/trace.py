"""What a trace of the wire is made of: each message in and out, as its bytes were."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abserver.sip.transport import Flow


class Direction(enum.Enum):
    """Which way a traced message went."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """One message on the wire."""

    at: float
    """Seconds since the epoch."""
    direction: Direction
    flow: Flow
    data: bytes


Tracer = Callable[[TracedMessage], None]
"""Told of each message in and out, in their order."""
