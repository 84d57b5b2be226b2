"""The server's database, opened beside the running server: SQLite lets both take turns."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from abserver.cli.common import UNUSABLE, CommandError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from abserver.config import Settings
    from abserver.storage.journal import SqlJournal
    from xcap.ports import CredentialStore
    from xcap.storage.database import Database


@asynccontextmanager
async def opened(settings: Settings, *, create: bool = False) -> AsyncIterator[Database]:
    """The configured database, brought to this program's schema of documents and users.

    create: make the file if it is missing, as the server would. Raises CommandError where it cannot be used.
    """
    from sqlalchemy.exc import DBAPIError

    from xcap.storage.database import open_database
    from xcap.storage.migrate import IncompatibleDatabase, upgrade

    check(settings)
    file = file_of(settings)
    if not create and not file.exists():
        raise CommandError(
            f"there is no database {file.absolute()}",
            "Name the server's configuration with --config FILE, or add a first user with `abserver user add`",
        )
    try:
        async with open_database(settings.storage.url) as database:
            await upgrade(database)
            yield database
    except IncompatibleDatabase as error:
        raise CommandError(f"{file}: {error}", "Use the newer abserver, or restore the backup made before it") from None
    except DBAPIError as error:
        hint = "`abserver check-config` tells what is wrong with [storage] url, if it is that"
        raise CommandError(f"{file}: {error.orig}", hint) from None


@asynccontextmanager
async def credentials(settings: Settings, *, create: bool = False) -> AsyncIterator[CredentialStore]:
    """The users that may authenticate; what is written is effective at once, also for the running server."""
    from xcap.storage.commit import GroupCommit
    from xcap.storage.credentials import SqlCredentialStore

    async with opened(settings, create=create) as database, GroupCommit(database) as committer:
        yield SqlCredentialStore(database, committer)


@asynccontextmanager
async def journal(settings: Settings) -> AsyncIterator[SqlJournal]:
    """The relations and update lists, for reading."""
    from abserver.storage.journal import SqlJournal
    from abserver.storage.journal import upgrade as upgrade_journal
    from xcap.storage.commit import GroupCommit

    async with opened(settings) as database, GroupCommit(database) as committer:
        await upgrade_journal(database)
        yield SqlJournal(database, committer)


def file_of(settings: Settings) -> Path:
    """The file of the configured database."""
    return Path(settings.storage.url.removeprefix("sqlite:///"))


def check(settings: Settings) -> None:
    """Raise CommandError if the database could be neither opened nor made, as far as looking tells."""
    file = file_of(settings).absolute()
    if not file.parent.is_dir():
        problem = f"the folder {file.parent} does not exist; make it, or name another file"
    elif file.is_dir():
        problem = f"{file} is a folder; name a file in it"
    elif not os.access(file if file.exists() else file.parent, os.W_OK):
        problem = f"{file} is not writable for this user"
    else:
        return
    raise CommandError(UNUSABLE, f"storage.url: {problem}")
