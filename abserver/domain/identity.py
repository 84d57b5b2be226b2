"""Who somebody is: addresses of record in one normal form (RFC 3261 §10.1, §19.1).

Two spellings of one address become the same string here and nowhere else, so that every other room compares
identities with `==`. An `Owner` never passes for a `Watcher`: the types differ, the text is the same.
"""

from __future__ import annotations

import functools
import re
from typing import NewType

Aor = NewType("Aor", str)
"""A user's address in normal form: `sip:user@domain`, domain in lower case, no port, parameters or headers."""

Owner = NewType("Owner", Aor)
"""Whose contact card it is."""

Watcher = NewType("Watcher", Aor)
"""Who asks for the card or follows it; always authenticated."""

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}\.)*{_LABEL}\.?|\[[0-9A-Fa-f:.]+\]"
# `user` of RFC 3261 §25.1 without a password: an address of record has none.
_USER = r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+"
_AOR = re.compile(
    rf"sips?:(?P<user>{_USER})@(?P<host>{_HOST})(?::[0-9]{{1,5}})?(?:[;?][^\s<>\"@]*)?", re.IGNORECASE | re.ASCII
)
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-_.!~*'()]")

LONGEST = 320
"""Longer text is no address: 64 octets of user, `@` and 255 of domain, the bound that mail has (RFC 5321 §4.5.3.1)."""


REMEMBERED = 16_384
"""Addresses whose normal form is at hand: the same few turn up again and again."""


class InvalidAor(ValueError):
    """The text is no SIP address of record."""

    def __init__(self) -> None:
        super().__init__("not an address: write it as sip:user@domain")


@functools.lru_cache(REMEMBERED)
def parse_aor(text: str) -> Aor:
    """The normal form of a SIP or SIPS URI that names a user.

    RFC 3261 §19.1.4: hosts compare without case, escapes of unreserved characters equal the characters. The scheme,
    port, parameters and headers say how to reach the user, not who it is (RFC 5630 §4.1: both schemes name the
    same resource), so they go. Raises InvalidAor.
    """
    found = _AOR.fullmatch(text.strip(" \t\r\n")) if len(text) <= LONGEST else None
    if found is None:
        raise InvalidAor
    user = _ESCAPE.sub(_unescaped, found["user"])
    return Aor(f"sip:{user}@{found['host'].rstrip('.').lower()}")


def domain_of(aor: Aor) -> str:
    """The domain of an address in normal form."""
    return aor.rpartition("@")[2]


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()
