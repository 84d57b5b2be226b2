"""A server process for benchmarks: a fresh SQLite file, ports of its own, loopback trusted to assert identities."""

from __future__ import annotations

import contextlib
import http.client
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.messages import owner
from tests.support.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = owner(0)
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


class Documents:
    """One connection to the document server, kept alive; a context manager that closes it."""

    def __init__(self, served: ServerProcess) -> None:
        self._connection = http.client.HTTPConnection(*served.http, timeout=60)

    def __enter__(self) -> Documents:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def put(self, auid: str, media_type: str, content: bytes, *, user: str = OWNER) -> None:
        """Have `user` PUT a document; returns after the answer."""
        self._ask("PUT", auid, user, content, {"Content-Type": media_type})

    def get(self, auid: str, *, user: str = OWNER) -> bytes:
        """Have `user` GET a document."""
        return self._ask("GET", auid, user, None, {})

    def _ask(self, method: str, auid: str, user: str, content: bytes | None, headers: dict[str, str]) -> bytes:
        headers = {**headers, "X-XCAP-Asserted-Identity": f'"{user}"'}
        self._connection.request(method, f"{ROOT}/{auid}/users/{user}/index", content, headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status not in (200, 201):
            raise RuntimeError(f"{method} {auid}: {response.status} {response.reason}")
        return body


def put(served: ServerProcess, auid: str, media_type: str, content: bytes, *, user: str = OWNER) -> None:
    """The same for one document alone."""
    with Documents(served) as documents:
        documents.put(auid, media_type, content, user=user)
