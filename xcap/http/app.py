"""The ASGI application: from a request to the service and back.

Order of a request: method and path, then who asks, then the body (never read for a stranger, never past its bound),
then the service. `response_for` is the one place where errors become responses.
"""

from __future__ import annotations

import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from xcap.core import errorbody
from xcap.core.errors import BadRequest, Conflict, MethodNotAllowed, TooLarge, XcapError
from xcap.core.etag import Conditions
from xcap.core.uri import ResourceUri, parse
from xcap.http.authenticator import Unauthorized
from xcap.http.message import Head, Response, text
from xcap.service import METHODS, Contended, NotModified, XcapService

if TYPE_CHECKING:
    from xcap.http.message import Receive, Scope, Send

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
"""Octets of a request body; the bound on documents is the usage's."""


class Authenticator(Protocol):
    """Finds the user behind a request."""

    async def authenticate(self, head: Head, owner: str | None) -> str:
        """Raises Unauthorized, BadRequest."""
        ...


class XcapApp:
    """XCAP resources below `root`, the path of the XCAP root URI such as `/xcap-root`."""

    def __init__(
        self, service: XcapService, authenticator: Authenticator, root: str, *, max_body: int = MAX_BODY
    ) -> None:
        self._service = service
        self._authenticator = authenticator
        self._root = root
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"ASGI scope {scope['type']}")
        head = Head.of(scope)
        try:
            response = await self._respond(head, receive)
        except (XcapError, Unauthorized, Contended) as error:
            response = response_for(error)
        except _Disconnected:
            return
        except Exception:
            log.exception("request failed", extra={"method": head.method})
            response = text(HTTPStatus.INTERNAL_SERVER_ERROR, "")
        await response.send(send, head_only=head.method == "HEAD")

    async def _respond(self, head: Head, receive: Receive) -> Response:
        """Raises XcapError, Unauthorized, Contended."""
        resource = parse(head.raw_path, head.query, self._root)
        if head.method not in METHODS:
            raise MethodNotAllowed(METHODS)
        if head.method == "OPTIONS":
            return Response(HTTPStatus.NO_CONTENT, fields=(("Allow", ", ".join(METHODS)),))
        user = await self._authenticator.authenticate(head, resource.key.user)
        conditions = Conditions.parse(if_match=head.joined(b"if-match"), if_none_match=head.joined(b"if-none-match"))
        match head.method:
            case "PUT":
                return await self._put(user, resource, conditions, head, receive)
            case "DELETE":
                etag = await self._service.delete(user, resource, conditions)
                return Response(HTTPStatus.OK, fields=() if etag is None else (_etag(etag),))
            case _:
                return await self._get(user, resource, conditions)

    async def _get(self, user: str, resource: ResourceUri, conditions: Conditions) -> Response:
        found = await self._service.get(user, resource, conditions)
        if isinstance(found, NotModified):
            return Response(HTTPStatus.NOT_MODIFIED, fields=(_etag(found.etag),))
        return Response(HTTPStatus.OK, found.content, found.media_type, (_etag(found.etag),))

    async def _put(
        self, user: str, resource: ResourceUri, conditions: Conditions, head: Head, receive: Receive
    ) -> Response:
        if head.values(b"content-range"):
            raise BadRequest("a PUT of a part is not possible")  # RFC 9110 §14.5
        media_type = (head.single(b"content-type") or "").partition(";")[0].strip().lower()
        body = await _body(head, receive, self._max_body)
        stored = await self._service.put(user, resource, body, media_type, conditions)
        return Response(HTTPStatus.CREATED if stored.created else HTTPStatus.OK, fields=(_etag(stored.etag),))


def response_for(error: XcapError | Unauthorized | Contended) -> Response:
    """The response that an error stands for (RFC 4825 §8, §11)."""
    match error:
        case Unauthorized():
            challenges = tuple(("WWW-Authenticate", str(challenge)) for challenge in error.challenges)
            return text(HTTPStatus.UNAUTHORIZED, str(error), *challenges)
        case Contended():
            return text(HTTPStatus.SERVICE_UNAVAILABLE, "many writers at once", ("Retry-After", "1"))
        case Conflict():
            return Response(error.status, errorbody.error_body(error), errorbody.MEDIA_TYPE)
        case TooLarge():
            return text(error.status, error.phrase, ("Connection", "close"))  # the rest of the body is not awaited
        case MethodNotAllowed():
            return text(error.status, error.phrase, ("Allow", ", ".join(error.allow)))
        case _:
            return text(error.status, error.phrase)


class _Disconnected(Exception):
    """The client went away in the middle of its body: there is nobody to answer."""


async def _body(head: Head, receive: Receive, limit: int) -> bytes:
    """Raises TooLarge as soon as the length is known to be over the limit."""
    with contextlib.suppress(ValueError):  # the HTTP server judges the field's form
        if int(head.single(b"content-length") or 0) > limit:
            raise TooLarge(limit)
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
            raise TooLarge(limit)
        parts.append(part)
        more = event.get("more_body", False)
    return b"".join(parts)


def _etag(etag: str) -> tuple[str, str]:
    return "ETag", f'"{etag}"'
