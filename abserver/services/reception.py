"""Where requests come in: who serves a method, and whom a GRUU names (RFC 5627).

This server is no proxy: what it is asked it answers itself, or it refuses. So a request to the GRUU of a device is
about the user of that device, as long as the device is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.sip.gruu import is_gruu, resource_of
from abserver.sip.message import Request, Response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from abserver.ports import Respond
    from abserver.services.registering import Registering
    from abserver.services.subscribing import Subscribing
    from abserver.sip.transport import Flow


class Reception:
    """Takes every request that passed inspection."""

    def __init__(self, subscribing: Subscribing, registering: Registering | None = None) -> None:
        """registering: None where no methods of a registrar pass."""
        self._subscribing = subscribing
        self._registering = registering

    async def handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        """Have one request answered (a `RequestHandler`)."""
        if self._registering is not None and request.method == "REGISTER":
            await self._registering.handle(request, flow, respond)
            return
        named = self._named(request)
        if isinstance(named, Response):
            respond(named)
            return
        if named is not None:
            request = Request(request.method, named, request.headers, request.body)
        await self._subscribing.handle(request, flow, respond)

    def _named(self, request: Request) -> str | Response | None:
        """Whom the Request-URI names as a GRUU, or the refusal; None for any other, and within a dialog, which says as
        much."""
        if not is_gruu(request.uri) or request.to.tag is not None:
            return None
        resource = resource_of(SipUri.parse(request.uri))
        if resource is not None or self._registering is None or not self._registering.owns(request.uri):
            return resource
        return self._registering.resolve(request)
