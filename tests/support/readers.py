"""What subscribers of watcher information and of document changes know (`Reader`s of `steady.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.events.winfo.document import read as read_table
from abserver.events.winfo.package import WATCHERINFO
from abserver.events.winfo.tables import Applied, Tables
from xcap.core import xcapdiff
from xcap.core.errors import NotFound
from xcap.core.uri import parse
from xcap.core.xcapdiff import Cache, Version

if TYPE_CHECKING:
    from abserver.domain.identity import Watcher
    from tests.support.world import World


class TableReader:
    """Keeps tables of watchers."""

    media_type = WATCHERINFO

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._tables = Tables()

    def take(self, body: bytes) -> bool:
        return self._tables.apply(read_table(body)) is not Applied.GAP

    def rows(self, resource: str) -> dict[str, str]:
        """Watcher -> status."""
        return {row.uri: row.status.value for row in self._tables.rows.get(resource, {}).values()}


class DiffReader:
    """Keeps documents, by what it is told and by a GET of what it was never told whole."""

    media_type = xcapdiff.MEDIA_TYPE

    def __init__(self) -> None:
        self._cache = Cache()
        self._fetched: dict[str, Version] = {}

    def begin(self) -> None:
        """All that exists is told again: what is not named then, is not there. Contents known by their etags stay."""
        self._fetched = {name: found for name, found in self._cache.documents.items() if found.content is not None}
        self._cache = Cache()

    def take(self, body: bytes) -> bool:
        found = xcapdiff.apply(xcapdiff.read(body), self._cache)
        self._cache = Cache({name: self._known(name, version) for name, version in found.cache.documents.items()})
        return not found.unpatchable

    def _known(self, name: str, version: Version) -> Version:
        fetched = self._fetched.get(name)
        return version if fetched is None or fetched.etag != version.etag else fetched

    async def fetch(self, world: World, user: Watcher) -> None:
        """Get what is not at hand, or is another one by now."""
        for name, version in self._cache.documents.items():
            if version.content is None:
                try:
                    found = await world.get(user, parse(b"/" + name.encode(), b"", "").key)
                except NotFound:
                    continue
                self._fetched[name] = Version(found.etag, found.content)
        self._cache = Cache({name: self._known(name, version) for name, version in self._cache.documents.items()})

    @property
    def documents(self) -> dict[str, Version]:
        """URI -> etag, and content if that is known."""
        return dict(self._cache.documents)
