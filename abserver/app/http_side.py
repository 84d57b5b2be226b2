"""HTTP and everything behind it: the document server, who may use it, and its certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import InvalidAor
from xcap.http import AuthenticationRules, DigestAuthenticator, XcapApp
from xcap.http.tls import Tls
from xcap.ports import StoreLimits
from xcap.service import XcapService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abserver.app.library import Library
    from abserver.app.logins import Logins
    from abserver.app.stores import Stores
    from abserver.config import Settings
    from abserver.ports import Clock
    from xcap.ports import ChangeSink, DocumentSource


def http_side(
    settings: Settings,
    stores: Stores,
    library: Library,
    sources: Mapping[str, DocumentSource],
    sink: ChangeSink,
    logins: Logins,
    clock: Clock,
) -> XcapApp:
    """The document server.

    sink: told of all changes.
    sources: AUID -> where its computed documents come from.
    """
    rules = AuthenticationRules(
        domains=settings.server.domains,
        realm=settings.auth.realm,
        algorithms=settings.auth.http_algorithms,
        trusted_peers=settings.http.trusted_peers,
    )

    async def is_user(uri: str) -> bool:
        try:
            return await stores.credentials.credential(settings.identities.canonical(uri)) is not None
        except InvalidAor:
            return False

    service = XcapService(
        library.usages,
        library.store,
        sink,
        sources=sources,
        in_use=is_user,
        is_user=is_user,
        trusted=library.trusted,
    )
    return XcapApp(
        service,
        DigestAuthenticator(
            stores.credentials,
            logins.nonces,
            rules,
            logins.throttle,
            known_as=settings.identities.xui,
            clock=clock.now,
        ),
        settings.http.xcap_root,
        library.usages,
    )


def store_limits(settings: Settings) -> StoreLimits:
    """What the document store keeps of one user."""
    storage = settings.storage
    return StoreLimits(documents=storage.user_documents, octets=storage.user_octets, versions=storage.versions)


def certificate(settings: Settings) -> Tls | None:
    """What the HTTP listener shows; None for plain HTTP. Raises TlsError."""
    return Tls(settings.http.tls_certificate, settings.http.tls_key) if settings.http.tls_certificate else None
