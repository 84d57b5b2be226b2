"""What a server has kept: in its memory, and in its database."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int:
    """Octets of memory that a process has in use (RSS)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of the database."""

    dialogs: int
    relations: int
    devices: int
    departures: int
    views: int
    nameless: int
    """Views that no device holds."""


def kept(database: Path) -> Kept:
    """What the database of a server has, which may be running."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:

        def count(what: str) -> int:
            number: int = connection.execute(f"SELECT count(*) FROM abserver_{what}").fetchone()[0]
            return number

        return Kept(
            count("subscriptions"),
            count("relations"),
            count("devices"),
            count("departures"),
            count("views"),
            count("views WHERE tag NOT IN (SELECT tag FROM abserver_deliveries)"),
        )
