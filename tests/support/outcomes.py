"""Requests between two drivers: sent, served, and what becomes of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from abserver.sip.identifiers import new_call_id
from abserver.sip.message import Headers, Request, Response
from abserver.sip.uas import make_response

if TYPE_CHECKING:
    from abserver.net.sip_driver import SipDriver
    from abserver.ports import Respond, SendFailure
    from abserver.sip.transport import Flow


async def outcome_of(driver: SipDriver, request: Request, flow: Flow | None = None) -> Response | SendFailure:
    """Send and wait for what becomes of it."""
    outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
    driver.send(request, flow=flow, answered=outcome.set_result)
    return await outcome


def status(outcome: Response | SendFailure) -> int:
    assert isinstance(outcome, Response), outcome
    return outcome.status


class Served:
    """A handler that answers 200 and keeps what it got."""

    def __init__(self) -> None:
        self.requests: list[tuple[Request, Flow]] = []

    async def __call__(self, request: Request, flow: Flow, respond: Respond) -> None:
        self.requests.append((request, flow))
        respond(make_response(request, 200))


def request_to(uri: str, *, route: str | None = None, body: bytes = b"") -> Request:
    """A NOTIFY."""
    fields = [
        ("Max-Forwards", "70"),
        ("From", "<sip:ann@example.com>;tag=1"),
        ("To", "<sip:bob@example.com>;tag=2"),
        ("Call-ID", new_call_id()),
        ("CSeq", "1 NOTIFY"),
        *([("Content-Type", "text/plain")] if body else []),
        *([("Route", route)] if route else []),
    ]
    return Request("NOTIFY", uri, Headers(fields), body)
