"""The gate for SIP requests, by the settings."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from abserver.sip.gate import Gate
from abserver.sip.shedding import Load, Shedder
from abserver.sip.sources import Sources

if TYPE_CHECKING:
    from abserver.config import Settings
    from abserver.services.trusting import TrustedPeers


def gate_of(settings: Settings, trusts: TrustedPeers) -> Gate:
    """Buckets and bounds as configured."""
    overload = settings.overload
    sources = Sources(rate=overload.source_rate, burst=overload.source_burst) if overload.source_rate else None
    bounds = Load(overload.max_lag, overload.max_handling, overload.max_waiting)
    return Gate(
        sources,
        Shedder(bounds, random.random),
        trusts=trusts.many,
        retry_after=overload.retry_after,
        draw=random.random,
        started=int(time.time()),
    )
