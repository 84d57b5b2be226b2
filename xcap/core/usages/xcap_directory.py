"""Which documents a user has (OMA XDM Core): computed, one `directory.xml` per user.

It lists stored and computed documents of every usage that the server knows, a folder per usage, empty ones too, so
that a client finds its documents without guessing their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from xcap.core.uri import DocumentKey, ResourceUri
from xcap.core.usage import Access, ApplicationUsage, Operation, everything, owner_reads
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping

AUID = "org.openmobilealliance.xcap-directory"
NAMESPACE = "urn:oma:xml:xdm:xcap-directory"
NAME = "directory.xml"


@dataclass(frozen=True, slots=True)
class Entry:
    """One document."""

    key: DocumentKey
    etag: str
    modified: datetime.datetime | None = None
    """Aware; None for a document that is computed."""
    size: int | None = None
    """Octets; None for a document that is computed."""


def directory(root_uri: str, folders: Mapping[str, Iterable[Entry]]) -> bytes:
    """The directory document.

    root_uri: the XCAP root URI before the entries' paths.
    folders: AUID -> the documents.
    """
    root = etree.Element(f"{{{NAMESPACE}}}xcap-directory", nsmap={None: NAMESPACE})
    for auid, entries in folders.items():
        folder = etree.SubElement(root, f"{{{NAMESPACE}}}folder", auid=auid)
        for entry in entries:
            shown = etree.SubElement(folder, f"{{{NAMESPACE}}}entry")
            shown.set("uri", ResourceUri(entry.key).to_path(root_uri))
            shown.set("etag", entry.etag)
            if entry.modified is not None:
                shown.set("last-modified", entry.modified.isoformat(timespec="seconds"))
            if entry.size is not None:
                shown.set("size", str(entry.size))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _policy(access: Access) -> bool:
    """Users read their own, and trusted users read it too."""
    return owner_reads(access) or (access.trusted and access.operation is Operation.READ)


XCAP_DIRECTORY = ApplicationUsage(
    auid=AUID,
    media_type="application/vnd.oma.xcap-directory+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("xcap.core", "schemas/xcap-directory.xsd"),
    names=frozenset({NAME}),
    policy=_policy,
    computed=everything,
)
