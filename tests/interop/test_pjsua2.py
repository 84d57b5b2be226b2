"""pjsua2, from its wheel, against a server process: capabilities, no presence, a card by a raw request."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.process import ServerProcess, free_port
from tests.support.programs import PJSUA2, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parent / "pjsua2_phone.py"
OWNER, WATCHER, PASSWORD = "sip:ann@example.com", "sip:bob@example.com", "bobpw"
CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann Example\r\nTEL;X-LEVEL=public:+1-555-0100\r\nEND:VCARD\r\n"
PATIENCE = 20.0
"""Seconds until something that must happen has happened."""

pytestmark = needs(PJSUA2)


class Phone:
    """The script as a process; a context manager that leaves none behind."""

    def __init__(self, server: ServerProcess, folder: Path, transport: str) -> None:
        self._log = folder / "pjsua2.log"
        self._process = subprocess.Popen(
            [
                *(sys.executable, str(SCRIPT), f"{server.sip[0]}:{server.sip[1]}", transport),
                *(f"127.0.0.1:{free_port()}", "bob", PASSWORD),
            ],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # else the library speaks, before it knows its log
                self._told.put(json.loads(line))

    def order(self, *words: str) -> None:
        assert self._process.stdin is not None
        print(json.dumps(words), file=self._process.stdin, flush=True)

    def told(self, event: str) -> dict[str, Any]:
        """The next thing that it tells, which has to be this."""
        told = self._told.get(timeout=PATIENCE)
        assert told.pop("event") == event, told
        return told

    @property
    def log(self) -> str:
        """All messages that it sent and received, when it has ended."""
        return self._log.read_text()

    def finish(self) -> None:
        """End it in good order."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(PATIENCE) == 0
        self._reader.join()

    def __enter__(self) -> Phone:
        self.told("ready")
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One where Ann has a card, and has approved Bob."""
    folder = tmp_path_factory.mktemp("server")
    server = ServerProcess(folder)
    server.command("user", "add", OWNER, "--password", "annpw")
    server.command("user", "add", WATCHER, "--password", PASSWORD)
    (folder / "ann.vcf").write_text(CARD)
    with server:
        server.command("card", "import", str(folder / "ann.vcf"), OWNER)
        server.command("approve", OWNER, WATCHER)
        yield server
        assert server.stop() == 0


@pytest.fixture(params=["udp", "tcp"])
def phone(request: pytest.FixtureRequest, server: ServerProcess, tmp_path: Path) -> Iterator[Phone]:
    with Phone(server, tmp_path, request.param) as phone:
        yield phone


def test_pjsua2_is_told_what_there_is_instead_of_presence_and_fetches_a_card(phone: Phone) -> None:
    phone.order("options")
    answer = phone.told("answer")
    assert answer["status"] == 200
    assert "Allow-Events: contact-card" in answer["message"]

    phone.order("presence", OWNER)
    refused = phone.told("presence")
    assert (refused["state"], refused["status"]) == ("TERMINATED", 489)

    phone.order("follow", OWNER)
    assert [phone.told("answer")["status"] for _ in range(2)] == [401, 200]
    phone.order("options")
    assert phone.told("answer")["status"] == 200, "which came after the NOTIFY"
    phone.finish()
    refusal = phone.log.partition("SIP/2.0 489")[2].partition("--end msg--")[0]
    assert "Allow-Events: contact-card" in refusal
    notify = phone.log.partition("\nNOTIFY sip:")[2].partition("--end msg--")[0]
    assert "Event: contact-card" in notify
    assert "<text>Ann Example</text>" in notify
