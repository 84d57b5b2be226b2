"""`org.openmobilealliance.xcap-directory/users/XUI/directory.xml`: which documents a user has, and in which version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xcap.core.etag import etag_of
from xcap.core.usages.xcap_directory import AUID, NAME, Entry, directory
from xcap.ports import Computed, DocumentKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xcap.core.selector import NodeSelector
    from xcap.core.usage import Usages
    from xcap.ports import DocumentSource, DocumentStore


class Directory:
    """The DocumentSource of `org.openmobilealliance.xcap-directory`."""

    def __init__(
        self, usages: Usages, store: DocumentStore, sources: Mapping[str, DocumentSource], root_uri: str
    ) -> None:
        """sources: of the other usages; root_uri: the XCAP root URI, or its path."""
        self._auids = [usage.auid for usage in usages if usage.auid != AUID]
        self._store = store
        self._sources = sources
        self._root_uri = root_uri

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        if key.user is None or key.name != NAME:
            return None
        folders: dict[str, list[Entry]] = {auid: [] for auid in self._auids}
        for stored in await self._store.list_user(key.user):
            if stored.key.auid in folders:
                folders[stored.key.auid].append(Entry(stored.key, stored.etag, stored.modified, stored.size))
        for auid in folders.keys() & self._sources.keys():
            computed = await self._sources[auid].list(auid, key.user)
            folders[auid].extend(Entry(each, etag) for each, etag in computed)
        content = directory(self._root_uri, folders)
        return Computed(content, etag_of(content))

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        key = DocumentKey(AUID, user, NAME)
        document = await self.load(key, None)
        return [] if document is None else [(key, document.etag)]
