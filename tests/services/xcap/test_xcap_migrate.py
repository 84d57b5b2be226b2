"""Upgrading a database: nothing is lost, and the revisions arrive at the tables that the code uses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from xcap.storage import migrate
from xcap.storage.engine import open_engine
from xcap.storage.tables import metadata

if TYPE_CHECKING:
    from pathlib import Path


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"version_table": migrate.VERSION_TABLE})
    return list(compare_metadata(context, metadata))


async def test_the_revisions_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/db.sqlite")
    await migrate.upgrade(engine)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_upgrading_again_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "50% odd"
    folder.mkdir()
    url = f"sqlite:///{folder}/db.sqlite"
    await migrate.upgrade(url)
    engine = open_engine(url)
    async with engine.begin() as connection:
        row = {"user": "sip:a@b", "algorithm": "MD5", "username": "a", "realm": "b", "ha1": "0" * 32}
        await connection.execute(metadata.tables["xcap_credentials"].insert(), row)
    await migrate.upgrade(url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM xcap_credentials"))).scalar_one() == 1
    await engine.dispose()


async def test_two_processes_may_upgrade_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db.sqlite"
    await asyncio.gather(migrate.upgrade(url), migrate.upgrade(url))


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db.sqlite"
    await migrate.upgrade(url)
    engine = open_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE xcap_version SET version_num = '9999'"))
    with pytest.raises(migrate.IncompatibleDatabase, match="newer"):
        await migrate.upgrade(engine)
    await engine.dispose()
