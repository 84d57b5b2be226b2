"""What every DocumentStore promises: one suite, run on each of them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from typing import TYPE_CHECKING

import pytest

from xcap.core.errors import OverQuota
from xcap.ports import DocumentKey, DocumentStore, EtagMismatch, StoreLimits
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALICE = DocumentKey("app", "sip:alice@example.com", "index")
GLOBAL = DocumentKey("app", None, "index")


@contextlib.asynccontextmanager
async def opened(storage: str | None, limits: StoreLimits | None = None) -> AsyncIterator[DocumentStore]:
    if storage is None:
        yield MemoryDocumentStore(limits)
        return
    async with open_database(storage) as database:
        await migrate.upgrade(database)
        async with GroupCommit(database) as committer:
            yield SqlDocumentStore(database, committer, limits)


@pytest.fixture
async def store(storage: str | None) -> AsyncIterator[DocumentStore]:
    async with opened(storage) as store:
        yield store


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


class TestFormerVersions:
    """What differences can be made from (RFC 5874): versions that are known still, up to the newest."""

    async def _contents(self, store: DocumentStore, etag: str) -> list[bytes]:
        return [version.content for version in await store.since(ALICE, etag)]

    async def _write(self, store: DocumentStore, *contents: bytes) -> None:
        document = await store.load(ALICE)
        expected = document.etag if document else None
        for content in contents:
            etag = f"e-{content.decode()}"
            await store.save(ALICE, content, etag, expected=expected)
            expected = etag

    async def test_the_versions_since_one_are_known_in_order_with_their_etags(self, store: DocumentStore) -> None:
        await self._write(store, b"1", b"2", b"3")
        since = await store.since(ALICE, "e-1")
        assert [(version.etag, version.content) for version in since] == [
            ("e-1", b"1"),
            ("e-2", b"2"),
            ("e-3", b"3"),
        ]
        assert since[-1] == await store.load(ALICE)
        assert [version.modified for version in since] == sorted(version.modified for version in since)

    async def test_the_newest_version_is_followed_by_none(self, store: DocumentStore) -> None:
        await self._write(store, b"1", b"2")
        assert await self._contents(store, "e-2") == [b"2"]

    async def test_nothing_is_known_since_a_version_that_never_was(self, store: DocumentStore) -> None:
        assert await self._contents(store, "e-1") == []
        await self._write(store, b"1")
        assert await self._contents(store, "e-0") == []

    async def test_a_version_that_came_again_counts_from_its_last_time(self, store: DocumentStore) -> None:
        await self._write(store, b"1", b"2", b"1", b"3")
        assert await self._contents(store, "e-1") == [b"1", b"3"]

    async def test_writes_that_were_under_way_together_are_versions_each(self, store: DocumentStore) -> None:
        chain = [None, *(f"e{n}" for n in range(5))]
        await asyncio.gather(*(store.save(ALICE, str(n).encode(), f"e{n}", expected=chain[n]) for n in range(5)))
        assert await self._contents(store, "e0") == [b"0", b"1", b"2", b"3", b"4"]

    async def test_saving_the_newest_version_again_makes_no_version(self, store: DocumentStore) -> None:
        await self._write(store, b"1", b"2")
        await store.save(ALICE, b"2", "e-2", expected="e-2")
        assert await self._contents(store, "e-1") == [b"1", b"2"]

    async def test_a_removal_ends_the_past(self, store: DocumentStore) -> None:
        await self._write(store, b"1", b"2")
        await store.delete(ALICE, expected="e-2")
        assert await self._contents(store, "e-1") == []
        await self._write(store, b"3", b"4")
        assert await self._contents(store, "e-1") == []
        assert await self._contents(store, "e-3") == [b"3", b"4"]

    async def test_a_removal_and_a_creation_under_way_together_leave_the_new_past_only(
        self, store: DocumentStore
    ) -> None:
        await self._write(store, b"1", b"2")
        await asyncio.gather(
            store.delete(ALICE, expected="e-2"),
            store.save(ALICE, b"3", "e-3", expected=None),
            store.save(ALICE, b"4", "e-4", expected="e-3"),
        )
        assert await self._contents(store, "e-1") == []
        assert await self._contents(store, "e-3") == [b"3", b"4"]

    async def test_documents_have_pasts_of_their_own(self, store: DocumentStore) -> None:
        await self._write(store, b"1", b"2")
        await store.save(GLOBAL, b"g", "e-1", expected=None)
        assert [version.content for version in await store.since(GLOBAL, "e-1")] == [b"g"]

    @pytest.mark.parametrize("kept", [0, 1, 3])
    async def test_no_more_versions_are_kept_than_the_limit_says(self, storage: str | None, kept: int) -> None:
        async with opened(storage, StoreLimits(versions=kept)) as store:
            await self._write(store, *(str(n).encode() for n in range(6)))
            assert await self._contents(store, f"e-{5 - kept}") == [str(n).encode() for n in range(5 - kept, 6)]
            assert await self._contents(store, f"e-{4 - kept}") == []

    async def test_no_more_octets_of_versions_are_kept_than_the_limit_says(self, storage: str | None) -> None:
        async with opened(storage, StoreLimits(version_octets=7)) as store:
            await self._write(store, b"1", b"22", b"333", b"4444", b"5")
            assert await self._contents(store, "e-333") == [b"333", b"4444", b"5"]
            assert await self._contents(store, "e-22") == []
            await self._write(store, b"88888888", b"6")
            assert await self._contents(store, "e-88888888") == []
            assert await self._contents(store, "e-6") == [b"6"]


class TestQuotas:
    """What one user may keep, over all usages."""

    async def _save(self, store: DocumentStore, name: str, content: bytes, expected: str | None = None) -> None:
        key = DocumentKey(name, ALICE.user, "index")
        await store.save(key, content, f"{name}{content.decode()}", expected=expected)

    async def test_a_user_has_no_more_documents_than_the_limit_says(self, storage: str | None) -> None:
        async with opened(storage, StoreLimits(documents=2)) as store:
            await self._save(store, "a", b"")
            await self._save(store, "b", b"")
            with pytest.raises(OverQuota, match="2 documents"):
                await self._save(store, "c", b"")
            assert await store.load(DocumentKey("c", ALICE.user, "index")) is None
            await self._save(store, "b", b"1", expected="b")
            await store.delete(DocumentKey("a", ALICE.user, "index"), expected="a")
            await self._save(store, "c", b"")

    async def test_a_user_has_no_more_octets_than_the_limit_says(self, storage: str | None) -> None:
        async with opened(storage, StoreLimits(octets=10)) as store:
            await self._save(store, "a", b"12345")
            await self._save(store, "b", b"12345")
            with pytest.raises(OverQuota, match="10 bytes"):
                await self._save(store, "b", b"123456", expected="b12345")
            with pytest.raises(OverQuota, match="10 bytes"):
                await self._save(store, "c", b"1")
            await self._save(store, "b", b"1234", expected="b12345")
            await self._save(store, "c", b"1")

    async def test_other_users_and_the_global_tree_have_room_of_their_own(self, storage: str | None) -> None:
        async with opened(storage, StoreLimits(documents=1, octets=1)) as store:
            await self._save(store, "a", b"1")
            await store.save(DocumentKey("a", "sip:bob@example.com", "index"), b"1", "e", expected=None)
            for name in ("index", "other"):
                await store.save(DocumentKey("a", None, name), b"123", "e", expected=None)

    async def test_of_writes_under_way_together_those_pass_that_fit(self, storage: str | None) -> None:
        async with opened(storage, StoreLimits(documents=3)) as store:
            results = await asyncio.gather(
                *(self._save(store, f"a{n}", b"") for n in range(10)), return_exceptions=True
            )
            assert [type(result) for result in results] == [type(None)] * 3 + [OverQuota] * 7

    async def test_a_limit_that_was_lowered_takes_nothing_away(self, database_url: str) -> None:
        async with opened(database_url) as store:
            for name in ("a", "b"):
                await self._save(store, name, b"12345")
        async with opened(database_url, StoreLimits(documents=1, octets=5)) as store:
            await self._save(store, "a", b"54321", expected="a12345")
            with pytest.raises(OverQuota):
                await self._save(store, "a", b"543210", expected="a54321")
            await store.delete(DocumentKey("b", ALICE.user, "index"), expected="b12345")
            with pytest.raises(OverQuota):
                await self._save(store, "b", b"")


class TestSeveralServers:
    """Servers, or processes, that share one database (each with a group commit of its own)."""

    async def test_a_read_sees_what_another_server_acknowledged(self, database_url: str) -> None:
        async with opened(database_url) as one, opened(database_url) as other:
            assert await other.load(ALICE) is None
            for n in range(10):
                await one.save(ALICE, str(n).encode(), f"e{n}", expected=f"e{n - 1}" if n else None)
                document = await other.load(ALICE)
                assert document is not None
                assert document.etag == f"e{n}"

    async def test_of_many_creations_on_all_servers_exactly_one_wins(self, database_url: str) -> None:
        async with opened(database_url) as one, opened(database_url) as other:
            for round_ in range(5):
                key = DocumentKey("app", ALICE.user, str(round_))
                results = await asyncio.gather(
                    *((one, other)[n % 2].save(key, b"", f"e{n}", expected=None) for n in range(20)),
                    return_exceptions=True,
                )
                [winner] = [n for n, result in enumerate(results) if result is None]
                assert sum(isinstance(result, EtagMismatch) for result in results) == 19
                document = await one.load(key)
                assert document is not None
                assert document.etag == f"e{winner}"

    async def test_of_many_changes_on_all_servers_exactly_one_wins(self, database_url: str) -> None:
        async with opened(database_url) as one, opened(database_url) as other:
            await one.save(ALICE, b"", "e", expected=None)
            results = await asyncio.gather(
                *((one, other)[n % 2].save(ALICE, b"", f"e{n}", expected="e") for n in range(20)),
                return_exceptions=True,
            )
            assert [type(result) for result in results].count(EtagMismatch) == 19

    async def test_a_quota_holds_over_all_servers(self, database_url: str) -> None:
        limits = StoreLimits(documents=5)
        async with opened(database_url, limits) as one, opened(database_url, limits) as other:
            keys = [DocumentKey("app", ALICE.user, str(n)) for n in range(20)]
            results = await asyncio.gather(
                *((one, other)[n % 2].save(key, b"", "e", expected=None) for n, key in enumerate(keys)),
                return_exceptions=True,
            )
            assert results.count(None) == 5
            assert len(await one.list("app", ALICE.user)) == 5

    async def test_servers_that_write_for_the_same_users_in_any_order_do_not_block_each_other(
        self, database_url: str
    ) -> None:
        async with opened(database_url) as one, opened(database_url) as other:
            keys = [DocumentKey("app", f"sip:u{n}@example.com", "index") for n in range(10)]
            for round_ in range(5):
                names = [f"{round_}{store}" for store in "ab"]
                await asyncio.gather(
                    *(one.save(DocumentKey(names[0], key.user, "index"), b"", "e", expected=None) for key in keys),
                    *(
                        other.save(DocumentKey(names[1], key.user, "index"), b"", "e", expected=None)
                        for key in reversed(keys)
                    ),
                )
            assert all([len(await one.list("4b", key.user)) == 1 for key in keys])
