"""Upgrading a database: nothing is lost, and the revisions arrive at the tables that the code uses."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, DateTime, LargeBinary, TextClause, bindparam, select, text

from xcap.ports import Document, DocumentKey
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore
from xcap.storage.tables import credentials, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


ROW = {"user": "sip:a@b", "algorithm": "MD5", "username": "a", "realm": "b", "ha1": "0" * 32}


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"version_table": migrate.VERSION_TABLE})
    return list(compare_metadata(context, metadata))


def run(connection: Connection, statement: TextClause, rows: Sequence[Mapping[str, object]] = ()) -> None:
    connection.execute(statement, rows or None)


async def test_the_revisions_make_exactly_the_tables_of_the_code(database_url: str) -> None:
    async with open_database(database_url) as database:
        await migrate.upgrade(database)
        found: list[object] = []
        await database.change_tables(lambda connection: found.extend(differences(connection)))
        assert found == []


async def test_upgrading_again_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "50% odd"
    folder.mkdir()
    url = f"sqlite:///{folder}/db.sqlite"
    await migrate.upgrade(url)
    async with open_database(url) as database:
        await database.write(lambda transaction: transaction.run(credentials.insert(), [ROW]))
        await migrate.upgrade(url)
        assert await database.rows(select(credentials.c.user)) == [("sip:a@b",)]


async def test_two_processes_may_upgrade_at_once(database_url: str) -> None:
    await asyncio.gather(migrate.upgrade(database_url), migrate.upgrade(database_url))


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(database_url: str) -> None:
    await migrate.upgrade(database_url)
    async with open_database(database_url) as database:
        newer = text("UPDATE xcap_version SET version_num = '9999'")
        await database.change_tables(lambda connection: run(connection, newer))
        with pytest.raises(migrate.IncompatibleDatabase, match="newer"):
            await migrate.upgrade(database)


_INSERT_AS_0001 = text(
    'INSERT INTO xcap_documents (auid, "user", name, etag, content, modified)'
    " VALUES ('app', :user, :name, :etag, :content, :modified)"
).bindparams(bindparam("content", type_=LargeBinary), bindparam("modified", type_=DateTime))


async def test_documents_of_the_first_schema_stay_with_their_etags_and_times(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Revision 0003 moves their contents."""
    utc = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC)
    contents = {("sip:a@b", "index"): bytes(range(256)), ("sip:a@b", "other"): b"", ("", "index"): b"<a/>"}
    rows = [
        {
            "user": user,
            "name": name,
            "etag": f"e{len(content)}",
            "content": content,
            "modified": utc.replace(tzinfo=None),
        }
        for (user, name), content in contents.items()
    ]
    async with open_database(database_url) as database, GroupCommit(database) as committer:
        with monkeypatch.context() as patched:
            patched.setattr(command, "upgrade", lambda config, revision: _upgrade(config, "0001"))
            await migrate.upgrade(database)
        await database.change_tables(lambda connection: run(connection, _INSERT_AS_0001, rows))
        await migrate.upgrade(database)
        store = SqlDocumentStore(database, committer)
        for (user, name), content in contents.items():
            document = await store.load(DocumentKey("app", user or None, name))
            assert document == Document(content, f"e{len(content)}", utc)
        key = DocumentKey("app", "sip:a@b", "index")
        await store.save(key, b"new", "e", expected="e256")
        assert [version.etag for version in await store.since(key, "e256")] == ["e256", "e"]


_upgrade = command.upgrade
