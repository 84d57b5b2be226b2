"""The client's side of digest authentication in SIP (RFC 3261 §22.2, §22.3, RFC 8760): learn, then sign.

A challenge once learnt signs the later requests as well, so that a refresh costs one exchange and not two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xcap.core.digest import Challenge, authorization

if TYPE_CHECKING:
    from collections.abc import Callable

    from abserver.sip.message import Request, Response

_MOST_TRIES = 3
_FIELDS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


@dataclass(slots=True)
class _Answer:
    challenge: Challenge
    used: int = 0


class DigestAnswers:
    """One user's answers to the challenges of one server and of the proxies before it."""

    def __init__(self, username: str, password: str, new_token: Callable[[], str]) -> None:
        self._username = username
        self._password = password
        self._new_token = new_token
        self._answers: dict[str, _Answer] = {}
        self._tries: dict[str, int] = {}

    def learn(self, response: Response) -> bool:
        """Take the challenge of a 401 or 407; False when trying again is of no use: nothing to answer, or refused.

        The first challenge after a success may be for a nonce that the server forgot, and is answered. A further one
        is only if it says `stale`: otherwise the password is wrong, and repeating it looks like an attack.
        """
        challenged_by, answered_in = _FIELDS[response.status]
        challenges = [
            challenge for row in response.headers.get_all(challenged_by) for challenge in Challenge.parse_all(row)
        ]
        if not challenges:
            return False
        challenge = challenges[0]  # "the first one that it supports" (RFC 8760 §2.4)
        tries = self._tries.get(answered_in, 0)
        if tries and (not challenge.stale or tries == _MOST_TRIES):
            return False
        self._tries[answered_in] = tries + 1
        self._answers[answered_in] = _Answer(challenge)
        return True

    def accepted(self) -> None:
        """A request went through."""
        self._tries.clear()

    def sign(self, request: Request) -> None:
        """Add credentials for what was challenged so far."""
        for field, answer in self._answers.items():
            answer.used += 1
            value = authorization(
                answer.challenge,
                self._username,
                self._password,
                request.method,
                request.uri,
                request.body,
                nc=answer.used,
                cnonce=self._new_token(),
            )
            request.headers.set(field, value)
