"""A server process for benchmarks: a fresh SQLite file, ports of its own, loopback trusted to assert identities."""

from __future__ import annotations

import contextlib
import http.client
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = "sip:ann@example.com"
ROOT = "/xcap-root"
SETTINGS = {"SIP__TRUSTED_PEERS": "127.0.0.0/8", "HTTP__TRUSTED_PEERS": "127.0.0.0/8", "LOG__LEVEL": "warning"}


@contextlib.contextmanager
def server() -> Iterator[ServerProcess]:
    """Start one, and end it."""
    with (
        tempfile.TemporaryDirectory(prefix="abserver-bench-") as folder,
        ServerProcess(Path(folder), **SETTINGS) as process,
    ):
        yield process
        process.stop()


def put(served: ServerProcess, auid: str, media_type: str, content: bytes, *, user: str = OWNER) -> None:
    """Have `user` PUT a document; returns after the answer."""
    connection = http.client.HTTPConnection(*served.http, timeout=60)
    with contextlib.closing(connection):
        headers = {"Content-Type": media_type, "X-XCAP-Asserted-Identity": f'"{user}"'}
        connection.request("PUT", f"{ROOT}/{auid}/users/{user}/index", content, headers)
        response = connection.getresponse()
        response.read()
        if response.status not in (200, 201):
            raise RuntimeError(f"PUT {auid}: {response.status} {response.reason}")
