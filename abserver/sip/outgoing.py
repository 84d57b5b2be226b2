"""A request of ours as it leaves, but for what the endpoint adds: start line, Via and Content-Length.

Thousands of NOTIFYs in a second differ in little; whoever sends them writes the fields that they share once
(`codec.write_fields`), and `Dialog.next_outgoing` puts those of the dialog before them. Everybody else makes a
`Request`, and `Outgoing.of` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip.codec import write_fields
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import NameAddr
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from abserver.sip.message import Request


ON_FLOW = ""
"""The next hop of a request that can leave on its flow only (RFC 5626 §5.3)."""


@dataclass(slots=True)
class Outgoing:
    """A value like `Request`; not frozen, because one is made for every NOTIFY."""

    method: str
    uri: str
    """The Request-URI."""
    next_hop: str
    """The URI whose host gets the request (RFC 3261 §8.1.2): the first Route, or the Request-URI; ON_FLOW for whoever
    is at the other end of the flow that it is sent with."""
    fields: str
    """The header fields with a CRLF after each, without Via and Content-Length."""
    body: bytes = b""

    @classmethod
    def of(cls, request: Request) -> Outgoing:
        """Write a request. Raises ValueError for a line break in a field, SipSyntaxError for a Route that is none."""
        fields = write_fields(request.headers)
        return cls(request.method, request.uri, _next_hop(request), fields, request.body)

    def written(self, via: str) -> bytes:
        """The message with `via` as its topmost Via. Raises ValueError for a line break in the start line or Via."""
        start = f"{self.method} {self.uri} SIP/2.0\r\nVia: {via}\r\n"
        if start.count("\n") != 2 or start.count("\r") != 2:
            raise ValueError("line break within a start line")
        head = f"{start}{self.fields}Content-Length: {len(self.body)}\r\n\r\n"
        return head.encode(errors="surrogateescape") + self.body


def _next_hop(request: Request) -> str:
    """The first Route, unless that is behind a strict router, whose URI is the Request-URI then (§12.2.1.1)."""
    route = request.headers.get("Route")
    if route is None:
        return request.uri
    uri = NameAddr.parse_list(route)[0].uri
    try:
        return uri if SipUri.parse(uri).loose_router else request.uri
    except SipSyntaxError:
        return uri
