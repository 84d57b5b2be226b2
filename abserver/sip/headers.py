"""Typed values of header fields (RFC 3261 §20, RFC 6665 §8.2): each parses its text and writes it again.

Law: `parse(str(value)) == value`, and nothing but SipSyntaxError leaves a `parse`.
"""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass, field, replace

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import (
    HOST,
    QUOTED,
    TCHARS,
    URI,
    Params,
    format_params,
    is_token,
    is_uri,
    parse_number,
    parse_params,
    quote,
    split_list,
    unquote,
)

RECENT = 1024
"""Texts of which the value is remembered, for each type: while a request is served the same field is asked for again
and again, and many requests have equal ones. Values are frozen, so they may be shared."""

MAGIC_COOKIE = "z9hG4bK"
"""How a branch begins that is unique across space and time (§8.1.1.7)."""

_VIA = re.compile(rf"({TCHARS})[ \t]*/[ \t]*({TCHARS})[ \t]*/[ \t]*({TCHARS})[ \t]+({HOST})(?:[ \t]*:[ \t]*([0-9]+))?")
_PLAIN_VIA = re.compile(rf"SIP/2\.0/([A-Z]+) ({HOST}):([0-9]{{1,4}}|[1-5][0-9]{{4}});branch=({TCHARS})(;rport)?")
"""As most user agents write it, with a port that needs no look at its range."""
_QUOTED_DISPLAY = re.compile(rf"({QUOTED})[ \t]*(?=<)", re.DOTALL)
_BAD_DISPLAY = re.compile(r'[\x00-\x08\x0a-\x1f\x7f",;:@\\>]')
_PLAIN_DISPLAY = re.compile(rf"{TCHARS}(?: {TCHARS})*")
_PLAIN_ADDRESS = re.compile(rf"<({URI})>(?:;tag=({TCHARS}))?")
_MEDIA = re.compile(rf"({TCHARS})[ \t]*/[ \t]*({TCHARS})")
_Q = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_EVENT_TYPE = re.compile(TCHARS)


