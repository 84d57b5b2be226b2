"""Where a SIP message came from and where one is to go: transports, addresses, flows (RFC 3261 §18, RFC 5626 §2)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple


class Transport(enum.Enum):
    """The transport tokens of a Via (RFC 3261 §20.42, RFC 7118 §5.2)."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"
    WS = "WS"
    WSS = "WSS"

    @property
    def reliable(self) -> bool:
        """Whether retransmission timers stay silent (RFC 3261 §17)."""
        return self is not Transport.UDP

    @property
    def parameter(self) -> str:
        """What a URI names it by (RFC 3261 §19.1.1); `ws` is for secure WebSockets too (RFC 7118 §5.2)."""
        return "ws" if self is Transport.WSS else self.value.lower()


WEBSOCKETS = (Transport.WS, Transport.WSS)
"""Those by which only clients open connections, maybe through HTTP proxies (RFC 7118)."""


class Address(NamedTuple):
    """A host, IPv6 without brackets, and a port. The host is numeric, but for those of ours that are advertised by a
    name."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Listener(NamedTuple):
    """Where to listen, and where peers are to send if that is elsewhere: behind a NAT, in a container."""

    address: Address
    advertised: Address | None = None
    """With port 0 it is the port that is listened at."""

    def __str__(self) -> str:
        told = self.advertised
        if told is None:
            return str(self.address)
        return f"{self.address} advertise {told if told.port else Address(told.host, self.address.port)}"


@dataclass(frozen=True, slots=True)
class Flow:
    """A path on which messages come and go: one UDP socket and peer, or one connection."""

    transport: Transport
    local: Address
    """Our listener's address as peers are to use it, the advertised one if there is one: the sent-by of our Via, the
    host of our Contact."""
    remote: Address
    connection: int = 0
    """The shell's number for the connection, never used again in its life; 0 for UDP."""
    names: frozenset[str] = field(default=frozenset(), compare=False)
    """The SIP domain identities that the peer's certificate has proven (RFC 5922 §7.1), in the normal form of
    `identities.identity_of`."""
    opened: bool = field(default=False, compare=False)
    """Whether the connection was opened from here."""
