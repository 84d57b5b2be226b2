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
from concurrent.futures import Future, ThreadPoolExecutor
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
"""Changed rows after which the write-ahead log is copied into the file, beside further transactions."""

LONGEST_LOG = 65_536
"""Pages of 4 kB in the write-ahead log at which the next transaction waits until they are copied: where transactions
follow each other without end, the log is never copied to its own end otherwise, which is when it begins anew."""

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
        self._checkpointer = _Checkpointer(self._connect)

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
        self._checkpointer.close()

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
        self._checkpointer.changed(connection.total_changes)
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
        for setting in ("journal_mode=WAL", "synchronous=FULL", f"wal_autocheckpoint={LONGEST_LOG}"):
            connection.execute(f"PRAGMA {setting}")
        return connection


class _Checkpointer:
    """Copies the write-ahead log into the file in a thread of its own, so that no transaction has to."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._connection: sqlite3.Connection | None = None
        self._changes = 0
        """Of the writing connection, when the last copying began."""
        self._copying: Future[None] | None = None

    def changed(self, changes: int) -> None:
        """A transaction is committed; `changes` rows since the connection was opened."""
        if changes - self._changes >= CHECKPOINT and (self._copying is None or self._copying.done()):
            self._changes = changes
            self._copying = self._thread.submit(self._copy)

    def _copy(self) -> None:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Return when nothing is copied any more."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


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
