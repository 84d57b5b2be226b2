"""`abserver serve` as a process: listeners announced, signals obeyed, one clear message when it cannot start.

SIGTERM and SIGINT stop it in order; SIGHUP makes it read its certificates again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import sys
from typing import TYPE_CHECKING

from abserver.app.server import Server
from abserver.net.listeners import ListenerError, PortTaken
from xcap import logs
from xcap.http.tls import TlsError
from xcap.interpreter import spare_what_stays
from xcap.storage.migrate import IncompatibleDatabase

if TYPE_CHECKING:
    from abserver.config import Settings

log = logging.getLogger(__name__)

FILES = 65_536
"""Open at once: more than all the connections that the server takes."""

_LISTENERS = "[sip] udp, tcp and tls, [http] listen"


async def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the process's exit code."""
    logs.configure(settings.log.level.value, access=settings.log.access)
    _make_room_for_connections()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopped.set)
    server = Server(settings)
    loop.add_signal_handler(signal.SIGHUP, _reload, server)
    try:
        await server.start()
    except (ListenerError, TlsError, IncompatibleDatabase) as error:
        print(f"abserver: {error}", file=sys.stderr)
        if advice := _advice(error):
            print(f"  {advice}", file=sys.stderr)
        return 1
    spare_what_stays()
    for line in server.ready:
        print(f"abserver: ready on {line}", flush=True)
    signalled = asyncio.create_task(stopped.wait())
    await asyncio.wait([signalled, *server.tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in server.tasks:
        if task.done():
            log.critical("a part of the server failed", exc_info=task.exception())
    log.info("stopping")
    await server.stop()
    return 0 if signalled.done() else 1


def _advice(error: Exception) -> str:
    """What to do about an error at the start; empty where the error says it itself."""
    match error:
        case PortTaken():
            return f"End that program, or choose other ports: {_LISTENERS}"
        case ListenerError() if error.listener.startswith("trace socket"):
            return 'Name a place where files can be made as [trace] socket, or switch it "off"'
        case ListenerError() if error.errno == errno.EADDRNOTAVAIL:
            return f"Choose addresses of this machine, and `advertise` what others see: {_LISTENERS}"
    return ""


def _make_room_for_connections() -> None:
    """Raise the bound on open files as far as the process may: services begin with 1,024, and a connection is one."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _reload(server: Server) -> None:
    try:
        server.reload()
    except TlsError as error:
        log.error("the certificates stay as they were", extra={"reason": str(error)})
    else:
        log.info("reloaded")
