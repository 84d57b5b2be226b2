"""The ASGI application: from a request to the service and back.

Order of a request: method and path, then who asks, then the body (never read for a stranger, never past its bound),
then the service. What an error becomes is told in `answers`. Each request leaves one line in the access log.
"""

from __future__ import annotations

import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from xcap.core.errors import BadRequest, MethodNotAllowed, NotFound
from xcap.core.etag import Conditions
from xcap.core.uri import ResourceUri, parse
from xcap.http.access import Access
from xcap.http.answers import REFUSALS, BodyTooLarge, EncodedBody, response_for
from xcap.http.discovery import DiscoveryPage
from xcap.http.message import Head, Response, text
from xcap.service import METHODS, READ_METHODS, NotModified, XcapService

if TYPE_CHECKING:
    from xcap.core.usage import Usages
    from xcap.http.message import Receive, Scope, Send

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
"""Octets of a request body; the bound on documents is the usage's."""

_DOCUMENT_FIELDS = (
    ("Cache-Control", "private, no-cache"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
)
"""Of every document that is given out. It is one user's, also when a proxy logged the user in and a cache sees no
Authorization. And it may come from another user, with XHTML and its scripts in it: a browser must run none of them."""


class Authenticator(Protocol):
    """Finds the user behind a request."""

    async def authenticate(self, head: Head, owner: str | None) -> str:
        """Raises Unauthorized, Throttled, BadRequest, Forbidden."""
        ...


class XcapApp:
    """XCAP resources below `root`, the path of the XCAP root URI such as `/xcap-root`.

    usages: those of the service, for the page at the root.
    """

    def __init__(
        self,
        service: XcapService,
        authenticator: Authenticator,
        root: str,
        usages: Usages,
        *,
        max_body: int = MAX_BODY,
    ) -> None:
        self._service = service
        self._authenticator = authenticator
        self._root = root
        self._at_root = {root.rstrip("/").encode(), root.rstrip("/").encode() + b"/"}
        self._page = DiscoveryPage(usages, root)
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"ASGI scope {scope['type']}")
        head = Head.of(scope)
        access = Access(head)
        try:
            response = await self._respond(head, receive, access)
        except REFUSALS as error:
            response = response_for(error)
        except _Disconnected:
            return
        except Exception:
            log.exception("request failed", extra={"method": head.method})
            response = text(HTTPStatus.INTERNAL_SERVER_ERROR, "")
        await response.send(send, head_only=head.method == "HEAD")
        access.answered(response.status)

    async def _respond(self, head: Head, receive: Receive, access: Access) -> Response:
        """Raises REFUSALS."""
        if len(head.fields.get(b"host", ())) != 1 and head.version != "1.0":
            raise BadRequest("one Host header field is needed")  # RFC 9112 §3.2
        if head.raw_path in self._at_root or (head.method, head.raw_path) == ("OPTIONS", b"*"):
            return self._about(head)
        try:
            resource = access.resource = parse(head.raw_path, head.query, self._root)
        except NotFound as error:
            log.warning("scan", extra={"peer": head.peer, "status": error.status})  # clients know their documents
            raise
        if head.method not in METHODS:
            raise MethodNotAllowed(METHODS)
        if head.method == "OPTIONS":
            return _allowing(METHODS)
        user = access.user = await self._authenticator.authenticate(head, resource.key.user)
        conditions = Conditions.parse(if_match=head.joined(b"if-match"), if_none_match=head.joined(b"if-none-match"))
        match head.method:
            case "PUT":
                return await self._put(user, resource, conditions, head, receive)
            case "DELETE":
                etag = await self._service.delete(user, resource, conditions, agent=head.agent)
                return Response(HTTPStatus.OK, fields=() if etag is None else (_etag(etag),))
            case _:
                return await self._get(user, resource, conditions)

    def _about(self, head: Head) -> Response:
        """The page at the root, and `OPTIONS *`, which asks about the server as a whole."""
        if head.method == "OPTIONS":
            return _allowing(METHODS if head.raw_path == b"*" else READ_METHODS)
        if head.method not in READ_METHODS:
            raise MethodNotAllowed(READ_METHODS)
        return self._page.response(head)

    async def _get(self, user: str, resource: ResourceUri, conditions: Conditions) -> Response:
        found = await self._service.get(user, resource, conditions)
        if isinstance(found, NotModified):
            return Response(HTTPStatus.NOT_MODIFIED, fields=(_etag(found.etag), _DOCUMENT_FIELDS[0]))
        return Response(HTTPStatus.OK, found.content, found.media_type, (_etag(found.etag), *_DOCUMENT_FIELDS))

    async def _put(
        self, user: str, resource: ResourceUri, conditions: Conditions, head: Head, receive: Receive
    ) -> Response:
        if head.values(b"content-range"):
            raise BadRequest("a PUT of a part is not possible")  # RFC 9110 §14.5
        if (head.joined(b"content-encoding") or "identity").strip().lower() != "identity":
            raise EncodedBody
        media_type = (head.single(b"content-type") or "").partition(";")[0].strip().lower()
        body = await _body(head, receive, self._max_body)
        stored = await self._service.put(user, resource, body, media_type, conditions, agent=head.agent)
        return Response(HTTPStatus.CREATED if stored.created else HTTPStatus.OK, fields=(_etag(stored.etag),))


class _Disconnected(Exception):
    """The client went away in the middle of its body: there is nobody to answer."""


async def _body(head: Head, receive: Receive, limit: int) -> bytes:
    """Raises BodyTooLarge as soon as the length is known to be over the limit."""
    with contextlib.suppress(ValueError):  # the HTTP server judges the field's form
        if int(head.single(b"content-length") or 0) > limit:
            raise BodyTooLarge(limit)
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _Disconnected
        part = event.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge(limit)
        parts.append(part)
        more = event.get("more_body", False)
    return b"".join(parts)


def _allowing(methods: tuple[str, ...]) -> Response:
    return Response(HTTPStatus.NO_CONTENT, fields=(("Allow", ", ".join(methods)),))


def _etag(etag: str) -> tuple[str, str]:
    return "ETag", f'"{etag}"'
