"""HTTP requests and responses as values, between ASGI and the rest of this room.

The path and query stay the octets of the request line: a node selector is split before it is decoded (RFC 4825 §6).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from xcap.core.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

TEXT = "text/plain; charset=utf-8"

_PRODUCT = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}+(?![!#$%&'*+.^_`|~0-9A-Za-z-])")


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body."""

    method: str
    raw_path: bytes
    query: bytes
    fields: Mapping[bytes, Sequence[bytes]]
    """The values of each header field in their order, by the field's name in lower case."""
    peer: str | None
    """The address at the other end of the connection, whatever forwarding headers say."""
    version: str = "1.1"

    @classmethod
    def of(cls, scope: Scope) -> Head:
        client = scope.get("client")
        fields: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            fields.setdefault(name, []).append(value)
        return cls(
            method=scope["method"],
            raw_path=scope["raw_path"],
            query=scope["query_string"],
            fields=fields,
            peer=client[0] if client else None,
            version=scope.get("http_version", "1.1"),
        )

    def values(self, name: bytes) -> list[str]:
        """The values of a field, one for each line; octets that are no UTF-8 become surrogate escapes."""
        return [value.decode(errors="surrogateescape") for value in self.fields.get(name, ())]

    def joined(self, name: bytes) -> str | None:
        """The value of a field that is a list (RFC 9110 §5.3), None if it is absent."""
        return ", ".join(self.values(name)) if name in self.fields else None

    def single(self, name: bytes) -> str | None:
        """The value of a field that may come once, None if it is absent. Raises BadRequest."""
        values = self.values(name)
        if len(values) > 1:
            raise BadRequest(f"several {name.decode()} header fields")
        return values[0] if values else None

    @property
    def agent(self) -> str | None:
        """The program that asks: the first product of its User-Agent (RFC 9110 §10.1.5), None without one."""
        product = _PRODUCT.match(self.joined(b"user-agent") or "")
        return product[0] if product else None

    @property
    def target(self) -> bytes:
        """Path and query as on the request line."""
        return self.raw_path + b"?" + self.query if self.query else self.raw_path


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back; the length of the body is added on the way out."""

    status: int
    body: bytes = b""
    media_type: str | None = None
    """None for no body."""
    fields: tuple[tuple[str, str], ...] = ()

    async def send(self, send: Send, *, head_only: bool) -> None:
        fields = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in self.fields]
        if self.media_type is not None:
            fields.append((b"content-type", self.media_type.encode()))
        if self.status not in _BODILESS:
            fields.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if head_only else self.body})


_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
"""Of no body, and so without a length (RFC 9110 §8.6)."""


def text(status: int, phrase: str, *fields: tuple[str, str]) -> Response:
    """A response for people to read, in one line."""
    return Response(status, f"{phrase or HTTPStatus(status).phrase}\n".encode(), TEXT, fields)
