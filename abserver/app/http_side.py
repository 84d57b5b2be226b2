"""HTTP and everything behind it: the document server, who may use it, and its certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import InvalidAor, parse_aor
from abserver.domain.usages import all_usages
from xcap.http import AuthenticationRules, DigestAuthenticator, XcapApp
from xcap.http.tls import Tls
from xcap.ports import StoreLimits
from xcap.service import XcapService
from xcap.sources import standard_sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abserver.app.logins import Logins
    from abserver.app.stores import Stores
    from abserver.config import Settings
    from abserver.ports import Clock
    from xcap.ports import ChangeSink, DocumentSource


def http_side(
    settings: Settings,
    stores: Stores,
    computed: Mapping[str, DocumentSource],
    sink: ChangeSink,
    logins: Logins,
    clock: Clock,
) -> XcapApp:
    """The document server.

    sink: told of all changes.
    computed: AUID -> where the documents come from that the server itself makes of what it knows.
    """
    usages = all_usages(settings.http.auid_aliases)
    rules = AuthenticationRules(
        domains=settings.server.domains,
        realm=settings.auth.realm,
        algorithms=settings.auth.http_algorithms,
        trusted_peers=settings.http.trusted_peers,
    )

    async def is_user(uri: str) -> bool:
        try:
            return await stores.credentials.credential(parse_aor(uri)) is not None
        except InvalidAor:
            return False

    service = XcapService(
        usages,
        stores.documents,
        sink,
        sources=standard_sources(
            usages, stores.documents, settings.http.xcap_root_uri or settings.http.xcap_root, computed
        ),
        in_use=is_user,
        is_user=is_user,
        trusted=settings.auth.trusted_users,
    )
    return XcapApp(
        service,
        DigestAuthenticator(stores.credentials, logins.nonces, rules, logins.throttle, clock=clock.now),
        settings.http.xcap_root,
        usages,
    )


def store_limits(settings: Settings) -> StoreLimits:
    """What the document store keeps of one user."""
    storage = settings.storage
    return StoreLimits(documents=storage.user_documents, octets=storage.user_octets, versions=storage.versions)


def certificate(settings: Settings) -> Tls | None:
    """What the HTTP listener shows; None for plain HTTP. Raises TlsError."""
    return Tls(settings.http.tls_certificate, settings.http.tls_key) if settings.http.tls_certificate else None
