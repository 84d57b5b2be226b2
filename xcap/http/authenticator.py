"""Who makes an HTTP request: digest authentication (RFC 7616), or a trusted proxy's word.

A challenge offers every configured algorithm in one realm, the preferred first (§3.7), with qop `auth` only: `auth-int`
would have the body read before anyone is known. Asserted identities count from the configured networks alone, by the
address of the connection; from anyone else the header means nothing.

Which users a username names, and in which spellings, is told in `xcap.core.digest`.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from xcap.core.digest import Algorithm, Challenge, Credentials, MalformedDigest, Qop, Verdict, user_of, verify
from xcap.core.errors import BadRequest
from xcap.core.uri import normal_xui

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xcap.core.digest import Nonces
    from xcap.http.message import Head
    from xcap.ports import CredentialStore

log = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network

_ASSERTED = b"x-xcap-asserted-identity"
_AUTHORITY = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_IDENTITY = re.compile(r"[^\s\"<>,]+")


class Unauthorized(Exception):
    """The requester is not known (any more): answer 401 with these challenges."""

    def __init__(self, challenges: Sequence[Challenge]) -> None:
        super().__init__("authentication is needed")
        self.challenges = tuple(challenges)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationRules:
    """What an operator decides about authentication."""

    domains: tuple[str, ...]
    """The domains served, in lower case; at least one."""
    realm: str | None = None
    """None: the domain of the user in the path, else of the Host header, else the first; of those served."""
    algorithms: tuple[Algorithm, ...] = (Algorithm.SHA256, Algorithm.MD5)
    """Offered in this order, and no others accepted."""
    trusted_peers: tuple[Network, ...] = ()
    """Whose X-XCAP-Asserted-Identity is believed."""


class DigestAuthenticator:
    """Finds the user behind a request; the same users and hashes serve SIP.

    clock: monotonic seconds, the same as for other users of `nonces`.
    """

    def __init__(
        self,
        credentials: CredentialStore,
        nonces: Nonces,
        rules: AuthenticationRules,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._nonces = nonces
        self._rules = rules
        self._clock = clock

    async def authenticate(self, head: Head, owner: str | None) -> str:
        """The requester, as an XUI.

        owner: the user whose tree the path is in, for the choice of the domain.
        Raises Unauthorized, and BadRequest for credentials that are malformed or for another URI (RFC 7616 §3.4.6).
        """
        asserted = self._asserted(head, owner)
        if asserted is not None:
            return asserted
        domain = self._domain(head, owner)
        header = head.single(b"authorization")
        if header is None or header.partition(" ")[0].lower() != "digest":
            raise self._challenge(domain, stale=False)
        try:
            credentials = Credentials.parse(header)
        except MalformedDigest as error:
            raise BadRequest(f"Authorization: {error}") from None
        if not _same_resource(credentials.uri, head.target):
            raise BadRequest("the digest is for another URI than the request")
        user = user_of(credentials.username, domain)
        verdict = await self._verdict(credentials, user, head)
        if verdict is not Verdict.GOOD:
            raise self._challenge(domain, stale=verdict is not Verdict.BAD)
        return user

    async def _verdict(self, credentials: Credentials, user: str, head: Head) -> Verdict:
        kept = await self._credentials.credential(user)
        ha1 = None
        offered = credentials.algorithm in self._rules.algorithms and credentials.qop is not Qop.AUTH_INT
        if kept is not None and offered and credentials.realm == kept.realm:
            ha1 = kept.ha1.get((credentials.algorithm, credentials.username))
        verdict = verify(credentials, ha1=ha1, method=head.method, nonces=self._nonces, now=self._clock())
        if verdict is Verdict.BAD:
            log.info("login failed", extra={"user": user if kept else None, "peer": head.peer})
        return verdict

    def _challenge(self, domain: str, *, stale: bool) -> Unauthorized:
        realm = self._rules.realm or domain
        nonce = self._nonces.mint(self._clock())
        return Unauthorized(
            [Challenge(realm, nonce, algorithm, (Qop.AUTH,), stale) for algorithm in self._rules.algorithms]
        )

    def _domain(self, head: Head, owner: str | None) -> str:
        """The domain that a bare user name means. Never one that only the requester knows of."""
        host = re.sub(r":\d*$", "", ",".join(head.values(b"host"))).lower()
        named = (owner or "").rpartition("@")[2]
        return next((name for name in (named, host) if name in self._rules.domains), self._rules.domains[0])

    def _asserted(self, head: Head, owner: str | None) -> str | None:
        """The identity that a trusted proxy vouches for: of a list the owner if it is there, else the first."""
        if not self._rules.trusted_peers or not self._is_trusted(head.peer):
            return None
        names = [normal_xui(name) for value in head.values(_ASSERTED) for name in _IDENTITY.findall(value)]
        return owner if owner in names else next(iter(names), None)

    def _is_trusted(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:  # a connection that is no IP socket
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._rules.trusted_peers)


def _same_resource(uri: str, target: bytes) -> bool:
    """Whether a digest's `uri` names the request's resource.

    Compared with percent-escapes decoded once, since clients escape the request line and the header differently; an
    absolute URI counts by its path and query.
    """
    named = uri.encode(errors="surrogateescape")
    return unquote_to_bytes(_AUTHORITY.sub(b"", named, count=1)) == unquote_to_bytes(target)
