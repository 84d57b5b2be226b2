"""HTTP Digest (RFC 7616), as SIP uses it too (RFC 8760): challenges, credentials, and what a server makes of them.

Pure: secrets, client nonces and `now` (monotonic seconds) are arguments. Two decisions shape this file.

Usernames. H(A1) covers the username exactly as the client spells it, and clients spell the address of record
`sip:alice@example.com` in three ways: `alice` (phones, with the domain as realm), `alice@example.com`, and the whole
address. A server that keeps no password cannot derive one hash from another, so `usernames_of` names the forms, one
hash is kept for each, and `user_of` finds whose they are. A form with another case or an escape does not verify.

Stale is said only to who knows the password: the response is checked first, whatever the nonce. So a client with a
wrong password never loops, and after a restart (which changes the secret) nobody is asked for a password again.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from xcap.core.authfields import MalformedDigest, quoted, schemes
from xcap.core.nonces import Nonces, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "Algorithm",
    "Challenge",
    "Credentials",
    "MalformedDigest",
    "Nonces",
    "Qop",
    "Verdict",
    "authorization",
    "authorization_from_ha1",
    "ha1",
    "ha1_table",
    "response_value",
    "user_of",
    "usernames_of",
    "verify",
]

MAX_HEADER = 4096
"""Characters of a header value that are looked at; no real client comes near it."""

_COUNT = re.compile(r"[0-9A-Fa-f]{8}")
_NO_NAME = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Algorithm(enum.Enum):
    """Hash algorithms of RFC 7616 §3.7, by their token on the wire; weakest first."""

    MD5 = "MD5"
    SHA256 = "SHA-256"
    SHA512_256 = "SHA-512-256"

    def digest(self, data: str | bytes) -> str:
        """H(data) in lower-case hex; text is hashed as UTF-8."""
        octets = _octets(data) if isinstance(data, str) else data
        digest: str = _HASHES[self](octets, usedforsecurity=False).hexdigest()
        return digest


_HASHES: Mapping[Algorithm, Callable[..., Any]] = {
    Algorithm.MD5: hashlib.md5,
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.SHA512_256: functools.partial(hashlib.new, "sha512_256"),
}
_ALGORITHMS = {algorithm.value: algorithm for algorithm in Algorithm}


class Qop(enum.Enum):
    """Quality of protection (§3.3)."""

    AUTH = "auth"
    AUTH_INT = "auth-int"
    """The body is covered too, so it has to be read before the credentials can be checked."""


_QOPS = {qop.value: qop for qop in Qop}


# ---------------------------------------------------------------------------------------------- users and hashes


def user_of(username: str, domain: str) -> str:
    """The address of record that `username` names, where a bare user part means one of `domain`."""
    bare = username.removeprefix("sip:")
    user, at, host = bare.rpartition("@")
    return f"sip:{user}@{host.lower()}" if at else f"sip:{bare}@{domain}"


def usernames_of(user: str) -> tuple[str, ...]:
    """The usernames under which the address of record `user` may authenticate: `alice`, `alice@domain`, the whole."""
    bare = user.removeprefix("sip:")
    return (bare.rpartition("@")[0], bare, user)


def ha1(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """H(username:realm:password), all that a server keeps of a password (§3.4.2)."""
    return algorithm.digest(f"{username}:{realm}:{password}")


def ha1_table(user: str, realm: str, password: str) -> Mapping[tuple[Algorithm, str], str]:
    """What is kept for `user`: (algorithm, username as a client may spell it) -> H(A1)."""
    names = usernames_of(user)
    return {(algorithm, name): ha1(algorithm, name, realm, password) for algorithm in Algorithm for name in names}


# ---------------------------------------------------------------------------------------------- header values


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value (§3.3); `str()` gives it."""

    realm: str
    nonce: str
    algorithm: Algorithm = Algorithm.MD5
    qops: tuple[Qop, ...] = (Qop.AUTH,)
    """Preferred first; empty only in challenges of servers older than RFC 2617."""
    stale: bool = False
    opaque: str | None = None

    def __str__(self) -> str:
        parts = [f"realm={quoted(self.realm)}", f"nonce={quoted(self.nonce)}", f"algorithm={self.algorithm.value}"]
        if self.qops:
            parts.append(f'qop="{", ".join(qop.value for qop in self.qops)}"')
        if self.stale:
            parts.append("stale=true")
        if self.opaque is not None:
            parts.append(f"opaque={quoted(self.opaque)}")
        return "Digest " + ", ".join(parts)

    @classmethod
    def parse_all(cls, text: str) -> list[Challenge]:
        """The Digest challenges of one header value that can be answered, in the server's order of preference.

        Other schemes, unknown algorithms and values that are not well formed are ignored, as RFC 8760 §2.4 says.
        """
        found: list[Challenge] = []
        with contextlib.suppress(MalformedDigest):
            for scheme, parameters in schemes(text[:MAX_HEADER]):
                if scheme == "digest":
                    with contextlib.suppress(MalformedDigest):
                        found.append(cls._of(parameters))
        return found

    @classmethod
    def _of(cls, parameters: Mapping[str, str]) -> Challenge:
        offered = [token.strip() for token in parameters.get("qop", "").lower().split(",")]
        qops = tuple(_QOPS[token] for token in offered if token in _QOPS)
        if "qop" in parameters and not qops:
            raise MalformedDigest("no known qop")
        return cls(
            realm=_required(parameters, "realm"),
            nonce=_required(parameters, "nonce"),
            algorithm=_algorithm(parameters),
            qops=qops,
            stale=parameters.get("stale", "").lower() == "true",
            opaque=parameters.get("opaque"),
        )


