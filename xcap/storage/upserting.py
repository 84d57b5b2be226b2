"""Inserting rows or replacing those of the same primary key, many of them in one step of SQLite.

A row for itself costs SQLite's driver a call, and each call gives the interpreter's lock away and has to get it back
from the event loop. So many rows go into one statement, by the number of rows that `STEPS` names: with few different
statements, the driver has all of them ready.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Table, UpdateBase

STEPS = (128, 32, 8, 1)
"""Rows in one statement; times the columns of the widest table, no more parameters than the 32,766 of SQLite."""

_QUESTION_MARKS = sqlite.dialect(paramstyle="qmark")


@lru_cache(maxsize=64)
def upsert(table: Table, dialect: str) -> UpdateBase:
    """The statement for one row; SQLite and PostgreSQL spell it alike in modules of their own."""
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def steps(table: Table, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """What SQLite's driver is to execute so that all rows are stored in their order."""
    begin = 0
    for size in STEPS:
        while len(rows) - begin >= size:
            yield _for_many(table, size), list(chain.from_iterable(rows[begin : begin + size]))
            begin += size


@lru_cache(maxsize=64 * len(STEPS))
def _for_many(table: Table, size: int) -> str:
    sql = str(upsert(table, "sqlite").compile(dialect=_QUESTION_MARKS))
    one = f"VALUES ({', '.join('?' * len(table.columns))})"
    before, after = sql.split(one)
    return before + ", ".join([one, *[one.removeprefix("VALUES ")] * (size - 1)]) + after
