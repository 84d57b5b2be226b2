"""The values of a configuration that are more than text or a number, each with an error that says how to write it."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator

from xcap.core.digest import Algorithm
from xcap.core.uri import normal_xui

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_XCAP_ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_HTTP_URI = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")
_XUI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")


class HostPort(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(value: object, example: int = 8080) -> HostPort:
    """An address to listen at, from `host:port`; IPv6 in brackets, port 0 lets the system choose.

    example: the port in the error's advice.
    """
    if isinstance(value, HostPort):
        return value
    host, colon, port = str(value).rpartition(":")
    try:
        numeric = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        numeric = None
    bracketed = host.startswith("[")
    if not colon or numeric is None or bracketed != (numeric.version == 6):
        raise ValueError(f"{value!r} is no numeric host:port; write it like '127.0.0.1:{example}' or '[::1]:{example}'")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"{value!r} has no port from 0 to 65535 after the last colon")
    return HostPort(str(numeric), int(port))


def parse_network(value: object) -> Network:
    """A network of peers from `address/prefix`, or one address."""
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        host = ipaddress.ip_interface(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is no network; write it like '10.0.0.0/8', '192.0.2.7' or 'fd00::/8'") from None
    if host.ip != host.network.network_address:
        raise ValueError(f"{value!r} names a host within a network; did you mean '{host.network}'?")
    return host.network


def parse_domain(value: object) -> str:
    """A domain that users' addresses may have, in lower case; an IP address is one too (RFC 3261 §25.1, host)."""
    domain = str(value).lower()
    try:
        address = ipaddress.ip_address(domain.strip("[]"))
    except ValueError:
        if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
            raise ValueError(f"{value!r} is no domain; write it like 'example.com'") from None
        return domain.removesuffix(".")
    return f"[{address}]" if address.version == 6 else str(address)


def parse_xcap_root(value: object) -> str:
    """The path under which XCAP documents live, without a slash at its end (RFC 4825 §6.1); `/` is the empty path."""
    if value == "/":
        return ""
    if not _XCAP_ROOT.fullmatch(str(value)) or "~~" in str(value):
        raise ValueError(
            f"{value!r} is no XCAP root; write a path like '/xcap-root', without '~~' or a slash at its end"
        )
    return str(value)


def parse_root_uri(value: object) -> str:
    """The XCAP root URI, without a slash at its end; empty text is none."""
    if value and not _HTTP_URI.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no XCAP root URI; write it like 'https://xcap.example.com/xcap-root'")
    return str(value).rstrip("/")


def parse_xui(value: object) -> str:
    """A user by its XUI, in normal form."""
    if not _XUI.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no user; write it like 'sip:alice@example.com'")
    return normal_xui(str(value))


def parse_file(value: object) -> Path | None:
    """The name of a file that is looked for when it is needed; empty text is no file."""
    return Path(str(value)) if value else None


def parse_realm(value: object) -> str | None:
    """The realm of digest challenges, printable so that it can stand in a header; empty text is no realm."""
    realm = str(value or "")
    if not realm.isprintable() or '"' in realm or "\\" in realm or len(realm) > 255:
        raise ValueError(f"{value!r} is no realm; write at most 255 printable characters without quotes or backslashes")
    return realm or None


def parse_algorithm(value: object) -> Algorithm:
    """A digest algorithm by its name on the wire."""
    if isinstance(value, Algorithm):
        return value
    try:
        return Algorithm(str(value).upper())
    except ValueError:
        known = ", ".join(f"'{algorithm.value}'" for algorithm in Algorithm)
        raise ValueError(f"{value!r} is no digest algorithm; write one of {known}") from None


def split(value: object) -> object:
    """The items of a list that is written as one text, which is the only way the environment has."""
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip())


Listener = Annotated[HostPort, PlainValidator(parse_host_port)]
Networks = Annotated[tuple[Annotated[Network, PlainValidator(parse_network)], ...], BeforeValidator(split)]
Domains = Annotated[tuple[Annotated[str, PlainValidator(parse_domain)], ...], BeforeValidator(split)]
XcapRoot = Annotated[str, PlainValidator(parse_xcap_root)]
RootUri = Annotated[str, PlainValidator(parse_root_uri)]
Xuis = Annotated[tuple[Annotated[str, PlainValidator(parse_xui)], ...], BeforeValidator(split)]
File = Annotated[Path | None, PlainValidator(parse_file)]
Realm = Annotated[str | None, PlainValidator(parse_realm)]
Algorithms = Annotated[
    tuple[Annotated[Algorithm, PlainValidator(parse_algorithm)], ...], BeforeValidator(split), Field(min_length=1)
]
