"""The values of a configuration that are more than text or a number, each with an error that says how to write it.

Those that the document server needs as well are in `xcap.values`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from abserver.domain.identity import Aor, InvalidAor, parse_aor
from abserver.sip.grammar import is_token
from abserver.sip.transport import Address, Listener
from xcap.core.digest import Qop
from xcap.values import (
    Algorithms,
    Domains,
    File,
    Networks,
    Realm,
    RootUri,
    XcapRoot,
    Xuis,
    parse_domain,
    parse_host_port,
    parse_root_uri,
    split,
)

__all__ = [
    "Algorithms",
    "Aliases",
    "Collector",
    "Domain",
    "Domains",
    "File",
    "Ioi",
    "Levels",
    "ListenAddress",
    "Listeners",
    "Networks",
    "Origins",
    "Qops",
    "Realm",
    "RootUri",
    "SipListeners",
    "StorageUrl",
    "TraceSocket",
    "UrlPath",
    "UserAliases",
    "XcapRoot",
    "Xuis",
    "parse_root_uri",
]

_HOST_PORT = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - to be refused
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_AUID = re.compile(r"[^\s/=,?#%]+")
_SOME_USER = "sip:alice@example.com"
_SOME_AUID = "org.abserver.contact-card"
_PATH = re.compile(r"/|(/[A-Za-z0-9._~-]+)+")
_ORIGIN = re.compile(r"https?://[^\s/?#]+")
_LONGEST_SOCKET = 103
"""Bytes: what the systems have in common."""
_SQLITE_FILE = re.compile(r"sqlite:///[^?#]+")


def parse_address(value: object) -> Address:
    """An address to listen at, from `host:port`; IPv6 in brackets, port 0 lets the system choose."""
    return value if isinstance(value, Address) else Address(*parse_host_port(value, example=5060))


def parse_path(value: object) -> str:
    """The path of a URL, without a slash at its end; empty text is none."""
    if value and not _PATH.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no path; write it like '/sip'")
    return str(value)


def parse_origin(value: object) -> str:
    """The origin of web pages as browsers tell it (RFC 6454 §6.2), in lower case."""
    if not _ORIGIN.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no origin; write it like 'https://example.com', without a slash at its end")
    return str(value).lower()


def parse_listener(value: object) -> Listener:
    """Where to listen, from `host:port` or `host:port advertise host:port`; without its port, what is advertised has
    the one that is listened at."""
    if isinstance(value, Listener):
        return value
    address, word, told = str(value).partition(" advertise ")
    if not word and len(address.split()) > 1:
        raise ValueError(f"{value!r} is no listener; write it like '10.0.0.1:5060 advertise 203.0.113.7:5060'")
    return Listener(parse_address(address.strip()), _advertised(told.strip()) if word else None)


def _advertised(text: str) -> Address:
    match = _HOST_PORT.fullmatch(text)
    try:
        host, port = parse_domain(match[1]).strip("[]") if match else "", int((match and match[2]) or 0)
    except ValueError:
        host, port = "", 0
    if not host or port > 65535 or host in _ANY_HOST:
        raise ValueError(
            f"{text!r} is nothing to advertise; write a host that others reach, '203.0.113.7:5060' or 'sip.example.com'"
        )
    return Address(host, port)


def parse_storage_url(value: object) -> str:
    """The address of the database. The error does not repeat it, as such addresses may hold a password."""
    if not _SQLITE_FILE.fullmatch(str(value)):
        raise ValueError("is no storage URL; write 'sqlite:///FILE', with four slashes if the path is absolute")
    return str(value)


def parse_trace_socket(value: object) -> str:
    """A file name that fits into the address of a Unix socket, `off`, or nothing."""
    name = str(value)
    if len(name.encode()) > _LONGEST_SOCKET or "\0" in name:
        raise ValueError(f"is no name of a Unix socket; write a path of at most {_LONGEST_SOCKET} bytes, or 'off'")
    return name


def parse_collector(value: object) -> Address | None:
    """Where packets are sent to, from `host:port`; empty text is nowhere."""
    if value is None or value == "":
        return None
    address = value if isinstance(value, Address) else Address(*parse_host_port(value, example=9060))
    if address.port == 0:
        raise ValueError(f"'{value}' has no port; write it like '192.0.2.9:9060'")
    return address


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


def parse_aliases(value: object) -> Mapping[str, str]:
    """Application usages by other names for them, from a table or from text like `com.example.card=AUID`."""
    if isinstance(value, str):
        value = dict(pair.partition("=")[::2] for pair in value.split(",") if pair.strip())
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no table of names; write it like {{ 'com.example.card' = '{_SOME_AUID}' }}")
    aliases = {str(alias).strip(): str(auid).strip() for alias, auid in value.items()}
    for alias, auid in aliases.items():
        if not _AUID.fullmatch(alias):
            raise ValueError(f"{alias!r} is no name of an application usage; write it like 'com.example.card'")
        if not _AUID.fullmatch(auid):
            raise ValueError(f"{alias} is for {auid!r}; write an application usage like '{_SOME_AUID}'")
    return MappingProxyType(aliases)


def parse_users(value: object) -> Mapping[Aor, Aor]:
    """Users by other addresses of theirs, from a table or from text like `tel:+15550100=sip:alice@example.com`."""
    if isinstance(value, str):
        value = dict(pair.rpartition("=")[::2] for pair in value.split(",") if pair.strip())
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no table of addresses; write it like {{ 'tel:+15550100' = '{_SOME_USER}' }}")
    users = {_address(alias): _address(user) for alias, user in value.items()}
    for alias, user in users.items():
        if user in users:
            raise ValueError(f"{alias} is an alias of {user}, which is an alias itself; name the user's own address")
        if not user.startswith("sip:"):
            raise ValueError(f"{alias} is an alias of {user}, which can be no user; write a user like '{_SOME_USER}'")
    return MappingProxyType(users)


def _address(text: object) -> Aor:
    try:
        return parse_aor(str(text))
    except InvalidAor:
        raise ValueError(f"{text!r} is no address; write it like '{_SOME_USER}' or 'tel:+15550100'") from None


def parse_ioi(value: object) -> str | None:
    """A network's name in charging records, a token; empty text is none."""
    if value and not is_token(str(value)):
        raise ValueError(f"{value!r} is no network's name; write it like 'ims.example.com'")
    return str(value) if value else None


