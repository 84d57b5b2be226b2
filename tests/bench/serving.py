"""A server process for benchmarks: a fresh SQLite file, ports of its own, loopback trusted to assert identities."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = "sip:ann@example.com"
ROOT = "/xcap-root"


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is ready."""

    pid: int
    sip: tuple[str, int]
    http: tuple[str, int]
    database: str

    def set_password(self, user: str, password: str) -> None:
        """Add a user."""
        subprocess.run(
            [sys.executable, "-m", "abserver", "user", "add", user, "--password", password],
            env={**os.environ, "ABSERVER_STORAGE__URL": self.database},
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def put(self, auid: str, media_type: str, content: bytes, *, user: str = OWNER) -> None:
        """Have `user` PUT a document; returns after the answer."""
        connection = http.client.HTTPConnection(*self.http, timeout=60)
        with contextlib.closing(connection):
            headers = {"Content-Type": media_type, "X-XCAP-Asserted-Identity": f'"{user}"'}
            connection.request("PUT", f"{ROOT}/{auid}/users/{user}/index", content, headers)
            response = connection.getresponse()
            response.read()
            if response.status not in (200, 201):
                raise RuntimeError(f"PUT {auid}: {response.status} {response.reason}")


@contextlib.contextmanager
def server() -> Iterator[Served]:
    """Start one, and end it."""
    with tempfile.TemporaryDirectory(prefix="abserver-bench-") as folder:
        environment = {
            **os.environ,
            "ABSERVER_SERVER__DOMAINS": "example.com",
            "ABSERVER_SIP__UDP": "127.0.0.1:0",
            "ABSERVER_SIP__TCP": "127.0.0.1:0",
            "ABSERVER_SIP__TRUSTED_PEERS": "127.0.0.0/8",
            "ABSERVER_HTTP__LISTEN": "127.0.0.1:0",
            "ABSERVER_HTTP__TRUSTED_PEERS": "127.0.0.0/8",
            "ABSERVER_STORAGE__URL": f"sqlite:///{Path(folder) / 'bench.db'}",
            "ABSERVER_LOG__LEVEL": "warning",
        }
        database = environment["ABSERVER_STORAGE__URL"]
        process = subprocess.Popen(
            [sys.executable, "-m", "abserver", "serve"], env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            yield Served(process.pid, *_addresses(process), database)
        finally:
            process.terminate()
            process.communicate()


def _addresses(process: subprocess.Popen[str]) -> tuple[tuple[str, int], tuple[str, int]]:
    """The SIP and HTTP addresses that the server announces."""
    found: dict[str, tuple[str, int]] = {}
    while "http" not in found:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError("the server did not start")
        words = line.removeprefix("abserver: ready on ").split()
        host, _, port = words[-1].partition("/")[0].rpartition(":")
        found[words[1] if words[0] == "sip" else "http"] = (host, int(port))
    return found["udp"], found["http"]
