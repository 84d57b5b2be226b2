"""HTTP Digest (RFC 7616), as SIP uses it too (RFC 8760): challenges, credentials, nonces, verdicts.

Pure: secrets, client nonces and `now` (monotonic seconds) are arguments. Three decisions shape this file.

Usernames. H(A1) covers the username exactly as the client spells it, and clients spell the address of record
`sip:alice@example.com` in three ways: `alice` (phones, with the domain as realm), `alice@example.com`, and the whole
address. A server that keeps no password cannot derive one hash from another, so `usernames_of` names the forms, one
hash is kept for each, and `user_of` finds whose they are. A form with another case or an escape does not verify.

Nonces prove themselves: time, number, and a keyed hash of both, so a challenge costs no memory. Memory begins with the
first good answer: then the nonce's counts are remembered, in a bounded table, to refuse a replay (§5.12). Whatever
that table had to forget is refused as stale, never accepted twice.

Stale is said only to who knows the password: the response is checked first, whatever the nonce. So a client with a
wrong password never loops, and after a restart (which changes the secret) nobody is asked for a password again.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import enum
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_HEADER = 4096
"""Characters of a header value that are looked at; no real client comes near it."""


class MalformedDigest(ValueError):
    """A challenge or credentials that are not well formed (§3.4: "the proper response is a 4xx error code")."""


class Algorithm(enum.Enum):
    """Hash algorithms of RFC 7616 §3.7, by their token on the wire; weakest first."""

    MD5 = "MD5"
    SHA256 = "SHA-256"
    SHA512_256 = "SHA-512-256"

    def digest(self, data: str | bytes) -> str:
        """H(data) in lower-case hex; text is hashed as UTF-8."""
        octets = _octets(data) if isinstance(data, str) else data
        return hashlib.new(_HASHES[self], octets, usedforsecurity=False).hexdigest()


_HASHES = {Algorithm.MD5: "md5", Algorithm.SHA256: "sha256", Algorithm.SHA512_256: "sha512_256"}


class Qop(enum.Enum):
    """Quality of protection (§3.3)."""

    AUTH = "auth"
    AUTH_INT = "auth-int"
    """The body is covered too, so it has to be read before the credentials can be checked."""


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
        parts = [f"realm={_quote(self.realm)}", f"nonce={_quote(self.nonce)}", f"algorithm={self.algorithm.value}"]
        if self.qops:
            parts.append(f'qop="{", ".join(qop.value for qop in self.qops)}"')
        if self.stale:
            parts.append("stale=true")
        if self.opaque is not None:
            parts.append(f"opaque={_quote(self.opaque)}")
        return "Digest " + ", ".join(parts)

    @classmethod
    def parse_all(cls, text: str) -> list[Challenge]:
        """The Digest challenges of one header value that can be answered, in the server's order of preference.

        Other schemes, unknown algorithms and values that are not well formed are ignored, as RFC 8760 §2.4 says.
        """
        found: list[Challenge] = []
        with contextlib.suppress(MalformedDigest):
            for scheme, parameters in _schemes(text[:MAX_HEADER]):
                if scheme == "digest":
                    with contextlib.suppress(MalformedDigest):
                        found.append(cls._of(parameters))
        return found

    @classmethod
    def _of(cls, parameters: Mapping[str, str]) -> Challenge:
        offered = [token.strip() for token in parameters.get("qop", "").lower().split(",")]
        qops = tuple(Qop(token) for token in offered if token in {qop.value for qop in Qop})
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
        schemes = list(_schemes(text))
        if len(schemes) != 1 or schemes[0][0] != "digest":
            raise MalformedDigest("not one Digest credential")
        parameters = schemes[0][1]
        qop = parameters.get("qop")
        if qop is not None and (qop.lower() not in {known.value for known in Qop} or not parameters.get("cnonce")):
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
            qop=None if qop is None else Qop(qop.lower()),
            cnonce=parameters.get("cnonce", ""),
            count=count,
            opaque=parameters.get("opaque"),
        )

    def __str__(self) -> str:
        quoted = {"username": self.username, "realm": self.realm, "nonce": self.nonce, "uri": self.uri}
        parts = [f"{name}={_quote(value)}" for name, value in quoted.items()]
        parts += [f'response="{self.response}"', f"algorithm={self.algorithm.value}"]
        if self.qop is not None:
            parts += [f"cnonce={_quote(self.cnonce)}", f"qop={self.qop.value}", f"nc={self.count}"]
        if self.opaque is not None:
            parts.append(f"opaque={_quote(self.opaque)}")
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


class Verdict(enum.Enum):
    """What a server makes of credentials."""

    GOOD = "the user knows the password, and this is no replay"
    STALE = "the password is right and the nonce is not valid (any more): challenge again with stale=true"
    REPLAYED = "the password is right and this count was seen before: challenge again with stale=true"
    BAD = "the user is unknown or the password is wrong: challenge again, without stale"


@dataclass(slots=True)
class _Counts:
    """Which counts of a nonce were used: the highest, and a bit for each of the WINDOW before it."""

    minted: int
    highest: int = 0
    seen: int = 0

    def use(self, count: int) -> bool:
        """Whether `count` is new; counts may arrive out of order within the window."""
        ahead = count - self.highest
        if ahead > 0:
            self.seen = ((self.seen << ahead) | 1) & _WINDOW_BITS if ahead < WINDOW else 1
            self.highest = count
            return True
        bit = 1 << -ahead
        if -ahead >= WINDOW or self.seen & bit:
            return False
        self.seen |= bit
        return True


WINDOW = 128
"""How far requests that share a nonce may overtake each other."""
_WINDOW_BITS = (1 << WINDOW) - 1
_STAMP = 16
"""Octets of a nonce before its keyed hash: 8 of time in milliseconds, 8 of a running number."""
_SIGNATURE = 16


class Nonces:
    """Mints nonces and remembers how those in use were counted; one per realm of trust, shared by HTTP and SIP.

    secret: random, at least 16 octets; a new one at each start makes older nonces stale.
    lifetime: seconds from minting to staleness.
    capacity: nonces remembered at most (about 300 octets each); when more are in use, the oldest go stale.
    """

    def __init__(self, secret: bytes, *, lifetime: float = 300.0, capacity: int = 100_000) -> None:
        self._key = hashlib.blake2b(secret, digest_size=32).digest()
        self._lifetime = int(lifetime * 1000)
        self._capacity = capacity
        self._number = 0
        self._used: dict[bytes, _Counts] = {}
        self._forgotten = -1
        """The latest minting among the nonces that were dropped from `_used`."""

    def mint(self, now: float) -> str:
        """A nonce that nobody else gets."""
        self._number += 1
        stamp = int(now * 1000).to_bytes(8, "big") + self._number.to_bytes(8, "big")
        return base64.b64encode(stamp + self._sign(stamp)).decode("ascii")

    def use(self, nonce: str, count: int, now: float) -> Verdict:
        """Count one request with `nonce`, whose response is known to be right: GOOD, STALE or REPLAYED."""
        stamp = self._stamp(nonce)
        if stamp is None:
            return Verdict.STALE
        minted = int.from_bytes(stamp[:8], "big")
        if int(now * 1000) - minted > self._lifetime:
            self._used.pop(stamp, None)
            return Verdict.STALE
        counts = self._used.get(stamp)
        if counts is None:
            if minted <= self._forgotten:
                return Verdict.STALE
            counts = self._remember(stamp, minted, now)
        return Verdict.GOOD if counts.use(count) else Verdict.REPLAYED

    def _remember(self, stamp: bytes, minted: int, now: float) -> _Counts:
        """Make room, first by what has expired: entries are in the order of first use, about that of minting."""
        expired = int(now * 1000) - self._lifetime
        while self._used:
            oldest, counts = next(iter(self._used.items()))
            if counts.minted >= expired and len(self._used) < self._capacity:
                break
            del self._used[oldest]
            self._forgotten = max(self._forgotten, counts.minted)
        self._used[stamp] = counts = _Counts(minted)
        return counts

    def _stamp(self, nonce: str) -> bytes | None:
        """The stamp of a nonce of ours, else None."""
        try:
            octets = base64.b64decode(nonce, validate=True)
        except (binascii.Error, ValueError):
            return None
        stamp, signature = octets[:_STAMP], octets[_STAMP:]
        return stamp if hmac.compare_digest(signature, self._sign(stamp)) else None

    def _sign(self, stamp: bytes) -> bytes:
        return hashlib.blake2b(stamp, key=self._key, digest_size=_SIGNATURE).digest()


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


# ---------------------------------------------------------------------------------------------- grammar (RFC 9110 §11)

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - the grammar's word, not a secret
_QUOTED = r'"((?:[^"\\]|\\.|"(?![ \t\r\n]*(?:,|$)))*)"'
"""A quoted-string, in which a quote may stand bare unless it ends the parameter: clients that send a URI with quotes
in it (an XCAP node selector) repeat it in `uri` without escapes."""
_PARAMETER = re.compile(rf"({_TOKEN})[ \t]*=[ \t]*(?:{_QUOTED}|([^\s\",;]+))", re.DOTALL)
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+(?=[^\s,=])|(?=[ \t]*(?:,|$)))")
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))")
_COUNT = re.compile(r"[0-9A-Fa-f]{8}")


def _schemes(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Split a header value into its schemes (lower case) with their parameters (names lower case, values unquoted)."""
    scheme: str | None = None
    parameters: dict[str, str] = {}
    position = _skip(text, 0)
    while position < len(text):
        if match := _PARAMETER.match(text, position):
            name = match[1].lower()
            if scheme is None or name in parameters:
                raise MalformedDigest("a parameter without a scheme, or twice")
            parameters[name] = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2], flags=re.DOTALL)
        elif match := _SCHEME.match(text, position):
            if scheme is not None:
                yield scheme, parameters
            scheme, parameters = match[1].lower(), {}
            if token68 := _TOKEN68.match(text, match.end()):
                match = token68
        else:
            raise MalformedDigest("not a list of authentication parameters")
        position = _skip(text, match.end())
    if scheme is not None:
        yield scheme, parameters


def _skip(text: str, position: int) -> int:
    return len(text) - len(text[position:].lstrip(" \t\r\n,"))


def _required(parameters: Mapping[str, str], name: str) -> str:
    try:
        return parameters[name]
    except KeyError:
        raise MalformedDigest(f"no {name}") from None


def _algorithm(parameters: Mapping[str, str]) -> Algorithm:
    wanted = parameters.get("algorithm", Algorithm.MD5.value).upper()
    try:
        return Algorithm(wanted)
    except ValueError:
        raise MalformedDigest("the algorithm was not offered") from None


def _username(parameters: Mapping[str, str]) -> str:
    """The username, plain or in the extended notation of RFC 5987 (§3.4: both at once is an error)."""
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


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
