"""What a bad network does to packets."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.network import HOP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.network import Packet

LONGEST = 5.0
"""Seconds that a packet lingers in the network at most (T4 of RFC 3261)."""


@dataclass
class Weather:
    """How likely a packet is lost, late, or doubled."""

    lost: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    dice: random.Random = field(default_factory=random.Random)

    def fate(self, packet: Packet) -> Sequence[float]:
        """When the copies of the packet arrive (`Network.fate`)."""
        if self.dice.random() < self.lost:
            return ()
        delay = HOP + self.dice.random() * LONGEST if self.dice.random() < self.late else HOP
        return (delay, self.dice.random() * LONGEST) if self.dice.random() < self.doubled else (delay,)