@dataclass(frozen=True, slots=True)
class Via:
    """One hop that a request took, and the way back for its response (§20.42)."""

    transport: str
    """`UDP`, `TCP`, `TLS`, `WS`, `WSS` or any other token, in upper case."""
    host: str
    """The sent-by host as written: name, IPv4, or IPv6 in brackets."""
    port: int | None = None
    params: Params = field(default_factory=dict)
    protocol: str = "SIP/2.0"

    @classmethod
    @functools.lru_cache(RECENT)
    def parse(cls, text: str) -> Via:
        plain = _PLAIN_VIA.fullmatch(text)
        if plain is not None:
            transport, host, port, branch, rport = plain.groups()
            params = {"branch": branch, "rport": None} if rport else {"branch": branch}
            return cls(transport, host, int(port), params)
        match = _VIA.match(text)
        if match is None:
            raise SipSyntaxError("Malformed Via")
        return cls._of_match(match, parse_params(text, match.end()))

    @classmethod
    def parse_hop(cls, text: str) -> Via:
        """Parse what stands before the parameters, whatever follows: enough to refuse a request."""
        match = _VIA.match(text)
        if match is None:
            raise SipSyntaxError("Malformed Via")
        return cls._of_match(match, {})

    @classmethod
    def _of_match(cls, match: re.Match[str], params: Params) -> Via:
        name, version, transport, host, port = match.groups()
        number = None if port is None else parse_number(port, 65535)
        return cls(transport.upper(), host, number, params, f"{name.upper()}/{version}")

    def __str__(self) -> str:
        return f"{self.protocol}/{self.transport} {self.sent_by}{format_params(self.params)}"

    @property
    def sent_by(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def branch(self) -> str | None:
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """The source address of the request, if it differs from the sent-by host (§18.2.1)."""
        return self.params.get("received")

    @property
    def rport(self) -> int | None:
        """The source port of the request (RFC 3581 §4); None if absent or not filled in."""
        value = self.params.get("rport")
        return None if value is None else parse_number(value, 65535)

    @property
    def maddr(self) -> str | None:
        return self.params.get("maddr")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """An address with a display name and parameters: From, To, Contact, Route, P-Asserted-Identity (§20.10).

    The URI is text as it came. An address without angle brackets is read too: its parameters are the field's.
    """

    uri: str
    display: str = ""
    """Without quotes and escapes."""
    params: Params = field(default_factory=dict)

    @classmethod
    @functools.lru_cache(RECENT)
    def parse(cls, text: str) -> NameAddr:
        plain = _PLAIN_ADDRESS.fullmatch(text)
        if plain is not None:
            uri, tag = plain.groups()
            return cls(uri, "", {} if tag is None else {"tag": tag})
        text = text.strip(" \t")
        display = ""
        quoted = _QUOTED_DISPLAY.match(text) if text.startswith('"') else None
        if quoted is not None:
            display = unquote(quoted[1])
            text = text[quoted.end() :]
        before, bracket, after = text.partition("<")
        if not bracket:
            return cls._parse_addr_spec(text)
        if before:
            display = before.strip(" \t")
            if _BAD_DISPLAY.search(display):
                raise SipSyntaxError("Malformed Display Name")
        uri, closing, params = after.partition(">")
        if not closing or not is_uri(uri):
            raise SipSyntaxError("Malformed Address")
        return cls(uri, display, parse_params(params))

    @classmethod
    def _parse_addr_spec(cls, text: str) -> NameAddr:
        uri, semicolon, params = text.partition(";")
        uri = uri.rstrip(" \t")
        if not is_uri(uri) or "?" in uri or "," in uri:  # such a URI needs angle brackets (§20.10)
            raise SipSyntaxError("Malformed Address")
        return cls(uri, "", parse_params(semicolon + params))

    @classmethod
    def parse_list(cls, text: str) -> list[NameAddr]:
        """Parse a comma-separated list: Contact, Route, Record-Route, P-Asserted-Identity."""
        return [cls.parse(element) for element in split_list(text)]

    def __str__(self) -> str:
        if not self.display:
            return f"<{self.uri}>{format_params(self.params)}"
        display = self.display if _PLAIN_DISPLAY.fullmatch(self.display) else quote(self.display)
        return f"{display} <{self.uri}>{format_params(self.params)}"

    @property
    def tag(self) -> str | None:
        """The tag of a From or To (§19.3)."""
        return self.params.get("tag")

    def with_tag(self, tag: str) -> NameAddr:
        return replace(self, params={**self.params, "tag": tag})

    def param(self, name: str) -> str | None:
        """A parameter's value without quotes (`+sip.instance`), empty for a bare one, None if absent."""
        if name not in self.params:
            return None
        return unquote(self.params[name] or "")


@dataclass(frozen=True, slots=True)
class CSeq:
    """A request's number within its dialog and its method (§20.16)."""

    number: int
    method: str

    @classmethod
    @functools.lru_cache(RECENT)
    def parse(cls, text: str) -> CSeq:
        number, _, method = text.partition(" ")
        method = method.strip(" \t")
        if not is_token(method):
            raise SipSyntaxError("Malformed CSeq")
        return cls(parse_number(number, 2**31 - 1), method)  # less than 2**31 (§8.1.1.5)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class Event:
    """The event package of a subscription (RFC 6665 §8.2.1)."""

    package: str
    """Package and templates: `contact-card`, `contact-card.winfo`; case counts (RFC 6665 §8.2.1)."""
    id: str | None = None
    """Deprecated, but part of the subscription's identity where a peer sends it (RFC 6665 §4.5.2)."""
    params: Params = field(default_factory=dict)
    """All other parameters."""

    @classmethod
    @functools.lru_cache(RECENT)
    def parse(cls, text: str) -> Event:
        match = _EVENT_TYPE.match(text)
        if match is None:
            raise SipSyntaxError("Malformed Event")
        params = parse_params(text[match.end() :])
        return cls(match[0], params.pop("id", None), params)

    def __str__(self) -> str:
        identity = "" if self.id is None else f";id={self.id}"
        return f"{self.package}{identity}{format_params(self.params)}"


class Substate(enum.StrEnum):
    """The states that a Subscription-State can tell (RFC 6665 §4.1.3)."""

    ACTIVE = "active"
    PENDING = "pending"
    TERMINATED = "terminated"


class EventReason(enum.StrEnum):
    """Why a subscription was terminated (RFC 6665 §4.1.3)."""

    DEACTIVATED = "deactivated"
    PROBATION = "probation"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    GIVEUP = "giveup"
    NORESOURCE = "noresource"
    INVARIANT = "invariant"


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """The state of a subscription as a NOTIFY tells it (RFC 6665 §8.2.3). Both sets are open: lower-case text."""

    state: str
    """A Substate, or an extension."""
    expires: int | None = None
    """Seconds that remain."""
    reason: str | None = None
    """An EventReason, or an extension."""
    retry_after: int | None = None
    """Seconds."""
    params: Params = field(default_factory=dict)
    """All other parameters."""

    @classmethod
    def parse(cls, text: str) -> SubscriptionState:
        state, semicolon, rest = text.partition(";")
        state = state.strip(" \t").lower()
        if not is_token(state):
            raise SipSyntaxError("Malformed Subscription-State")
        params = parse_params(semicolon + rest)
        reason = params.pop("reason", None)
        expires = _pop_seconds(params, "expires")
        retry_after = _pop_seconds(params, "retry-after")
        return cls(state, expires, None if reason is None else reason.lower(), retry_after, params)

    def __str__(self) -> str:
        parts: list[str] = [str(self.state)]
        if self.reason is not None:
            parts.append(f";reason={self.reason}")
        if self.expires is not None:
            parts.append(f";expires={self.expires}")
        if self.retry_after is not None:
            parts.append(f";retry-after={self.retry_after}")
        return "".join(parts) + format_params(self.params)


def _pop_seconds(params: dict[str, str | None], name: str) -> int | None:
    return parse_seconds(params.pop(name) or "") if name in params else None


def parse_seconds(text: str) -> int:
    """Parse delta-seconds: Expires, Min-Expires, Retry-After up to 2**32 - 1 (§20.19); raises SipSyntaxError."""
    return parse_number(text, 2**32 - 1)


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range with its parameters: Content-Type, one element of Accept (§20.1, §20.15)."""

    type: str
    """In lower case, `*` in a range."""
    subtype: str
    params: Params = field(default_factory=dict)
    """Without `q`."""
    q: float = 1.0
    """The quality of an Accept element, 0 to 1."""

    @classmethod
    @functools.lru_cache(RECENT)
    def parse(cls, text: str) -> MediaType:
        match = _MEDIA.match(text)
        if match is None:
            raise SipSyntaxError("Malformed Media Type")
        params = parse_params(text[match.end() :])
        q = params.pop("q", "1") or ""
        if not _Q.fullmatch(q):
            raise SipSyntaxError("Malformed Quality")
        return cls(match[1].lower(), match[2].lower(), params, float(q))

    @classmethod
    def parse_list(cls, text: str) -> list[MediaType]:
        """Parse an Accept field; an empty one accepts nothing (§20.1)."""
        return [cls.parse(element) for element in split_list(text)] if text.strip(" \t") else []

    def __str__(self) -> str:
        q = "" if self.q == 1.0 else f";q={self.q:.3g}"
        return f"{self.type}/{self.subtype}{format_params(self.params)}{q}"

    @property
    def name(self) -> str:
        """`type/subtype`."""
        return f"{self.type}/{self.subtype}"

    def covers(self, name: str) -> bool:
        """Whether this range includes the media type `name` (`type/subtype` in lower case)."""
        return self.name in (name, "*/*") or (self.subtype == "*" and name.startswith(f"{self.type}/"))


def quality(ranges: list[MediaType], name: str) -> float:
    """How much an Accept list wants the media type `name`: 0 is not at all; the most specific range decides (§20.1)."""
    covering = [accepted for accepted in ranges if accepted.covers(name)]
    return max(covering, key=lambda accepted: (accepted.type != "*") + (accepted.subtype != "*")).q if covering else 0.0
