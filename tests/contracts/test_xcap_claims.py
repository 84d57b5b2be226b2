"""What every DocumentStore promises of values that one document may hold, and of its listings: one suite, on each."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING

import pytest

from xcap.ports import Claimed, DocumentKey, DocumentStore, EtagMismatch
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALICE = DocumentKey("app", "sip:alice@example.com", "index")
BOB = DocumentKey("app", "sip:bob@example.com", "index")
GLOBAL = DocumentKey("app", None, "index")


@pytest.fixture
async def store(storage: str | None) -> AsyncIterator[DocumentStore]:
    if storage is None:
        yield MemoryDocumentStore()
        return
    async with open_database(storage) as database:
        await migrate.upgrade(database)
        async with GroupCommit(database) as committer:
            yield SqlDocumentStore(database, committer)


async def save(store: DocumentStore, key: DocumentKey, etag: str, expected: str | None, *values: str) -> None:
    await store.save(key, b"x", etag, expected=expected, claims=frozenset(values))


async def test_a_value_has_one_holder_and_the_other_is_told_which_it_cannot_have(store: DocumentStore) -> None:
    await save(store, ALICE, "e1", None, "a", "b")
    with pytest.raises(Claimed) as refusal:
        await save(store, BOB, "e1", None, "a", "c")
    assert refusal.value.values == {"a"}
    assert await store.load(BOB) is None
    assert set(await store.holders("app", ["a", "b", "c"])) == {"a", "b"}


async def test_a_document_keeps_its_values_and_gives_up_those_that_it_no_longer_names(store: DocumentStore) -> None:
    await save(store, ALICE, "e1", None, "a", "b")
    await save(store, ALICE, "e2", "e1", "b", "c")
    await save(store, BOB, "e1", None, "a")
    assert set(await store.holders("app", ["a", "b", "c"])) == {"a", "b", "c"}


async def test_a_removed_document_holds_nothing(store: DocumentStore) -> None:
    await save(store, ALICE, "e1", None, "a")
    await store.delete(ALICE, expected="e1")
    assert await store.holders("app", ["a"]) == {}
    await save(store, BOB, "e1", None, "a")


async def test_a_save_that_says_nothing_of_values_leaves_them(store: DocumentStore) -> None:
    await save(store, ALICE, "e1", None, "a")
    await store.save(ALICE, b"y", "e2", expected="e1")
    assert set(await store.holders("app", ["a"])) == {"a"}


async def test_a_refused_save_claims_nothing(store: DocumentStore) -> None:
    with pytest.raises(EtagMismatch):
        await save(store, ALICE, "e1", "e0", "a")
    assert await store.holders("app", ["a"]) == {}


async def test_usages_and_trees_are_apart_in_what_they_hold(store: DocumentStore) -> None:
    await save(store, ALICE, "e", None, "a")
    await save(store, DocumentKey("other", ALICE.user, "index"), "e", None, "a")
    with pytest.raises(Claimed):
        await save(store, GLOBAL, "e", None, "a")
    await save(store, GLOBAL, "e", None, "b")
    await save(store, GLOBAL, "e2", "e", "b")
    assert set(await store.holders("other", ["a", "b"])) == {"a"}


async def test_of_many_that_want_one_value_at_once_exactly_one_gets_it(store: DocumentStore) -> None:
    keys = [DocumentKey("app", f"sip:user{n}@example.com", "index") for n in range(50)]
    results = await asyncio.gather(*(save(store, key, "e", None, "a") for key in keys), return_exceptions=True)
    [winner] = [key for key, result in zip(keys, results, strict=True) if result is None]
    assert sum(isinstance(result, Claimed) for result in results) == 49
    assert [user for user, _ in await store.list_named("app", "index")] == [winner.user]
    assert await store.holders("app", ["a", "b"]) == {"a": winner}


async def test_a_value_given_up_is_free_for_the_next_write_of_the_same_moment(store: DocumentStore) -> None:
    await save(store, ALICE, "e1", None, "a")
    await asyncio.gather(
        save(store, ALICE, "e2", "e1", "b"), save(store, BOB, "e1", None, "a"), save(store, BOB, "e2", "e1", "a", "c")
    )
    assert set(await store.holders("app", ["a", "b", "c"])) == {"a", "b", "c"}
    with pytest.raises(Claimed):
        await save(store, ALICE, "e3", "e2", "c")


async def test_a_document_may_hold_thousands_of_values(store: DocumentStore) -> None:
    values = [f"sip:service{n}@example.com" for n in range(10_000)]
    await save(store, ALICE, "e1", None, *values)
    await save(store, ALICE, "e2", "e1", *values[:-1])
    assert len(await store.holders("app", values)) == 9_999


async def test_documents_of_one_name_are_found_in_the_trees_of_all_users(store: DocumentStore) -> None:
    for key in (BOB, ALICE, GLOBAL, DocumentKey("app", ALICE.user, "other"), DocumentKey("x", ALICE.user, "index")):
        await store.save(key, b"", f"e-{key.user}", expected=None)
    assert list(await store.list_named("app", "index")) == [
        (ALICE.user, f"e-{ALICE.user}"),
        (BOB.user, f"e-{BOB.user}"),
    ]


async def test_all_documents_of_a_user_are_listed_with_size_and_time(store: DocumentStore) -> None:
    before = datetime.datetime.now(datetime.UTC)
    keys = [DocumentKey(auid, ALICE.user, name) for auid, name in (("a", "1"), ("a", "2"), ("b", "folder/1"))]
    for size, key in enumerate([*reversed(keys), BOB, GLOBAL]):
        await store.save(key, "ü".encode() * size, f"e{size}", expected=None)
    listed = await store.list_user(str(ALICE.user))
    assert [(each.key, each.etag, each.size) for each in listed] == [
        (key, f"e{2 - n}", 2 * (2 - n)) for n, key in enumerate(keys)
    ]
    assert all(before <= each.modified <= datetime.datetime.now(datetime.UTC) for each in listed)
