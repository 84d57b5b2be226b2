"""Bringing a database to the schema of this program, with Alembic: an upgrade loses nothing, or does not happen.

Each room that owns tables has a folder of revisions and a version table of its own, so that rooms move forward
independently in one database. All steps of an upgrade run in one transaction.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command, context
from alembic.config import Config
from alembic.util import CommandError

from xcap.storage.database import open_database

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

    from xcap.storage.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
"""The revisions of this room's tables."""
VERSION_TABLE = "xcap_version"


class IncompatibleDatabase(Exception):
    """The database holds a schema that this program does not know, because a newer one wrote it."""


async def upgrade(
    database: str | Database, script_location: Path = MIGRATIONS, version_table: str = VERSION_TABLE
) -> None:
    """Apply the revisions in `script_location` that the database (open, or its URL) does not have yet.

    Safe to call at every start, and from several processes at once. Raises IncompatibleDatabase.
    """
    if isinstance(database, str):
        async with open_database(database) as opened:
            await upgrade(opened, script_location, version_table)
    else:
        await database.change_tables(lambda connection: _upgrade(connection, script_location, version_table))


def _upgrade(connection: Connection, script_location: Path, version_table: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise IncompatibleDatabase(f"this database was written by a newer program ({error})") from error


def run_revisions(metadata: MetaData) -> None:
    """What an `env.py` beside the revisions calls, while Alembic runs it: apply them on the connection given above."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=metadata,
        version_table=attributes["version_table"],
    )
    with context.begin_transaction():
        context.run_migrations()
