"""What becomes of requests that a driver sends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from abserver.sip.message import Response

if TYPE_CHECKING:
    from abserver.net.sip_driver import SipDriver
    from abserver.ports import SendFailure
    from abserver.sip.message import Request
    from abserver.sip.transport import Flow


async def outcome_of(driver: SipDriver, request: Request, flow: Flow | None = None) -> Response | SendFailure:
    """Send and wait for what becomes of it."""
    outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
    driver.send(request, flow=flow, answered=outcome.set_result)
    return await outcome


def status(outcome: Response | SendFailure) -> int:
    assert isinstance(outcome, Response), outcome
    return outcome.status
