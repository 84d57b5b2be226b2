"""Locating SIP servers (RFC 3263 §4, RFC 2782): from a URI to the hops that may take its request, the preferred first.

A machine in the form of a generator: it yields the questions that it has of the DNS, is sent the answers, and returns
the hops. It does no IO and draws no random numbers of its own, so each step can be walked in a test.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip.grammar import bare_host
from abserver.sip.transport import Address, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Sequence

    from abserver.sip.uri import SipUri

MAX_HOPS = 16
"""Hops that are told, and servers of which the addresses are asked for: a zone may name any number."""


class Unlocatable(Exception):
    """The URI asks for what cannot be: a transport that we don't have, or that its scheme forbids, or a host below
    `.invalid`, for which no name server is to be asked (RFC 6761 §6.4, RFC 7118 §B.1)."""


class Kind(enum.Enum):
    """What is asked for; the value is the type of the resource record."""

    NAPTR = "NAPTR"
    SRV = "SRV"
    A = "A"
    AAAA = "AAAA"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the DNS."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403 §4), as far as SIP uses it."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str
    """A name; `.` says that there is no such service."""


Records = tuple[Naptr | Srv | str, ...]
"""The records of an answer; those of A and AAAA are numeric hosts. Empty: there are none, or nobody answered."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a request can be sent."""

    transport: Transport
    address: Address


_SERVICES = {
    "SIP+D2U": Transport.UDP,
    "SIP+D2T": Transport.TCP,
    "SIPS+D2T": Transport.TLS,
}
"""Services of NAPTR records (§4.1). SCTP is not for us."""
_PREFIXES = {Transport.UDP: "_sip._udp.", Transport.TCP: "_sip._tcp.", Transport.TLS: "_sips._tcp."}
_NAMED = {"udp": Transport.UDP, "tcp": Transport.TCP, "tls": Transport.TLS}


def locate(
    uri: SipUri, supported: Collection[Transport], draw: Callable[[int], int]
) -> Generator[tuple[Question, ...], tuple[Records, ...], list[Hop]]:
    """Find the hops for a request to `uri`. Answers are to be sent in the order of the questions.

    supported: our transports. draw: a random number from 0 to its argument, both included (RFC 2782).
    Raises Unlocatable.
    """
    fixed = transport_of(uri)
    wanted = [each for each in _PREFIXES if each in supported and (each is Transport.TLS or uri.scheme == "sip")]
    if fixed is not None:
        wanted = [each for each in wanted if each is fixed]
    default = fixed or default_transport(uri)
    if not wanted:
        raise Unlocatable("no such transport here")
    host = bare_host(uri.maddr or uri.host).rstrip(".").lower()
    if f".{host}".endswith(".invalid"):
        raise Unlocatable("a name that no host has, as of browsers")
    port = default_port(default) if uri.port is None else uri.port
    if _is_numeric(host):
        return [Hop(default, Address(host, port))] if default in wanted else []
    if uri.port is None and "." in host:  # a name of one label is this network's own, and no domain
        servers = yield from _servers(host, fixed, wanted, draw)
        if servers is not None:
            return (yield from _addresses(servers))
    return (yield from _addresses([(default, host, port)] if default in wanted else []))


def transport_of(uri: SipUri) -> Transport | None:
    """The transport that the URI itself names (§4.1); of a sips URI, TCP means TLS over it (RFC 3261 §26.2.2).

    Raises Unlocatable: a transport that we don't know, or that its scheme forbids.
    """
    if uri.transport is None:
        return None
    named = _NAMED.get(uri.transport)
    if named is None or (uri.scheme == "sips" and named is Transport.UDP):
        raise Unlocatable("no such transport here")
    return Transport.TLS if uri.scheme == "sips" else named


def _servers(
    domain: str, fixed: Transport | None, wanted: Sequence[Transport], draw: Callable[[int], int]
) -> Generator[tuple[Question, ...], tuple[Records, ...], list[tuple[Transport, str, int]] | None]:
    """The servers of a domain in the order to try them; None if it has no SRV records (§4.1, §4.2)."""
    chosen: list[tuple[Transport, str]] = []
    if fixed is None:
        (records,) = yield (Question(Kind.NAPTR, domain),)
        chosen = _usable_naptrs(records, wanted)
    chosen = chosen or [(transport, _PREFIXES[transport] + domain) for transport in wanted]
    answers = yield tuple(Question(Kind.SRV, name) for _, name in chosen)
    if not any(answers):
        return None
    return [
        (transport, record.target, record.port)
        for (transport, _), records in zip(chosen, answers, strict=True)
        for record in by_priority((each for each in records if isinstance(each, Srv)), draw)
    ]


def _usable_naptrs(records: Records, wanted: Sequence[Transport]) -> list[tuple[Transport, str]]:
    """Transports and names of SRV records: those of the lowest order that has some for us, by preference (§4.1)."""
    fitting = [
        (record.order, record.preference, transport, record.replacement)
        for record in records
        if isinstance(record, Naptr) and record.flags.lower() == "s"
        for transport in (_SERVICES.get(record.service.upper()),)
        if transport in wanted
    ]
    fitting.sort(key=lambda each: each[:2])
    return [(each[2], each[3]) for each in fitting if each[0] == fitting[0][0] and each[2]][:MAX_HOPS]


def by_priority(records: Iterable[Srv], draw: Callable[[int], int]) -> list[Srv]:
    """Put SRV records in the order to try them: by priority, and among equals by lot with their weights (RFC 2782)."""
    waiting = sorted((each for each in records if each.target != "."), key=lambda each: (each.priority, each.weight))
    ordered: list[Srv] = []
    while waiting and len(ordered) < MAX_HOPS:
        equals = [each for each in waiting if each.priority == waiting[0].priority]
        lot = draw(sum(each.weight for each in equals))
        running = 0
        for each in equals:  # pragma: no branch - the last one's sum is not below the lot
            running += each.weight
            if running >= lot:
                break
        ordered.append(each)
        waiting.remove(each)
    return ordered


def _addresses(
    servers: Sequence[tuple[Transport, str, int]],
) -> Generator[tuple[Question, ...], tuple[Records, ...], list[Hop]]:
    """The addresses of each server, IPv6 after IPv4, in the order of the servers (§4.2)."""
    servers = servers[:MAX_HOPS]
    names = list(dict.fromkeys(name for _, name, _ in servers))
    if not names:
        return []
    answers = yield tuple(Question(kind, name) for name in names for kind in (Kind.A, Kind.AAAA))
    hosts = {name: (*answers[2 * place], *answers[2 * place + 1]) for place, name in enumerate(names)}
    hops = (
        Hop(transport, Address(host, port))
        for transport, name, port in servers
        for host in hosts[name]
        if isinstance(host, str)
    )
    return list(dict.fromkeys(hops))[:MAX_HOPS]


def default_transport(uri: SipUri) -> Transport:
    """The transport to a URI that names none, and of which the DNS tells nothing (§4.1)."""
    return Transport.TLS if uri.scheme == "sips" else Transport.UDP


def default_port(transport: Transport) -> int:
    """The port of a URI without one, of which the DNS tells nothing (§4.2)."""
    return 5061 if transport is Transport.TLS else 5060


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
