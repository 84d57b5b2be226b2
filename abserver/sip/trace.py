"""What a trace of the wire is made of: each message in and out, as its bytes were."""

from __future__ import annotations

import enum
import functools
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from abserver.sip.transport import Address, Flow

RECENT_HOSTS = 4096
"""Hosts of which the packed form is remembered."""

_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)


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

    @property
    def source(self) -> Address:
        return self.flow.remote if self.direction is Direction.IN else self.flow.local

    @property
    def destination(self) -> Address:
        return self.flow.local if self.direction is Direction.IN else self.flow.remote


Tracer = Callable[[TracedMessage], None]
"""Told of each message in and out, in their order. It neither waits nor raises."""


class PackedEnds(NamedTuple):
    """Where a message came from and where it went, as an IP header has it: 4 octets each, or 16."""

    source: bytes
    source_port: int
    destination: bytes
    destination_port: int

    @property
    def is_ipv6(self) -> bool:
        return len(self.source) == 16


def packed_ends(message: TracedMessage) -> PackedEnds:
    """The ends of a message, both in the family of the peer's address.

    Our end may be an advertised name or be of the other family; then it is the unspecified address.
    """
    flow = message.flow
    peer = _packed(flow.remote.host) or bytes(4)
    ours = _packed(flow.local.host)
    if ours is None or len(ours) != len(peer):
        ours = bytes(len(peer))
    if message.direction is Direction.IN:
        return PackedEnds(peer, flow.remote.port, ours, flow.local.port)
    return PackedEnds(ours, flow.local.port, peer, flow.remote.port)


@functools.lru_cache(RECENT_HOSTS)
def _packed(host: str) -> bytes | None:
    """The octets of a numeric host, without its zone; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).packed
    except ValueError:
        return None


def call_id_of(data: bytes) -> bytes:
    """The Call-ID of a message that need not be well-formed; empty if there is none."""
    end = data.find(b"\r\n\r\n")
    found = _CALL_ID.search(data, 0, len(data) if end < 0 else end)
    return b"" if found is None else found[1].rstrip(b" \t")


def microseconds(at: float) -> tuple[int, int]:
    """A time as whole seconds and the microseconds after them."""
    return divmod(round(at * 1_000_000), 1_000_000)
