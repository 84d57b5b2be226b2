"""The database, opened: every store over one engine and one group commit."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.storage import journal as journals
from abserver.storage.journal import SqlJournal
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit
from xcap.storage.credentials import SqlCredentialStore
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from xcap.ports import StoreLimits


@dataclass(frozen=True, slots=True)
class Stores:
    """What is kept of users, documents, and relations with their update lists."""

    credentials: SqlCredentialStore
    documents: SqlDocumentStore
    journal: SqlJournal


@contextlib.asynccontextmanager
async def open_stores(url: str, limits: StoreLimits | None = None) -> AsyncIterator[Stores]:
    """The stores in the database at `url`, brought to this program's schema.

    limits: on what is kept of one user.

    On leaving, what waits to be written is written. Raises IncompatibleDatabase and the driver's errors.
    """
    async with open_database(url) as database:
        await migrate.upgrade(database)
        await journals.upgrade(database)
        async with GroupCommit(database) as committer:
            yield Stores(
                credentials=SqlCredentialStore(database, committer),
                documents=SqlDocumentStore(database, committer, limits),
                journal=SqlJournal(database, committer),
            )
