"""Watcher information as XML (RFC 3858 §3): what a notifier writes and a subscriber reads.

Written as the RFC's own examples are, with the namespace as default and the list there even when nobody is in it:
clients are known that look for `xmlns` by that name, and that report an error when their list is missing.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TypeVar

from lxml import etree

from abserver.domain.relation import WinfoEvent
from xcap.core.xml import parse_document

NAMESPACE = "urn:ietf:params:xml:ns:watcherinfo"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

ROOT, LIST, WATCHER = (f"{{{NAMESPACE}}}{name}" for name in ("watcherinfo", "watcher-list", "watcher"))

LARGEST_VERSION = 2**32 - 1
"""Versions are 32 bit integers and do not wrap."""

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_NUMBER = re.compile(r"[0-9]{1,20}")

Kind = TypeVar("Kind", bound=enum.Enum)


class Status(enum.Enum):
    """Where a subscription stands (RFC 3857 §4.7.1)."""

    PENDING = "pending"
    ACTIVE = "active"
    WAITING = "waiting"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Row:
    """One watcher: what `watcher` says, and a row of the subscriber's table (§4)."""

    id: str
    """Names the subscription; a token."""
    uri: str
    """The watcher's address, as authenticated."""
    status: Status
    event: WinfoEvent
    """What led to the status."""
    display_name: str | None = None
    language: str | None = None
    """The language of the display name (`xml:lang`)."""
    expiration: int | None = field(default=None, compare=False)
    """Seconds that the subscription lasts from the time of the document on."""
    duration: int | None = field(default=None, compare=False)
    """Seconds that it has lasted (`duration-subscribed`)."""


@dataclass(frozen=True, slots=True)
class WatcherList:
    """The watchers of one resource in one package."""

    resource: str
    package: str
    """The package that is watched: `presence`, not `presence.winfo`."""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class WatcherInfo:
    """One document."""

    version: int
    full: bool
    """All watchers; or only those that changed since the document before."""
    lists: tuple[WatcherList, ...] = ()


class InvalidWatcherInfo(ValueError):
    """The document is XML and not what RFC 3858 describes."""


def write(document: WatcherInfo) -> bytes:
    """The document in UTF-8, valid against the schema of §6."""
    root = etree.Element(
        ROOT, nsmap={None: NAMESPACE}, version=str(document.version), state="full" if document.full else "partial"
    )
    for each in document.lists:
        shown = etree.SubElement(root, LIST, resource=each.resource, package=each.package)
        for row in each.rows:
            etree.SubElement(shown, WATCHER, _attributes(row)).text = row.uri
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _attributes(row: Row) -> dict[str, str]:
    attributes = {"id": row.id, "status": row.status.value, "event": row.event.value}
    if row.display_name is not None:
        attributes["display-name"] = row.display_name
    if row.language is not None:
        attributes[XML_LANG] = row.language
    if row.expiration is not None:
        attributes["expiration"] = str(row.expiration)
    if row.duration is not None:
        attributes["duration-subscribed"] = str(row.duration)
    return attributes


def read(content: bytes) -> WatcherInfo:
    """The inverse; elements and attributes of namespaces that are not known are ignored (§3).

    Raises InvalidWatcherInfo, and what `xcap.core.xml.parse_document` raises.
    """
    root = parse_document(content)
    if root.tag != ROOT:
        raise InvalidWatcherInfo("not watcherinfo")
    version = _number(_required(root, "version"))
    if version > LARGEST_VERSION:
        raise InvalidWatcherInfo("version")
    state = _required(root, "state")
    if state not in ("full", "partial"):
        raise InvalidWatcherInfo("state")
    return WatcherInfo(version, state == "full", tuple(_read_list(each) for each in root.iterchildren(LIST)))


def _read_list(element: etree._Element) -> WatcherList:
    rows = tuple(_read_row(each) for each in element.iterchildren(WATCHER))
    if len({row.id for row in rows}) < len(rows):
        raise InvalidWatcherInfo("id")
    return WatcherList(_required(element, "resource"), _required(element, "package"), rows)


def _read_row(element: etree._Element) -> Row:
    identifier = _required(element, "id")
    if not _TOKEN.fullmatch(identifier):
        raise InvalidWatcherInfo("id")
    return Row(
        id=identifier,
        uri=(element.text or "").strip(),
        status=_member(Status, _required(element, "status")),
        event=_member(WinfoEvent, _required(element, "event")),
        display_name=element.get("display-name"),
        language=element.get(XML_LANG),
        expiration=_optional(element, "expiration"),
        duration=_optional(element, "duration-subscribed"),
    )


def _required(element: etree._Element, name: str) -> str:
    value = element.get(name)
    if value is None:
        raise InvalidWatcherInfo(name)
    return value


def _optional(element: etree._Element, name: str) -> int | None:
    value = element.get(name)
    return None if value is None else _number(value)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise InvalidWatcherInfo("number")
    return int(text)


def _member(kind: type[Kind], value: str) -> Kind:
    try:
        return kind(value)
    except ValueError:
        raise InvalidWatcherInfo(kind.__name__.lower()) from None
