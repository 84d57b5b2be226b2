"""Where the demo plays: a temporary folder, the server as a process of its own in it, and the command line.

The server is `python -m abserver serve` with a fresh SQLite file and ports that were free; a restart takes the same
ones. It and the commands run with the stage's configuration and none of the user's ABSERVER_ variables.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socket
import sys
from asyncio import gather
from asyncio.subprocess import PIPE, STDOUT, Process, create_subprocess_exec
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import abserver
from abserver.demo.cast import DEFAULT_LEVELS
from abserver.demo.expectations import Unmet, expected
from abserver.net.listeners import PortTaken, bind
from abserver.sip.transport import Address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from abserver.demo.cast import Person
    from abserver.demo.ladder import Ladder

HOST = "127.0.0.1"
SIP_PORTS, HTTP_PORTS = range(20_000, 25_000), range(25_000, 30_000)
"""Below those that systems give out by themselves, so that nobody gets the server's while it is down."""
CONFIG = "abserver.toml"
LISTENERS = 4
"""SIP over UDP, TCP and WebSocket, HTTP."""


class Stage:
    """The server's process and everything it needs."""

    def __init__(self, folder: Path, ladder: Ladder) -> None:
        self.folder = folder
        self.sip, self.http = Address(HOST, _free(SIP_PORTS)), Address(HOST, _free(HTTP_PORTS))
        self._ladder = ladder
        self._process: Process | None = None
        self._log = folder / "server.log"
        others = {name: value for name, value in os.environ.items() if not name.upper().startswith("ABSERVER_")}
        here = str(Path(abserver.__file__).parents[1])
        self._environment = others | {"ABSERVER_CONFIG": CONFIG, "PYTHONPATH": here}
        self._write_config()

    @property
    def xcap_root(self) -> str:
        return f"http://{self.http}/xcap-root"

    def _write_config(self) -> None:
        levels = ", ".join(f"{name} = {json.dumps(level)}" for name, level in DEFAULT_LEVELS.items())
        lines = (
            f'[sip]\nudp = ["{self.sip}"]\ntcp = ["{self.sip}"]',
            f'[http]\nlisten = "{self.http}"',
            '[storage]\nurl = "sqlite:///abserver.db"',
            '[trace]\nsocket = "off"',
            f"[cards]\ndefault_levels = {{ {levels} }}",
        )
        (self.folder / CONFIG).write_text("\n".join(lines) + "\n", encoding="utf-8")

    # -- the server -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the server, and wait until it says that it is ready. Raises Unmet."""
        self._ladder.command("abserver serve")
        with self._log.open("ab") as log:
            self._process = await self._run("serve", stdout=PIPE, stderr=log)
        async with expected("the server's ready lines"):
            lines = [await self._ready_line(self._process) for _ in range(LISTENERS)]
        self._ladder.output("".join(lines))

    async def _ready_line(self, process: Process) -> str:
        line = b"" if process.stdout is None else await process.stdout.readline()
        if not line:
            raise Unmet(f"the server did not start: {self._last_words()}")
        return line.decode()

    def kill(self) -> None:
        """Kill the server as a power failure would: at once, by SIGKILL. Nothing to do for one that is down."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def gone(self) -> int:
        """Wait for the end of a server that was killed; its exit code."""
        if self._process is None:
            return 0
        async with expected("the end of the server's process"):
            code = await self._process.wait()
        self._process = None
        return code

    async def stop(self) -> int:
        """Stop the server in good order, by SIGTERM; its exit code."""
        if self._process is not None:
            self._process.terminate()
        return await self.gone()

    def complaints(self) -> list[str]:
        """What the server logged as an error, and worse."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if " ERROR " in line or " CRITICAL " in line or line.startswith("Traceback")]

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return lines[-1] if lines else "it said nothing"

    # -- the command line -------------------------------------------------------------------------------------------

    async def command(self, *arguments: str, fails: bool = False, shown: bool = True) -> str:
        """Run `abserver ARGUMENTS`; what it printed. Raises Unmet for an exit code that is not as expected.

        fails: the command is to refuse.
        """
        if shown:
            self._ladder.command(_line(arguments))
        said = await self._said(arguments, fails=fails)
        if shown:
            self._ladder.output(said)
        return said

    async def add_users(self, people: Sequence[Person]) -> None:
        """`abserver user add` for each."""
        await self._side_by_side({("user", "add", each.aor, "--password-stdin"): each.password for each in people})

    async def import_cards(self, people: Sequence[Person]) -> None:
        """`abserver card import` for each, of what their phone or mail program exported."""
        await self._side_by_side({("card", "import", self.export(each), each.aor): "" for each in people})

    def export(self, person: Person) -> str:
        """Lay out the file that the person's phone or mail program exported; its name."""
        exported = resources.files("abserver.demo") / "data" / person.export
        (self.folder / person.export).write_bytes(exported.read_bytes())
        return person.export

    async def _side_by_side(self, commands: Mapping[tuple[str, ...], str]) -> None:
        """Run commands at the same time, each with its standard input, and show them one after the other."""
        outputs = await gather(*(self._said(arguments, stdin) for arguments, stdin in commands.items()))
        for arguments, output in zip(commands, outputs, strict=True):
            self._ladder.command(_line(arguments))
            self._ladder.output(output)

    async def _said(self, arguments: Sequence[str], stdin: str = "", *, fails: bool = False) -> str:
        process = await self._run(*arguments, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
        try:
            async with expected(f"the end of `{_line(arguments)}`"):
                output, _ = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        said = output.decode()
        if (process.returncode != 0) is not fails:
            raise Unmet(f"`{_line(arguments)}` ended with {process.returncode}: {said.strip()}")
        return said

    async def _run(self, *arguments: str, **streams: Any) -> Process:
        """The command line of this very program, in the stage's folder."""
        program = (sys.executable, "-m", "abserver", *arguments)
        return await create_subprocess_exec(*program, cwd=self.folder, env=self._environment, **streams)


def _line(arguments: Sequence[str]) -> str:
    """A command as one would type it."""
    return shlex.join(["abserver", *arguments])


def _free(ports: range) -> int:
    """One of the ports that is free for UDP and TCP now."""
    while True:
        address = Address(HOST, secrets.choice(ports))
        with ExitStack() as opened:
            try:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    opened.enter_context(bind(kind, address))
            except PortTaken:
                continue
            return address.port
