"""XML patches: RFC 5261 operations in the `application/xml-patch+xml` documents of RFC 7351.

    bytes       diff, apply
    documents   parse, serialize, compare, apply_operations, read_patch, write_patch
    elements    read_operations, write_operations: operations in a container of another format
    errors      PatchError and below, error_body

Law: `apply(diff(a, b), a)` equals `b` in canonical form with comments, and a patch is applied wholly or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge
from xcap.core.patch.applying import apply_operations
from xcap.core.patch.comparing import compare
from xcap.core.patch.errors import InvalidCharacterSet, InvalidDiffFormat, PatchError, error_body
from xcap.core.patch.operations import (
    NAMESPACE,
    Add,
    Operation,
    Position,
    Remove,
    Replace,
    Whitespace,
    read_operations,
    write_operations,
)
from xcap.core.patch.reading import OF_PATCH, parse
from xcap.core.patch.tree import ROOT_SCOPE, Document, Element, expanded, inside
from xcap.core.patch.writing import serialize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "MEDIA_TYPE",
    "NAMESPACE",
    "Add",
    "Document",
    "Element",
    "Operation",
    "PatchError",
    "Position",
    "Remove",
    "Replace",
    "Whitespace",
    "apply",
    "apply_operations",
    "compare",
    "diff",
    "error_body",
    "parse",
    "read_operations",
    "read_patch",
    "serialize",
    "write_operations",
    "write_patch",
]

MEDIA_TYPE: Final = "application/xml-patch+xml"


def diff(old: bytes, new: bytes) -> bytes:
    """The patch that makes `new` of `old`; without operations when they are equal.

    Raises NotWellFormed, NotUtf8, TooLarge for either document.
    """
    return write_patch(compare(parse(old), parse(new)))


def apply(patch: bytes, document: bytes) -> bytes:
    """The document after the patch; an XML declaration stays if there was one.

    Raises PatchError when the patch cannot be applied, and NotWellFormed, NotUtf8, TooLarge for the document.
    """
    target = parse(document)
    apply_operations(target, read_patch(patch))
    return serialize(target)


def read_patch(patch: bytes) -> Iterator[Operation]:
    """The operations of a patch, one by one. Raises PatchError."""
    try:
        root = parse(patch, OF_PATCH).root
    except NotUtf8 as error:
        raise InvalidCharacterSet(error.phrase) from None
    except (NotWellFormed, TooLarge) as error:
        raise InvalidDiffFormat(error.phrase) from None
    scope = inside(root, ROOT_SCOPE)
    if expanded(root.name, scope) != (NAMESPACE, "patch"):
        raise InvalidDiffFormat("the document element is not that of an XML patch")
    yield from read_operations(root, scope)


def write_patch(operations: Sequence[Operation]) -> bytes:
    """The patch with these operations, UTF-8 without an XML declaration."""
    return serialize(Document([write_operations(operations, "patch")]))
