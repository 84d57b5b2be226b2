"""Identifiers that must be unique, and hard to guess: branches, tags, Call-IDs (RFC 3261 §8.1.1.4, §8.1.1.7, §19.3)."""

from __future__ import annotations

import secrets

from abserver.sip.headers import MAGIC_COOKIE


def new_branch() -> str:
    """A branch parameter for a Via of ours."""
    return MAGIC_COOKIE + secrets.token_hex(8)


def new_tag() -> str:
    """A tag for a From or To of ours: 32 bits of randomness at the least, here 64."""
    return secrets.token_hex(8)


def new_call_id() -> str:
    """A Call-ID for a dialog that we begin."""
    return secrets.token_hex(16)
