"""The gate for SIP requests, by the settings."""

from __future__ import annotations

import functools
import ipaddress
import random
import time
from typing import TYPE_CHECKING

from abserver.sip.gate import Gate
from abserver.sip.shedding import Load, Shedder
from abserver.sip.sources import Sources

if TYPE_CHECKING:
    from abserver.config import Settings

REMEMBERED_PEERS = 65_536
"""Hosts of which it is at hand whether they are trusted."""


def gate_of(settings: Settings) -> Gate:
    """Buckets, bounds and trusted peers as configured."""
    overload, networks = settings.overload, settings.sip.trusted_peers

    @functools.lru_cache(REMEMBERED_PEERS)
    def trusts(host: str) -> bool:
        peer = ipaddress.ip_address(host)
        return any(peer in network for network in networks)

    sources = Sources(rate=overload.source_rate, burst=overload.source_burst) if overload.source_rate else None
    bounds = Load(overload.max_lag, overload.max_handling, overload.max_waiting)
    return Gate(
        sources,
        Shedder(bounds, random.random),
        trusts=trusts,
        retry_after=overload.retry_after,
        draw=random.random,
        started=int(time.time()),
    )
