"""What both kinds of database promise, and what SQLite's file does."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import stat
import threading
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, DateTime, Integer, LargeBinary, MetaData, String, Table, bindparam, insert, select

from xcap.storage.database import PART, Database, Transaction, open_database
from xcap.storage.sqlite import CHECKPOINT, SqliteDatabase
from xcap.storage.upserting import STEPS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

things = Table(
    "things",
    MetaData(),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", DateTime),
    Column("content", LargeBinary),
    Column("name", String),
)
_add = insert(things).values(n=bindparam("n"))
_select_all = select(things).order_by(things.c.n)
_select_from = select(things.c.n).where(things.c.n >= bindparam("least")).order_by(things.c.n)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as database:
        await database.change_tables(things.create)
        yield database


async def add(database: Database, *numbers: int) -> None:
    await database.write(lambda transaction: transaction.run(_add, [{"n": n} for n in numbers]))


async def test_rows_come_as_pythons_values(database: Database) -> None:
    row = {"n": 1, "at": datetime(2026, 1, 2, 3, 4, 5, 6), "content": b"\x00\xff", "name": "\u00fc"}
    await database.write(lambda transaction: transaction.run(things.insert(), [row]))
    [found] = await database.rows(select(things))
    assert tuple(found) == tuple(row.values())
    await database.write(lambda transaction: transaction.run(things.update().values(at=None, name=None), [{}]))
    [found] = await database.rows(select(things.c.at, things.c.name))
    assert tuple(found) == (None, None)


async def store(database: Database, rows: list[tuple[object, ...]]) -> None:
    await database.write(lambda transaction: transaction.store(things, rows))


@pytest.mark.parametrize("count", [0, 1, sum(STEPS) - 1, 2 * STEPS[0]])
async def test_stored_rows_are_there_whatever_their_number(database: Database, count: int) -> None:
    rows: list[tuple[object, ...]] = [(n, None, bytes([n % 256]), f"{n}") for n in range(count)]
    await store(database, rows)
    assert [tuple(row) for row in await database.rows(_select_all)] == rows


async def test_a_stored_row_replaces_the_one_of_its_key_and_the_later_one_stays(database: Database) -> None:
    await store(database, [(7, None, b"", "1"), (8, None, b"", "1")])
    await store(database, [(7, None, b"", "2"), (7, None, b"x", "3")])
    assert [tuple(row) for row in await database.rows(_select_all)] == [(7, None, b"x", "3"), (8, None, b"", "1")]


@pytest.mark.parametrize("count", [0, 1, PART, 2 * PART + 1])
async def test_many_rows_come_in_parts(database: Database, count: int) -> None:
    await store(database, [(n, None, None, None) for n in range(count)])
    parts = [[row[0] for row in part] async for part in database.parts(_select_all)]
    assert list(itertools.chain(*parts)) == list(range(count))
    assert all(len(part) <= PART for part in parts)


async def test_reading_may_stop_after_a_part(database: Database) -> None:
    await store(database, [(n, None, None, None) for n in range(2 * PART)])
    reading = database.parts(_select_all)
    assert len(await anext(reading)) == PART
    await add(database, 9999)
    await reading.aclose()
    assert len(await database.rows(_select_all)) == 2 * PART + 1


async def test_what_waits_for_the_commit_has_happened_when_a_write_returns(database: Database) -> None:
    seen: list[str] = []

    def work(transaction: Transaction) -> None:
        transaction.on_commit(lambda: seen.append("committed"))
        seen.append("worked")

    await database.write(work)
    assert seen == ["worked", "committed"]


async def test_what_waits_for_a_commit_that_does_not_come_never_happens(database: Database) -> None:
    seen: list[str] = []

    def work(transaction: Transaction) -> None:
        transaction.on_commit(lambda: seen.append("committed"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(work)
    await add(database, 1)
    assert seen == []


async def test_a_query_is_asked_again_with_other_parameters(database: Database) -> None:
    await add(database, 1, 2, 3)
    for least in (2, 3, 1):
        found = await database.rows(_select_from, {"least": least})
        assert [n for (n,) in found] == list(range(least, 4))


async def test_what_work_raises_undoes_its_transaction(database: Database) -> None:
    def work(transaction: Transaction) -> None:
        transaction.run(_add, [{"n": 1}])
        assert len(transaction.rows(select(things.c.n))) == 1
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(work)
    assert list(await database.rows(select(things.c.n))) == []
    await add(database, 2)


async def test_processes_take_turns_in_writing(database: Database, database_url: str) -> None:
    async with open_database(database_url) as other:
        await asyncio.gather(*(add((database, other)[n % 2], n) for n in range(20)))
        assert len(await other.rows(select(things.c.n))) == 20


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


def settings(transaction: Transaction) -> list[object]:
    connection = transaction._connection  # type: ignore[attr-defined]  # what no statement of SQLAlchemy can ask
    return [connection.execute(f"PRAGMA {name}").fetchone() for name in ("synchronous", "journal_mode")]


class TestSqlite:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "a 50% odd name.sqlite"

    async def test_a_new_file_is_for_its_owner_only(self, file: Path) -> None:
        """It holds password hashes; so do the files that SQLite keeps beside it."""
        async with open_database(f"sqlite:///{file}") as database:
            await database.change_tables(things.create)
            await database.rows(select(things))
            found = modes(file.parent)
        assert found == {file.name + suffix: 0o600 for suffix in ("", "-wal", "-shm")}

    async def test_reading_first_makes_the_file_so_too(self, file: Path) -> None:
        async with open_database(f"sqlite:///{file}") as database:
            assert await database.rows(select(1)) == [(1,)]
        assert modes(file.parent) == {file.name: 0o600}

    async def test_the_mode_of_a_file_that_is_there_is_its_operators(self, file: Path) -> None:
        os.close(os.open(file, os.O_CREAT, 0o640))
        async with open_database(f"sqlite:///{file}") as database:
            await database.change_tables(things.create)
        assert modes(file.parent) == {file.name: 0o640}

    async def test_a_commit_is_flushed_to_disk_before_it_returns(self, file: Path) -> None:
        async with open_database(f"sqlite:///{file}") as database:
            assert await database.write(settings) == [(2,), ("wal",)]

    async def test_a_read_waits_for_no_transaction_and_sees_none_before_its_commit(self, file: Path) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def work(transaction: Transaction) -> None:
            transaction.run(_add, [{"n": 1}])
            begun.set()
            go_on.wait(timeout=60)

        async with open_database(f"sqlite:///{file}") as database:
            await database.change_tables(things.create)
            writing = asyncio.ensure_future(database.write(work))
            await asyncio.to_thread(begun.wait, 60)
            assert await database.rows(select(things.c.n)) == []
            go_on.set()
            await writing
            assert await database.rows(select(things.c.n)) == [(1,)]

    async def test_a_file_that_cannot_be_made_is_told_by_sqlite(self, tmp_path: Path) -> None:
        async with open_database(f"sqlite:///{tmp_path}/missing/file") as database:
            with pytest.raises(sqlite3.OperationalError, match="unable to open"):
                await database.rows(select(1))


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "sqlite+pysqlite:///x", "postgresql://host"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///FILE or postgresql://"):
        open_database(url)


def test_a_refusal_repeats_no_password() -> None:
    with pytest.raises(ValueError, match="not of the form") as refusal:
        open_database("mysql://user:secret@host/db")
    assert "secret" not in str(refusal.value)


async def test_the_log_is_copied_into_the_file_beside_the_transactions(tmp_path: Path) -> None:
    file = tmp_path / "things.db"
    async with open_database(f"sqlite:///{file}") as database:
        await database.change_tables(things.create)
        before = file.stat().st_size
        await store(database, [(n, None, None, None) for n in range(CHECKPOINT - 1)])
        assert file.stat().st_size == before
        await store(database, [(CHECKPOINT, None, None, None)])
        assert isinstance(database, SqliteDatabase)
        await asyncio.wrap_future(database._checkpointer._thread.submit(lambda: None))  # one job after the other
        assert file.stat().st_size > before
        await store(database, [(n, None, None, None) for n in range(CHECKPOINT)])
        assert len(await database.rows(_select_all)) == CHECKPOINT + 1
