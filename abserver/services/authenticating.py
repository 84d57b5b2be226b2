"""Who sends a SIP request: digest (RFC 8760 over RFC 7616), or a trusted peer's word (RFC 3325).

The From header is a claim and never an identity. P-Asserted-Identity and P-Served-User count from peers that are
configured as trusted, and are ignored from all others. Refusal looks the same for an unknown user and for a wrong
password, and comes after the same time.

Of all the addresses that a user has, the one by which this server knows him is what comes out here (`Identities`). So
there is nothing to choose by a P-Preferred-Identity (RFC 3325 §6), and it is not read.

Who failed too often waits (`xcap.core.throttle`, shared with HTTP), and is told so with 500 and Retry-After (RFC 3261
§21.5.1). SIP has no 429 of this meaning; 403 says never to come back, 480 ends the subscription whose refresh it
answers (RFC 6665 §4.1.2.2), and a proxy that sees 503 stops using the whole server (RFC 3261 §21.5.4).
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import math
from typing import TYPE_CHECKING

from abserver.domain.identity import ANONYMOUS, NO_ALIASES, NOBODYS_DOMAINS, InvalidAor, Watcher, domain_of, parse_aor
from abserver.events.quirks import Quirks, quirks_of
from abserver.services.trusting import TrustedPeers
from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import bare_host
from abserver.sip.trusted_fields import ServedUser, SessionCase, asserted_identities
from abserver.sip.uas import make_response
from abserver.sip.uri import SipUri
from xcap.core.digest import Algorithm, Challenge, Credentials, MalformedDigest, Qop, Verdict, user_of, verify
from xcap.core.throttle import Throttle, source_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from abserver.domain.identity import Identities
    from abserver.ports import Clock
    from abserver.sip.message import Request, Response
    from abserver.sip.transport import Flow
    from xcap.core.digest import Nonces
    from xcap.ports import CredentialStore

log = logging.getLogger(__name__)

NOBODY = TrustedPeers()

OFFERED = (Algorithm.MD5, Algorithm.SHA256)
"""One challenge each, in this order (RFC 8760 §2.3). Clients that look at the first alone are older ones: hence MD5."""


REMEMBERED = 16_384
"""Asserted identities of which it is at hand who they are."""

REFUSAL_TIME = 0.1
"""Seconds after which a failed login is answered: more than any look-up takes, so that the time tells nothing."""


class Authenticator:
    """Finds the identity behind a request, or the 401 that asks for it (RFC 6665 §4.2.1.3: not 407)."""

    def __init__(
        self,
        credentials: CredentialStore,
        nonces: Nonces,
        clock: Clock,
        *,
        domains: Sequence[str],
        realm: str | None = None,
        trusts: TrustedPeers = NOBODY,
        identities: Identities = NO_ALIASES,
        offered: Sequence[Algorithm] = OFFERED,
        qops: Sequence[Qop] = (Qop.AUTH,),
        throttle: Throttle | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """realm: None is the user's own domain. offered, qops: an answer with another algorithm or quality of
        protection is challenged again. One without any quality is as old as RFC 2543, and taken where `auth` is.

        throttle: the one that HTTP has too; None is one of its own.
        """
        self._credentials = credentials
        self._nonces = nonces
        self._clock = clock
        self._domains = tuple(domains)
        self._hosts = frozenset(map(bare_host, domains))
        self._realm = realm
        self.trusts = trusts
        """Whether the peer of a flow is of our trust domain."""
        self._identities = identities
        self._asserted_by = functools.lru_cache(REMEMBERED)(self._read_asserted)
        """Whom a P-Asserted-Identity names: the same few ask again and again."""
        self._offered = tuple(offered)
        self._qops = tuple(qops)
        self._throttle = throttle or Throttle()
        self._sleep = sleep

    # No Authentication-Info goes with what succeeds (RFC 7616 §3.5): a nonce lives for minutes and a phone comes back
    # after an hour, so a `nextnonce` would be stale by then, and `stale=true` costs the same one exchange.

    async def identify(self, request: Request, flow: Flow) -> Watcher | Response:
        """The authenticated sender, or the response that refuses or challenges. Raises SipSyntaxError."""
        asserted = self._asserted(request) if self.trusts(flow) else None
        if asserted is not None:
            return asserted
        realm = self._realm_for(request)
        for text in request.headers.get_all("Authorization"):
            try:
                credentials = Credentials.parse(text)
            except MalformedDigest as error:
                return make_response(request, 400, reason=f"Malformed Authorization: {error}")
            if credentials.realm == realm:
                if credentials.uri != request.uri and not self._serves(credentials.uri, flow):
                    return make_response(request, 400, reason="Digest for Another URI")
                return await self._verify(request, flow, credentials)
        return self._challenge(request, stale=False)

    def trusts_next_hop(self, uri: str, flow: Flow, *, recorded: bool) -> bool:
        """Whether a request that goes to `uri` first stays in our trust domain.

        flow: the one by which the dialog's last request came. recorded: whether `uri` is of its Record-Route. A host
        name there is believed if that request came from a trusted peer: the peer itself, or one that it trusts.
        """
        host = bare_host(SipUri.parse(uri).host)
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return recorded and self.trusts(flow)
        return self.trusts(flow) if host == flow.remote.host else self.trusts.at(host)

    def _asserted(self, request: Request) -> Watcher | None:
        """Whom a trusted peer says to have sent this; None if it does not say.

        The served user of the originating case is the sender (3GPP TS 24.229 §5.7.1.3A). Else it is the asserted
        identity: of a SIP and a tel URI, which name the same user (RFC 3325 §9.1), the SIP one. Who is nobody to the
        peers, by an identity or a From of theirs without one, is nobody to us (RFC 3323 §4.1.1.3).
        """
        rows = request.headers.rows()
        if "P-Served-User" in rows:
            served = ServedUser.of(request.headers)
            if served is not None and served.session_case is SessionCase.ORIGINATING:
                return self._watcher(served.uri)
        asserted = ", ".join(row for row in rows.get("P-Asserted-Identity", ()) if row)
        if asserted:
            return self._asserted_by(asserted)
        nobody = "Authorization" not in request.headers and _is_anonymous(request.from_.uri)
        return ANONYMOUS if nobody else None

    def _read_asserted(self, value: str) -> Watcher:
        uris = asserted_identities(value)
        return self._watcher(next((uri for uri in uris if _scheme(uri) in ("sip", "sips")), uris[0]))

    def _watcher(self, uri: str) -> Watcher:
        try:
            known = self._identities.canonical(uri)
        except InvalidAor as error:
            raise SipSyntaxError("Malformed Identity") from error
        return ANONYMOUS if domain_of(known) in NOBODYS_DOMAINS else Watcher(known)

    async def _verify(self, request: Request, flow: Flow, credentials: Credentials) -> Watcher | Response:
        user = user_of(credentials.username, self._domain_for(request))
        source = None if self.trusts.many(flow) else source_of(flow.remote.host)
        started = self._clock.now()
        if held_back := self._held_back(request, flow, user, source):
            return held_back
        known = await self._credentials.credential(user)
        offered = credentials.algorithm in self._offered and (credentials.qop or Qop.AUTH) in self._qops
        ha1 = known.ha1.get((credentials.algorithm, credentials.username)) if known and offered else None
        if held_back := self._held_back(request, flow, user, source):  # by attempts that were made meanwhile
            return held_back
        now = self._clock.now()
        verdict = verify(credentials, ha1=ha1, method=request.method, nonces=self._nonces, now=now, body=request.body)
        if verdict is not Verdict.BAD:
            self._throttle.succeeded(user, source, now)
            return self._watcher(user) if verdict is Verdict.GOOD else self._challenge(request, stale=True)
        self._throttle.failed(user, source, now)
        facts = {"peer": flow.remote.host, "user": user if known else None, "call_id": request.call_id}
        log.warning("login failed", extra=facts)
        await self._sleep(max(0.0, started + REFUSAL_TIME - self._clock.now()))
        return self._challenge(request, stale=False)

    def _serves(self, uri: str, flow: Flow) -> bool:
        """Whether a digest for this URI may have been meant for us: proxies retarget requests (RFC 8760 §2.6.6). Simple
        clients sign the address that they send to: ours, or that of a trusted proxy."""
        if _scheme(uri) == "tel" or uri == f"sip:{flow.local.host}:{flow.local.port}":  # so SIPp writes IPv6
            return True
        try:
            host = bare_host(SipUri.parse(uri).host).lower()
        except SipSyntaxError:
            return False
        return host in self._hosts or host == flow.local.host or (host == flow.remote.host and self.trusts(flow))

    def _held_back(self, request: Request, flow: Flow, user: str, source: str | None) -> Response | None:
        wait = self._throttle.wait(user, source, self._clock.now())
        if wait == 0.0:
            return None
        log.warning("login held back", extra={"peer": flow.remote.host, "seconds": round(wait, 1)})
        headers = [("Retry-After", str(math.ceil(wait)))]
        return make_response(request, 500, reason="Too Many Failed Logins", headers=headers)

    def _challenge(self, request: Request, *, stale: bool) -> Response:
        nonce, realm = self._nonces.mint(self._clock.now()), self._realm_for(request)
        offered = self._offered_to(quirks_of(request.headers.get("User-Agent")))
        challenges = [Challenge(realm, nonce, each, self._qops, stale) for each in offered]
        return make_response(request, 401, headers=[("WWW-Authenticate", str(each)) for each in challenges])

    def _offered_to(self, quirks: Quirks) -> Sequence[Algorithm]:
        if Quirks.MD5_ALONE in quirks and Algorithm.MD5 in self._offered:
            return (Algorithm.MD5,)
        if Quirks.MD5_LAST in quirks:
            return sorted(self._offered, key=lambda each: each is Algorithm.MD5)
        return self._offered

    def _realm_for(self, request: Request) -> str:
        return self._realm or self._domain_for(request)

    def _domain_for(self, request: Request) -> str:
        """The domain to look for the user in: that of From if it is one of ours. Only a hint for the challenge: a
        wrong one finds no user."""
        try:
            domain = domain_of(parse_aor(request.from_.uri))
        except InvalidAor:
            domain = ""
        return domain if domain in self._domains else self._domains[0]


def _scheme(uri: str) -> str:
    return uri.partition(":")[0].lower()


def _is_anonymous(uri: str) -> bool:
    return SipUri.parse(uri).host.lower() in NOBODYS_DOMAINS if _scheme(uri) in ("sip", "sips") else False
