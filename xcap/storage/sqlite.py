"""SQLite: `journal_mode=WAL` (readers and the writer never wait for each other) with `synchronous=FULL` (a commit has
reached the disk before it returns).

Writing waits for the disk, so it has a thread of its own; a whole transaction runs there, and costs one change of
threads. SQLAlchemy begins each with BEGIN IMMEDIATE, so what it has read cannot change before it writes: that is what
makes "compare the etag, then store" one step.

Reading is done in place, on the event loop: looking up one row takes a few microseconds, less than to ask another
thread for it, and in this journal mode it waits for nobody. So nothing has to be kept in memory beside the database,
and another process' commit (the command line's) is seen by the very next read. SQLAlchemy makes the SQL of a query
and the converters of its columns once; the driver runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import QueuePool, create_engine, event
from sqlalchemy.dialects import sqlite

from xcap.storage.database import NO_PARAMETERS, Database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Engine, Select

    from xcap.storage.database import Result

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for another process (the command line) to finish its transaction."""

CHECKPOINT = 4_000
"""Pages of 4 kB that collect in the write-ahead log before they are copied into the file, in one stroke."""

OWNER_ONLY = 0o600
"""Mode of a new database file, and so of the files that SQLite keeps beside it: it holds password hashes."""


class SqliteDatabase(Database):
    """The database in one file, made with the first connection if it is missing. Used on one event loop."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._engine = _engine(self._connect)
        self._reading: sqlite3.Connection | None = None

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    async def rows(self, query: Select[Any], parameters: Mapping[str, Any] = NO_PARAMETERS) -> Sequence[Sequence[Any]]:
        if self._reading is None:
            self._reading = self._connect()
        compiled = _compiled(query)
        return compiled.converted(self._reading.execute(compiled.sql, {**compiled.constants, **parameters}).fetchall())

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        with self._engine.begin() as connection:
            return work(connection)

    def _connect(self) -> sqlite3.Connection:
        with contextlib.suppress(OSError):  # it is there, or cannot be made, which SQLite then says
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))
        connection = sqlite3.connect(self._file, timeout=BUSY_TIMEOUT, isolation_level=None)
        for setting in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"wal_autocheckpoint={CHECKPOINT}",
        ):
            connection.execute(f"PRAGMA {setting}")
        return connection


def _engine(connect: Callable[[], sqlite3.Connection]) -> Engine:
    """Connections of the driver begin nothing by themselves: BEGIN is sent when SQLAlchemy begins."""
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=1, max_overflow=0)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A query as the driver takes it."""

    sql: str
    constants: Mapping[str, Any]
    """Parameters that the query has itself."""
    converters: tuple[tuple[int, Callable[[Any], Any]], ...]
    """For the columns whose values SQLite keeps in another form than Python's: place and converter."""

    def converted(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        if not self.converters:
            return rows
        changed = [list(row) for row in rows]
        for row in changed:
            for place, convert in self.converters:
                row[place] = convert(row[place])
        return changed


_DIALECT = sqlite.dialect(paramstyle="named")


@lru_cache(maxsize=256)
def _compiled(query: Select[Any]) -> _Compiled:
    found = ((place, _converter(column.type)) for place, column in enumerate(query.selected_columns))
    converters = tuple((place, convert) for place, convert in found if convert is not None)
    compiled = query.compile(dialect=_DIALECT)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return _Compiled(str(compiled), constants, converters)


def _converter(kind: Any) -> Callable[[Any], Any] | None:
    converter: Callable[[Any], Any] | None = kind.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
    return converter
