"""Group commit: what waits together is committed together, and each caller hears only of its own intent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text

from xcap.storage.commit import CommitFailed, GroupCommit, GroupRead
from xcap.storage.engine import open_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(f"sqlite:///{tmp_path}/group.sqlite")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY CHECK (n < 1000))"))
    yield engine
    await engine.dispose()


class Numbers:
    """A room's handler, which counts its transactions."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def insert(self, connection: AsyncConnection, intents: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(intents))
        for n in intents:
            if n >= 0:
                await connection.execute(text("INSERT INTO numbers VALUES (:n)"), {"n": n})
        return [n if n >= 0 else LookupError(n) for n in intents]


async def stored(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return [row.n for row in await connection.execute(text("SELECT n FROM numbers ORDER BY n"))]


async def test_a_result_comes_after_the_commit(engine: AsyncEngine) -> None:
    async with GroupCommit(engine) as committer:
        assert await committer.do(Numbers().insert, 7) == 7
        assert await stored(engine) == [7]


async def test_intents_that_wait_together_share_a_transaction_in_their_order(engine: AsyncEngine) -> None:
    numbers = Numbers()
    async with GroupCommit(engine) as committer:
        await asyncio.gather(*(committer.do(numbers.insert, n) for n in range(100)))
    assert numbers.groups == [list(range(100))]
    assert await stored(engine) == list(range(100))


async def test_handlers_of_two_rooms_share_a_transaction(engine: AsyncEngine) -> None:
    one, other = Numbers(), Numbers()
    async with GroupCommit(engine) as committer:
        await asyncio.gather(*(committer.do((one if n % 2 else other).insert, n) for n in range(10)))
    assert (one.groups, other.groups) == ([[1, 3, 5, 7, 9]], [[0, 2, 4, 6, 8]])


async def test_an_exception_as_a_result_goes_to_its_caller_alone(engine: AsyncEngine) -> None:
    numbers = Numbers()
    async with GroupCommit(engine) as committer:
        results = await asyncio.gather(*(committer.do(numbers.insert, n) for n in (1, -2, 3)), return_exceptions=True)
    assert isinstance(results[1], LookupError)
    assert (results[0], results[2]) == (1, 3)
    assert await stored(engine) == [1, 3]


async def test_an_intent_that_breaks_its_transaction_fails_alone(engine: AsyncEngine) -> None:
    numbers = Numbers()
    async with GroupCommit(engine) as committer:
        results = await asyncio.gather(*(committer.do(numbers.insert, n) for n in (1, 5000, 3)), return_exceptions=True)
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert await stored(engine) == [1, 3]


async def test_a_caller_that_went_away_before_the_transaction_is_dropped(engine: AsyncEngine) -> None:
    numbers = Numbers()
    async with GroupCommit(engine) as committer:
        gone = asyncio.ensure_future(committer.do(numbers.insert, 1))
        stays = asyncio.ensure_future(committer.do(numbers.insert, 2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == 2
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert numbers.groups == [[2]]
    assert await stored(engine) == [2]


async def test_when_no_transaction_can_begin_every_waiter_is_told(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "begin")
    def refuse(connection: object) -> None:
        raise OSError("the disk is gone")

    numbers = Numbers()
    async with GroupCommit(engine) as committer:
        results = await asyncio.gather(*(committer.do(numbers.insert, n) for n in range(3)), return_exceptions=True)
        event.remove(engine.sync_engine, "begin", refuse)
        assert [(type(result), str(result)) for result in results] == [(CommitFailed, "the disk is gone")] * 3
        assert await committer.do(numbers.insert, 7) == 7
    assert numbers.groups == [[7]]


async def test_closing_waits_for_what_was_asked_and_takes_no_more(engine: AsyncEngine) -> None:
    committer = GroupCommit(engine)
    pending = asyncio.ensure_future(committer.do(Numbers().insert, 1))
    await asyncio.sleep(0)
    await committer.aclose()
    assert await pending == 1
    with pytest.raises(CommitFailed):
        await committer.do(Numbers().insert, 2)
    assert await stored(engine) == [1]


async def test_reads_that_wait_share_a_query_and_see_every_commit_before_them(engine: AsyncEngine) -> None:
    groups: list[int] = []

    async def count(connection: AsyncConnection, intents: Sequence[int]) -> Sequence[int | Exception]:
        groups.append(len(intents))
        total = (await connection.execute(text("SELECT count(*) FROM numbers"))).scalar_one()
        return [total for _ in intents]

    async with GroupCommit(engine) as committer, GroupRead(engine) as reader:
        for n in range(3):
            await committer.do(Numbers().insert, n)
            assert await reader.do(count, 0) == n + 1
        assert await asyncio.gather(*(reader.do(count, 0) for _ in range(20))) == [3] * 20
    assert groups == [1, 1, 1, 20]


async def test_a_read_takes_no_write_lock(engine: AsyncEngine) -> None:
    async def count(connection: AsyncConnection, intents: Sequence[int]) -> Sequence[int | Exception]:
        return [(await connection.execute(text("SELECT count(*) FROM numbers"))).scalar_one() for _ in intents]

    async with GroupRead(engine) as reader, engine.begin() as writing:
        await writing.execute(text("INSERT INTO numbers VALUES (1)"))
        assert await reader.do(count, 0) == 0


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "sqlite+pysqlite:///x"])
def test_an_engine_opens_files_only(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///FILE"):
        open_engine(url)


async def test_a_commit_is_flushed_to_disk_before_it_returns(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert (await connection.execute(text("PRAGMA synchronous"))).scalar_one() == 2
        assert (await connection.execute(text("PRAGMA journal_mode"))).scalar_one() == "wal"
