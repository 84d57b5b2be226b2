"""Opening a database: the URL that users write, and what both kinds are to the rooms that keep things there.

Laws:
- A transaction is durable when `write` returns, and nobody else can change what it has read before it ends: SQLite has
  one writer at a time, and on PostgreSQL a transaction first holds the names that it is about (`hold`).
- A read sees every transaction that was committed before it began, by whichever process.

So nothing here, and nothing above, keeps rows in memory: a document, or a user's password, that another process wrote
is effective at once. What makes that cheap is told in `xcap.storage.sqlite`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import make_url, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from sqlalchemy import Connection, Select

Result = TypeVar("Result")

NO_PARAMETERS: Mapping[str, Any] = {}


class Database(ABC):
    """One database of a process, shared by all rooms that keep something in it."""

    @abstractmethod
    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction; returns after its commit is durable.

        `work` is called in a thread that may be another one. What it raises is raised here and undoes the transaction.
        """

    @abstractmethod
    async def rows(self, query: Select[Any], parameters: Mapping[str, Any] = NO_PARAMETERS) -> Sequence[Sequence[Any]]:
        """The rows of one SELECT, as a snapshot.

        query: its bound parameters are named, and are texts or numbers.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Close all connections. Nothing may be under way."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def open_database(url: str) -> Database:
    """The database at `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`. Connects to nothing yet.

    Raises ValueError for a URL of another shape, also for a database in memory, because nothing in it is durable; and
    ModuleNotFoundError where the driver for PostgreSQL is not installed.
    """
    parsed = make_url(url)
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        from xcap.storage.sqlite import SqliteDatabase

        return SqliteDatabase(parsed.database)
    if parsed.drivername == "postgresql" and parsed.database:
        from xcap.storage.postgres import PostgresDatabase

        return PostgresDatabase(parsed)
    shapes = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"
    raise ValueError(f"storage url {parsed.render_as_string()!r} is not of the form {shapes}")


def hold(connection: Connection, names: Iterable[str]) -> None:
    """Keep every other transaction that holds one of these names waiting until this one ends.

    names: whose rows are about to be compared and changed. They are held in one order everywhere, so that nobody waits
    in a circle. In SQLite the whole database is held already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_HOLD, {"names": list(names)})


_HOLD = text(
    "SELECT pg_advisory_xact_lock(key) FROM"
    " (SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest(CAST(:names AS text[])) AS name ORDER BY key) held"
)
