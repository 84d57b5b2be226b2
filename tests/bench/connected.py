"""Devices that stay connected, each by a connection of its own: what they cost, and what it costs to tell all of them.

Each logs in by digest, as nobody vouches for a web page; the nonce and the challenge cost one more request each.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tests.bench.devices import Devices, Way, password_of
from tests.bench.fanout import tell
from tests.bench.measuring import ROUNDS, Row, cpu_when_quiet, resident_kilobytes
from tests.bench.messages import OWNER_DOMAIN
from tests.bench.owners import put_card, put_rules, rules_for_domains
from tests.bench.serving import CERTIFICATE, Documents, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.floor import Floor
    from tests.bench.serving import Served

COUNT = 1_000
TRANSPORTS = ("TCP", "TLS", "WS", "WSS")


def rows(floor: Floor) -> Iterator[Row]:
    """Two rows for each transport."""
    for transport in TRANSPORTS:
        yield from _connected(transport, floor)


def _connected(transport: str, floor: Floor) -> Iterator[Row]:
    users = {f"sip:w{number}@{OWNER_DOMAIN}": password_of(number) for number in range(COUNT)}
    with server(users=users, tls=transport in ("TLS", "WSS")) as served, Documents(served) as documents:
        put_rules(documents, rules_for_domains(OWNER_DOMAIN))
        put_card(documents, [0])
        cpu, memory = cpu_when_quiet(served.pid), resident_kilobytes(served.pid)
        with Devices(_way(transport, served)) as devices:
            outcome = devices.subscribe(COUNT)
            cost = cpu_when_quiet(served.pid) - cpu
            each = (resident_kilobytes(served.pid) - memory) / COUNT
            yield Row(
                f"{COUNT} devices connect by {transport}, log in, subscribe",
                COUNT / outcome.seconds,
                "/s",
                f"{cost / COUNT * 1e6:.0f} µs of CPU and {each:.1f} kB of memory each; load: {outcome.share:.0%} CPU",
            )
            told = tell(served, documents, devices, [[edit] for edit in range(1, ROUNDS + 2)], hear=COUNT)
    rate = COUNT / told.seconds
    yield Row(
        f"fan-out to {COUNT} devices by {transport}",
        rate,
        "NOTIFY/s",
        f"{told.cpu / COUNT * 1e6:.1f} µs of CPU each; {rate / floor.rate:.0%} of the floor; load: {told.load:.0%} CPU",
    )


def _way(transport: str, served: Served) -> Way:
    tls = ssl.create_default_context(cafile=CERTIFICATE) if transport in ("TLS", "WSS") else None
    addresses = {"TCP": served.sip, "TLS": served.tls, "WS": served.http, "WSS": served.http}
    return Way(transport, addresses[transport], tls)
