"""What the tests of configuration and command line share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from abserver.cli import app

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tester's own ABSERVER_ variables stay out."""
    for name in list(os.environ):
        if name.upper().startswith("ABSERVER_"):
            monkeypatch.delenv(name)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


class Abserver:
    """The command line in this process, with a database of its own in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "abserver.toml"
        self.database = folder / "abserver.db"
        self.config.write_text(f'[storage]\nurl = "sqlite:///{self.database}"\n', encoding="utf-8")

    def __call__(self, *arguments: str, stdin: str = "", config: bool = True) -> Ran:
        """Run `abserver ARGUMENTS --config FILE`. A traceback is never what a command ends with."""
        line = [*arguments, "--config", str(self.config)] if config else list(arguments)
        result = CliRunner().invoke(app, line, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def abserver(tmp_path: Path) -> Abserver:
    return Abserver(tmp_path)
