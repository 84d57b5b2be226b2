"""XCAP by several keep-alive connections, with digest and reused nonces: documents and elements, read and written.

Each connection has a user of its own with a list of 2 kB; it sends a request, takes the answer, and sends the next. The
load comes from this process, the server is another one; on two cores each has about one.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import uvloop

from tests.bench.measuring import Row, cpu_seconds
from tests.bench.serving import ROOT, put, server
from xcap.core.digest import Algorithm, Challenge, ha1
from xcap.core.usages import resource_lists
from xcap.ports import Credential
from xcap.storage.commit import GroupCommit
from xcap.storage.credentials import SqlCredentialStore
from xcap.storage.database import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.serving import Served

DOMAIN, PASSWORD = "example.com", "bench"
WARMING, SECONDS = 0.5, 4.0
CONNECTIONS = (1, 8, 32)
ENTRIES = 20

NODE = "/~~/resource-lists/list%5B@name=%22friends%22%5D/entry%5B7%5D"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is asked again and again."""

    name: str
    method: str
    node: str = ""
    media_type: str = ""

    def body(self, number: int) -> bytes:
        """Another one for each number."""
        if self.method == "GET":
            return b""
        return entry(6, number) if self.node else document(number)


KINDS = (
    Kind("GET document", "GET"),
    Kind("GET element", "GET", NODE),
    Kind("PUT document", "PUT", "", resource_lists.RESOURCE_LISTS.media_type),
    Kind("PUT element", "PUT", NODE, "application/xcap-el+xml"),
)


def entry(place: int, number: int = 0) -> bytes:
    return (
        f'<entry uri="sip:person{place}@example.com">\n   <display-name>Person {place}, {number:09d}</display-name>\n'
        "  </entry>"
    ).encode()


def document(number: int = 0) -> bytes:
    """A list of 2 kB."""
    entries = b"".join(b"\n  " + entry(place, number) for place in range(ENTRIES))
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">\n'
        b' <list name="friends">' + entries + b"\n </list>\n</resource-lists>\n"
    )


def rows() -> Iterator[Row]:
    """Requests per second for each kind and number of connections."""
    with server() as served:
        asyncio.run(add_users(served))
        for kind in KINDS:
            for connections in CONNECTIONS:
                yield uvloop.run(measured(served, kind, connections))


async def add_users(served: Served) -> None:
    """As many as there are connections, each with a password and a document."""
    url = served.environment["ABSERVER_STORAGE__URL"]
    async with open_database(url) as database, GroupCommit(database) as committer:
        store = SqlCredentialStore(database, committer)
        for number in range(max(CONNECTIONS)):
            user = f"sip:u{number}@{DOMAIN}"
            await store.put(Credential.of(user, DOMAIN, PASSWORD))
            put(served, resource_lists.AUID, resource_lists.RESOURCE_LISTS.media_type, document(), user=user)


async def measured(served: Served, kind: Kind, connections: int) -> Row:
    """Let so many connections send for a while."""
    loop = asyncio.get_running_loop()
    clients = [_Client(kind, number) for number in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, *served.http)  # type: ignore[misc]  # mypy#1174
    await asyncio.sleep(WARMING)
    for client in clients:
        client.times.clear()
    cpu, started = cpu_seconds(served.pid), time.perf_counter()
    await asyncio.sleep(SECONDS)
    cpu, elapsed = cpu_seconds(served.pid) - cpu, time.perf_counter() - started
    times = sorted(each for client in clients for each in client.times)
    for client in clients:
        await client.closed()
    median, p99 = (times[int(len(times) * part)] * 1e3 for part in (0.5, 0.99))
    return Row(
        f"XCAP {kind.name}, {connections} connection{'s' if connections > 1 else ''}",
        len(times) / elapsed,
        "/s",
        f"{cpu / len(times) * 1e6:.0f} µs of CPU each, median {median:.1f} ms, p99 {p99:.1f} ms",
    )


_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_CHALLENGE = re.compile(rb"\r\nwww-authenticate: ([^\r]*)", re.IGNORECASE)


class _Client(asyncio.Protocol):
    """One connection. It computes no more than it has to, so that the server gets the machine."""

    def __init__(self, kind: Kind, number: int) -> None:
        self.times: list[float] = []
        """Of the requests that were answered."""
        self._kind = kind
        self._user = f"u{number}"
        self._path = f"{ROOT}/{resource_lists.AUID}/users/sip:{self._user}@{DOMAIN}/index{kind.node}"
        self._challenge: Challenge | None = None
        self._secrets = ("", "")
        self._sent = self._count = 0
        self._started = 0.0
        self._received = b""
        self._stopping = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its bases
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < int(length[1] if length else 0):
            return
        self._received = b""
        if head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            self.times.append(time.perf_counter() - self._started)
        else:
            self._answer(head)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._stopping.set_result(None)

    async def closed(self) -> None:
        """Close the connection, wherever it is."""
        self._transport.abort()
        await self._stopping

    def _answer(self, head: bytes) -> None:
        """Take up the first challenge."""
        challenge = _CHALLENGE.search(head)
        if challenge is None:
            raise RuntimeError(head.decode())
        self._challenge = Challenge.parse_all(challenge[1].decode())[0]
        assert self._challenge.algorithm is Algorithm.SHA256
        ha2 = hashlib.sha256(f"{self._kind.method}:{self._path}".encode()).hexdigest()
        self._secrets = (ha1(Algorithm.SHA256, self._user, DOMAIN, PASSWORD), ha2)
        self._count = 0

    def _send(self) -> None:
        self._sent += 1
        body = self._kind.body(self._sent)
        head = (
            f"{self._kind.method} {self._path} HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: {self._kind.media_type}\r\n{self._authorization()}\r\n"
        )
        self._started = time.perf_counter()
        self._transport.write(head.encode() + body)

    def _authorization(self) -> str:
        """The header field with the next count of the nonce (RFC 7616 §3.4)."""
        if self._challenge is None:
            return ""
        self._count += 1
        nonce, count = self._challenge.nonce, f"{self._count:08x}"
        secret, ha2 = self._secrets
        response = hashlib.sha256(f"{secret}:{nonce}:{count}:bench:auth:{ha2}".encode()).hexdigest()
        return (
            f'Authorization: Digest username="{self._user}", realm="{DOMAIN}", nonce="{nonce}", uri="{self._path}", '
            f'response="{response}", algorithm=SHA-256, cnonce="bench", qop=auth, nc={count}\r\n'
        )
