"""What every DocumentStore promises: one suite, run on each of them."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING

import pytest

from xcap.ports import DocumentKey, DocumentStore, EtagMismatch
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit, GroupRead
from xcap.storage.documents import SqlDocumentStore
from xcap.storage.engine import open_engine
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ALICE = DocumentKey("app", "sip:alice@example.com", "index")
GLOBAL = DocumentKey("app", None, "index")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DocumentStore]:
    if request.param == "memory":
        yield MemoryDocumentStore()
        return
    engine = open_engine(f"sqlite:///{tmp_path}/documents.sqlite")
    await migrate.upgrade(engine)
    async with GroupCommit(engine) as committer, GroupRead(engine) as reader:
        yield SqlDocumentStore(committer, reader)
    await engine.dispose()


async def test_there_is_nothing_at_first(store: DocumentStore) -> None:
    assert await store.load(ALICE) is None
    assert list(await store.list("app", ALICE.user)) == []


@pytest.mark.parametrize("content", [b"<a/>", b"", bytes(range(256)), "\u00fc".encode() * 50_000])
async def test_what_was_saved_is_loaded_octet_for_octet(store: DocumentStore, content: bytes) -> None:
    before = datetime.datetime.now(datetime.UTC)
    await store.save(ALICE, content, "e1", expected=None)
    document = await store.load(ALICE)
    assert document is not None
    assert (document.content, document.etag) == (content, "e1")
    assert before <= document.modified <= datetime.datetime.now(datetime.UTC)


async def test_a_version_replaces_the_one_that_was_expected(store: DocumentStore) -> None:
    await store.save(ALICE, b"1", "e1", expected=None)
    await store.save(ALICE, b"2", "e2", expected="e1")
    document = await store.load(ALICE)
    assert document is not None
    assert (document.content, document.etag) == (b"2", "e2")


@pytest.mark.parametrize(("stored", "expected"), [(None, "e1"), ("e1", None), ("e1", "e0")])
async def test_another_etag_than_expected_changes_nothing_and_says_which_it_is(
    store: DocumentStore, stored: str | None, expected: str | None
) -> None:
    if stored:
        await store.save(ALICE, b"1", stored, expected=None)
    with pytest.raises(EtagMismatch) as mismatch:
        await store.save(ALICE, b"2", "e2", expected=expected)
    assert mismatch.value.current == stored
    document = await store.load(ALICE)
    assert (document and document.etag) == stored


async def test_a_document_is_removed_if_its_etag_is_expected(store: DocumentStore) -> None:
    await store.save(ALICE, b"1", "e1", expected=None)
    with pytest.raises(EtagMismatch) as mismatch:
        await store.delete(ALICE, expected="e0")
    assert mismatch.value.current == "e1"
    await store.delete(ALICE, expected="e1")
    assert await store.load(ALICE) is None
    with pytest.raises(EtagMismatch) as gone:
        await store.delete(ALICE, expected="e1")
    assert gone.value.current is None


async def test_a_removed_document_can_be_made_again(store: DocumentStore) -> None:
    await store.save(ALICE, b"1", "e1", expected=None)
    await store.delete(ALICE, expected="e1")
    await store.save(ALICE, b"1", "e2", expected=None)
    document = await store.load(ALICE)
    assert document is not None
    assert document.etag == "e2"


async def test_keys_are_apart_in_usage_user_name_and_case(store: DocumentStore) -> None:
    keys = [ALICE, GLOBAL, DocumentKey("app", ALICE.user, "Index"), DocumentKey("App", ALICE.user, "index")]
    keys.append(DocumentKey("app", "sip:bob@example.com", "index"))
    for n, key in enumerate(keys):
        await store.save(key, str(n).encode(), f"e{n}", expected=None)
    loaded = await asyncio.gather(*(store.load(key) for key in keys))
    assert [document and document.content for document in loaded] == [str(n).encode() for n in range(len(keys))]


async def test_a_tree_is_listed_by_name_with_etags(store: DocumentStore) -> None:
    for name in ("b", "a", "folder/c"):
        await store.save(DocumentKey("app", ALICE.user, name), b"", f"e-{name}", expected=None)
    await store.save(GLOBAL, b"", "g", expected=None)
    assert [(key.name, etag) for key, etag in await store.list("app", ALICE.user)] == [
        ("a", "e-a"),
        ("b", "e-b"),
        ("folder/c", "e-folder/c"),
    ]
    assert list(await store.list("app", None)) == [(GLOBAL, "g")]


async def test_of_many_that_expect_one_etag_exactly_one_wins(store: DocumentStore) -> None:
    await store.save(ALICE, b"", "e", expected=None)
    results = await asyncio.gather(
        *(store.save(ALICE, str(n).encode(), f"e{n}", expected="e") for n in range(50)), return_exceptions=True
    )
    [winner] = [n for n, result in enumerate(results) if result is None]
    assert all(isinstance(result, EtagMismatch) for n, result in enumerate(results) if n != winner)
    document = await store.load(ALICE)
    assert document is not None
    assert (document.content, document.etag) == (str(winner).encode(), f"e{winner}")


async def test_writes_that_build_on_each_other_may_be_under_way_together(store: DocumentStore) -> None:
    chain = [None, *(f"e{n}" for n in range(20))]
    saves = [store.save(ALICE, b"x", f"e{n}", expected=chain[n]) for n in range(20)]
    await asyncio.gather(*saves)
    document = await store.load(ALICE)
    assert document is not None
    assert document.etag == "e19"


async def test_a_document_made_and_removed_at_once_is_gone(store: DocumentStore) -> None:
    await asyncio.gather(store.save(ALICE, b"x", "e", expected=None), store.delete(ALICE, expected="e"))
    assert await store.load(ALICE) is None
