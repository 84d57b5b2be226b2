"""What a server's answers mean, as values and as one exception."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from lxml import etree

from xcap.core import errorbody
from xcap.core.errors import NotUnique, NotUtf8, NotWellFormed, TooLarge
from xcap.core.xml import parse_document

if TYPE_CHECKING:
    import httpx

_NS = f"{{{errorbody.NAMESPACE}}}"


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
    """The server said no.

    status: of the answer.
    condition: the element of the xcap-error report of a 409 (RFC 4825 §11), such as `no-parent`; else None.
    phrase: for people; may be empty.
    ancestor: with `no-parent`, the closest parent that exists, relative to the document.
    fields: with `uniqueness-failure`, what is not unique and what would be.
    retry_after: seconds until another try makes sense, with 429 and 503, where the server says so.
    """

    def __init__(
        self,
        status: int,
        condition: str | None,
        phrase: str,
        *,
        ancestor: str | None = None,
        fields: tuple[NotUnique, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(" ".join(part for part in (str(status), condition, phrase) if part))
        self.status = status
        self.condition = condition
        self.phrase = phrase
        self.ancestor = ancestor
        self.fields = fields
        self.retry_after = retry_after


def fetched(response: httpx.Response) -> Fetched | None:
    """Of a GET; None if the version that was named is still the latest. Raises Refused."""
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        return None
    check(response)
    return Fetched(response.content, etag_of(response) or "", response.headers.get("content-type", ""))


def written(response: httpx.Response) -> Written:
    """Of a PUT. Raises Refused."""
    check(response)
    return Written(etag_of(response) or "", response.status_code == HTTPStatus.CREATED)


def etag_of(response: httpx.Response) -> str | None:
    """The document's etag, without its quotes."""
    etag: str | None = response.headers.get("etag")
    return None if etag is None else etag.removeprefix("W/").strip('"')


def check(response: httpx.Response) -> None:
    """Raises Refused for what is no success."""
    if response.is_success:
        return
    if response.headers.get("content-type", "").partition(";")[0].strip() == errorbody.MEDIA_TYPE:
        raise _conflict(response.status_code, response.content)
    retry_after: str = response.headers.get("retry-after", "")
    raise Refused(
        response.status_code,
        None,
        response.text.strip() or response.reason_phrase,
        retry_after=int(retry_after) if retry_after.isdecimal() else None,
    )


def _conflict(status: int, body: bytes) -> Refused:
    """What an xcap-error document says (§11.1)."""
    try:
        condition = next(iter(parse_document(body)), None)
    except (NotWellFormed, NotUtf8, TooLarge):
        condition = None
    if condition is None:
        return Refused(status, None, "")
    return Refused(
        status,
        etree.QName(condition).localname,
        condition.get("phrase", ""),
        ancestor=condition.findtext(f"{_NS}ancestor"),
        fields=tuple(
            NotUnique(exists.get("field", ""), tuple(each.text or "" for each in exists.iter(f"{_NS}alt-value")))
            for exists in condition.iter(f"{_NS}exists")
        ),
    )
