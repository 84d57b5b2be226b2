"""The computed documents of the standard usages: what `xcap.ports.DocumentSource` gives for each AUID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xcap.core.uri import DocumentKey
from xcap.core.usages import rls_services, xcap_directory
from xcap.sources.directory import Directory
from xcap.sources.rls_index import RlsIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xcap.core.usage import Usages
    from xcap.ports import DocumentSource, DocumentStore

__all__ = ["computed_from", "standard_sources"]


def standard_sources(
    usages: Usages, store: DocumentStore, root_uri: str, own: Mapping[str, DocumentSource] | None = None
) -> Mapping[str, DocumentSource]:
    """AUID -> source, for `XcapService`.

    root_uri: the XCAP root URI as clients know it, or its path alone; it stands in the directory.
    own: the sources of usages that are not standard; the directory lists their documents too.
    """
    sources: dict[str, DocumentSource] = {rls_services.AUID: RlsIndex(store), **(own or {})}
    return {**sources, xcap_directory.AUID: Directory(usages, store, sources, root_uri)}


def computed_from(key: DocumentKey) -> Iterator[DocumentKey]:
    """The documents of these sources that are made from this one too, and so may change with it."""
    if key.user is not None:
        yield DocumentKey(xcap_directory.AUID, key.user, xcap_directory.NAME)
        if (key.auid, key.name) == (rls_services.AUID, rls_services.INDEX.name):
            yield rls_services.INDEX
