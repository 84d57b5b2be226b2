"""What can go wrong with a patch, in the words of RFC 5261 §5, and the body which says so.

    PatchError                          the patch cannot be applied; the document stays as it was
    ├── InvalidAttributeValue           sel, type, pos or ws holds what the grammar does not allow
    ├── InvalidCharacterSet             the patch is not in UTF-8
    ├── InvalidDiffFormat               the patch is not well-formed or not of the schema
    ├── InvalidNamespacePrefix          a prefix is undeclared, taken or still in use
    ├── InvalidNamespaceUri             not a namespace name, or the element has no such declaration
    ├── InvalidNodeTypes                a replacement of another kind than the replaced
    ├── InvalidPatchDirective           an operation that is unknown or cannot be carried out
    ├── InvalidRootElementOperation     the document element would go away or get a sibling
    ├── InvalidXmlPrologOperation       text beside the document element
    ├── InvalidWhitespaceDirective      ws names white space that is not there
    ├── UnlocatedNode                   sel finds no node or several
    └── UnsupportedIdFunction           id() in a document without any xml:id

Of the conditions in §5 three never arise: xml:id is supported (unsupported-xml-id), and without a DTD a reference to an
undeclared entity makes a patch not well-formed (invalid-entity-declaration).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xcap.core.patch.tree import Document, Element
from xcap.core.patch.writing import serialize

if TYPE_CHECKING:
    from xcap.core.patch.tree import Node

NAMESPACE = "urn:ietf:params:xml:ns:patch-ops-error"
MEDIA_TYPE = "application/patch-ops-error+xml"


class PatchError(Exception):
    """A patch could not be applied (RFC 5261 §5); nothing of it was."""

    condition: ClassVar[str]
    """The name of the error element."""
    shows_operation: ClassVar[bool] = True
    """Whether the schema of §9 has the failed operation in that element."""

    def __init__(self, phrase: str) -> None:
        super().__init__(phrase)
        self.phrase = phrase
        self.operation: Element | None = None
        """The operation that failed, with all its namespaces declared on it; None when it is the patch as a whole."""


class InvalidAttributeValue(PatchError):
    """sel, type, pos or ws is not of the grammar of RFC 5261 §8, or an attribute value is not one."""

    condition = "invalid-attribute-value"


class InvalidCharacterSet(PatchError):
    """The patch is in another character set than the document, which is always UTF-8."""

    condition = "invalid-character-set"
    shows_operation = False


class InvalidDiffFormat(PatchError):
    """The patch is not well-formed or not valid according to its schema."""

    condition = "invalid-diff-format"
    shows_operation = False


class InvalidNamespacePrefix(PatchError):
    """A prefix has no declaration, is declared already, or is still in use."""

    condition = "invalid-namespace-prefix"


class InvalidNamespaceUri(PatchError):
    """A namespace name is not valid here, or the element does not carry the declaration."""

    condition = "invalid-namespace-uri"


class InvalidNodeTypes(PatchError):
    """The content of a replace is not one node of the type that is replaced."""

    condition = "invalid-node-types"


class InvalidPatchDirective(PatchError):
    """An operation is not understood or cannot be carried out on the located node."""

    condition = "invalid-patch-directive"


class InvalidRootElementOperation(PatchError):
    """The document element cannot be removed and cannot get a sibling element."""

    condition = "invalid-root-element-operation"


class InvalidXmlPrologOperation(PatchError):
    """Only comments and processing instructions stand beside the document element."""

    condition = "invalid-xml-prolog-operation"


class InvalidWhitespaceDirective(PatchError):
    """The white space node that ws wants removed is not there."""

    condition = "invalid-whitespace-directive"


class UnlocatedNode(PatchError):
    """sel does not locate one single node."""

    condition = "unlocated-node"


class UnsupportedIdFunction(PatchError):
    """The document has no attribute that is known to be an ID, so id() cannot be evaluated."""

    condition = "unsupported-id-function"


def error_body(error: PatchError) -> bytes:
    """The `application/patch-ops-error+xml` document for an error (RFC 5261 §5.1)."""
    content: list[Node] = [error.operation] if error.operation is not None and error.shows_operation else []
    condition = Element(error.condition, {}, {"phrase": error.phrase}, content)
    return serialize(Document([Element("patch-ops-error", {"": NAMESPACE}, {}, [condition])], declared=True))
