"""What every CredentialStore promises: one suite, run on each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xcap.core.digest import Algorithm, ha1
from xcap.ports import Credential, CredentialStore
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit
from xcap.storage.credentials import SqlCredentialStore
from xcap.storage.database import open_database
from xcap.storage.memory import MemoryCredentialStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"


@pytest.fixture
async def store(storage: str | None) -> AsyncIterator[CredentialStore]:
    if storage is None:
        yield MemoryCredentialStore()
        return
    async with open_database(storage) as database:
        await migrate.upgrade(database)
        async with GroupCommit(database) as committer:
            yield SqlCredentialStore(database, committer)


async def test_there_is_nobody_at_first(store: CredentialStore) -> None:
    assert await store.credential(ALICE) is None
    assert list(await store.users()) == []
    assert await store.remove(ALICE) is False


async def test_a_user_is_kept_as_hashes_for_every_spelling_and_algorithm(store: CredentialStore) -> None:
    given = Credential.of(ALICE, "example.com", "open sesame")
    assert await store.put(given) is True
    kept = await store.credential(ALICE)
    assert kept == given
    assert kept is not None
    assert kept.ha1[Algorithm.SHA256, "alice"] == ha1(Algorithm.SHA256, "alice", "example.com", "open sesame")
    assert len(kept.ha1) == 9


async def test_a_new_password_replaces_the_old_one(store: CredentialStore) -> None:
    await store.put(Credential.of(ALICE, "example.com", "old"))
    changed = Credential.of(ALICE, "example.org", "new")
    assert await store.put(changed) is False
    assert await store.credential(ALICE) == changed


async def test_a_removed_user_is_gone_and_the_others_stay(store: CredentialStore) -> None:
    for user in (BOB, ALICE):
        await store.put(Credential.of(user, "example.com", user))
    assert list(await store.users()) == [ALICE, BOB]
    assert await store.remove(ALICE) is True
    assert await store.credential(ALICE) is None
    assert list(await store.users()) == [BOB]
    assert await store.credential(BOB) == Credential.of(BOB, "example.com", BOB)


async def test_what_another_process_writes_is_effective_at_once(database_url: str) -> None:
    """A password that was changed, or a user that was removed at the command line, counts at the next request."""
    async with open_database(database_url) as one, open_database(database_url) as other:
        await migrate.upgrade(one)
        async with GroupCommit(one) as committer, GroupCommit(other) as command:
            server, line = SqlCredentialStore(one, committer), SqlCredentialStore(other, command)
            assert await server.credential(ALICE) is None
            for password in ("first", "second", "third"):
                new = Credential.of(ALICE, "example.com", password)
                await line.put(new)
                assert await server.credential(ALICE) == new
            await line.remove(ALICE)
            assert await server.credential(ALICE) is None
