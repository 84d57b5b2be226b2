"""XCAP by several keep-alive connections with digest: documents and elements, read and written."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

from abserver.domain.usages import CONTACT_CARD_AUID
from tests.bench.measuring import Row, cpu_seconds
from tests.bench.pure import card_of
from tests.bench.serving import ROOT, put, server
from xcap.core.digest import Challenge, authorization

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.process import ServerProcess

PASSWORD = "bench"
SECONDS = 3.0
CONNECTIONS = (1, 8, 32)
ELEMENT = "/~~/vcards/vcard/tel%5B1%5D"
KINDS = {
    "GET document": ("GET", "", ""),
    "GET element": ("GET", ELEMENT, ""),
    "PUT document": ("PUT", "", "application/vcard+xml"),
    "PUT element": ("PUT", ELEMENT, "application/xcap-el+xml"),
}


def rows() -> Iterator[Row]:
    """Requests per second for each kind and number of connections; every connection has a user of its own."""
    with server() as served:
        for number in range(max(CONNECTIONS)):
            add_user(served, number)
        for kind in KINDS:
            for connections in CONNECTIONS:
                cpu = cpu_seconds(served.pid)
                rate, total, p99 = asyncio.run(_load(served, kind, connections))
                cpu = (cpu_seconds(served.pid) - cpu) / total
                yield Row(
                    f"XCAP {kind}, {connections} connection{'s' if connections > 1 else ''}",
                    rate,
                    "/s",
                    f"{cpu * 1e6:.0f} µs of CPU each, p99 {p99 * 1e3:.1f} ms",
                )


def add_user(served: ServerProcess, number: int) -> None:
    """A user with a password and a card of 1.5 kB."""
    user = f"sip:u{number}@example.com"
    served.command("user", "add", user, "--password", PASSWORD)
    put(served, CONTACT_CARD_AUID, "application/vcard+xml", card_of(), user=user)


async def _load(served: ServerProcess, kind: str, connections: int) -> tuple[float, int, float]:
    """Requests per second, in all, and the 99th percentile of their times in seconds."""
    started = time.perf_counter()
    runs = await asyncio.gather(*(_client(served, kind, number, started + SECONDS) for number in range(connections)))
    times = sorted(itertools.chain.from_iterable(runs))
    return len(times) / (time.perf_counter() - started), len(times), times[int(len(times) * 0.99)]


async def _client(served: ServerProcess, kind: str, number: int, until: float) -> list[float]:
    method, node, media_type = KINDS[kind]
    user = f"sip:u{number}@example.com"
    path = f"{ROOT}/{CONTACT_CARD_AUID}/users/{user}/index{node}"
    reader, writer = await asyncio.open_connection(*served.http)
    challenge: Challenge | None = None
    times: list[float] = []
    count = 0
    while time.perf_counter() < until:
        count += 1
        body = _body(method, node, len(times))
        started = time.perf_counter()
        head = [f"{method} {path} HTTP/1.1", "Host: example.com", f"Content-Length: {len(body)}"]
        if media_type:
            head.append(f"Content-Type: {media_type}")
        if challenge is not None:
            answer = authorization(challenge, f"u{number}", PASSWORD, method, path, nc=count, cnonce="bench")
            head.append(f"Authorization: {answer}")
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        status, fields = await _response(reader)
        if status == 401:
            challenge, count = Challenge.parse_all(fields["www-authenticate"])[0], 0
        elif status in (200, 201):
            times.append(time.perf_counter() - started)
        else:
            raise RuntimeError(f"{kind}: {status}")
    writer.close()
    await writer.wait_closed()
    return times


def _body(method: str, node: str, number: int) -> bytes:
    if method == "GET":
        return b""
    if not node:
        return card_of(f"+1555{number:05d}")
    level = "<parameters><x-level><text>friends</text></x-level></parameters>"
    return f'<tel xmlns="urn:ietf:params:xml:ns:vcard-4.0">{level}<uri>tel:+1555{number:05d}</uri></tel>'.encode()


async def _response(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and the first field of each name; the body is read and dropped."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields: dict[str, str] = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        fields.setdefault(name.lower(), value.strip())
    await reader.readexactly(int(fields.get("content-length", "0")))
    return int(head[0].split()[1]), fields
