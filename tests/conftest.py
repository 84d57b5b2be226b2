"""For all tests: a place where skipping is not allowed.

`.ci/run` installs every program that a test can use and sets ABSERVER_NO_SKIPS; a skip there means that something is
missing, and must not pass for a success.
"""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("ABSERVER_NO_SKIPS") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
