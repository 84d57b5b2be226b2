"""SIPp as the phone of a test: a scenario of tests/interop/sipp against a server, in a folder of the test."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.process import free_port

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

SCENARIOS = Path(__file__).parents[1] / "interop" / "sipp"
PATIENCE = 30.0
"""Seconds until it has ended by itself."""


class Sipp:
    """One run of SIPp; a context manager that leaves no process behind."""

    def __init__(
        self,
        scenario: str,
        server: tuple[str, int],
        folder: Path,
        *options: str,
        transport: str = "u1",
        host: str = "127.0.0.1",
        **keys: str,
    ) -> None:
        """transport: u1, t1 for one socket, un, tn for one a call; host: ours; keys: what the scenario names in
        brackets."""
        named = [word for key, value in keys.items() for word in ("-key", key, value)]
        self._command = [
            *("sipp", f"{server[0]}:{server[1]}", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-nostdin"),
            *("-t", transport, "-i", host, "-p", str(free_port(host.strip("[]"))), "-m", "1", "-max_socket", "1000"),
            *("-trace_err", "-error_file", str(folder / f"{scenario}-errors.log")),
            *("-trace_msg", "-message_file", str(folder / f"{scenario}-messages.log")),
            *named,
            *options,
        ]
        self._screen = folder / f"{scenario}-screen.log"
        self._folder = folder
        self._messages = folder / f"{scenario}-messages.log"

    def __enter__(self) -> Self:
        self._messages.unlink(missing_ok=True)
        with self._screen.open("w") as screen:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=screen, stderr=subprocess.STDOUT
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def messages(self) -> str:
        """All that it sent and received so far."""
        return self._messages.read_text() if self._messages.exists() else ""

    def until(self, text: str, times: int = 1) -> None:
        """Wait until its messages have a text so often."""
        deadline = time.monotonic() + PATIENCE
        while self.messages.count(text) < times:
            assert self._process.poll() is None, self._screen.read_text()[-3000:]
            assert time.monotonic() < deadline, f"{text!r} came {self.messages.count(text)} times, not {times}"
            time.sleep(0.02)

    def finish(self) -> None:
        """Wait until it has ended; fails if the scenario failed."""
        assert self._process.wait(PATIENCE) == 0, self._screen.read_text()[-3000:]


def walk(
    scenario: str,
    server: tuple[str, int],
    folder: Path,
    *options: str,
    transport: str = "u1",
    host: str = "127.0.0.1",
    **keys: str,
) -> str:
    """Run a scenario that needs nobody else; all its messages."""
    with Sipp(scenario, server, folder, *options, transport=transport, host=host, **keys) as run:
        run.finish()
    return run.messages