@dataclass(frozen=True, slots=True)
class Credentials:
    """One Authorization or Proxy-Authorization value (§3.4); `str()` gives it."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm = Algorithm.MD5
    qop: Qop | None = None
    """None in the form older than RFC 2617, which SIP clients may still use (RFC 8760 §2.6.8)."""
    cnonce: str = ""
    count: str = ""
    """`nc`: 8 hexadecimal digits when there is a qop."""
    opaque: str | None = None

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Raises MalformedDigest, also for another scheme and for an algorithm that was never offered."""
        if len(text) > MAX_HEADER:
            raise MalformedDigest("credentials are too long")
        found = list(schemes(text))
        if len(found) != 1 or found[0][0] != "digest":
            raise MalformedDigest("not one Digest credential")
        parameters = found[0][1]
        qop = _QOPS.get(parameters["qop"].lower()) if "qop" in parameters else None
        if "qop" in parameters and (qop is None or not parameters.get("cnonce")):
            raise MalformedDigest("qop is unknown, or has no cnonce")
        count = parameters.get("nc", "")
        if qop is not None and not _COUNT.fullmatch(count):
            raise MalformedDigest("nc is not 8 hexadecimal digits")
        return cls(
            username=_username(parameters),
            realm=_required(parameters, "realm"),
            nonce=_required(parameters, "nonce"),
            uri=_required(parameters, "uri"),
            response=_required(parameters, "response").lower(),
            algorithm=_algorithm(parameters),
            qop=qop,
            cnonce=parameters.get("cnonce", ""),
            count=count,
            opaque=parameters.get("opaque"),
        )

    def __str__(self) -> str:
        texts = {"username": self.username, "realm": self.realm, "nonce": self.nonce, "uri": self.uri}
        parts = [f"{name}={quoted(value)}" for name, value in texts.items()]
        parts += [f'response="{self.response}"', f"algorithm={self.algorithm.value}"]
        if self.qop is not None:
            parts += [f"cnonce={quoted(self.cnonce)}", f"qop={self.qop.value}", f"nc={self.count}"]
        if self.opaque is not None:
            parts.append(f"opaque={quoted(self.opaque)}")
        return "Digest " + ", ".join(parts)


# ---------------------------------------------------------------------------------------------- client side


