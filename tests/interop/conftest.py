"""For the tests with real programs: those that `make interop` fetched are found by their names, and what they logged is
shown when a test fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import search_path

if TYPE_CHECKING:
    from collections.abc import Generator

SHOWN = 4000
"""Characters of each log that are shown, its last ones."""

os.environ["PATH"] = search_path()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        values = getattr(item, "funcargs", {}).values()
        folders = {value if isinstance(value, Path) else getattr(value, "folder", None) for value in values}
        for log in sorted(log for folder in folders if isinstance(folder, Path) for log in folder.rglob("*.log")):
            report.sections.append((str(log), log.read_text(errors="replace")[-SHOWN:]))
    return report
