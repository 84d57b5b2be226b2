"""From values to `application/xcap-diff+xml` (RFC 5874 §3).

Laws:
- The document is valid by `schemas/xcap-diff.xsd`, whatever it carries.
- It declares no default namespace of its own, so that what is unprefixed in a patch or an element means what it meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xcap.core.patch.operations import unused_prefix, write_operations
from xcap.core.patch.tree import Document, Element
from xcap.core.patch.writing import serialize
from xcap.core.xcapdiff.values import NAMESPACE, DocumentChange, ElementContent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xcap.core.xcapdiff.values import Component, XcapDiff

_OWN: Final = unused_prefix({})


def write(diff: XcapDiff) -> bytes:
    """The XCAP diff document, UTF-8 with an XML declaration."""
    root = Element(f"{_OWN}:xcap-diff", {_OWN: NAMESPACE}, {"xcap-root": diff.root})
    root.children.extend(_entry(entry) for entry in diff.entries)
    return serialize(Document([root], declared=True))


def _entry(entry: DocumentChange | Component) -> Element:
    if isinstance(entry, DocumentChange):
        return _document(entry)
    if isinstance(entry, ElementContent):
        return _element(entry)
    return Element(f"{_OWN}:attribute", {}, _located(entry), [entry.value] if entry.value else [])


def _document(change: DocumentChange) -> Element:
    container = Element(f"{_OWN}:document")
    if change.operations:
        container = write_operations(change.operations, "document", NAMESPACE)
        if container.prefix == _OWN:  # then the root declares it
            del container.declarations[_OWN]
    elif change.operations is not None:
        container.children.append(Element(f"{_OWN}:body-not-changed"))
    etags = {"previous-etag": change.previous, "new-etag": change.new}
    container.attributes["sel"] = change.selector
    container.attributes |= {name: etag for name, etag in etags.items() if etag is not None}
    return container


def _element(entry: ElementContent) -> Element:
    """All that is in scope is declared, not only what names use: prefixes may stand in the content's values too."""
    declarations = _declarable(entry.namespaces)
    own = unused_prefix(declarations)
    if own != _OWN:
        declarations[own] = NAMESPACE
    return Element(f"{own}:element", declarations, _located(entry), [] if entry.content is None else [entry.content])


def _declarable(namespaces: Mapping[str, str]) -> dict[str, str]:
    return {prefix: uri for prefix, uri in namespaces.items() if uri and prefix != "xml"}


def _located(entry: Component) -> dict[str, str]:
    return {"sel": entry.selector} | ({} if entry.exists else {"exists": "false"})
