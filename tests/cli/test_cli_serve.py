"""`abserver serve` as a process, and what other commands change while it runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abserver.app.running import FILES
from abserver.cli import app
from abserver.config import load
from xcap.client import Refused, XcapClient
from xcap.core.uri import DocumentKey

if TYPE_CHECKING:
    from tests.cli.conftest import Abserver

ROOT = Path(__file__).resolve().parents[2]


def _rules_status(abserver: Abserver, user: str, password: str) -> int:
    """What the server answers to this user who asks for its own rules."""
    http = load(abserver.config).http
    key = DocumentKey("org.abserver.card-rules", f"sip:{user}@example.com", "index")
    with XcapClient(f"http://{http.listen}{http.xcap_root}", f"{user}@example.com", password) as client:
        try:
            client.get(key)
        except Refused as refused:
            return refused.status
    return 200


def test_users_are_effective_at_once(served: Abserver) -> None:
    assert _rules_status(served, "dora", "one") == 401
    served("user", "add", "dora@example.com", "--password", "one")
    assert _rules_status(served, "dora", "one") == 404
    served("user", "passwd", "dora@example.com", "--password", "two")
    assert _rules_status(served, "dora", "one") == 401
    assert _rules_status(served, "dora", "two") == 404
    served("user", "remove", "dora@example.com")
    assert _rules_status(served, "dora", "two") == 401


def test_a_taken_port_is_one_clear_message_and_a_failure(served: Abserver) -> None:
    line = [sys.executable, "-m", "abserver", "serve", "--config", str(served.config)]
    ran = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert ran.stdout == ""
    said, advice = ran.stderr.splitlines()
    assert "the port is taken" in said
    assert advice == "  End that program, or choose other ports: [sip] udp, tcp and tls, [http] listen"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            "[sip]\nudp = ['192.0.2.1:0']",
            "  Choose addresses of this machine, and `advertise` what others see: [sip] udp",
        ),
        (
            "[sip]\nudp = ['127.0.0.1:0']\ntcp = ['127.0.0.1:0']\n[http]\nlisten = '127.0.0.1:0'\n"
            "[trace]\nsocket = '/nowhere/trace.sock'",
            '  Name a place where files can be made as [trace] socket, or switch it "off"',
        ),
    ],
)
def test_a_place_that_cannot_be_listened_at_is_said_with_what_to_do(abserver: Abserver, text: str, advice: str) -> None:
    config = abserver.config.with_name("nowhere.toml")
    config.write_text(text)
    line = [sys.executable, "-m", "abserver", "serve", "--config", str(config)]
    ran = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, cwd=abserver.config.parent)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "cannot listen on" in ran.stderr.splitlines()[-2]
    assert ran.stderr.splitlines()[-1].startswith(advice)


@pytest.mark.parametrize("section", ["sip", "http"])
def test_a_certificate_that_is_missing_is_said_with_its_key(abserver: Abserver, section: str) -> None:
    config = abserver.config.with_name("tls.toml")
    gone = abserver.config.with_name("gone.pem")
    listener = "tls = ['127.0.0.1:0']\n" if section == "sip" else "listen = '127.0.0.1:0'\n"
    config.write_text(f"[{section}]\n{listener}tls_certificate = '{gone}'\ntls_key = '{gone}'\n")
    line = [sys.executable, "-m", "abserver", "serve", "--config", str(config)]
    ran = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, cwd=abserver.config.parent)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"{section}.tls_certificate: {gone}: No such file or directory" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_in_order_and_quietly(abserver: Abserver, number: signal.Signals) -> None:
    line = [sys.executable, "-m", "abserver", "serve", "--config", str(abserver.config)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = [process.stdout.readline() for _ in range(4)]
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert [each.split()[:4] for each in ready] == [
        ["abserver:", "ready", "on", "sip"],
        ["abserver:", "ready", "on", "sip"],
        ["abserver:", "ready", "on", "sip"],
        ["abserver:", "ready", "on", "http"],
    ]
    assert process.returncode == 0
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="no /proc here that tells the limits of a process")
def test_the_server_takes_as_many_connections_as_it_may(abserver: Abserver) -> None:
    """A service starts with a soft limit of 1,024 open files; only the hard one is meant to bound it."""
    serve = f"ulimit -Sn 64; exec {sys.executable} -m abserver serve --config {abserver.config}"
    with subprocess.Popen(["sh", "-c", serve], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.terminate()
        process.communicate(timeout=30)
    soft, hard = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3:5]
    assert soft == (hard if hard != "unlimited" and int(hard) < FILES else str(FILES))


def test_the_manual_has_every_command() -> None:
    manual = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    commands = [command.name for command in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        commands += [f"{group.name} {command.name}" for command in group.typer_instance.registered_commands]
    assert len(commands) >= 16
    for command in commands:
        assert f"## `abserver {command}" in manual, command
