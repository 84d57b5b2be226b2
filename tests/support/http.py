"""Requests as they are on the wire, whatever they hold: to an ASGI application in process, or over a socket.

No client library stands between: targets are neither normalised nor escaped, and fields may be anything.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Mapping

Fields = Sequence[tuple[bytes, bytes]]
Exchange = Callable[[str, bytes, Fields, bytes], Coroutine[Any, Any, "Answer"]]
"""(method, target, fields, body) -> answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    fields: Mapping[str, str]
    """By name in lower case; the values of several lines are joined."""
    body: bytes

    @property
    def etag(self) -> str:
        """The entity tag with its quotes. Raises KeyError."""
        return self.fields["etag"]


def _answer(status: int, fields: Fields, body: bytes) -> Answer:
    joined: dict[str, str] = {}
    for name, value in fields:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return Answer(status, joined, body)


def in_process(app: Callable[..., Awaitable[None]], *, peer: str = "127.0.0.1") -> Exchange:
    """Requests to an application without any connection."""

    async def exchange(method: str, target: bytes, fields: Fields, body: bytes) -> Answer:
        path, _, query = target.partition(b"?")
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "raw_path": path,
            "query_string": query,
            "headers": [(b"host", b"xcap.example.com"), *((name.lower(), value) for name, value in fields)],
            "client": (peer, 50000),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        await app(scope, receive, send)
        return _answer(sent[0]["status"], sent[0]["headers"], b"".join(event["body"] for event in sent[1:]))

    return exchange


@contextlib.asynccontextmanager
async def over_socket(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Exchange]:
    """Requests one after the other on one connection to 127.0.0.1; anew where the server has closed it.

    tls: expects the certificate of xcap.example.com.
    """
    connection = _Connection(port, tls)
    try:
        yield connection.exchange
    finally:
        await connection.close()


class _Connection:
    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._port = port
        self._tls = tls
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, method: str, target: bytes, fields: Fields, body: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._tls, server_hostname="xcap.example.com" if self._tls else None
            )
        reader, writer = self._streams
        head = [b"%s %s HTTP/1.1" % (method.encode(), target), b"Host: xcap.example.com"]
        head += [b"%s: %s" % field for field in fields]
        head.append(b"Content-Length: %d" % len(body))
        writer.write(b"\r\n".join([*head, b"", body]))
        answer = await _read(reader, without_body=method == "HEAD")
        if answer.fields.get("connection") == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(ConnectionError):  # the server was faster
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, *, without_body: bool) -> Answer:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    fields = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    head = _answer(int(status.split()[1]), fields, b"")
    if without_body or head.status in (204, 304):
        return head
    return Answer(head.status, head.fields, await reader.readexactly(int(head.fields["content-length"])))
