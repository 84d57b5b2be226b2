"""Who makes an HTTP request: digest authentication (RFC 7616), or a trusted proxy's word.

A challenge offers every configured algorithm in one realm, the preferred first (§3.7), with qop `auth` only: `auth-int`
would have the body read before anyone is known. Asserted identities count from the configured networks alone, by the
address of the connection; from anyone else the fields mean nothing. An intended identity only chooses among those that
were proven.

Who guesses learns nothing: an unknown user and a wrong password get the same answer after the same time, and after some
failures neither is looked at any more (`xcap.core.throttle`). That is 429 (RFC 6585 §4), because the fault is with this
requester; 503 (RFC 9110 §15.6.4) would say that the server is in trouble, and send clients and balancers elsewhere.

Which users a username names, and in which spellings, is told in `xcap.core.digest`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from xcap.core.digest import Algorithm, Challenge, Credentials, MalformedDigest, Qop, Verdict, user_of, verify
from xcap.core.errors import BadRequest, Forbidden
from xcap.core.throttle import source_of
from xcap.http.identity import asserted, intended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from xcap.core.digest import Nonces
    from xcap.core.throttle import Throttle
    from xcap.http.message import Head
    from xcap.ports import CredentialStore

log = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network

REFUSAL_TIME = 0.1
"""Seconds after which a failed login is answered: more than any look-up takes, so that the time tells nothing."""

_AUTHORITY = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_PORT = re.compile(r":\d*$")
_READS_FIRST_CHALLENGE = re.compile(r"\bPython-urllib/", re.IGNORECASE)
"""User agents that look at the first challenge alone, and know only MD5: urllib's, on which XCAP clients are built."""


class Unauthorized(Exception):
    """The requester is not known (any more): answer 401 with these challenges."""

    def __init__(self, challenges: Sequence[Challenge]) -> None:
        super().__init__("authentication is needed")
        self.challenges = tuple(challenges)


class Throttled(Exception):
    """Too many failed logins: the next attempt is looked at after `wait` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__("too many failed logins")
        self.wait = wait


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
    """Whose asserted identities are believed."""


class DigestAuthenticator:
    """Finds the user behind a request; the same users and hashes serve SIP.

    known_as: the XUI by which a user is known, from any of his.
    clock: monotonic seconds, the same as for other users of `nonces` and `throttle`.
    sleep: waits some seconds.
    """

    def __init__(
        self,
        credentials: CredentialStore,
        nonces: Nonces,
        rules: AuthenticationRules,
        throttle: Throttle,
        *,
        known_as: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._nonces = nonces
        self._rules = rules
        self._throttle = throttle
        self._clock = clock
        self._known_as = known_as
        self._sleep = sleep

    async def authenticate(self, head: Head, owner: str | None) -> str:
        """The requester, as an XUI.

        owner: the user whose tree the path is in, for the choice of the domain.
        Raises Unauthorized, Throttled, Forbidden for an intended identity that is not the requester's, and BadRequest
        for credentials that are malformed or for another URI (RFC 7616 §3.4.6).
        """
        owner = None if owner is None else self._known_as(owner)
        trusted = self._is_trusted(head.peer)
        wish = intended(head)
        names = asserted(head) if trusted else ()
        if not names:
            names = (await self._logged_in(head, owner, None if trusted else source_of(head.peer)),)
        names = tuple(map(self._known_as, names))
        if wish is not None:
            wish = self._known_as(wish)
            if wish not in names:
                raise Forbidden("the intended identity is not the requester's")
        return wish or (owner if owner in names else names[0])

    async def _logged_in(self, head: Head, owner: str | None, source: str | None) -> str:
        """The user whose password the requester knows. Raises as `authenticate`."""
        domain = self._domain(head, owner)
        header = head.single(b"authorization")
        if header is None or header.partition(" ")[0].lower() != "digest":
            raise self._challenge(head, domain, stale=False)
        try:
            credentials = Credentials.parse(header)
        except MalformedDigest as error:
            raise BadRequest(f"Authorization: {error}") from None
        if not _same_resource(credentials.uri, head.target):
            raise BadRequest("the digest is for another URI than the request")
        user = user_of(credentials.username, domain)
        verdict = await self._verdict(credentials, user, source, head)
        if verdict is not Verdict.GOOD:
            raise self._challenge(head, domain, stale=verdict is not Verdict.BAD)
        return user

    async def _verdict(self, credentials: Credentials, user: str, source: str | None, head: Head) -> Verdict:
        """Whether the credentials are good, counted for the throttle; a refusal takes REFUSAL_TIME."""
        started = self._clock()
        self._hold_back(user, source, head)
        kept = await self._credentials.credential(user)
        ha1 = None
        offered = credentials.algorithm in self._rules.algorithms and credentials.qop is not Qop.AUTH_INT
        if kept is not None and offered and credentials.realm == kept.realm:
            ha1 = kept.ha1.get((credentials.algorithm, credentials.username))
        self._hold_back(user, source, head)  # again: of many attempts at once, those after the last failure wait too
        now = self._clock()
        verdict = verify(credentials, ha1=ha1, method=head.method, nonces=self._nonces, now=now)
        if verdict is not Verdict.BAD:
            self._throttle.succeeded(user, source, now)
            return verdict
        self._throttle.failed(user, source, now)
        log.warning("login failed", extra={"peer": head.peer, "user": user if kept else None})
        await self._sleep(max(0.0, started + REFUSAL_TIME - self._clock()))
        return verdict

    def _hold_back(self, user: str, source: str | None, head: Head) -> None:
        wait = self._throttle.wait(user, source, self._clock())
        if wait > 0.0:
            log.warning("login held back", extra={"peer": head.peer, "seconds": round(wait, 1)})
            raise Throttled(wait)

    def _challenge(self, head: Head, domain: str, *, stale: bool) -> Unauthorized:
        realm = self._rules.realm or domain
        nonce = self._nonces.mint(self._clock())
        offered: Sequence[Algorithm] = self._rules.algorithms
        if any(map(_READS_FIRST_CHALLENGE.search, head.values(b"user-agent"))):
            offered = sorted(offered, key=lambda algorithm: algorithm is not Algorithm.MD5)
        return Unauthorized([Challenge(realm, nonce, algorithm, (Qop.AUTH,), stale) for algorithm in offered])

    def _domain(self, head: Head, owner: str | None) -> str:
        """The domain that a bare user name means. Never one that only the requester knows of."""
        host = _PORT.sub("", ",".join(head.values(b"host"))).lower()
        named = (owner or "").rpartition("@")[2]
        return next((name for name in (named, host) if name in self._rules.domains), self._rules.domains[0])

    def _is_trusted(self, peer: str | None) -> bool:
        if not self._rules.trusted_peers:
            return False
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
    if named == target:
        return True
    return unquote_to_bytes(_AUTHORITY.sub(b"", named, count=1)) == unquote_to_bytes(target)
