"""Acknowledged is durable: a process that is killed while it writes has lost nothing that it acknowledged."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from xcap.ports import DocumentKey
from xcap.storage.commit import GroupCommit
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore

PROGRAM = Path(__file__).with_name("writing_process.py")
REPOSITORY = Path(__file__).parents[3]


async def acknowledged_until_killed(url: str, count: int) -> list[tuple[str, str]]:
    """What a writing process acknowledges, up to `count` lines and what was in the pipe when it was killed."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), url, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(count)]
    process.kill()
    rest = await process.stdout.read()
    await process.wait()
    lines += [line for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]
    pairs = [line.decode().split() for line in lines]
    return [(user, name) for user, name in pairs]


@pytest.mark.parametrize("count", [1, 150])
async def test_a_killed_process_loses_no_acknowledged_write(tmp_path: Path, count: int) -> None:
    url = f"sqlite:///{tmp_path}/killed.sqlite"
    acknowledged = await acknowledged_until_killed(url, count)
    assert len(acknowledged) >= count
    async with open_database(url) as database, GroupCommit(database) as committer:
        store = SqlDocumentStore(database, committer)
        for user, name in acknowledged:
            document = await store.load(DocumentKey("notes", user, "index"))
            assert document is not None
            assert f'<n id="{name}"/>'.encode() in document.content
