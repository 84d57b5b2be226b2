"""The README's story with curl and SIPp: its own commands, run against a server process."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.process import ServerProcess, free_port
from tests.support.programs import CURL, SIPP, needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
OWNER, WATCHER = "sip:ann@example.com", "sip:bob@example.com"
PATIENCE = 20.0
"""Seconds until something that must happen has happened."""

pytestmark = needs(SIPP, CURL)


class Story:
    """The commands of the README, with free ports in place of its own, beside a server."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.ports = {"5060": server.sip[1], "8080": server.http[1], "5999": free_port()}
        text = (ROOT / "README.md").read_text().partition("## The same story")[2].partition("\n## ")[0]
        self.blocks = [self._here(block) for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]

    def _here(self, block: str) -> str:
        for port, free in self.ports.items():
            block = block.replace(port, str(free))
        return block.replace("tests/interop/", f"{ROOT}/tests/interop/")

    def run(self, script: str) -> str:
        """Run a block of shell commands; returns what it printed. Fails with it."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.server.folder,
            env=self.server.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def begin(self, command: str, *options: str) -> subprocess.Popen[str]:
        """Start a program without a terminal."""
        return subprocess.Popen(
            ["bash", "-c", " ".join(["exec", command.strip(), *options])],
            cwd=self.server.folder,
            env=self.server.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def asked(self, command: str) -> Any:
        """What `abserver COMMAND OWNER --json` tells."""
        return json.loads(self.server.command(command, OWNER, "--json"))


def until(holds: Callable[[], bool], what: str) -> None:
    """Ask again until it holds; each asking takes a process, so there is no busy waiting."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """The README's users on a running server."""
    server = ServerProcess(tmp_path)
    server.command("user", "add", OWNER, "--password", "annpw")
    server.command("user", "add", WATCHER, "--password", "bobpw")
    with server:
        yield Story(server)
        assert server.stop() == 0


@pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp", "tcp"])
def test_curl_and_sipp_walk_the_story_of_the_readme(story: Story, transport: str) -> None:
    card, follow, confirm, edit = story.blocks
    variables = card.partition("\n\n")[0] + "\n"
    story.run(card)
    sipp = story.begin(follow, "-nostdin", "-t", transport)
    until(lambda: [each["state"] for each in story.asked("relations")] == ["pending"], "Bob's request is pending")
    story.run(variables + confirm)
    until(lambda: len(story.asked("sync")["devices"]) == 1, "Bob's device has acknowledged the card")
    story.run(variables + edit)
    out, _ = sipp.communicate(timeout=PATIENCE)
    assert sipp.returncode == 0, out[-2000:]
    (log,) = story.server.folder.glob("*_messages.log")
    messages = log.read_text()
    assert '<p:replace sel="*/*/*[3]/*/text()">tel:+15550199</p:replace>' in messages
    assert "+15550101" in messages
    assert [each["state"] for each in story.asked("relations")] == ["confirmed"]