def response_value(credentials: Credentials, ha1: str, method: str, body: bytes = b"") -> str:
    """The `response` that these credentials must carry (§3.4.1); `body` counts with auth-int only (RFC 8760 §2.6.7)."""
    hash_of = credentials.algorithm.digest
    a2 = f"{method}:{credentials.uri}"
    if credentials.qop is Qop.AUTH_INT:
        a2 += f":{hash_of(body)}"
    if credentials.qop is None:
        return hash_of(f"{ha1}:{credentials.nonce}:{hash_of(a2)}")
    session = f"{credentials.nonce}:{credentials.count}:{credentials.cnonce}:{credentials.qop.value}"
    return hash_of(f"{ha1}:{session}:{hash_of(a2)}")


def authorization(
    challenge: Challenge,
    username: str,
    password: str,
    method: str,
    uri: str,
    body: bytes = b"",
    nc: int = 1,
    cnonce: str = "",
) -> str:
    """The Authorization value that answers `challenge` for the `nc`-th request with its nonce."""
    secret = ha1(challenge.algorithm, username, challenge.realm, password)
    return authorization_from_ha1(challenge, username, secret, method, uri, body, nc, cnonce)


def authorization_from_ha1(
    challenge: Challenge, username: str, ha1: str, method: str, uri: str, body: bytes, nc: int, cnonce: str
) -> str:
    """As `authorization`, for who keeps H(A1) and not the password. `auth` is preferred where both are offered."""
    qop = Qop.AUTH if Qop.AUTH in challenge.qops else next(iter(challenge.qops), None)
    unsigned = Credentials(
        username=username,
        realm=challenge.realm,
        nonce=challenge.nonce,
        uri=uri,
        response="",
        algorithm=challenge.algorithm,
        qop=qop,
        cnonce="" if qop is None else cnonce,
        count="" if qop is None else f"{nc:08x}",
        opaque=challenge.opaque,
    )
    return str(replace(unsigned, response=response_value(unsigned, ha1, method, body)))


# ---------------------------------------------------------------------------------------------- server side


_NOBODY = "0" * 32
"""Stands in for the hash of an unknown user, so that the answer takes as long as for a known one."""


def verify(
    credentials: Credentials, *, ha1: str | None, method: str, nonces: Nonces, now: float, body: bytes = b""
) -> Verdict:
    """Whether `credentials` prove the password behind `ha1` (None: there is no such user) for this request.

    Whether their `uri` is the request's is for the caller: HTTP demands it (RFC 7616 §3.4.6), SIP does not (RFC 8760
    §2.6.6). A request without qop has no count and counts as the first: such a nonce serves once.
    """
    expected = response_value(credentials, ha1 or _NOBODY, method, body)
    right = hmac.compare_digest(_octets(expected), _octets(credentials.response))
    if ha1 is None or not right:
        return Verdict.BAD
    return nonces.use(credentials.nonce, int(credentials.count or "1", 16), now)


def _required(parameters: Mapping[str, str], name: str) -> str:
    try:
        return parameters[name]
    except KeyError:
        raise MalformedDigest(f"no {name}") from None


def _algorithm(parameters: Mapping[str, str]) -> Algorithm:
    wanted = parameters.get("algorithm", Algorithm.MD5.value).upper()
    try:
        return _ALGORITHMS[wanted]
    except KeyError:
        raise MalformedDigest("the algorithm was not offered") from None


def _username(parameters: Mapping[str, str]) -> str:
    """The username, of characters that a name can have: a database may be asked for it, which takes no others."""
    username = _username_as_sent(parameters)
    if _NO_NAME.search(username):
        raise MalformedDigest("the username is not UTF-8, or has control characters")
    return username


def _username_as_sent(parameters: Mapping[str, str]) -> str:
    """Plain or in the extended notation of RFC 5987 (§3.4: both at once is an error)."""
    if "username*" not in parameters:
        return _required(parameters, "username")
    charset, _, rest = parameters["username*"].partition("'")
    if "username" in parameters or charset.upper() != "UTF-8":
        raise MalformedDigest("username* beside username, or not in UTF-8")
    try:
        return unquote(rest.partition("'")[2], errors="strict")
    except UnicodeDecodeError:
        raise MalformedDigest("username* is not UTF-8") from None


def _octets(text: str) -> bytes:
    """The octets on the wire: UTF-8, and what was none there came as surrogate escapes."""
    return text.encode(errors="surrogateescape")
