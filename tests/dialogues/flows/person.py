"""A user at the XCAP server, and at the command line.

Known to the server by the word of a trusted proxy (X-XCAP-Asserted-Identity), unless the script gives a password.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from tests.dialogues.flows.house import PASSWORD
from tests.dialogues.flows.record import SERVER, of_command, of_http
from tests.dialogues.flows.scenery import described
from xcap.client.digest import DigestAuth
from xcap.core.selector import parse_node_selector
from xcap.core.uri import DocumentKey, ResourceUri

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dialogues.flows.house import House
    from tests.dialogues.flows.record import Record
    from xcap.core.usage import ApplicationUsage

PATIENCE = 10.0
"""Seconds for an answer, or for a command."""


class Person:
    """Somebody who reads and writes documents."""

    def __init__(self, record: Record, name: str, aor: str, house: House) -> None:
        self.name = name
        self.aor = aor
        self.etag = ""
        """Of the last answer that had one, without quotes."""
        self._record = record
        self._house = house
        host, port = house.process.http
        self._origin = f"http://{host}:{port}"
        hooks: dict[str, list[Callable[..., object]]] = {"request": [self._sent], "response": [self._came]}
        self._client = httpx.AsyncClient(trust_env=False, event_hooks=hooks, timeout=PATIENCE)
        self._identity = {"X-XCAP-Asserted-Identity": f'"{aor}"'}
        self._responses: list[httpx.Response] = []

    async def goes(self) -> None:
        """Close the connections. Fails if there is an answer that the script did not expect."""
        await self._client.aclose()
        assert self._responses == []

    def has_a_password(self) -> None:
        """No proxy vouches for this user from now on."""
        self._identity = {}
        self._client.auth = DigestAuth(self.aor.removeprefix("sip:").partition("@")[0], PASSWORD)

    # -- documents --------------------------------------------------------------------------------------------------

    async def puts(
        self, usage: ApplicationUsage, content: bytes, *, node: str | None = None, name: str = "index", **fields: str
    ) -> None:
        """Put a document, or a node in it."""
        kind = usage.media_type if node is None else parse_node_selector(node, {}, None).kind.value
        await self._asks("PUT", usage, name, node, content, {"Content-Type": kind, **fields})

    async def gets(
        self,
        usage: ApplicationUsage,
        *,
        node: str | None = None,
        name: str = "index",
        of: str | None = None,
        **fields: str,
    ) -> None:
        """Get a document, or a node in it; `of` somebody else."""
        await self._asks("GET", usage, name, node, b"", fields, of)

    async def deletes(
        self, usage: ApplicationUsage, *, node: str | None = None, name: str = "index", **fields: str
    ) -> None:
        """Delete a document, or a node in it."""
        await self._asks("DELETE", usage, name, node, b"", fields)

    async def _asks(
        self,
        method: str,
        usage: ApplicationUsage,
        name: str,
        node: str | None,
        content: bytes,
        fields: dict[str, str],
        of: str | None = None,
    ) -> None:
        uri = ResourceUri(DocumentKey(usage.auid, of or self.aor, name), node).to_path("/xcap-root")
        headers = self._identity | {name.replace("_", "-"): value for name, value in fields.items()}
        await self._client.request(method, self._origin + uri, content=content or None, headers=headers)

    async def _sent(self, request: httpx.Request) -> None:
        self._record.arrow(self.name, SERVER, of_http(request))

    async def _came(self, response: httpx.Response) -> None:
        await response.aread()
        self._responses.append(response)
        self._record.arrow(SERVER, self.name, of_http(response))

    async def receives(self, status: int, body: Callable[[bytes], None] | None = None, **fields: str) -> None:
        """Take the next answer, which has to be this one."""
        response = self._responses.pop(0)
        assert response.status_code == status, response.text
        for name, value in fields.items():
            assert response.headers.get(name.replace("_", "-")) == value, name
        if body is not None:
            body(response.content)
        self.etag = response.headers.get("ETag", "").strip('"') or self.etag

    async def has(self, usage: ApplicationUsage, content: bytes, **fields: str) -> None:
        """What there was before the story: no part of it."""
        self._record.secret = True
        await self.puts(usage, content, **fields)
        await self.receives(201)
        self._record.secret = False
        self._record.givens.append(described(self.name, usage.auid, content))

    # -- the command line -------------------------------------------------------------------------------------------

    async def runs(self, *arguments: str) -> str:
        """Run `abserver ARGUMENTS`; what it printed."""
        output = await asyncio.to_thread(self._house.process.command, *arguments)
        self._record.arrow(self.name, SERVER, of_command(arguments, output))
        return output
