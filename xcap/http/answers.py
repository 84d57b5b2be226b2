"""The one place where errors become responses (RFC 4825 §8, §11; RFC 9110 §15)."""

from __future__ import annotations

import math
from http import HTTPStatus

from xcap.core import errorbody
from xcap.core.errors import Conflict, MethodNotAllowed, TooLarge, UnsupportedMediaType, XcapError
from xcap.http.authenticator import Throttled, Unauthorized
from xcap.http.message import Response, text
from xcap.service import Contended


class BodyTooLarge(TooLarge):
    """The body was not read to its end."""


class EncodedBody(Exception):
    """The body is compressed. What is signed, stored and given back is the document, and a small body that unpacks to
    a huge one is an old trick; so no coding is taken (RFC 9110 §8.4)."""

    def __init__(self) -> None:
        super().__init__("bodies with a Content-Encoding are not taken")


Refusal = XcapError | Unauthorized | Throttled | Contended | EncodedBody
REFUSALS = (XcapError, Unauthorized, Throttled, Contended, EncodedBody)
"""What a request may end with."""


def response_for(error: Refusal) -> Response:
    """The response that an error stands for."""
    match error:
        case Unauthorized():
            challenges = tuple(("WWW-Authenticate", str(challenge)) for challenge in error.challenges)
            return text(HTTPStatus.UNAUTHORIZED, str(error), *challenges)
        case Throttled():
            return text(HTTPStatus.TOO_MANY_REQUESTS, str(error), ("Retry-After", str(math.ceil(error.wait))))
        case Contended():
            return text(HTTPStatus.SERVICE_UNAVAILABLE, "many writers at once", ("Retry-After", "1"))
        case EncodedBody():  # RFC 7694 §3: what would be taken
            return text(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error), ("Accept-Encoding", "identity"))
        case Conflict():
            return Response(error.status, errorbody.error_body(error), errorbody.MEDIA_TYPE)
        case BodyTooLarge():
            return text(error.status, error.phrase, ("Connection", "close"))  # the rest of the body is not awaited
        case MethodNotAllowed():
            return text(error.status, error.phrase, ("Allow", ", ".join(error.allow)))
        case UnsupportedMediaType():
            return text(error.status, error.phrase, ("Accept", error.expected))
        case _:
            return text(error.status, error.phrase)
