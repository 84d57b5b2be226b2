"""Identifiers that must be unique, and hard to guess: branches, tags, Call-IDs (RFC 3261 §8.1.1.4, §8.1.1.7, §19.3)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from abserver.sip.headers import MAGIC_COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator

_OCTETS = 8
_STOCK = 512
"""Tokens drawn at a time: every request of ours takes one, and each draw is a system call."""


def _drawn() -> Iterator[str]:
    while True:
        stock = secrets.token_hex(_STOCK * _OCTETS)
        for start in range(0, len(stock), 2 * _OCTETS):
            yield stock[start : start + 2 * _OCTETS]


_tokens = _drawn()


def new_branch() -> str:
    """A branch parameter for a Via of ours."""
    return MAGIC_COOKIE + next(_tokens)


def new_tag() -> str:
    """A tag for a From or To of ours: 32 bits of randomness at the least, here 64."""
    return next(_tokens)


def new_call_id() -> str:
    """A Call-ID for a dialog that we begin."""
    return secrets.token_hex(16)
