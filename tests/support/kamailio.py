"""Kamailio before a server, by the configuration that is shown as an example: tests/interop/kamailio/kamailio.cfg."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.process import CERTIFICATES, free_port
from tests.support.programs import KAMAILIO

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

CONFIGURATION = Path(__file__).parents[1] / "interop" / "kamailio" / "kamailio.cfg"
HOST = "127.0.0.2"
"""Its address: another one than the server's and the phones'."""
NAME = "edge.example.com"
"""What its certificate calls it."""
PHONES = "127.0.0.3"
"""Where phones have to be: what comes from 127.0.0.1 comes from the server, as Kamailio sees it."""
PASSWORDS = {"bob": "bob-at-kamailio", "cleo": "cleo-at-kamailio"}
"""The users of its configuration."""
PATIENCE = 20.0
"""Seconds until it listens, or has ended."""


class Kamailio:
    """One Kamailio with its worker processes; a context manager that ends them all."""

    def __init__(self, folder: Path, server: tuple[str, int], transport: str, *defines: str) -> None:
        """transport: the way to the server, udp, tcp or tls; defines: more of them, as its option -A takes them."""
        self.folder = folder
        self.address = (HOST, free_port(HOST))
        self._log = folder / "kamailio.log"
        target = f'SERVER="sip:{server[0]}:{server[1]};transport={transport}"'
        listen = [word for each in ("udp", "tcp") for word in ("-l", f"{each}:{HOST}:{self.address[1]}")]
        assert KAMAILIO.path is not None
        if transport == "tls":
            defines = (*defines, *_secured())
            listen += ["-l", f"tls:{HOST}:{free_port(HOST)}"]
        self._command = [
            *(str(KAMAILIO.path), "-f", str(CONFIGURATION), *listen, "-DD", "-E", "-m", "16", "-M", "4"),
            *("-Y", str(folder), "-w", str(folder)),
            *(word for each in (target, *defines) for word in ("-A", each)),
        ]

    def restart(self) -> None:
        """End it, with its connections and bindings, and start it again at the same address."""
        self._stop()
        self._start()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._listens():
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline, "Kamailio listens"
            time.sleep(0.02)

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _listens(self) -> bool:
        """Its TCP listener is the last thing that it makes."""
        with socket.socket() as probe:
            return probe.connect_ex(self.address) == 0


def _secured() -> list[str]:
    """The defines by which it shows a certificate, and looks at the server's."""
    files = {"CERTIFICATE": "edge.pem", "KEY": "edge.key", "AUTHORITY": "authority.pem"}
    return [f'TLS_{name}="{CERTIFICATES / file}"' for name, file in files.items()]
