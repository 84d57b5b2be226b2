"""A server process for benchmarks: a fresh SQLite file, ports of its own, loopback trusted to assert identities."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from abserver.app.stores import open_stores
from tests.bench.messages import OWNER_DOMAIN, owner
from tests.support.process import ServerProcess, free_port
from xcap.ports import Credential

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OWNER = owner(0)
ROOT = "/xcap-root"
SETTINGS = {"SIP__TRUSTED_PEERS": "127.0.0.0/8", "HTTP__TRUSTED_PEERS": "127.0.0.0/8", "LOG__LEVEL": "warning"}


CERTIFICATE = Path(__file__).resolve().parents[1] / "data" / "tls" / "first.pem"
"""That of xcap.example.com; its key is beside it."""


class Served(ServerProcess):
    """A server of the benchmarks, which may have TLS on both sides."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        self.tls = ("127.0.0.1", free_port())
        self.certificate = CERTIFICATE if tls else None
        shown = {"TLS_CERTIFICATE": str(CERTIFICATE), "TLS_KEY": str(CERTIFICATE.with_suffix(".key"))} if tls else {}
        own = {f"{side}__{name}": value for side in ("SIP", "HTTP") for name, value in shown.items()}
        if tls:
            own["SIP__TLS"] = f"{self.tls[0]}:{self.tls[1]}"
        super().__init__(folder, {**SETTINGS, **own})


@contextlib.contextmanager
def server(*, users: Mapping[str, str] = MappingProxyType({}), tls: bool = False) -> Iterator[Served]:
    """Start one, and end it. users: who can log in, with which password."""
    with tempfile.TemporaryDirectory(prefix="abserver-bench-") as folder:
        process = Served(Path(folder), tls=tls)
        if users:
            asyncio.run(_add(process.environment["ABSERVER_STORAGE__URL"], users))
        with process:
            yield process
            process.stop()


async def _add(database: str, users: Mapping[str, str]) -> None:
    async with open_stores(database) as stores:
        added = (stores.credentials.put(Credential.of(user, OWNER_DOMAIN, users[user])) for user in users)
        await asyncio.gather(*added)


class Documents:
    """One connection to the document server, kept alive; a context manager that closes it."""

    def __init__(self, served: Served) -> None:
        if served.certificate is None:
            self._connection = http.client.HTTPConnection(*served.http, timeout=60)
        else:
            context = ssl.create_default_context(cafile=served.certificate)
            context.check_hostname = False  # it is reached by its address
            self._connection = http.client.HTTPSConnection(*served.http, timeout=60, context=context)

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


def put(served: Served, auid: str, media_type: str, content: bytes, *, user: str = OWNER) -> None:
    """The same for one document alone."""
    with Documents(served) as documents:
        documents.put(auid, media_type, content, user=user)
