"""Keeping copies of XCAP resources in step (RFC 5874 §6; RFC 5875 §4.8), for clients.

Law: a change is made only to the very version that it starts from, compared by etag, octet by octet. Where that is not
the client's, or the change is not told, or cannot be made, the copy is given up and only its newest etag is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge
from xcap.core.patch.applying import apply_operations
from xcap.core.patch.errors import PatchError
from xcap.core.patch.reading import parse
from xcap.core.patch.tree import without_repetitions
from xcap.core.patch.writing import serialize
from xcap.core.xcapdiff.changes import Version
from xcap.core.xcapdiff.values import NAMESPACE, DocumentChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xcap.core.patch.operations import Operation
    from xcap.core.xcapdiff.values import Component, XcapDiff


@dataclass(frozen=True, slots=True)
class Cache:
    """What a client knows of the resources under one XCAP root, by their selectors."""

    documents: Mapping[str, Version] = field(default_factory=lambda: MappingProxyType({}))
    """A version without content is there and has to be fetched."""
    components: Mapping[str, Component] = field(default_factory=lambda: MappingProxyType({}))
    """Those that exist."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a cache."""

    cache: Cache
    unpatchable: frozenset[str] = frozenset()
    """Documents whose patch could not be applied: time to ask for `no-patching` (RFC 5875 §4.8)."""


def apply(diff: XcapDiff, cache: Cache) -> Applied:
    """The cache after all changes of a diff that has the cache's XCAP root; the given one stays as it is."""
    documents, components = {**cache.documents}, {**cache.components}
    changes: dict[str, list[DocumentChange]] = {}
    for entry in diff.entries:
        if isinstance(entry, DocumentChange):
            changes.setdefault(entry.selector, []).append(entry)
        elif entry.exists:
            components[entry.selector] = entry
        else:
            components.pop(entry.selector, None)
    unpatchable = set()
    for selector, chain in changes.items():
        version, patched = _followed(documents.pop(selector, None), chain)
        if version is not None:
            documents[selector] = version
        if not patched:
            unpatchable.add(selector)
    return Applied(Cache(documents, components), frozenset(unpatchable))


def _followed(version: Version | None, chain: Sequence[DocumentChange]) -> tuple[Version | None, bool]:
    """The version at the end of a chain of changes, of which some may be older than it, and if all patches fitted."""
    for change in chain:
        if change.previous != _etag(version):
            continue
        try:
            version = _changed(version, change)
        except (PatchError, NotWellFormed, NotUtf8, TooLarge):
            return _to_fetch(version, chain), False
    return version if _etag(version) == chain[-1].new else _to_fetch(version, chain), True


def _etag(version: Version | None) -> str | None:
    return None if version is None else version.etag


def _to_fetch(version: Version | None, chain: Sequence[DocumentChange]) -> Version | None:
    """What is left of a version that could not follow; one that is gone by now, perhaps, is to be asked for too."""
    etag = chain[-1].new or _etag(version)
    return None if etag is None else Version(etag, None)


def _changed(version: Version | None, change: DocumentChange) -> Version | None:
    """Raises PatchError, and NotWellFormed, NotUtf8, TooLarge for a copy that is no document."""
    if change.new is None:
        return None
    content = None
    if version is not None and version.content is not None and change.operations is not None:
        content = _patched(version.content, change.operations)
    return Version(change.new, content)


def _patched(content: bytes, operations: Sequence[Operation]) -> bytes:
    if not operations:
        return content
    document = without_repetitions(parse(content))
    apply_operations(document, operations, NAMESPACE)
    return serialize(document)
