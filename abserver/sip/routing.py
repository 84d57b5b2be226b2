"""The transport layer's rules about who is told where to answer, and where answers go (RFC 3261 §18, RFC 3581).

Law: what a peer wrote about its own address is believed only where the RFC says so; where a request came from, which
no peer can write, is what its `received` and `rport` say from here on.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from abserver.sip.grammar import bare_host
from abserver.sip.headers import Via
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from abserver.sip.outgoing import Outgoing

LARGEST_DATAGRAM_REQUEST = 1300
"""Bytes; a larger request goes by a transport with congestion control where there is one (§18.1.1)."""

DEFAULT_PORT = 5060
"""The port of a sent-by without one, for UDP and TCP (§18.2.2)."""
DEFAULT_TLS_PORT = 5061

_FRAME = 160
"""Bytes that are in no header field yet, generously: start line without URI, our Via, Content-Length."""


def is_large(request: Outgoing) -> bool:
    """Whether a request is to leave by TCP though its target is reached by UDP (§18.1.1)."""
    size = _FRAME + len(request.uri) + len(request.fields) + len(request.body)
    return size > LARGEST_DATAGRAM_REQUEST


@functools.lru_cache(maxsize=1024)
def hop_of(transport: Transport, local: Address) -> str:
    """Protocol and sent-by of our Via on flows of that transport from that address of ours."""
    return f"SIP/2.0/{transport.value} {local}"


def via_of(hop: str, branch: str, flow: Flow) -> str:
    """Our Via; it asks for symmetric responses (RFC 3581 §3), and on a connection over TLS that we opened it tells the
    peer to send its requests there too (RFC 5923 §8.1)."""
    if flow.opened and flow.transport is Transport.TLS:
        return f"{hop};alias;branch={branch};rport"
    return f"{hop};branch={branch};rport"


def names_us(via: Via, flow: Flow) -> bool:
    """Whether the sent-by of a response's Via is what we wrote into the request that left on `flow` (§18.1.2)."""
    return bare_host(via.host).lower() == flow.local.host.lower() and via.port == flow.local.port


def stamp(via: Via, source: Address) -> Via:
    """The topmost Via of a request as the server leaves it: with `received`, and `rport` if asked for, telling where
    the request came from (§18.2.1, RFC 3581 §4). What the peer itself put there is replaced.
    """
    asked = "rport" in via.params
    elsewhere = not _same_host(bare_host(via.host), source.host)
    if not (asked or elsewhere or "received" in via.params):
        return via
    params = {name: value for name, value in via.params.items() if name != "received"}
    if asked:
        params["rport"] = str(source.port)
    if asked or elsewhere:
        params["received"] = source.host
    return Via(via.transport, via.host, via.port, params, via.protocol)


def _same_host(one: str, other: str) -> bool:
    """Whether two hosts are one numeric address: `::1` has other spellings."""
    return one == other or (_numeric(one) is not None and _numeric(one) == _numeric(other))


def _numeric(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def response_flow(via: Via, flow: Flow) -> Flow:
    """Where the response to a request goes that came on `flow` with this topmost Via, stamped (§18.2.2, RFC 3581 §4).

    Always to a numeric address: the stamp has seen to that, and an `maddr` that is a name is passed over.
    """
    if flow.transport.reliable:
        return flow  # the connection it came on; `other_way` is for when that is gone
    maddr = bare_host(via.maddr or "")
    if maddr and _numeric(maddr) is not None:
        return replace(flow, remote=Address(maddr, via.port or DEFAULT_PORT))
    port = via.rport if via.rport is not None else via.port or DEFAULT_PORT
    return flow if port == flow.remote.port else replace(flow, remote=Address(flow.remote.host, port))


def other_way(via: Via, flow: Flow) -> Address | None:
    """Where a connection is opened for the response to a request that came on `flow` with this topmost Via, since that
    connection is gone: to the peer, at the port where it says that it listens (§18.2.2). None over a WebSocket, which
    can't be opened from here.

    Where the peer says it is, `sent-by`, is not asked for, though RFC 3263 §5 would have that as a last resort: any
    peer could have us connect to any host.
    """
    match flow.transport:
        case Transport.TCP:
            return Address(flow.remote.host, via.port or DEFAULT_PORT)
        case Transport.TLS:
            return Address(flow.remote.host, via.port or DEFAULT_TLS_PORT)
        case _:
            return None
