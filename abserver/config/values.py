"""The values of a configuration that are more than text or a number, each with an error that says how to write it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from abserver.sip.transport import Address
from xcap.core.digest import Algorithm

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_SQLITE_FILE = re.compile(r"sqlite:///[^?#]+")
_XCAP_ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def parse_address(value: object) -> Address:
    """An address to listen at, from `host:port`; IPv6 in brackets, port 0 lets the system choose."""
    if isinstance(value, Address):
        return value
    host, colon, port = str(value).rpartition(":")
    try:
        numeric = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        numeric = None
    bracketed = host.startswith("[")
    if not colon or numeric is None or bracketed != (numeric.version == 6):
        raise ValueError(f"{value!r} is no numeric host:port; write it like '127.0.0.1:5060' or '[::1]:5060'")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"{value!r} has no port from 0 to 65535 after the last colon")
    return Address(str(numeric), int(port))


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


def parse_storage_url(value: object) -> str:
    """The address of the database. The error does not repeat it, as such addresses may hold a password."""
    if not _SQLITE_FILE.fullmatch(str(value)):
        raise ValueError("is no storage URL; write 'sqlite:///FILE', with four slashes if the path is absolute")
    return str(value)


def parse_xcap_root(value: object) -> str:
    """The path under which XCAP documents live, without a slash at its end (RFC 4825 §6.1)."""
    if not _XCAP_ROOT.fullmatch(str(value)) or "~~" in str(value):
        raise ValueError(
            f"{value!r} is no XCAP root; write a path like '/xcap-root', without '~~' or a slash at its end"
        )
    return str(value)


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


def parse_levels(value: object) -> Mapping[str, str]:
    """Levels by property name, from a table or from text like `fn=public,tel=friends`."""
    if isinstance(value, str):
        pairs = (pair.partition("=") for pair in value.split(",") if pair.strip())
        value = {name: level for name, _, level in pairs}
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no table of levels; write it like {{ fn = 'public', tel = 'friends' }}")
    levels = {str(name).strip().lower(): str(level).strip().lower() for name, level in value.items()}
    for name, level in levels.items():
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(level):
            raise ValueError(f"'{name} = {level}' gives no property a level; both are letters, digits and hyphens")
    return MappingProxyType(levels)


def _split(value: object) -> object:
    """The items of a list that is written as one text, which is the only way the environment has."""
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _each_once(listeners: tuple[Address, ...]) -> tuple[Address, ...]:
    for index, listener in enumerate(listeners):
        if listener.port and listener in listeners[:index]:
            raise ValueError(f"'{listener}' is listed twice")
    return listeners


Listener = Annotated[Address, PlainValidator(parse_address)]
Listeners = Annotated[tuple[Listener, ...], BeforeValidator(_split), AfterValidator(_each_once)]
Networks = Annotated[tuple[Annotated[Network, PlainValidator(parse_network)], ...], BeforeValidator(_split)]
Domains = Annotated[tuple[Annotated[str, PlainValidator(parse_domain)], ...], BeforeValidator(_split)]
StorageUrl = Annotated[str, PlainValidator(parse_storage_url)]
XcapRoot = Annotated[str, PlainValidator(parse_xcap_root)]
Levels = Annotated[Mapping[str, str], PlainValidator(parse_levels)]
File = Annotated[Path | None, PlainValidator(parse_file)]
Realm = Annotated[str | None, PlainValidator(parse_realm)]
Algorithms = Annotated[
    tuple[Annotated[Algorithm, PlainValidator(parse_algorithm)], ...], BeforeValidator(_split), Field(min_length=1)
]
