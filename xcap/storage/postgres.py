"""PostgreSQL, through asyncpg: for several servers that share their documents and users.

`synchronous_commit=on` is asked for whatever the server's or the role's default is: a commit has reached the disk
before it returns. A transaction sees what was committed when each of its statements begins (READ COMMITTED), so after
`hold` it sees what the last holder left.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from xcap.storage.database import NO_PARAMETERS, PART, Database, Transaction
from xcap.storage.upserting import upsert

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from sqlalchemy import URL, Connection, Select, Table, UpdateBase

    from xcap.storage.database import Parameters, Result, Row

_HOLD = text(
    "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(name, 0) AS key"
    " FROM json_array_elements_text(CAST(:names AS json)) AS name ORDER BY key) AS held"
)
"""In one order everywhere, so that nobody waits in a circle."""

_TABLES = "the tables of this program"


class PostgresDatabase(Database):
    """A database on a server. Used on one event loop."""

    def __init__(self, url: URL) -> None:
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            connect_args={"server_settings": {"synchronous_commit": "on"}},
            pool_pre_ping=True,  # the server may have been restarted since
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def write(self, work: Callable[[Transaction], Result]) -> Result:
        transactions: list[_PostgresTransaction] = []

        def begun(connection: Connection) -> Result:
            transactions.append(_PostgresTransaction(connection))
            return work(transactions[0])

        async with self._engine.begin() as connection:
            result = await connection.run_sync(begun)
        transactions[0].committed()
        return result

    async def rows(self, query: Select[Any], parameters: Parameters = NO_PARAMETERS) -> Sequence[Row]:
        async with self._reading.connect() as connection:
            return await connection.run_sync(lambda inner: _PostgresTransaction(inner).rows(query, parameters))

    async def parts(self, query: Select[Any]) -> AsyncGenerator[Sequence[Row], None]:
        async with self._engine.connect() as connection:
            result = await connection.stream(query)
            async for part in result.partitions(PART):
                yield [tuple(row) for row in part]

    async def change_tables(self, work: Callable[[Connection], None]) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(lambda inner: _PostgresTransaction(inner).hold([_TABLES]))
            await connection.run_sync(work)

    async def aclose(self) -> None:
        await self._engine.dispose()


class _PostgresTransaction(Transaction):
    dialect = "postgresql"

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def rows(self, query: Select[Any], parameters: Parameters = NO_PARAMETERS) -> Sequence[Row]:
        return [tuple(row) for row in self._connection.execute(query, parameters)]

    def run(self, statement: UpdateBase, parameters: Sequence[Parameters]) -> None:
        if parameters:
            self._connection.execute(statement, parameters)

    def store(self, table: Table, rows: Sequence[Row]) -> None:
        names = table.columns.keys()
        self.run(upsert(table, self.dialect), [dict(zip(names, row, strict=True)) for row in rows])

    def hold(self, names: Iterable[str]) -> None:
        self._connection.execute(_HOLD, {"names": json.dumps(list(names))})
