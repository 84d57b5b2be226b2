"""baresip as the phone of a test: one account, the presence of its contacts, and no sound."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.process import CERTIFICATES, free_port
from tests.support.programs import UNPACKED

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

MODULES = ("account", "contact", "menu", "presence")
INSTANCE = "51bb0000-0000-4000-8000-00000000ba5e"
PATIENCE = 20.0
"""Seconds until something that must happen has happened."""


class Baresip:
    """One of it; a context manager that leaves no process behind."""

    def __init__(self, folder: Path, account: str, *contacts: str, host: str = "127.0.0.1") -> None:
        """account, contacts: lines of its files of these names; host: its own."""
        self._log = folder / "baresip.log"
        self._home = folder / "baresip"
        self._home.mkdir(exist_ok=True)
        places = [*UNPACKED.glob("usr/lib/baresip/modules"), Path("/usr/lib/baresip/modules")]
        lines = [
            f"sip_listen {host}:{free_port(host)}",
            f"module_path {next(place for place in places if place.exists())}",
            f"sip_cafile {CERTIFICATES / 'authority.pem'}",
            "module uuid.so",
            *(f"module_app {module}.so" for module in MODULES),
        ]
        for name, content in (("config", lines), ("accounts", [account]), ("contacts", contacts)):
            (self._home / name).write_text("".join(f"{line}\n" for line in content))
        (self._home / "uuid").write_text(INSTANCE)  # a line's end would go into the Contact

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                ["baresip", "-s", "-f", str(self._home)],  # -s: it prints each message
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.until("baresip is ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """What it said, with all messages that it sent and received."""
        return self._log.read_text(errors="replace")

    def until(self, text: str) -> None:
        """Wait until it has said this."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.log:
            assert self._process.poll() is None, self.log[-3000:]
            assert time.monotonic() < deadline, text
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in good order."""
        self._process.terminate()
        assert self._process.wait(PATIENCE) == 0
