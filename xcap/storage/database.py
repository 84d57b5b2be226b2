"""Opening a database: the URL that users write, and what both kinds are to the rooms that keep things there.

Laws:
- A transaction is durable when `write` returns, and nobody else can change what it has read before it ends: SQLite has
  one writer at a time, and on PostgreSQL a transaction first holds the names that it is about (`Transaction.hold`).
- A read sees every transaction that was committed before it began, by whichever process.

So nothing here, and nothing above, keeps rows in memory: a document, or a user's password, that another process wrote
is effective at once. What makes that cheap is told in `xcap.storage.sqlite`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from sqlalchemy import Connection, Select, Table, UpdateBase

    Row = Sequence[Any]
    Parameters = Mapping[str, Any]

Result = TypeVar("Result")

NO_PARAMETERS: Mapping[str, Any] = {}

PART = 500
"""Rows that `parts` gives at a time."""


class Transaction(ABC):
    """What is done in one transaction, one statement after another.

    Statements are SQLAlchemy's, with named parameters, and live as long as the program: each is compiled once.
    """

    dialect: str
    """SQLAlchemy's name for the kind of database: `sqlite` or `postgresql`."""

    def __init__(self) -> None:
        self._done: list[Callable[[], None]] = []

    @abstractmethod
    def rows(self, query: Select[Any], parameters: Parameters = NO_PARAMETERS) -> Sequence[Row]:
        """The rows that a query finds."""

    @abstractmethod
    def run(self, statement: UpdateBase, parameters: Sequence[Parameters]) -> None:
        """Carry out a statement once for each of the parameters; for none, do nothing."""

    @abstractmethod
    def store(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those of the same primary key; of two with one key the later one stays.

        rows: one value for each column, in the order of the table's columns, of types that the driver has itself.
        The fastest way to write many: they are few steps of the database, not one each.
        """

    def on_commit(self, done: Callable[[], None]) -> None:
        """Call `done` when all this is durable, before `write` returns; never, if it is undone."""
        self._done.append(done)

    def committed(self) -> None:
        """For the database: all this is durable now."""
        for done in self._done:
            done()

    @abstractmethod
    def hold(self, names: Iterable[str]) -> None:
        """Keep every other transaction that holds one of these names waiting until this one ends.

        names: whose rows are about to be compared and changed.
        """


class Database(ABC):
    """One database of a process, shared by all rooms that keep something in it."""

    @abstractmethod
    async def write(self, work: Callable[[Transaction], Result]) -> Result:
        """Run `work` in a transaction; returns after its commit is durable.

        `work` is called in a thread that may be another one. What it raises is raised here and undoes the transaction.
        """

    @abstractmethod
    async def rows(self, query: Select[Any], parameters: Parameters = NO_PARAMETERS) -> Sequence[Row]:
        """The rows that a query finds, as a snapshot."""

    @abstractmethod
    def parts(self, query: Select[Any]) -> AsyncGenerator[Sequence[Row], None]:
        """As `rows`, some at a time: for more rows than are wanted in memory at once."""

    @abstractmethod
    async def change_tables(self, work: Callable[[Connection], None]) -> None:
        """As `write`, alone in the database and with all of SQLAlchemy."""

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
