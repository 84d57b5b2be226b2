"""Which peers are of our trust domain (RFC 3324 §2.3): by their address, or by what their certificate proves."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from abserver.sip.transport import WEBSOCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abserver.sip.transport import Flow

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

REMEMBERED = 65_536
"""Hosts of which it is at hand whether they are trusted."""


class TrustedPeers:
    """Those that the operator names. Called with a flow, it says whether the peer at its end is one."""

    def __init__(self, networks: Sequence[Network] = (), names: Iterable[str] = ()) -> None:
        """names: SIP domain identities (RFC 5922 §7.1), in the normal form of `identities.identity_of`."""
        self._networks = tuple(networks)
        self._names = frozenset(names)
        self._known: dict[str, bool] = {}

    def __call__(self, flow: Flow) -> bool:
        """Nobody is trusted by WebSocket: a trusted address there is that of an HTTP proxy, which lets anybody's
        messages through.
        """
        if flow.names and not self._names.isdisjoint(flow.names):
            return True
        return flow.transport not in WEBSOCKETS and self.at(flow.remote.host)

    def many(self, flow: Flow) -> bool:
        """Whether many users may be at the other end: a trusted peer is there, or passes WebSockets on."""
        return self(flow) or self.at(flow.remote.host)

    def at(self, host: str) -> bool:
        """Whether the numeric host is the address of one."""
        if not self._networks:
            return False
        trusted = self._known.get(host)
        if trusted is None:
            if len(self._known) == REMEMBERED:
                self._known.clear()
            peer = ipaddress.ip_address(host)
            trusted = self._known[host] = any(peer in network for network in self._networks)
        return trusted
