"""What one `xcap-diff` subscription knows of the documents that it selects.

Level-triggered: what may have changed is doubted, and looked at again before anybody is told of it (`look`). A document
is read by itself; everything is read at the beginning, and when something else is selected.

Law: what the subscriber may not read is not there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias

from abserver.events.xcap_diff.package import processing_of
from abserver.events.xcap_diff.resources import resources, shown
from abserver.events.xcap_diff.selections import NOTHING
from abserver.events.xcap_diff.telling import Telling
from abserver.services.recent import Recent
from xcap.core.xcapdiff import Processing, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abserver.events.terms import Terms
    from abserver.events.xcap_diff.resources import Resources, Shown
    from abserver.events.xcap_diff.selections import Selections, Tree
    from abserver.events.xcap_diff.telling import Entry
    from xcap.ports import Computed, Document, DocumentKey, DocumentReader

Contents: TypeAlias = Recent[tuple[str, str], bytes]
"""AUID and etag -> the content of a computed document, whose former versions are kept nowhere else."""

LARGEST_KEPT: Final = 65_536
"""Octets of a document that is kept there."""
MOST_HISTORY: Final = 524_288
"""Octets of the versions of one document from which patches are made; beyond, it is only told that it changed."""


class Watch:
    """The documents of one subscriber, as they are and as he was told."""

    __slots__ = (
        "_contents",
        "_documents",
        "_doubted",
        "_histories",
        "_looking",
        "_processing",
        "_reader",
        "_selections",
        "_shown",
        "_terms",
        "_user",
        "state",
        "telling",
    )

    def __init__(self, user: str, reader: DocumentReader, contents: Contents) -> None:
        """user: who reads."""
        self.telling = Telling()
        self.state: Resources | None = None
        """As of the last look."""
        self._user = user
        self._reader = reader
        self._contents = contents
        self._terms: tuple[bytes, str | None] | None = None
        self._selections = NOTHING
        self._processing = Processing.NO_PATCHING
        self._documents: dict[str, str] = {}
        """The selected documents that are there: selector -> etag."""
        self._shown: dict[str, Shown] = {}
        """The selected components that are there, by selector."""
        self._histories: dict[str, Sequence[Version]] = {}
        """The versions of documents that changed since the subscriber was told, by selector."""
        self._doubted: dict[DocumentKey, None] | None = None
        """What may have changed since the last look; None is everything."""
        self._looking = asyncio.Lock()

    @property
    def is_current(self) -> bool:
        """Whether the state is that of now."""
        return self._doubted == {} and not self._looking.locked()

    @property
    def trees(self) -> Iterable[Tree]:
        """Where the selected resources are."""
        return self._selections.trees

    def select(self, terms: Terms, selections: Selections) -> None:
        """What the subscriber wants to be told of from now on, by the body of his terms, and how."""
        self._terms = (terms.body, terms.processing)
        self._selections, self._processing = selections, processing_of(terms.processing)
        self._doubted = None

    def is_for(self, terms: Terms) -> bool:
        """Whether these terms ask for what is looked at."""
        return self._terms == (terms.body, terms.processing)

    def concerns(self, key: DocumentKey) -> bool:
        """Whether there is anything to be told of a change of the document."""
        return self._selections.concern(key) and self._reader.may_read(self._user, key)

    def named_in(self, tree: Tree) -> Iterable[DocumentKey]:
        """The documents of a tree that are selected by name, or of which components are."""
        return (key for key in self._selections.named if (key.auid, key.user) == tree)

    def doubt(self, key: DocumentKey) -> None:
        """The document may have changed."""
        if self._doubted is not None:
            self._doubted[key] = None

    def entries(self, state: Resources) -> list[Entry]:
        """What takes the subscriber to `state`; the NOTIFY with it leaves now."""
        entries = self.telling.entries(state, self._histories, self._processing)
        self._histories = {}
        return entries

    async def look(self) -> None:
        """Bring the state up to date; what changes meanwhile is looked at as well."""
        async with self._looking:
            while self._doubted != {}:
                doubted, self._doubted = self._doubted, {}
                try:
                    await (self._look_at_everything() if doubted is None else self._look_at(doubted))
                except BaseException:
                    self._doubted = None
                    raise
            self.state = self._assembled()

    # -- reading ----------------------------------------------------------------------------------------------------

    async def _look_at_everything(self) -> None:
        selections, patching = self._selections, self._processing is not Processing.NO_PATCHING
        self._documents.clear()
        self._shown.clear()
        await self._look_at(selections.named)
        for auid, user in sorted(selections.collected, key=str):
            for key, etag in await self._reader.list(self._user, auid, user):
                selector = selections.selector(key)
                if selector is not None:
                    self._documents[selector] = etag
                    if patching and not self._reader.is_stored(key):
                        self._keep(key, await self._reader.load(key))

    async def _look_at(self, keys: Iterable[DocumentKey]) -> None:
        for key in keys:
            may_read = self._reader.may_read(self._user, key)
            self._see(key, await self._read(key) if may_read else None)

    def _see(self, key: DocumentKey, document: Document | Computed | None) -> None:
        """Note what of the document is selected."""
        selector = self._selections.selector(key)
        if selector is not None and document is not None:
            self._documents[selector] = document.etag
        elif selector is not None:
            self._documents.pop(selector, None)
        for component in self._selections.components_of(key):
            found = shown(component, document.content if document is not None else None)
            if found is not None:
                self._shown[component.selector] = found
            else:
                self._shown.pop(component.selector, None)

    async def _read(self, key: DocumentKey) -> Document | Computed | None:
        """The document as it is; if patches are wanted, its versions from the one that was told are noted."""
        selector = self._selections.selector(key)
        if selector is None or self._processing is Processing.NO_PATCHING:
            return await self._reader.load(key)
        last = self.telling.last
        was = None if last is None else last.documents.get(selector)
        stored = () if was is None else await self._reader.since(key, was)
        document = stored[-1] if stored else await self._reader.load(key)
        self._keep(key, document)
        if was is not None and document is not None:
            versions = [Version(each.etag, each.content) for each in stored]
            self._note(selector, versions or self._seen(key, selector, was, document))
        return document

    def _seen(self, key: DocumentKey, selector: str, was: str, document: Document | Computed) -> Sequence[Version]:
        """The versions of a document whose versions are kept nowhere: those that were seen since it was told."""
        seen = self._histories.get(selector, ())
        if not seen or seen[0].etag != was:
            seen = [Version(was, self._contents.get((key.auid, was)))]
        return seen if seen[-1].etag == document.etag else [*seen, Version(document.etag, document.content)]

    def _note(self, selector: str, versions: Sequence[Version]) -> None:
        if sum(len(each.content or b"") for each in versions) > MOST_HISTORY:
            versions = [Version(each.etag, None) for each in (versions[0], versions[-1])]
        self._histories[selector] = versions

    def _keep(self, key: DocumentKey, document: Document | Computed | None) -> None:
        """Remember what will be a former version, if nobody else does."""
        if document is not None and len(document.content) <= LARGEST_KEPT and not self._reader.is_stored(key):
            self._contents.put((key.auid, document.etag), document.content)

    def _assembled(self) -> Resources:
        selections = self._selections
        components = (self._shown[each.selector] for each in selections.components if each.selector in self._shown)
        return resources(selections.name, dict(self._documents), components)
