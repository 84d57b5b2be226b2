"""What the tests of configuration and command line share."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from abserver.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
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
        self.https = False
        """Whether `configure` writes a certificate, first.pem in the folder."""
        self.configure(http="127.0.0.1:0", sip="127.0.0.1:0")

    def configure(self, *, http: str, sip: str, sips: str | None = None) -> None:
        """Write the configuration with these listeners. sips: over TLS, with the certificate sip.pem in the folder."""
        names = ("first.pem", "first.key") if self.https else ()
        keys = zip(("tls_certificate", "tls_key"), names, strict=False)
        certificate = "".join(f'{key} = "{self.folder / name}"\n' for key, name in keys)
        self.config.write_text(
            f'[sip]\nudp = ["{sip}"]\ntcp = ["{sip}"]\n{self._tls(sips)}[http]\nlisten = "{http}"\n{certificate}'
            f'[storage]\nurl = "sqlite:///{self.database}"\n',
            encoding="utf-8",
        )

    def _tls(self, listener: str | None) -> str:
        files = f'tls_certificate = "{self.folder / "sip.pem"}"\ntls_key = "{self.folder / "sip.key"}"\n'
        return "" if listener is None else f'tls = ["{listener}"]\n{files}'

    def __call__(self, *arguments: str, stdin: str | bytes = "", config: bool = True) -> Ran:
        """Run `abserver ARGUMENTS --config FILE`. A traceback is never what a command ends with."""
        line = [*arguments, "--config", str(self.config)] if config else list(arguments)
        result = CliRunner().invoke(app, line, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Run `abserver serve` as a process of its own, and let the configuration name the ports that it got."""
        self.configure(http="127.0.0.1:0", sip="127.0.0.1:0")
        line = [sys.executable, "-m", "abserver", "serve", "--config", str(self.config)]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                ready = [process.stdout.readline() for _ in ("udp", "tcp", "ws", "http")]
                assert all(" ready on " in each for each in ready), ready
                sip, http = (re.findall(r"127\.0\.0\.1:[0-9]+", each)[0] for each in (ready[0], ready[-1]))
                self.configure(http=http, sip=sip)
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=30) == 0


@pytest.fixture
def abserver(tmp_path: Path) -> Abserver:
    return Abserver(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abserver]:
    """A running server with the users alice, bob and carol, whose passwords are their names; for one test module."""
    abserver = Abserver(tmp_path_factory.mktemp("served"))
    for user in ("alice", "bob", "carol"):
        assert abserver("user", "add", f"{user}@example.com", "--password", user).code == 0
    with abserver.serving():
        yield abserver
