"""A client for XCAP servers, sync and async: documents and nodes, conditional requests, digest authentication.

    with XcapClient("http://xcap.example.com/xcap-root", "alice@example.com", "open sesame") as client:
        card = DocumentKey("org.example.card", "sip:alice@example.com", "index")
        version = client.put(card, b"<card/>", media_type="application/card+xml")
        client.put(ResourceUri(card, "card/tel[1]"), b"<tel>1</tel>", if_match=version.etag)

Both classes differ in waiting only; what they say and understand is in `_Speaker`. Failures of the connection are
httpx's own exceptions (`httpx.HTTPError`).
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
from lxml import etree

from xcap.core import errorbody
from xcap.core.digest import Algorithm, Challenge, authorization_from_ha1, ha1
from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge
from xcap.core.selector import parse_node_selector
from xcap.core.uri import DocumentKey, ResourceUri
from xcap.core.xml import parse_document

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import TracebackType
    from typing import Self

Secret = str | Mapping[tuple[Algorithm, str], str]
"""A password, or what a server keeps of it: (algorithm, username) -> H(A1)."""

TIMEOUT = 30.0
"""Seconds for each wait: to connect, to send, for the answer."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document or node, and the etag of the document."""

    content: bytes
    etag: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Written:
    """The document's etag after a PUT, and whether the document or node is new."""

    etag: str
    created: bool


class Refused(Exception):
    """The server said no. `condition` is the xcap-error element of a 409 (RFC 4825 §11), such as `no-parent`."""

    def __init__(self, status: int, condition: str | None, phrase: str) -> None:
        super().__init__(" ".join(part for part in (str(status), condition, phrase) if part))
        self.status = status
        self.condition = condition
        self.phrase = phrase


class DigestAuth(httpx.Auth):
    """Digest for httpx (RFC 7616): keeps its nonce over many requests, and works from H(A1) too.

    The server's order of challenges is followed as far as the secret allows. For one server at a time.
    """

    requires_request_body = True

    def __init__(self, username: str, secret: Secret) -> None:
        self._username = username
        self._secret = secret
        self._cnonce = secrets.token_hex(16)
        self._session: tuple[Challenge, Iterator[int]] | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        answered = self._session[0] if self._session else None
        self._sign(request)
        response = yield request
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return
        challenge = self._answerable(response)
        wrong_password = answered is not None and not _worth_another_try(answered, challenge)
        if challenge is None or wrong_password:
            return
        self._session = (challenge, itertools.count(1))
        self._sign(request)
        yield request

    def _sign(self, request: httpx.Request) -> None:
        if self._session is None:
            return
        challenge, counts = self._session
        request.headers["Authorization"] = authorization_from_ha1(
            challenge,
            self._username,
            self._ha1(challenge) or "",
            request.method,
            request.url.raw_path.decode("ascii"),
            request.content,
            next(counts),
            self._cnonce,
        )

    def _answerable(self, response: httpx.Response) -> Challenge | None:
        headers = response.headers.get_list("www-authenticate")
        challenges = (challenge for header in headers for challenge in Challenge.parse_all(header))
        return next((challenge for challenge in challenges if self._ha1(challenge) is not None), None)

    def _ha1(self, challenge: Challenge) -> str | None:
        if isinstance(self._secret, str):
            return ha1(challenge.algorithm, self._username, challenge.realm, self._secret)
        return self._secret.get((challenge.algorithm, self._username))


def _worth_another_try(answered: Challenge, challenge: Challenge | None) -> bool:
    """Whether another try makes sense after `answered` was refused: a stale nonce, or another realm."""
    return challenge is not None and (challenge.stale or challenge.realm != answered.realm)


