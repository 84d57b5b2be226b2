"""SQLite: `journal_mode=WAL` (readers and the writer never wait for each other) with `synchronous=FULL` (a commit has
reached the disk before it returns).

Writing waits for the disk, so it has a thread of its own; a whole transaction runs there, and costs one change of
threads. It begins with BEGIN IMMEDIATE, so what it has read cannot change before it writes: that is what makes "compare
the etag, then store" one step.

Reading is done in place, on the event loop: looking up one row takes a few microseconds, less than to ask another
thread for it, and in this journal mode it waits for nobody. So nothing has to be kept in memory beside the database,
and another process' commit (the command line's) is seen by the very next read.

SQLAlchemy makes the SQL of each statement once (`compiling`); then the driver runs it. Its asyncio side over aiosqlite,
which was here first, changes threads for every statement: that was half the cost of a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import NullPool, create_engine, event

from xcap.storage.compiling import compiled
from xcap.storage.database import NO_PARAMETERS, PART, Database, Transaction
from xcap.storage.upserting import steps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from sqlalchemy import Connection, Select, Table, UpdateBase

    from xcap.storage.database import Parameters, Result, Row

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for another process (the command line) to finish its transaction."""

CHECKPOINT = 4_000
"""Pages of 4 kB that collect in the write-ahead log before they are copied into the file, in one stroke."""

OWNER_ONLY = 0o600
"""Mode of a new database file, and so of the files that SQLite keeps beside it: it holds password hashes."""

BEGIN = "BEGIN IMMEDIATE"


class SqliteDatabase(Database):
    """The database in one file, made with the first connection if it is missing. Used on one event loop."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._writing: sqlite3.Connection | None = None
        """Of that thread."""
        self._reading: sqlite3.Connection | None = None
        """Of the event loop."""

    async def write(self, work: Callable[[Transaction], Result]) -> Result:
        return await self._in_thread(self._transact, work)

    async def rows(self, query: Select[Any], parameters: Parameters = NO_PARAMETERS) -> Sequence[Row]:
        return _rows(self._reader(), query, parameters)

    async def parts(self, query: Select[Any]) -> AsyncGenerator[Sequence[Row], None]:
        made = compiled(query)
        with contextlib.closing(self._reader().execute(made.sql, made.constants)) as cursor:
            while part := cursor.fetchmany(PART):
                yield made.converted(part)

    async def change_tables(self, work: Callable[[Connection], None]) -> None:
        await self._in_thread(self._change_tables, work)

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        await self._in_thread(self._close_writing)
        self._thread.shutdown()

    def _reader(self) -> sqlite3.Connection:
        if self._reading is None:
            self._reading = self._connect()
        return self._reading

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _transact(self, work: Callable[[Transaction], Result]) -> Result:
        if self._writing is None:
            self._writing = self._connect()
        connection = self._writing
        connection.execute(BEGIN)
        try:
            transaction = _SqliteTransaction(connection)
            result = work(transaction)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        transaction.committed()
        return result

    def _change_tables(self, work: Callable[[Connection], None]) -> None:
        engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(BEGIN))
        with engine.begin() as connection:
            work(connection)

    def _close_writing(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def _connect(self) -> sqlite3.Connection:
        with contextlib.suppress(OSError):  # it is there, or cannot be made, which SQLite then says
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))
        connection = sqlite3.connect(self._file, timeout=BUSY_TIMEOUT, isolation_level=None)
        for setting in ("journal_mode=WAL", "synchronous=FULL", f"wal_autocheckpoint={CHECKPOINT}"):
            connection.execute(f"PRAGMA {setting}")
        return connection


class _SqliteTransaction(Transaction):
    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection

    def rows(self, query: Select[Any], parameters: Parameters = NO_PARAMETERS) -> Sequence[Row]:
        return _rows(self._connection, query, parameters)

    def run(self, statement: UpdateBase, parameters: Sequence[Parameters]) -> None:
        if parameters:
            made = compiled(statement)
            self._connection.executemany(made.sql, [made.bound(each) for each in parameters])

    def store(self, table: Table, rows: Sequence[Row]) -> None:
        for sql, values in steps(table, rows):
            self._connection.execute(sql, values)

    def hold(self, names: Iterable[str]) -> None:
        """The one writer holds everything."""


def _rows(connection: sqlite3.Connection, query: Select[Any], parameters: Parameters) -> Sequence[Row]:
    made = compiled(query)
    return made.converted(connection.execute(made.sql, made.bound(parameters)).fetchall())
