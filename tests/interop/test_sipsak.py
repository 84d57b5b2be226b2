"""sipsak against a server process: OPTIONS, a request from a file with digest, a flood, and trash in requests."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.process import ServerProcess, free_port
from tests.support.programs import SIPSAK, needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUBSCRIBE = """\
SUBSCRIBE sip:ann@example.com SIP/2.0
Max-Forwards: 70
From: <sip:bob@example.com>;tag=sipsak
To: <sip:ann@example.com>
Call-ID: sipsak@127.0.0.1
CSeq: 1 SUBSCRIBE
Contact: <sip:bob@127.0.0.1:{port}>
Event: contact-card
Accept: application/vcard+xml
Expires: 0
Content-Length: 0

"""
PATIENCE = 30.0
"""Seconds until a run has ended."""
FLOOD = 2000
"""Requests of a flood."""
TRASHED = 60
"""Characters that are trashed, one more in each request."""

pytestmark = needs(SIPSAK)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {"REGISTRAR__ENABLED": "true", "SERVER__DOMAINS": "example.com,127.0.0.1"}
    server = ServerProcess(tmp_path_factory.mktemp("server"), settings)
    server.command("user", "add", "sip:ann@example.com", "--password", "annpw")
    server.command("user", "add", "sip:bob@example.com", "--password", "bobpw")
    with server:
        yield server
        assert server.stop() == 0


def sipsak(server: ServerProcess, *options: str, user: str = "") -> subprocess.CompletedProcess[str]:
    host, port = server.sip
    target = f"sip:{user}{'@' if user else ''}{host}:{port}"
    return subprocess.run(
        ["sipsak", "-s", target, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
    )


def subscribe(server: ServerProcess, folder: Path, password: str) -> subprocess.CompletedProcess[str]:
    """A SUBSCRIBE of Bob to Ann's card from a file."""
    port = str(free_port())
    (folder / "follow.sip").write_text(SUBSCRIBE.format(port=port))
    options = ("-vv", "-f", str(folder / "follow.sip"), "-l", port, "-u", "bob", "-a", password)
    return sipsak(server, *options, user="ann")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("header", ["Allow: .*SUBSCRIBE", "Allow-Events: .*contact-card", "Accept-Encoding: .*gzip"])
def test_sipsak_asks_what_the_server_can_do(server: ServerProcess, transport: str, header: str) -> None:
    done = sipsak(server, "-E", transport, "-q", header)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sipsak_sends_a_subscribe_from_a_file_and_proves_who_it_is(server: ServerProcess, tmp_path: Path) -> None:
    done = subscribe(server, tmp_path, "bobpw")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIP/2.0 200 OK" in done.stdout


def test_sipsak_is_refused_with_another_password(server: ServerProcess, tmp_path: Path) -> None:
    done = subscribe(server, tmp_path, "guessed")
    assert done.returncode != 0
    assert "200 OK" not in done.stdout


def test_sipsak_registers_a_contact(server: ServerProcess) -> None:
    """Its mode for registrars (`usrloc`), which is one REGISTER when it is given a Contact."""
    user = f"sip:bob@{server.sip[0]}"  # a host that it finds without a name server
    server.command("user", "add", user, "--password", "bobpw")
    done = sipsak(server, "-U", "-C", "sip:bob@127.0.0.1:9", "-x", "60", "-u", "bob", "-a", "bobpw", user="bob")
    assert done.returncode == 0, done.stdout + done.stderr
    (binding,) = json.loads(server.command("registrations", user, "--json"))
    assert binding["contact"].strip("<>") == "sip:bob@127.0.0.1:9"


def test_the_server_answers_after_a_flood_of_sipsak(server: ServerProcess) -> None:
    assert sipsak(server, "-F", "-e", str(FLOOD)).returncode == 0
    assert sipsak(server).returncode == 0


def test_the_server_answers_after_requests_that_sipsak_trashed(server: ServerProcess) -> None:
    sipsak(server, "-R", "-t", str(TRASHED), "-Z", "10")
    assert sipsak(server).returncode == 0
    assert "Traceback" not in server.log
