"""What clients say, without waiting: requests as values, and an update as the sequence of requests that it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from xcap.client.answers import Written, check, etag_of, fetched, written
from xcap.core.selector import parse_node_selector
from xcap.core.uri import DocumentKey, ResourceUri

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from xcap.client.answers import Fetched

    Change = Callable[[bytes | None], bytes]
    """From what is there (None: nothing) to what is to be there. Called again when another writer was faster."""

AGENT = "xcap"
"""What a client calls itself if nobody gives it another name."""
TIMEOUT = 30.0
"""Seconds for each wait: to connect, to send, for the answer."""
ATTEMPTS = 20
"""How often an update is tried. Each attempt that fails is another writer's success."""


class Speaker:
    """Requests to one server."""

    def __init__(self, root: str, agent: str) -> None:
        """agent: what the requests say of who sends them (RFC 9110 §10.1.5)."""
        self._agent = agent
        split = urlsplit(root)
        self._origin = f"{split.scheme}://{split.netloc}"
        self._path = split.path

    def get(self, resource: DocumentKey | ResourceUri, if_none_match: str | None = None) -> httpx.Request:
        return self._request("GET", resource, if_none_match=_quoted(if_none_match))

    def put(
        self,
        resource: DocumentKey | ResourceUri,
        content: bytes,
        media_type: str | None,
        if_match: str | None,
        only_new: bool,
    ) -> httpx.Request:
        """Raises ValueError for a document without media type."""
        return self._request(
            "PUT",
            resource,
            content,
            content_type=media_type or _media_type(resource),
            if_match=_quoted(if_match),
            if_none_match="*" if only_new else None,
        )

    def delete(self, resource: DocumentKey | ResourceUri, if_match: str | None) -> httpx.Request:
        return self._request("DELETE", resource, if_match=_quoted(if_match))

    def update(
        self, resource: DocumentKey | ResourceUri, change: Change, media_type: str | None
    ) -> Generator[httpx.Request, httpx.Response, Written]:
        """The requests of an update: each is sent, and its answer given back. Raises Refused, ValueError."""
        node = resource if isinstance(resource, ResourceUri) and resource.node is not None else None
        attempt = 0
        while True:
            attempt += 1
            there, etag = yield from self._current(resource, node)
            content = change(there.content if there else None)
            if there and content == there.content:
                return Written(there.etag, created=False)
            kind = media_type or (there.media_type if there and node is None else None)
            # Without an etag there is no document: `*` holds for a first document, and makes a node fail.
            response = yield self.put(resource, content, kind, etag, only_new=etag is None)
            if response.status_code != HTTPStatus.PRECONDITION_FAILED or attempt == ATTEMPTS:
                return written(response)

    def _current(
        self, resource: DocumentKey | ResourceUri, node: ResourceUri | None
    ) -> Generator[httpx.Request, httpx.Response, tuple[Fetched | None, str | None]]:
        """What is there, and the etag of the document in which it is, or is not."""
        response = yield self.get(resource)
        etag = None
        if response.status_code == HTTPStatus.NOT_FOUND and node is not None:
            # A 404 does not tell in which version the node is missing: look again after that is known.
            around = yield self._request("HEAD", node.key)
            if around.status_code != HTTPStatus.NOT_FOUND:
                check(around)
                etag = etag_of(around)
            response = yield self.get(resource)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None, etag
        there = fetched(response)
        return there, there.etag if there else None

    def _request(
        self, method: str, resource: DocumentKey | ResourceUri, content: bytes | None = None, **fields: str | None
    ) -> httpx.Request:
        """A request with the header fields that are not None; `_` in a name stands for `-`."""
        uri = resource if isinstance(resource, ResourceUri) else ResourceUri(resource)
        headers = {name.replace("_", "-"): value for name, value in fields.items() if value is not None}
        headers["User-Agent"] = self._agent
        return httpx.Request(method, self._origin + uri.to_path(self._path), headers=headers, content=content)


def _media_type(resource: DocumentKey | ResourceUri) -> str:
    """The media type of a node. Raises ValueError for a document, whose type only its usage knows."""
    if isinstance(resource, DocumentKey) or resource.node is None:
        raise ValueError("a document needs its usage's media type")
    return parse_node_selector(resource.node, resource.bindings, None).kind.value


def _quoted(etag: str | None) -> str | None:
    return None if etag is None else f'"{etag}"'
