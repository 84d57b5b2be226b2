"""SIP and SIPS URIs (RFC 3261 §19.1): what routing needs to see in one.

Request-URIs and addresses travel through this room as text, as they came; they are parsed where a host, a port or a
parameter is asked for.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import HOST, Params, parse_number

RECENT = 1024
"""URIs of which the value is remembered."""

_USERINFO = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/:]|%[0-9A-Fa-f]{2})+")
_HOSTPORT = re.compile(rf"({HOST})(?::([0-9]+))?(?=[;?]|$)")
_PARAM = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True)
class SipUri:
    """A `sip:` or `sips:` URI in its parts; `str()` gives the text back."""

    scheme: str
    """`sip` or `sips`."""
    userinfo: str | None
    """User and password, escaped as on the wire; None without an `@`."""
    host: str
    """Name, IPv4 address, or IPv6 address in brackets."""
    port: int | None = None
    params: Params = field(default_factory=dict)
    """By lower-case name, None for one without a value."""
    headers: str = ""
    """What stands after `?`."""

    @classmethod
    @functools.lru_cache(RECENT)
    def parse(cls, text: str) -> SipUri:
        """Parse; raises SipSyntaxError, with status hint 416 for another scheme (§8.2.2.1)."""
        scheme, _, rest = text.partition(":")
        scheme = scheme.lower()
        if scheme not in ("sip", "sips"):
            raise SipSyntaxError("Unsupported URI Scheme", status_hint=416)
        userinfo, at, hostpart = rest.rpartition("@")
        if at and not _USERINFO.fullmatch(userinfo):
            raise SipSyntaxError("Malformed User in URI")
        match = _HOSTPORT.match(hostpart)
        if match is None:
            raise SipSyntaxError("Malformed Host in URI")
        port = None if match[2] is None else parse_number(match[2], 65535)
        params, _, headers = hostpart[match.end() :].partition("?")
        return cls(scheme, userinfo if at else None, match[1], port, _parse_uri_params(params), headers)

    def __str__(self) -> str:
        user = "" if self.userinfo is None else f"{self.userinfo}@"
        port = "" if self.port is None else f":{self.port}"
        params = "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self.params.items())
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{params}{headers}"

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case: `udp`, `tcp`, `tls`, `ws` (§19.1.1, RFC 7118 §5.2)."""
        value = self.params.get("transport")
        return value.lower() if value else None

    @property
    def maddr(self) -> str | None:
        """The address to send to instead of the host (§19.1.1)."""
        return self.params.get("maddr")

    @property
    def loose_router(self) -> bool:
        """Whether the element that owns this URI routes by RFC 3261 (`lr`, §16.12)."""
        return "lr" in self.params


def wants_flow(uri: str) -> bool:
    """Whether the user agent of this Contact asks for requests on the flow that it came on (`ob`, RFC 5626 §4.3)."""
    try:
        return ";ob" in uri.lower() and "ob" in SipUri.parse(uri).params
    except SipSyntaxError:
        return False


def _parse_uri_params(text: str) -> dict[str, str | None]:
    params: dict[str, str | None] = {}
    for part in text.split(";")[1:]:
        name, equals, value = part.partition("=")
        if not _PARAM.fullmatch(name) or (equals and not _PARAM.fullmatch(value)) or name.lower() in params:
            raise SipSyntaxError("Malformed Parameter in URI")
        params[name.lower()] = value if equals else None
    return params
