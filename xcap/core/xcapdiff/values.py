"""What an XCAP diff document says, as values (RFC 5874 §3).

Law: a `DocumentChange` is one of the five lines of RFC 5874, Figure 1; there is no value for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from xcap.core.patch.operations import Operation
    from xcap.core.patch.tree import Element, Scope

NAMESPACE: Final = "urn:ietf:params:xml:ns:xcap-diff"
MEDIA_TYPE: Final = "application/xcap-diff+xml"


class InvalidXcapDiff(Exception):
    """No XCAP diff document, or one that says what RFC 5874 has no meaning for. `phrase` quotes no content."""

    def __init__(self, phrase: str) -> None:
        super().__init__(phrase)
        self.phrase = phrase


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """A document came, is there, got a new etag, or went: a `<document>`.

    Raises InvalidXcapDiff for a combination that RFC 5874, Figure 1 does not have.
    """

    selector: str
    """The document's URI relative to the XCAP root, percent-encoded."""
    previous: str | None
    """Etag before; None when the document came, or is there at the start of a session."""
    new: str | None
    """Etag now; None when the document went."""
    operations: tuple[Operation, ...] | None = None
    """What makes the new content of the previous one. Empty: only the etag is new. None: not told, so GET it."""

    def __post_init__(self) -> None:
        if self.previous is None and self.new is None:
            raise InvalidXcapDiff("a document without an etag")
        if self.operations is not None and (self.previous is None or self.new is None):
            raise InvalidXcapDiff("a patch that does not lead from one etag to another")


@dataclass(frozen=True, slots=True)
class ElementContent:
    """An element of a document as it now is, or that it is gone: an `<element>`."""

    selector: str
    """The element's URI relative to the XCAP root, percent-encoded."""
    exists: bool = True
    content: Element | None = None
    """With the declarations that it has in the document; None when it is gone or not shown."""
    namespaces: Scope = field(default_factory=dict)
    """What is declared around the element and so in scope for it."""


@dataclass(frozen=True, slots=True)
class AttributeContent:
    """An attribute of a document as it now is, or that it is gone: an `<attribute>`."""

    selector: str
    """The attribute's URI relative to the XCAP root, percent-encoded."""
    exists: bool = True
    value: str = ""


Component: TypeAlias = "ElementContent | AttributeContent"


@dataclass(frozen=True, slots=True)
class XcapDiff:
    """Changes of resources under one XCAP root; those of one document are in chronological order (§6)."""

    root: str
    """The XCAP root URI, absolute; selectors are relative to it."""
    entries: tuple[DocumentChange | Component, ...]

    def without_contents(self) -> XcapDiff:
        """The same without patches and elements, for a transport that cannot take it all (§3; RFC 5875 §4.7)."""
        return replace(self, entries=tuple(map(_without_content, self.entries)))


def _without_content(entry: DocumentChange | Component) -> DocumentChange | Component:
    match entry:
        case DocumentChange(operations=operations) if operations:
            return replace(entry, operations=None)
        case ElementContent():
            return replace(entry, content=None, namespaces={})
        case _:
            return entry
