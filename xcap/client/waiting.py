"""The client for asyncio. It says what the blocking one says, and differs in waiting only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from xcap.client import answers
from xcap.client.digest import DigestAuth
from xcap.client.speaker import AGENT, TIMEOUT, Speaker

if TYPE_CHECKING:
    import ssl
    from types import TracebackType
    from typing import Self

    from xcap.client.answers import Fetched, Written
    from xcap.client.digest import Secret
    from xcap.client.speaker import Change
    from xcap.core.uri import DocumentKey, ResourceUri


class AsyncXcapClient:
    """As XcapClient, for asyncio."""

    def __init__(
        self,
        root: str,
        username: str,
        secret: Secret,
        *,
        tls: ssl.SSLContext | None = None,
        agent: str = AGENT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._speaker = Speaker(root, agent)
        self._http = httpx.AsyncClient(
            auth=DigestAuth(username, secret), timeout=TIMEOUT, verify=tls or True, transport=transport
        )

    async def get(self, resource: DocumentKey | ResourceUri, *, if_none_match: str | None = None) -> Fetched | None:
        """As XcapClient.get."""
        return answers.fetched(await self._http.send(self._speaker.get(resource, if_none_match)))

    async def put(
        self,
        resource: DocumentKey | ResourceUri,
        content: bytes,
        *,
        media_type: str | None = None,
        if_match: str | None = None,
        only_new: bool = False,
    ) -> Written:
        """As XcapClient.put."""
        request = self._speaker.put(resource, content, media_type, if_match, only_new)
        return answers.written(await self._http.send(request))

    async def delete(self, resource: DocumentKey | ResourceUri, *, if_match: str | None = None) -> str | None:
        """As XcapClient.delete."""
        response = await self._http.send(self._speaker.delete(resource, if_match))
        answers.check(response)
        return answers.etag_of(response)

    async def update(
        self, resource: DocumentKey | ResourceUri, change: Change, *, media_type: str | None = None
    ) -> Written:
        """As XcapClient.update; `change` is an ordinary function."""
        steps = self._speaker.update(resource, change, media_type)
        request = next(steps)
        while True:
            response = await self._http.send(request)
            try:
                request = steps.send(response)
            except StopIteration as end:
                done: Written = end.value
                return done

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
