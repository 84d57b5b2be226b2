"""Editing an owner's documents as the owner would: by XCAP, through the running server.

The command line knows no other way in. It reads the owner's password hashes from the database that the configuration
names (whoever may read that file could act as the owner anyway) and authenticates with them, so the server validates,
stores, and tells the watchers exactly as if the owner's phone had made the edit.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from abserver.cli import common, database
from abserver.cli.common import CommandError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from abserver.config import Settings
    from abserver.domain.identity import Aor
    from xcap.client import Fetched, Refused, XcapClient
    from xcap.core.uri import DocumentKey
    from xcap.core.usage import ApplicationUsage
    from xcap.ports import Credential

DOCUMENT_NAME = "index"
"""The one document that a user has in each usage."""


@contextmanager
def acting_as(owner: Aor, settings: Settings, config: Path | None) -> Iterator[XcapClient]:
    """An XCAP client of the running server, authenticated as `owner`.

    Whatever the server or the connection refuses within becomes a CommandError.
    """
    import httpx

    from abserver.ports import CLI_AGENT
    from xcap.client import Refused, XcapClient

    credential = asyncio.run(_credential(owner, settings))
    tls = _own_certificate(settings)
    origin = f"{'https' if tls else 'http'}://{common.reachable(settings.http.listen)}"
    root = origin + settings.http.xcap_root
    try:
        with XcapClient(root, owner.removeprefix("sip:"), credential.ha1, tls=tls, agent=CLI_AGENT) as client:
            yield client
    except httpx.ConnectError:
        start = common.with_config("serve", config)
        raise CommandError(f"no server answers at {origin}", f"Start it: {start}") from None
    except httpx.HTTPError as error:
        raise CommandError(f"the server at {origin} gave no answer: {error}", "Look into its log") from None
    except Refused as error:
        raise CommandError(f"the server at {origin} refused: {error}", _advice(error)) from None


def document(usage: ApplicationUsage, owner: Aor, name: str = DOCUMENT_NAME) -> DocumentKey:
    """The owner's document in `usage`."""
    from xcap.core.uri import DocumentKey

    return DocumentKey(usage.auid, owner, name)


def fetch(client: XcapClient, usage: ApplicationUsage, owner: Aor, name: str = DOCUMENT_NAME) -> Fetched | None:
    """The owner's document as the server has it, with its etag; None if there is none."""
    from xcap.client import Refused

    try:
        return client.get(document(usage, owner, name))
    except Refused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def _advice(error: Refused) -> str:
    if error.status == HTTPStatus.UNAUTHORIZED:
        return "Is it the server of this configuration? Its database or [auth] realm seems to be another one"
    return ""


def _own_certificate(settings: Settings) -> ssl.SSLContext | None:
    """Trust in the very certificate that the configuration names: no name of it is this machine's address."""
    import ssl

    if settings.http.tls_certificate is None:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.http.tls_certificate)
    except OSError as error:  # an ssl.SSLError is one, too
        raise CommandError(f"{settings.http.tls_certificate} cannot be used: {error.strerror}") from None
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be an authority's
    return context


async def _credential(owner: Aor, settings: Settings) -> Credential:
    async with database.credentials(settings) as store:
        credential = await store.credential(owner)
    if credential is None:
        raise CommandError(f"{owner} is no user of this server", f"Add the user: abserver user add {owner}")
    return credential
