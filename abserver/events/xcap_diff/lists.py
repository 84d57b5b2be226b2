"""The body of a SUBSCRIBE: a flat list of URIs in `application/resource-lists+xml` (RFC 5875 §4.4, RFC 4826 §3).

What is not understood is ignored: nested lists, references to entries, names for people, extensions.
"""

from __future__ import annotations

from typing import Final

from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge
from xcap.core.xml import parse_document

MEDIA_TYPE: Final = "application/resource-lists+xml"
NAMESPACE: Final = "urn:ietf:params:xml:ns:resource-lists"

MAX_ENTRIES: Final = 256
"""Of one list. Long ones are a burden (§7), and collections make them short."""

_ROOT, _LIST, _ENTRY = (f"{{{NAMESPACE}}}{name}" for name in ("resource-lists", "list", "entry"))


class InvalidList(Exception):
    """The body is no resource list."""


class TooManyEntries(Exception):
    """The list has more than MAX_ENTRIES entries."""


def read_list(body: bytes) -> tuple[str, ...]:
    """The URIs of the entries, in their order, each once; white space around them is none of theirs.

    Raises InvalidList, TooManyEntries.
    """
    try:
        root = parse_document(body)
    except (NotUtf8, NotWellFormed):
        raise InvalidList from None
    except TooLarge:
        raise TooManyEntries from None
    if root.tag != _ROOT:
        raise InvalidList
    entries = [entry for found in root.iterchildren(_LIST) for entry in found.iterchildren(_ENTRY)]
    if len(entries) > MAX_ENTRIES:
        raise TooManyEntries
    return tuple(dict.fromkeys(entry.get("uri", "").strip() for entry in entries))
