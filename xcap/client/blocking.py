"""The client that blocks while it waits."""

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


class XcapClient:
    """Blocking client of one server, for one user; a context manager.

    root: the XCAP root URI.
    username: as the user's account is named: `alice`, `alice@example.com` or `sip:alice@example.com`.
    secret: the password, or its hashes as a server keeps them.
    tls: how an `https` server is verified; the system's certificates if None.
    agent: the name of the program, for its User-Agent.
    transport: in place of sockets, as httpx takes it.
    """

    def __init__(
        self,
        root: str,
        username: str,
        secret: Secret,
        *,
        tls: ssl.SSLContext | None = None,
        agent: str = AGENT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._speaker = Speaker(root, agent)
        self._http = httpx.Client(
            auth=DigestAuth(username, secret), timeout=TIMEOUT, verify=tls or True, transport=transport
        )

    def get(self, resource: DocumentKey | ResourceUri, *, if_none_match: str | None = None) -> Fetched | None:
        """The document or node; None if the document's etag is still `if_none_match`. Raises Refused."""
        return answers.fetched(self._http.send(self._speaker.get(resource, if_none_match)))

    def put(
        self,
        resource: DocumentKey | ResourceUri,
        content: bytes,
        *,
        media_type: str | None = None,
        if_match: str | None = None,
        only_new: bool = False,
    ) -> Written:
        """Create or replace.

        media_type: the usage's, for a document; nodes have their own (RFC 4825 §15.2).
        if_match: the etag that the document must have.
        only_new: refuse if the document exists.
        Raises Refused: 412 when a condition does not hold. Raises ValueError for a document without media type.
        """
        request = self._speaker.put(resource, content, media_type, if_match, only_new)
        return answers.written(self._http.send(request))

    def delete(self, resource: DocumentKey | ResourceUri, *, if_match: str | None = None) -> str | None:
        """Remove; gives the document's new etag, None when the document itself is gone. Raises Refused."""
        response = self._http.send(self._speaker.delete(resource, if_match))
        answers.check(response)
        return answers.etag_of(response)

    def update(self, resource: DocumentKey | ResourceUri, change: Change, *, media_type: str | None = None) -> Written:
        """Bring the document or node from what it is to what `change` makes of it, whoever else writes meanwhile.

        change: gets the content, None where there is nothing, and gives the new one. It is called again when somebody
        was faster, so it has no effects of its own; what it raises ends the update. The same content is not written.
        media_type: of a document, for the case that it does not exist yet.
        Raises Refused: 412 when others were faster many times in a row. Raises ValueError for a new document without
        media type.
        """
        steps = self._speaker.update(resource, change, media_type)
        request = next(steps)
        while True:
            try:
                request = steps.send(self._http.send(request))
            except StopIteration as end:
                done: Written = end.value
                return done

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
