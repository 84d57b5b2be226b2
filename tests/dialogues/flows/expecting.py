"""What a NOTIFY is expected to say, and what its body is expected to make of the copy at the device.

A device keeps its copy as docs/contact-card-event-package.md §8 says; the lines that a script gives are those that the
device could show afterwards, as text/vcard without the frame.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abserver.domain.contentline import unfold
from abserver.domain.vcard_text import export_vcard
from abserver.events.contact_card import PATCH, VCARD, XCARD
from abserver.events.winfo.document import read as read_watcherinfo
from abserver.events.winfo.package import WATCHERINFO
from xcap.core import patch
from xcap.core.xcapdiff import MEDIA_TYPE as XCAP_DIFF
from xcap.core.xcapdiff import DocumentChange
from xcap.core.xcapdiff import read as read_diff

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abserver.sip.message import Headers, Request
    from xcap.core.xcapdiff import Component


@dataclass(frozen=True, slots=True)
class Copy:
    """What a device holds."""

    tag: str
    content_type: str
    content: bytes

    @property
    def lines(self) -> tuple[str, ...]:
        """The card as text."""
        return lines_of(self.content if self.content_type == VCARD else export_vcard(self.content))


Body = Callable[["Copy | None", "Request"], "Copy | None"]
"""Checks a body, and gives the copy that the device has then; takes the copy that it had."""


@dataclass(frozen=True, slots=True)
class Notify:
    """An expectation."""

    state: str
    body: Body
    reason: str | None
    event: str | None
    """The package; None is the one that the device subscribed to last."""
    gap: bool
    """Whether its CSeq may leave numbers out."""
    kept: bool
    """Whether the device takes it; else its copy stays as it is."""
    fields: Mapping[str, str | None] = field(default_factory=dict)


def notify(
    state: str,
    body: Body | None = None,
    *,
    reason: str | None = None,
    event: str | None = None,
    gap: bool = False,
    kept: bool = True,
    **fields: str | None,
) -> Notify:
    """A NOTIFY of this state. Without `body` it has none, and names no entity."""
    return Notify(state, body or _silent, reason, event, gap, kept, fields)


def full(*lines: str) -> Body:
    """The whole view, which shows these lines."""

    def check(held: Copy | None, request: Request) -> Copy | None:
        assert request.content_type is not None
        assert request.content_type.name in (XCARD, VCARD)
        copy = Copy(_tag(request), request.content_type.name, unpacked(request))
        assert copy.lines == lines
        return copy

    return check


def difference(*lines: str) -> Body:
    """The difference from the copy that the device holds, which shows these lines afterwards."""

    def check(held: Copy | None, request: Request) -> Copy | None:
        assert request.content_type is not None
        assert request.content_type.name == PATCH
        assert held is not None
        assert request.event is not None
        assert request.event.params["base"] == held.tag
        content = patch.apply(unpacked(request), held.content)
        assert len(request.body) < len(content)
        copy = Copy(_tag(request), held.content_type, content)
        assert copy.lines == lines
        return copy

    return check


def watchers(version: int, *rows: tuple[str, str, str], partial: bool = False) -> Body:
    """Watcher information of this version with these rows: watcher, status, and what led to it."""

    def check(held: Copy | None, request: Request) -> None:
        assert request.content_type is not None
        assert request.content_type.name == WATCHERINFO
        told = read_watcherinfo(unpacked(request))
        assert (told.version, told.full) == (version, not partial)
        shown = [(row.uri, row.status.value, row.event.value) for each in told.lists for row in each.rows]
        assert sorted(shown) == sorted(rows)

    return check


def resources(*entries: tuple[str, str]) -> Body:
    """An XCAP diff document with these entries, each the selector and what happened: to a document `there`, `changed`,
    `patched` or `gone`, to an element `shown` or `gone`.
    """

    def check(held: Copy | None, request: Request) -> None:
        assert request.content_type is not None
        assert request.content_type.name == XCAP_DIFF
        assert [(each.selector, _happened(each)) for each in read_diff(unpacked(request)).entries] == list(entries)

    return check


def _happened(entry: DocumentChange | Component) -> str:
    match entry:
        case DocumentChange(new=None):
            return "gone"
        case DocumentChange(previous=None):
            return "there"
        case DocumentChange(operations=operations):
            return "patched" if operations else "changed"
        case _:
            return "shown" if entry.exists else "gone"


def in_step(held: Copy | None, request: Request) -> Copy | None:
    """No body, and the entity-tag of the copy that the device holds: nothing is new."""
    assert request.body == b""
    assert held is not None
    assert _tag(request) == held.tag
    return held


def _silent(held: Copy | None, request: Request) -> Copy | None:
    """No body and no entity-tag."""
    assert request.body == b""
    assert request.content_type is None
    assert "SIP-ETag" not in request.headers
    return held


def _tag(request: Request) -> str:
    tag = request.headers.get("SIP-ETag")
    assert tag is not None
    return tag


def unpacked(request: Request) -> bytes:
    """The body without its content-coding."""
    coding = request.headers.get("Content-Encoding")
    return request.body if coding is None else unpacked_as(coding, request.body)


def unpacked_as(coding: str, body: bytes) -> bytes:
    """The body without this content-coding."""
    return gzip.decompress(body) if coding == "gzip" else zlib.decompress(body)


def lines_of(text: bytes) -> tuple[str, ...]:
    """The lines of a vCard without its frame."""
    lines = (line.decode() for _, line in unfold(text))
    return tuple(line for line in lines if not line.startswith(("BEGIN:", "VERSION:", "END:")))


def has_fields(headers: Headers, fields: Mapping[str, str | None]) -> None:
    """Each field, with `_` for `-`, has this value; None is none."""
    for name, value in fields.items():
        assert headers.get(name.replace("_", "-")) == value, name
