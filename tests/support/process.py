"""The server as a process of its own: started, killed, started again on the same ports and the same database."""

from __future__ import annotations

import itertools
import os
import random
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

CERTIFICATES = Path(__file__).resolve().parents[1] / "data" / "tls" / "sip"
LISTENERS = 4
"""SIP over UDP, TCP and WebSocket, HTTP."""
LIMIT = 60.0
"""Seconds that a command may take."""


class ServerProcess:
    """`abserver serve` in a folder; a context manager that leaves no process behind."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        also_at: Sequence[str] = (),
        tls: bool = False,
        **more: str,
    ) -> None:
        """settings, more: of the configuration, by the names that the environment has without `ABSERVER_`.
        also_at: more hosts to listen at for SIP, on the same port. tls: have a listener for it too, `sips`."""
        self.folder = folder
        self.sip = ("127.0.0.1", free_port())
        self.http = ("127.0.0.1", free_port())
        sip = ",".join(f"{host}:{self.sip[1]}" for host in (self.sip[0], *also_at))
        http = f"{self.http[0]}:{self.http[1]}"
        self.sips = ("127.0.0.1", free_port())
        self._listeners = LISTENERS + 2 * len(also_at) + tls
        own = {
            "SIP__UDP": sip,
            "SIP__TCP": sip,
            "HTTP__LISTEN": http,
            "STORAGE__URL": f"sqlite:///{folder / 'abserver.db'}",
            **(self._secured() if tls else {}),
            "TRACE__SOCKET": "off",
            **settings,
            **more,
        }
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ABSERVER_")},
            **{f"ABSERVER_{name}": value for name, value in own.items()},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self._process: subprocess.Popen[str] | None = None

    def _secured(self) -> dict[str, str]:
        files = {"CERTIFICATE": "server.pem", "KEY": "server.key", "CA": "authority.pem"}
        return {
            "SIP__TLS": f"{self.sips[0]}:{self.sips[1]}",
            **{f"SIP__TLS_{name}": str(CERTIFICATES / file) for name, file in files.items()},
        }

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that the server wrote to standard error so far, over all its lives."""
        return (self.folder / "server.log").read_text()

    def start(self) -> None:
        """Start it; returns when it is ready."""
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "abserver", "serve"],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        for _ in range(self._listeners):
            line = self._process.stdout.readline()
            assert line.startswith("abserver: ready on"), self.log

    def kill(self) -> None:
        """End it as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def stop(self) -> int:
        """End it in good order; its exit code."""
        assert self._process is not None
        self._process.terminate()
        self._process.communicate(timeout=LIMIT)
        return self._process.returncode

    def command(self, *arguments: str) -> str:
        """Run `abserver ARGUMENTS` beside it; what it printed. Fails if that fails."""
        done = subprocess.run(
            [sys.executable, "-m", "abserver", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


def free_port(host: str = "127.0.0.1") -> int:
    """A port of the host that is free for UDP and TCP, and stays so: the system gives these to nobody, and this process
    gives each once before it begins anew, at another place than the processes that test beside it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in _PORTS:
        with suppress(OSError), socket.socket(family) as stream, socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            stream.bind((host, port))
            datagrams.bind((host, port))
            return port
    raise AssertionError("there is always another port")


def _ports() -> Iterator[int]:
    begin = random.SystemRandom().randrange(len(_OURS))
    return itertools.cycle([*_OURS[begin:], *_OURS[:begin]])


_OURS = range(10_000, 32_768)
"""Below what systems take for sockets that do not ask for a port, and for connections that go out."""
_PORTS = _ports()