def parse_one_domain(value: object) -> str | None:
    """A domain, or empty text for none."""
    return parse_domain(value) if value else None


def parse_qop(value: object) -> Qop:
    """A quality of protection by its name on the wire."""
    if isinstance(value, Qop):
        return value
    try:
        return Qop(str(value).lower())
    except ValueError:
        known = ", ".join(f"'{qop.value}'" for qop in Qop)
        raise ValueError(f"{value!r} is no quality of protection; write one of {known}") from None


def _each_once(listeners: tuple[Address, ...]) -> tuple[Address, ...]:
    for index, listener in enumerate(listeners):
        if listener.port and listener in listeners[:index]:
            raise ValueError(f"'{listener}' is listed twice")
    return listeners


def _heard_once(listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    _each_once(tuple(each.address for each in listeners))
    return listeners


ListenAddress = Annotated[Address, PlainValidator(parse_address)]
Listeners = Annotated[tuple[ListenAddress, ...], BeforeValidator(split), AfterValidator(_each_once)]
SipListeners = Annotated[
    tuple[Annotated[Listener, PlainValidator(parse_listener)], ...],
    BeforeValidator(split),
    AfterValidator(_heard_once),
]
UrlPath = Annotated[str, PlainValidator(parse_path)]
Origins = Annotated[tuple[Annotated[str, PlainValidator(parse_origin)], ...], BeforeValidator(split)]
Collector = Annotated[Address | None, PlainValidator(parse_collector)]
TraceSocket = Annotated[str, PlainValidator(parse_trace_socket)]
StorageUrl = Annotated[str, PlainValidator(parse_storage_url)]
Aliases = Annotated[Mapping[str, str], PlainValidator(parse_aliases)]
Levels = Annotated[Mapping[str, str], PlainValidator(parse_levels)]
UserAliases = Annotated[Mapping[Aor, Aor], PlainValidator(parse_users)]
Domain = Annotated[str | None, PlainValidator(parse_one_domain)]
Qops = Annotated[tuple[Annotated[Qop, PlainValidator(parse_qop)], ...], BeforeValidator(split), Field(min_length=1)]
Ioi = Annotated[str | None, PlainValidator(parse_ioi)]