class _Speaker:
    """Requests and what responses mean, without waiting."""

    def __init__(self, root: str) -> None:
        split = urlsplit(root)
        self._origin = f"{split.scheme}://{split.netloc}"
        self._path = split.path

    def request(
        self, method: str, resource: DocumentKey | ResourceUri, content: bytes | None = None, **fields: str | None
    ) -> httpx.Request:
        """A request with the header fields that are not None; `_` in a name stands for `-`."""
        uri = resource if isinstance(resource, ResourceUri) else ResourceUri(resource)
        headers = {name.replace("_", "-"): value for name, value in fields.items() if value is not None}
        return httpx.Request(method, self._origin + uri.to_path(self._path), headers=headers, content=content)

    def get(self, resource: DocumentKey | ResourceUri, if_none_match: str | None) -> httpx.Request:
        return self.request("GET", resource, if_none_match=_quoted(if_none_match))

    def put(
        self,
        resource: DocumentKey | ResourceUri,
        content: bytes,
        media_type: str | None,
        if_match: str | None,
        only_new: bool,
    ) -> httpx.Request:
        return self.request(
            "PUT",
            resource,
            content,
            content_type=media_type or _media_type(resource),
            if_match=_quoted(if_match),
            if_none_match="*" if only_new else None,
        )

    def delete(self, resource: DocumentKey | ResourceUri, if_match: str | None) -> httpx.Request:
        return self.request("DELETE", resource, if_match=_quoted(if_match))

    @staticmethod
    def fetched(response: httpx.Response) -> Fetched | None:
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            return None
        _check(response)
        return Fetched(response.content, _etag(response) or "", response.headers.get("content-type", ""))

    @staticmethod
    def written(response: httpx.Response) -> Written:
        _check(response)
        return Written(_etag(response) or "", response.status_code == HTTPStatus.CREATED)

    @staticmethod
    def deleted(response: httpx.Response) -> str | None:
        _check(response)
        return _etag(response)


class XcapClient:
    """Blocking client of one server, for one user.

    root: the XCAP root URI.
    username: as the user's account is named: `alice`, `alice@example.com` or `sip:alice@example.com`.
    """

    def __init__(
        self, root: str, username: str, secret: Secret, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._speaker = _Speaker(root)
        self._http = httpx.Client(auth=DigestAuth(username, secret), timeout=TIMEOUT, transport=transport)

    def get(self, resource: DocumentKey | ResourceUri, *, if_none_match: str | None = None) -> Fetched | None:
        """The document or node; None if the document's etag is still `if_none_match`. Raises Refused."""
        return self._speaker.fetched(self._http.send(self._speaker.get(resource, if_none_match)))

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
        Raises Refused: 412 when a condition does not hold.
        """
        request = self._speaker.put(resource, content, media_type, if_match, only_new)
        return self._speaker.written(self._http.send(request))

    def delete(self, resource: DocumentKey | ResourceUri, *, if_match: str | None = None) -> str | None:
        """Remove; gives the document's new etag, None when the document itself is gone. Raises Refused."""
        return self._speaker.deleted(self._http.send(self._speaker.delete(resource, if_match)))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncXcapClient:
    """As XcapClient, for asyncio."""

    def __init__(
        self, root: str, username: str, secret: Secret, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._speaker = _Speaker(root)
        self._http = httpx.AsyncClient(auth=DigestAuth(username, secret), timeout=TIMEOUT, transport=transport)

    async def get(self, resource: DocumentKey | ResourceUri, *, if_none_match: str | None = None) -> Fetched | None:
        """As XcapClient.get."""
        return self._speaker.fetched(await self._http.send(self._speaker.get(resource, if_none_match)))

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
        return self._speaker.written(await self._http.send(request))

    async def delete(self, resource: DocumentKey | ResourceUri, *, if_match: str | None = None) -> str | None:
        """As XcapClient.delete."""
        return self._speaker.deleted(await self._http.send(self._speaker.delete(resource, if_match)))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _media_type(resource: DocumentKey | ResourceUri) -> str:
    """The media type of a node. Raises ValueError for a document, whose type only its usage knows."""
    if isinstance(resource, DocumentKey) or resource.node is None:
        raise ValueError("a document needs its usage's media type")
    return parse_node_selector(resource.node, resource.bindings, None).kind.value


def _quoted(etag: str | None) -> str | None:
    return None if etag is None else f'"{etag}"'


def _etag(response: httpx.Response) -> str | None:
    etag: str | None = response.headers.get("etag")
    return None if etag is None else etag.removeprefix("W/").strip('"')


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    if response.headers.get("content-type", "").partition(";")[0].strip() == errorbody.MEDIA_TYPE:
        condition, phrase = _conflict(response.content)
        raise Refused(response.status_code, condition, phrase)
    raise Refused(response.status_code, None, response.text.strip() or response.reason_phrase)


def _conflict(body: bytes) -> tuple[str | None, str]:
    """The condition and phrase of an xcap-error document."""
    try:
        conditions = list(parse_document(body))
    except (NotWellFormed, NotUtf8, TooLarge):
        return None, ""
    if not conditions:
        return None, ""
    return etree.QName(conditions[0]).localname, conditions[0].get("phrase", "")
