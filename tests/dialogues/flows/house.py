"""The server of one flow: the real one, with sockets and a database; in this process, or in one that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path

from abserver.app.server import Server
from abserver.app.stores import open_stores
from abserver.config import load
from tests.support.process import ServerProcess
from xcap.ports import Credential

Settings = Mapping[str, Mapping[str, str | int | float | list[str]]]
"""Sections of the configuration."""

PEOPLE = ("ann", "bob", "carol", "dan")
"""The server's users."""
DOMAIN = "example.com"
PASSWORD = "secret"
DAY = 24 * 3600 * 1_000_000
"""In the unit of the database."""
ROOT = "http://xcap.example.com/xcap-root"
"""As the server's own documents name it."""

SETTINGS: Settings = {
    "http": {"trusted_peers": ["127.0.0.1"], "xcap_root_uri": ROOT},
    "sip": {"trusted_peers": ["127.0.0.1"]},
    "subscriptions": {"expires_jitter": 0, "min_expires": 60},
    "notify": {"card_pace": 0, "winfo_pace": 0, "xcap_diff_pace": 0},
}
"""Of every flow, if it does not say otherwise: nothing is left to chance, and nobody waits."""


class House:
    """A server with a folder, and ports that stay over a restart."""

    def __init__(self, folder: Path, settings: Settings, *, own_process: bool) -> None:
        config = folder / "abserver.toml"
        self.process = ServerProcess(folder, CONFIG=str(config))
        self._own_process = own_process
        self._config = config
        self._database = folder / "abserver.db"
        self._server: Server | None = None
        self._errors = _Errors()
        self._settings = settings

    async def start(self) -> None:
        """Start it; first with the users and nothing else in its database."""
        self._config.write_text(self._toml())
        if not self._database.exists():
            self._database.write_bytes(await _database())
        if self._own_process:
            await asyncio.to_thread(self.process.start)
            return
        server = Server(load(self._config))
        await server.start()
        self._server = server
        for logger in _LOGGERS:
            logger.addHandler(self._errors)

    async def stop(self) -> None:
        """End it; nothing to do for one that did not start."""
        if self._own_process:
            await asyncio.to_thread(self.process.kill)
        elif self._server is not None:
            await self._server.stop()
            for logger in _LOGGERS:
                logger.removeHandler(self._errors)

    def has_no_complaints(self) -> None:
        """Fails if it logged an error."""
        log = self.process.log.splitlines() if self._own_process else []
        assert [*self._errors.lines, *(line for line in log if " ERROR " in line or "Traceback" in line)] == []

    async def sleep(self, days: int) -> None:
        """Stop it in good order, and start it when all requests are older by so many days."""
        await self.stop()
        with contextlib.closing(sqlite3.connect(self._database)) as database, database:
            database.execute("UPDATE abserver_relations SET requested_at = requested_at - ?", (days * DAY,))
        await self.start()

    async def restart(self) -> None:
        """Kill it as a power failure would, and start it again."""
        assert self._own_process
        await asyncio.to_thread(self.process.kill)
        await asyncio.to_thread(self.process.start)

    def _toml(self) -> str:
        """The configuration: the ports are those of `process`."""
        sip, http = (f"{host}:{port}" for host, port in (self.process.sip, self.process.http))
        places: Settings = {
            "sip": {"udp": [sip], "tcp": [sip]},
            "http": {"listen": http},
            "storage": {"url": f"sqlite:///{self._database}"},
        }
        sections: dict[str, dict[str, object]] = {}
        for each in (SETTINGS, places, self._settings):
            for name, values in each.items():
                sections.setdefault(name, {}).update(values)
        return "".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
            for name, values in sections.items()
        )


class _Errors(logging.Handler):
    """What the server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


_LOGGERS = (logging.getLogger("abserver"), logging.getLogger("xcap"), logging.getLogger("asyncio"))


_DATABASES: list[bytes] = []


async def _database() -> bytes:
    """A database with the users in it; made once."""
    if not _DATABASES:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "abserver.db"
            async with open_stores(f"sqlite:///{file}") as stores:
                for person in PEOPLE:
                    await stores.credentials.put(Credential.of(f"sip:{person}@{DOMAIN}", DOMAIN, PASSWORD))
            _DATABASES.append(file.read_bytes())
    return _DATABASES[0]
