"""One document server, built from its settings, until a signal stops it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from xcap import logs
from xcap.core.digest import Nonces
from xcap.core.throttle import Throttle
from xcap.core.usage import Usages
from xcap.core.usages import STANDARD
from xcap.http import AuthenticationRules, DigestAuthenticator, XcapApp
from xcap.http.listener import HttpServer
from xcap.http.tls import Tls, TlsError
from xcap.ports import StoreLimits
from xcap.service import XcapService
from xcap.sources import standard_sources
from xcap.storage.commit import GroupCommit
from xcap.storage.credentials import SqlCredentialStore
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore
from xcap.storage.migrate import IncompatibleDatabase, upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from xcap.ports import Change
    from xcap.standalone.settings import XcapSettings
    from xcap.storage.database import Database
    from xcap.values import HostPort

log = logging.getLogger(__name__)


class CannotListen(Exception):
    """The address cannot be had; the text names it and the reason."""


class CannotOpen(Exception):
    """The database cannot be had, or is of a newer program; the text is the driver's."""


class _Unheard:
    """`xcap.ports.ChangeSink`, where nobody waits for changes."""

    def changed(self, change: Change) -> None:
        pass


async def serve(settings: XcapSettings) -> int:
    """Run until SIGTERM or SIGINT; the process's exit code. SIGHUP reads the certificate again."""
    logs.configure(settings.log_level, access=settings.log_access)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopped.set)
    try:
        tls = Tls(settings.tls_certificate, settings.tls_key) if settings.tls_certificate else None
        loop.add_signal_handler(signal.SIGHUP, _reload, tls)
        async with running(settings, tls) as address:
            print(f"xcap: ready on {address}", flush=True)
            await stopped.wait()
            log.info("stopping")
    except (CannotListen, TlsError) as error:
        print(f"xcap: {error}", file=sys.stderr)
        return 1
    except CannotOpen as error:
        print(f"xcap: the database cannot be used: {error}", file=sys.stderr)
        return 1
    return 0


@contextlib.asynccontextmanager
async def running(settings: XcapSettings, tls: Tls | None) -> AsyncIterator[str]:
    """The server, serving; gives its XCAP root URI. Raises CannotListen, CannotOpen."""
    async with opened(settings) as database, GroupCommit(database) as committer:
        http = HttpServer(_app(settings, database, committer), tls=tls)
        listener = _listening(settings.listen)
        host, port = listener.getsockname()[:2]
        await http.start([listener])
        try:
            place = settings.listen._replace(host=host, port=port)
            yield f"{'https' if tls else 'http'}://{place}{settings.root}"
        finally:
            await http.stop()


@contextlib.asynccontextmanager
async def opened(settings: XcapSettings) -> AsyncIterator[Database]:
    """The database, brought to this program's schema. Raises CannotOpen."""
    async with open_database(settings.storage) as database:
        try:
            await upgrade(database)
        except DBAPIError as error:
            raise CannotOpen(error.orig) from None
        except (IncompatibleDatabase, OSError) as error:  # a server of databases may be out of reach
            raise CannotOpen(error) from None
        yield database


def _app(settings: XcapSettings, database: Database, committer: GroupCommit) -> XcapApp:
    usages = Usages(STANDARD)
    limits = StoreLimits(documents=settings.user_documents, octets=settings.user_octets)
    documents = SqlDocumentStore(database, committer, limits)
    credentials = SqlCredentialStore(database, committer)

    async def is_user(uri: str) -> bool:
        return await credentials.credential(uri) is not None

    service = XcapService(
        usages,
        documents,
        _Unheard(),
        sources=standard_sources(usages, documents, settings.root_uri or settings.root),
        in_use=is_user,
        is_user=is_user,
        trusted=settings.trusted_users,
    )
    rules = AuthenticationRules(
        domains=settings.domains,
        realm=settings.realm,
        algorithms=settings.algorithms,
        trusted_peers=settings.trusted_peers,
    )
    throttle = Throttle(
        user_failures=settings.user_failures,
        source_failures=settings.source_failures,
        longest=settings.longest_wait,
    )
    authenticator = DigestAuthenticator(credentials, Nonces(secrets.token_bytes(32)), rules, throttle)
    return XcapApp(service, authenticator, settings.root, usages)


def _listening(address: HostPort) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server(address, family=family, backlog=1024)
    except OSError as error:
        raise CannotListen(f"cannot listen on {address}: {os.strerror(error.errno or 0)}") from None


def _reload(tls: Tls | None) -> None:
    if tls is None:
        return
    try:
        tls.reload()
    except TlsError as error:
        log.error("the certificate stays as it was", extra={"reason": str(error)})
    else:
        log.info("the certificate was read again")
