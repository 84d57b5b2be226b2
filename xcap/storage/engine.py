"""Opening a database: the URL that users write, the driver behind it, and the settings that durability rests on.

SQLite runs with `journal_mode=WAL` (readers never wait for the writer) and `synchronous=FULL` (a commit has reached
the disk before it returns). SQLAlchemy begins every transaction with BEGIN IMMEDIATE, so that what a transaction has
read cannot change before it writes: that is what makes "compare the etag, then store" one step. Reading needs no
transaction, since one SELECT sees one snapshot; `for_reading` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import create_async_engine

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_TIMEOUT = 5_000
"""Milliseconds that a writer waits for another process (the command line) to finish its transaction."""

_READING = "reading"


def open_engine(url: str) -> AsyncEngine:
    """The engine for `sqlite:///FILE`; to be disposed of by the caller. Opens no file yet.

    Raises ValueError for a URL of another shape; a database in memory is refused too, because nothing in it is durable.
    """
    parsed = make_url(url)
    if parsed.drivername != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise ValueError(f"storage url {parsed.render_as_string()!r} is not of the form sqlite:///FILE")
    engine = create_async_engine(
        parsed.set(drivername="sqlite+aiosqlite"),
        connect_args={"isolation_level": None},  # the driver begins nothing by itself: _begin does
    )
    event.listen(engine.sync_engine, "connect", _configure)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def for_reading(engine: AsyncEngine) -> AsyncEngine:
    """The same engine and pool, for statements that write nothing: no transaction is begun."""
    return engine.execution_options(**{_READING: True})


def _configure(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get(_READING):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
