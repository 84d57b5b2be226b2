"""What one subscription knows of its documents: versions that are kept nowhere else, and bounds."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from abserver.domain.usages import all_usages
from abserver.events.terms import Terms
from abserver.events.xcap_diff.selections import Catalog, Root
from abserver.services.document_watch import LARGEST_KEPT, MOST_HISTORY, Contents, Watch
from xcap.core.etag import etag_of
from xcap.core.xcapdiff import DocumentChange
from xcap.ports import Computed, Document, DocumentKey

if TYPE_CHECKING:
    from collections.abc import Sequence

BOB = "sip:bob@example.com"
STORED, COMPUTED = DocumentKey("resource-lists", BOB, "index"), DocumentKey("org.abserver.relations", BOB, "index")
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
MODES = ["no-patching", "xcap-patching", "aggregate"]


class Library:
    """A DocumentReader over two documents, one of them computed."""

    def __init__(self) -> None:
        self.versions: dict[DocumentKey, list[bytes]] = {STORED: [], COMPUTED: []}
        self.reads = 0

    def may_read(self, requester: str, key: DocumentKey) -> bool:
        return key in self.versions

    def is_stored(self, key: DocumentKey) -> bool:
        return key == STORED

    async def load(self, key: DocumentKey) -> Document | Computed | None:
        self.reads += 1
        versions = self.versions[key]
        return Computed(versions[-1], etag_of(versions[-1])) if versions else None

    async def since(self, key: DocumentKey, etag: str) -> Sequence[Document]:
        if key == COMPUTED:
            return ()
        versions = self.versions[key]
        first = next((n for n, content in enumerate(versions) if etag_of(content) == etag), len(versions))
        return [Document(content, etag_of(content), NOW) for content in versions[first:]]

    async def list(self, requester: str, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        found = await self.load(COMPUTED) if auid == COMPUTED.auid else None
        return [(COMPUTED, found.etag)] if found is not None else []


def text(size: int, character: str = "x") -> bytes:
    return f"<a>{character * size}</a>".encode()


class Subscriber:
    """A watch and what it is told."""

    def __init__(self, processing: str, *uris: str) -> None:
        self.library = Library()
        usages = all_usages()
        catalog = Catalog(usages, usages.canonical, Root("http://example.com/"))
        self.watch = Watch(BOB, self.library, Contents(10))
        self.watch.select(Terms(processing=processing), catalog.select(uris, BOB))

    async def hears(self) -> list[tuple[str | None, str | None, bool]]:
        """The changes of documents, and whether each says how."""
        await self.watch.look()
        state = self.watch.state
        assert state is not None
        entries = self.watch.entries(state)
        self.watch.telling.acknowledged(state)
        changes = [each for each in entries if isinstance(each, DocumentChange)]
        return [(each.previous, each.new, each.operations is not None) for each in changes]

    async def sees(self, key: DocumentKey, content: bytes) -> None:
        """The document changes, and is looked at."""
        self.library.versions[key].append(content)
        self.watch.doubt(key)
        await self.watch.look()


@pytest.mark.parametrize("processing", MODES)
@pytest.mark.parametrize("uri", ["org.abserver.relations/", f"org.abserver.relations/users/{BOB}/index"])
async def test_of_a_computed_document_those_versions_are_told_of_that_were_seen(processing: str, uri: str) -> None:
    contents = [text(1), text(2), text(3)]
    tags = [etag_of(each) for each in contents]
    subscriber = Subscriber(processing, uri)
    subscriber.library.versions[COMPUTED] = contents[:1]
    assert await subscriber.hears() == [(None, tags[0], False)]
    for content in contents[1:]:
        await subscriber.sees(COMPUTED, content)
        subscriber.watch.doubt(COMPUTED)
        await subscriber.watch.look()
    assert (
        await subscriber.hears()
        == {
            "no-patching": [(tags[0], tags[2], False)],
            "xcap-patching": [(tags[0], tags[1], True), (tags[1], tags[2], True)],
            "aggregate": [(tags[0], tags[2], True)],
        }[processing]
    )


async def test_a_large_computed_document_is_not_kept_for_patches() -> None:
    subscriber = Subscriber("aggregate", "org.abserver.relations/")
    subscriber.library.versions[COMPUTED] = [text(LARGEST_KEPT)]
    await subscriber.hears()
    await subscriber.sees(COMPUTED, text(1))
    assert [patched for *_, patched in await subscriber.hears()] == [False]
    await subscriber.sees(COMPUTED, text(2))
    assert [patched for *_, patched in await subscriber.hears()] == [True]


@pytest.mark.parametrize("processing", ["xcap-patching", "aggregate"])
async def test_of_too_long_a_history_only_the_change_is_told(processing: str) -> None:
    subscriber = Subscriber(processing, f"resource-lists/users/{BOB}/index")
    subscriber.library.versions[STORED] = [text(1)]
    await subscriber.hears()
    for character in "abc":
        await subscriber.sees(STORED, text(MOST_HISTORY // 2, character))
    first, last = (etag_of(subscriber.library.versions[STORED][n]) for n in (0, -1))
    assert await subscriber.hears() == [(first, last, False)]


async def test_what_changes_from_one_telling_to_the_next_is_read_once_for_each_look() -> None:
    subscriber = Subscriber("no-patching", f"resource-lists/users/{BOB}/index")
    subscriber.library.versions[STORED] = [text(1)]
    await subscriber.hears()
    reads = subscriber.library.reads
    await subscriber.hears()
    assert subscriber.library.reads == reads, "nothing was doubted"
    await subscriber.sees(STORED, text(2))
    assert subscriber.library.reads == reads + 1


async def test_nothing_is_current_before_the_first_look_and_while_something_is_doubted() -> None:
    subscriber = Subscriber("no-patching", f"resource-lists/users/{BOB}/index")
    current = [subscriber.watch.is_current]
    subscriber.watch.doubt(STORED)
    await subscriber.watch.look()
    current.append(subscriber.watch.is_current)
    subscriber.watch.doubt(STORED)
    current.append(subscriber.watch.is_current)
    assert current == [False, True, False]


async def test_what_nobody_may_read_does_not_concern() -> None:
    other = DocumentKey("resource-lists", "sip:carol@example.com", "index")
    subscriber = Subscriber("no-patching", "resource-lists/users/sip:carol@example.com/index")
    assert not subscriber.watch.concerns(other)
    subscriber.watch.doubt(other)
    assert await subscriber.hears() == []
    assert subscriber.library.reads == 0
