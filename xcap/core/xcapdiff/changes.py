"""What a notifier tells of resources that changed (RFC 5874 §3, §6; RFC 5875 §4.3, §4.7).

A resource that is missing and one that the client may not read are the same here, None: it is not spoken of before it
comes, and when it goes, it goes. Nothing of it is told, not even that it is there (RFC 5875 §4.7).

Law: the changes of one document, in their order, lead from the first version given to the last; each starts where the
one before it ended.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from xcap.core.patch.comparing import compare
from xcap.core.patch.reading import parse
from xcap.core.patch.tree import Document, Element, without_repetitions
from xcap.core.patch.writing import serialize
from xcap.core.selector import NodeKind, locate
from xcap.core.source import in_scope, scan
from xcap.core.xcapdiff.reading import BOUNDS
from xcap.core.xcapdiff.values import AttributeContent, DocumentChange, ElementContent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xcap.core.patch.operations import Operation
    from xcap.core.selector import NodeSelector
    from xcap.core.source import Element as Located
    from xcap.core.xcapdiff.values import Component


REMEMBERED = 16
"""Patches that are at hand: where many are told of the same change, they are told at once."""


class Processing(enum.Enum):
    """How much a subscriber wants to be told: the values of `diff-processing` (RFC 5875 §4.3), simplest first.

    A notifier may use a simpler mode than the one asked for, never one further down.
    """

    NO_PATCHING = "no-patching"
    """That a document changed, from which etag to which."""
    XCAP_PATCHING = "xcap-patching"
    """Each version that there was, with the patch that made it."""
    AGGREGATE = "aggregate"
    """One patch for all that happened."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a document."""

    etag: str
    content: bytes | None
    """None when it is not at hand: a notifier keeps it no longer, a client has yet to GET it."""


def since(history: Sequence[Version], etag: str | None) -> list[Version | None]:
    """The versions for `changes`, from the one that the client has to the current one.

    history: what is kept of the document, oldest first; the last is the current one, and without any there is none.
    etag: of the client's version, None when it has none.
    """
    current = history[-1] if history else None
    if etag is None:
        return [None, current]
    for at in range(len(history) - 1, -1, -1):
        if history[at].etag == etag:
            return [*history[at:]]
    return [Version(etag, None), current]


def changes(selector: str, versions: Sequence[Version | None], processing: Processing) -> list[DocumentChange]:
    """What to tell of a document: nothing when it did not change.

    versions: in chronological order, at least one; the first is the client's, the last is the current one. Those
    between them are told of by XCAP_PATCHING only.
    Raises NotWellFormed, NotUtf8, TooLarge for contents that are no documents.
    """
    told = versions if processing is Processing.XCAP_PATCHING else (versions[0], versions[-1])
    patching = processing is not Processing.NO_PATCHING
    return [
        DocumentChange(selector, _etag(before), _etag(after), _patch(before, after) if patching else None)
        for before, after in pairwise(told)
        if _etag(before) != _etag(after)
    ]


def _etag(version: Version | None) -> str | None:
    return None if version is None else version.etag


@functools.lru_cache(REMEMBERED)
def _patch(before: Version | None, after: Version | None) -> tuple[Operation, ...] | None:
    """None when there are no two contents to compare."""
    if before is None or before.content is None or after is None or after.content is None:
        return None
    old, new = (without_repetitions(parse(content)) for content in (before.content, after.content))
    return tuple(compare(old, new))


def component_changes(selector: str, node: NodeSelector, before: bytes | None, after: bytes | None) -> list[Component]:
    """What to tell of an element or attribute: its content if it is new or another, or that it is gone.

    selector: as the client wrote it (RFC 5875 §4.6); node: what it selects in a document of its usage.
    before, after: the document's content when the client was last told, and now.
    Namespace bindings are no components of RFC 5874; nothing is told of them.
    """
    was, now = _component(selector, node, before), _component(selector, node, after)
    if now is not None:
        return [now] if now != was else []
    if was is None:
        return []
    return [type(was)(selector, exists=False)]


def _component(selector: str, node: NodeSelector, content: bytes | None) -> Component | None:
    if content is None or node.kind is NodeKind.NAMESPACES:
        return None
    path = locate(scan(content), node.steps)
    if len(path) < len(node.steps):
        return None
    if node.attribute is None:
        return _element(selector, path, content)
    value = path[-1].attributes.get(node.attribute.name)
    return None if value is None else AttributeContent(selector, value=value)


def _element(selector: str, path: Sequence[Located], content: bytes) -> ElementContent:
    """The last of `path`, read within an element that declares what is in scope around it."""
    namespaces = {prefix or "": uri for prefix, uri in in_scope(path[:-1]).items()}
    head = serialize(Document([Element("_", namespaces)])).removesuffix(b"/>")
    alone = head + b">" + content[path[-1].start : path[-1].end(content)] + b"</_>"
    element = next(child for child in parse(alone, BOUNDS).root.children if type(child) is Element)
    return ElementContent(selector, True, element, namespaces)
