"""A subscriber to `xcap-diff` in a story: lists of resources, and what their NOTIFYs say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from lxml import etree

from abserver.domain.identity import Owner
from abserver.events.xcap_diff.lists import MEDIA_TYPE
from xcap.core.etag import etag_of
from xcap.core.uri import ResourceUri
from xcap.core.xcapdiff import (
    AttributeContent,
    Cache,
    DocumentChange,
    ElementContent,
    Version,
    XcapDiff,
    apply,
    read,
)
from xcap.ports import Change

if TYPE_CHECKING:
    from abserver.sip.message import Response
    from tests.support.phone import Notify, Phone
    from tests.support.world import World
    from xcap.core.uri import DocumentKey
    from xcap.core.xcapdiff import Component


def resource_lists(*uris: str) -> bytes:
    entries = "".join(f'<entry uri="{uri}"/>' for uri in uris)
    namespace = "urn:ietf:params:xml:ns:resource-lists"
    return f'<resource-lists xmlns="{namespace}"><list>{entries}</list></resource-lists>'.encode()


def path(key: DocumentKey) -> str:
    """The URI of a document, relative to the XCAP root."""
    return ResourceUri(key).to_path("").removeprefix("/")


async def subscribe(phone: Phone, *uris: str, processing: str | None = None, **fields: str | None) -> Response:
    """Subscribe to these resources of the phone's user, outside of any dialog."""
    return await phone.subscribe(Owner(phone.watcher), resource_lists(*uris), **_fields(processing, fields))


async def resubscribe(phone: Phone, *uris: str, processing: str | None = None, **fields: str | None) -> Response:
    """Refresh the subscription, with a list if there are URIs."""
    return await phone.refresh(resource_lists(*uris) if uris else b"", **_fields(processing, fields))


def _fields(processing: str | None, fields: dict[str, str | None]) -> dict[str, str | None]:
    event = "xcap-diff" if processing is None else f"xcap-diff;diff-processing={processing}"
    return {"Event": event, "Content-Type": MEDIA_TYPE, **fields}


def said(notify: Notify) -> XcapDiff:
    """What the body of a NOTIFY says."""
    assert notify.content_type == "application/xcap-diff+xml"
    return read(notify.body)


def etags(notify: Notify) -> dict[str, tuple[str | None, str | None]]:
    """The documents of a NOTIFY, each at most once, with their former and new etags."""
    changes = [entry for entry in said(notify).entries if isinstance(entry, DocumentChange)]
    assert len({each.selector for each in changes}) == len(changes)
    return {each.selector: (each.previous, each.new) for each in changes}


def components(notify: Notify) -> dict[str, Component]:
    """The elements and attributes of a NOTIFY."""
    found = [entry for entry in said(notify).entries if isinstance(entry, ElementContent | AttributeContent)]
    return {each.selector: each for each in found}


def patched(content: bytes, change: DocumentChange) -> bytes:
    """The document after a change that says how."""
    assert change.previous is not None
    cache = Cache({change.selector: Version(change.previous, content)})
    found = apply(XcapDiff("", (change,)), cache).cache.documents[change.selector]
    assert found.etag == change.new
    assert found.content is not None
    return found.content


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two documents are equal in canonical form with comments (RFC 5874 §1)."""
    return _canonical(one) == _canonical(other)


def _canonical(content: bytes) -> bytes:
    out = io.BytesIO()
    etree.fromstring(content).getroottree().write_c14n(out, with_comments=True)
    return out.getvalue()


async def put_raw(world: World, key: DocumentKey, content: bytes) -> str:
    """Put a new document whatever its usage says to that; its etag."""
    etag = etag_of(content)
    await world.store.save(key, content, etag, expected=None)
    world.server.bus.changed(Change(key, None, etag))
    return etag
