"""Digest authentication for httpx (RFC 7616)."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

from xcap.core.digest import Algorithm, Challenge, authorization_from_ha1, ha1

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

Secret = str | Mapping[tuple[Algorithm, str], str]
"""A password, or what a server keeps of it: (algorithm, username) -> H(A1)."""


class DigestAuth(httpx.Auth):
    """Keeps its nonce over many requests, and works from H(A1) too.

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
