"""SIPVicious, with which strangers look for users and guess their passwords, against a server with registrar."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.process import ServerProcess, free_port
from tests.support.programs import SIPVICIOUS, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "sip:103@127.0.0.1", "1025"
PATIENCE = 60.0
"""Seconds until a run has ended."""

pytestmark = needs(SIPVICIOUS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One with a user whom a scanner would find, by a name and a password that scanners try."""
    server = ServerProcess(tmp_path, {"REGISTRAR__ENABLED": "true", "SERVER__DOMAINS": "127.0.0.1"})
    server.command("user", "add", USER, "--password", PASSWORD)
    with server:
        yield server
        assert server.stop() == 0


def run(server: ServerProcess, program: str, *options: str) -> str:
    """What it says that it found; it keeps its sessions in the folder of the test."""
    host, port = server.sip
    done = subprocess.run(
        [
            Path(sys.executable).parent / f"sipvicious_{program}",
            "-P",
            str(free_port()),
            *options,
            f"udp://{host}:{port}",
        ],
        cwd=server.folder,
        env={**os.environ, "HOME": str(server.folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS"])
def test_sipvicious_finds_no_user(server: ServerProcess, method: str) -> None:
    found = run(server, "svwar", "--force", "-m", method, "-e", "100-105")
    assert "found nothing" in found, found


def test_sipvicious_is_stopped_before_it_comes_to_the_password(server: ServerProcess) -> None:
    """`[auth] user_failures` leaves it ten guesses."""
    assert "found nothing" in run(server, "svcrack", "-u", "103", "-r", "1000-1030")
    assert "login held back" in server.log


def test_sipvicious_does_find_a_password_that_is_among_its_first(server: ServerProcess) -> None:
    assert PASSWORD in run(server, "svcrack", "-u", "103", "-r", "1023-1030")
