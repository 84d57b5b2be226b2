"""`abserver demo`: the whole story passes on a real server, and whatever else ends it, nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from abserver.cli import app
from abserver.demo import FAILED, cast
from abserver.demo.ladder import WIDTH

if TYPE_CHECKING:
    from pathlib import Path

DEMO = (sys.executable, "-m", "abserver", "demo")


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder)}


def test_the_whole_story_holds(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--keep"], env=_environment(tmp_path), capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert [line for line in lines if len(line) > WIDTH and "Kept:" not in line] == []
    assert "\x1b" not in done.stdout
    for told in (
        "vCard 2.1 is not supported: export the contact as",
        "SUBSCRIBE contact-card Expires 3600 Suppress-If-Match none",
        "401 Unauthorized",
        "NOTIFY pending no body",
        "sip:idris@example.com sees of sip:maren@example.com's card: family, friends, public",
        "PUT contact-card …/tel[1]/text xcap-el+xml 68 B",
        "204 No Notification",
        "✓ his next request is forbidden",
        "✓ Juno soft is told the title, and was told nothing before it",
        "✓ all that Juno has is the address she knows",
        "✓ no device had to subscribe again",
        "✓ the server died of SIGKILL",
        "✓ Idris phone gets its own entity-tag and no body",
        "✓ it has logged no error",
    ):
        assert any(told in line for line in lines), told
    assert len([line for line in lines if re.search(r"NOTIFY active SIP-ETag \w+ base \w+ xml-patch\+xml", line)]) >= 12
    assert any(re.search(r"xml-patch\+xml \d\d\d B$", line) for line in lines)
    assert re.fullmatch(r"All \d\d expectations held\.", lines[-3])
    (kept,) = tmp_path.iterdir()
    assert lines[-1] == f"Kept: {kept} (abserver.db, server.log, messages.txt, …)"
    trace = (kept / "messages.txt").read_bytes()
    assert trace.count(b"\r\nNOTIFY sip:") >= 30
    assert b"x-level" in trace
    assert (kept / "abserver.db").stat().st_size > 0


def test_an_expectation_that_does_not_hold_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a server that shows friends what nobody is to see."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setitem(cast.DEFAULT_LEVELS, "note", "friends")
    done = CliRunner().invoke(app, ["demo"])
    assert done.exit_code == FAILED
    said = " ".join(done.output.split())
    statement = (
        "✗ An item that nobody may see: expected that Idris phone is told the title, and was told nothing before it"
    )
    assert statement in said  # messages on their way may follow it in the ladder
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("signalled", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path, signalled: signal.Signals, code: int) -> None:
    environment = _environment(tmp_path)
    with subprocess.Popen(DEMO, env=environment, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        port = next(int(found[1]) for line in process.stdout if (found := re.search(r"http 127\.0\.0\.1:(\d+)", line)))
        socket.create_connection(("127.0.0.1", port)).close()
        process.send_signal(signalled)
        process.stdout.read()
        assert process.wait(timeout=30) == code
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
