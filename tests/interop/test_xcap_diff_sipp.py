"""A SIPp subscriber to `xcap-diff` is told what curl does to a document of a running server."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abserver.domain.usages import ADDRESS_BOOK
from tests.support.process import ServerProcess, free_port
from tests.support.programs import CURL, SIPP, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

BOB, PASSWORD = "sip:bob@example.com", "bobpw"
DOCUMENT = f"{ADDRESS_BOOK.auid}/users/{BOB}/index"
PATIENCE = 20.0
"""Seconds until something that must happen has happened."""
SCENARIO = Path(__file__).parent / "sipp" / "documents.xml"

pytestmark = needs(SIPP, CURL)


def book(name: str) -> str:
    entry = (
        f'<entry id="e"><vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"><fn><text>{name}</text></fn></vcard></entry>'
    )
    return f'<address-book xmlns="{ADDRESS_BOOK.default_namespace}">{entry}</address-book>'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, NOTIFY__XCAP_DIFF_PACE="0")
    server.command("user", "add", BOB, "--password", PASSWORD)
    with server:
        yield server
        assert server.stop() == 0


def curl(server: ServerProcess, *arguments: str) -> None:
    host, port = server.http
    command = ["curl", "-sSf", "--digest", "-u", f"bob:{PASSWORD}", *arguments]
    subprocess.run([*command, f"http://{host}:{port}/xcap-root/{DOCUMENT}"], check=True, timeout=PATIENCE)


def put(server: ServerProcess, name: str) -> None:
    curl(server, "-X", "PUT", "-H", f"Content-Type: {ADDRESS_BOOK.media_type}", "--data-binary", book(name))


def acknowledged(server: ServerProcess) -> set[str]:
    """The tags of the states that were acknowledged, as the database has them."""
    with closing(sqlite3.connect(f"file:{server.folder}/abserver.db?mode=ro", uri=True)) as database:
        return {tag for (tag,) in database.execute("SELECT tag FROM abserver_deliveries") if tag}


def next_acknowledged(server: ServerProcess, before: set[str]) -> set[str]:
    """Wait for the acknowledgement of another state."""
    deadline = time.monotonic() + PATIENCE
    while (now := acknowledged(server)) == before or not now:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return now


@pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp", "tcp"])
def test_sipp_is_told_what_curl_does(server: ServerProcess, transport: str) -> None:
    put(server, "Ann")
    host, port = server.sip
    options = ["-m", "1", "-nostdin", "-t", transport, "-i", "127.0.0.1", "-p", str(free_port()), "-trace_err"]
    keys = ["-key", "user", "bob@example.com", "-key", "document", DOCUMENT, "-au", "bob", "-ap", PASSWORD]
    sipp = subprocess.Popen(
        ["sipp", f"{host}:{port}", "-sf", str(SCENARIO), *options, *keys],
        cwd=server.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = next_acknowledged(server, set())
    put(server, "Ann Example")
    told = next_acknowledged(server, told)
    curl(server, "-X", "DELETE")
    out, _ = sipp.communicate(timeout=PATIENCE)
    assert sipp.returncode == 0, out[-2000:]
