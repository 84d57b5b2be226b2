"""PostgreSQL, through asyncpg: for several servers that share their documents and users.

`synchronous_commit=on` is asked for whatever the server's or the role's default is: a commit has reached the disk
before it returns. A transaction sees what was committed when each of its statements begins (READ COMMITTED), so after
`hold` it sees what the last holder left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import create_async_engine

from xcap.storage.database import NO_PARAMETERS, Database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import URL, Connection, Select

    from xcap.storage.database import Result


class PostgresDatabase(Database):
    """A database on a server. Used on one event loop."""

    def __init__(self, url: URL) -> None:
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            connect_args={"server_settings": {"synchronous_commit": "on"}},
            pool_pre_ping=True,  # the server may have been restarted since
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def rows(self, query: Select[Any], parameters: Mapping[str, Any] = NO_PARAMETERS) -> Sequence[Sequence[Any]]:
        async with self._reading.connect() as connection:
            return [tuple(row) for row in await connection.execute(query, parameters)]

    async def aclose(self) -> None:
        await self._engine.dispose()
