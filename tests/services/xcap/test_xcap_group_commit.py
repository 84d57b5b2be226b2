"""Group commit: what waits together is committed together, and each caller hears only of its own intent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from xcap.storage.commit import CommitFailed, GroupCommit
from xcap.storage.database import NO_PARAMETERS, Database, Transaction, open_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from xcap.storage.database import Result

numbers = Table("numbers", MetaData(), Column("n", Integer, nullable=False))
_insert = insert(numbers)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as database:
        await database.change_tables(numbers.create)
        yield database


class Room:
    """A room's handler, which remembers its transactions. Numbers below zero are refused, those above 999 break it."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    def insert(self, transaction: Transaction, intents: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(intents))
        for n in intents:
            if n >= 0:
                transaction.run(_insert, [{"n": n if n < 1000 else None}])
        return [n if n >= 0 else LookupError(n) for n in intents]


async def stored(database: Database) -> list[int]:
    return [n for (n,) in await database.rows(select(numbers.c.n).order_by(numbers.c.n))]


async def test_a_result_comes_after_the_commit(database: Database) -> None:
    async with GroupCommit(database) as committer:
        assert await committer.do(Room().insert, 7) == 7
        assert await stored(database) == [7]


async def test_intents_that_wait_together_share_a_transaction_in_their_order(database: Database) -> None:
    room = Room()
    async with GroupCommit(database) as committer:
        await asyncio.gather(*(committer.do(room.insert, n) for n in range(100)))
    assert room.groups == [list(range(100))]
    assert await stored(database) == list(range(100))


class Troubled(Database):
    """A database whose transactions begin when they are let, or fail before they begin."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.go_on = asyncio.Event()
        self.trouble: Exception | None = None

    async def write(self, work: Callable[[Transaction], Result]) -> Result:
        await self.go_on.wait()
        if self.trouble is not None:
            raise self.trouble
        return await self._database.write(work)

    async def rows(self, query: Select[Any], parameters: Mapping[str, Any] = NO_PARAMETERS) -> Sequence[Sequence[Any]]:
        return await self._database.rows(query, parameters)

    def parts(self, query: Select[Any]) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
        return self._database.parts(query)

    async def change_tables(self, work: Callable[[Connection], None]) -> None:
        await self._database.change_tables(work)

    async def aclose(self) -> None:
        await self._database.aclose()


async def test_what_comes_while_a_commit_takes_long_shares_the_next(database: Database) -> None:
    """Throughput grows with concurrency: however much comes meanwhile, it costs one commit more."""
    room, slow = Room(), Troubled(database)
    async with GroupCommit(slow) as committer:
        first = asyncio.ensure_future(committer.do(room.insert, 999))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(committer.do(room.insert, n)) for n in range(200)]
        await asyncio.sleep(0)
        slow.go_on.set()
        await asyncio.gather(first, *rest)
    assert room.groups == [[999], list(range(200))]


async def test_handlers_of_two_rooms_share_a_transaction(database: Database) -> None:
    one, other = Room(), Room()
    async with GroupCommit(database) as committer:
        await asyncio.gather(*(committer.do((one if n % 2 else other).insert, n) for n in range(10)))
    assert (one.groups, other.groups) == ([[1, 3, 5, 7, 9]], [[0, 2, 4, 6, 8]])


async def test_an_exception_as_a_result_goes_to_its_caller_alone(database: Database) -> None:
    room = Room()
    async with GroupCommit(database) as committer:
        results = await asyncio.gather(*(committer.do(room.insert, n) for n in (1, -2, 3)), return_exceptions=True)
    assert isinstance(results[1], LookupError)
    assert (results[0], results[2]) == (1, 3)
    assert await stored(database) == [1, 3]


async def test_an_intent_that_breaks_its_transaction_fails_alone(database: Database) -> None:
    room = Room()
    async with GroupCommit(database) as committer:
        results = await asyncio.gather(*(committer.do(room.insert, n) for n in (1, 5000, 3)), return_exceptions=True)
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert await stored(database) == [1, 3]


async def test_a_caller_that_went_away_before_the_transaction_is_dropped(database: Database) -> None:
    room = Room()
    async with GroupCommit(database) as committer:
        gone, stays = committer.do(room.insert, 1), committer.do(room.insert, 2)
        gone.cancel()
        assert await stays == 2
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert room.groups == [[2]]
    assert await stored(database) == [2]


async def test_when_no_transaction_can_begin_every_waiter_is_told(database: Database) -> None:
    room, troubled = Room(), Troubled(database)
    troubled.go_on.set()
    troubled.trouble = OSError("the disk is gone")
    async with GroupCommit(troubled) as committer:
        results = await asyncio.gather(*(committer.do(room.insert, n) for n in range(3)), return_exceptions=True)
        assert [(type(result), str(result)) for result in results] == [(CommitFailed, "the disk is gone")] * 3
        troubled.trouble = None
        assert await committer.do(room.insert, 7) == 7
    assert room.groups == [[7]]


async def test_closing_waits_for_what_was_asked_and_takes_no_more(database: Database) -> None:
    committer = GroupCommit(database)
    pending = asyncio.ensure_future(committer.do(Room().insert, 1))
    await asyncio.sleep(0)
    await committer.aclose()
    assert await pending == 1
    with pytest.raises(CommitFailed):
        await committer.do(Room().insert, 2)
    assert await stored(database) == [1]
