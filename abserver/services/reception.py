"""Where requests come in: who serves a method, and whom a GRUU names (RFC 5627).

This server is no proxy: what it is asked it answers itself, or it refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.sip.gruu import is_gruu, resource_of
from abserver.sip.message import Request
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from abserver.ports import Respond
    from abserver.services.subscribing import Subscribing
    from abserver.sip.transport import Flow


class Reception:
    """Takes every request that passed inspection."""

    def __init__(self, subscribing: Subscribing) -> None:
        self._subscribing = subscribing

    async def handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        """Have one request answered (a `RequestHandler`)."""
        if is_gruu(request.uri) and request.to.tag is None:
            request = _readdressed(request)
        await self._subscribing.handle(request, flow, respond)


def _readdressed(request: Request) -> Request:
    """The request with the resource that its Request-URI names as our GRUU; within a dialog the dialog says as much."""
    resource = resource_of(SipUri.parse(request.uri))
    return request if resource is None else Request(request.method, resource, request.headers, request.body)
