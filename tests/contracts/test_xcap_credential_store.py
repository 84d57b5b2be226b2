"""What every CredentialStore promises: one suite, run on each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xcap.core.digest import Algorithm, ha1
from xcap.ports import Credential, CredentialStore
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit, GroupRead
from xcap.storage.credentials import SqlCredentialStore
from xcap.storage.engine import open_engine
from xcap.storage.memory import MemoryCredentialStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    if request.param == "memory":
        yield MemoryCredentialStore()
        return
    engine = open_engine(f"sqlite:///{tmp_path}/credentials.sqlite")
    await migrate.upgrade(engine)
    async with GroupCommit(engine) as committer, GroupRead(engine) as reader:
        yield SqlCredentialStore(committer, reader)
    await engine.dispose()


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
