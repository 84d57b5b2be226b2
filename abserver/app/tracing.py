"""What of the trace is switched on in one server: the socket that a reader connects to, and the HEP collector."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from abserver.net.tracing import HepMirror, TraceSocket, TraceSwitch, make_own_folder, usual_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from abserver.config import Settings
    from abserver.net.sip_driver import SipDriver
    from abserver.sip.transport import Address

log = logging.getLogger(__name__)

OFF = "off"


@contextlib.asynccontextmanager
async def tracing(settings: Settings, sip: SipDriver, http: Address) -> AsyncIterator[None]:
    """Let the messages of this driver be seen as the settings say. http: where this server listens for HTTP.

    Raises ListenerError for a socket that is configured and can't be had; without one at the usual place the server is
    as good as with it, and the log says so.
    """
    trace, switch = settings.trace, TraceSwitch(sip.trace_to)
    async with contextlib.AsyncExitStack() as opened:
        if trace.socket not in ("", OFF):
            await _open(TraceSocket(Path(trace.socket), switch), opened)
        elif trace.socket != OFF:
            try:
                make_own_folder()
                await _open(TraceSocket(usual_place(http), switch), opened)
            except OSError as error:
                log.warning("messages can't be traced", extra={"reason": str(error)})
        if trace.hep is not None:
            mirror = HepMirror(trace.hep, agent=trace.hep_id, key=trace.hep_password)
            opened.callback(mirror.close)
            mirror.start()
            switch.add(mirror.tell)
            opened.callback(switch.remove, mirror.tell)
        yield


async def _open(trace: TraceSocket, opened: contextlib.AsyncExitStack) -> None:
    await trace.start()
    opened.push_async_callback(trace.stop)
