"""Identities in header fields: what a trusted proxy vouches for, and whom a client wants to act as.

The fields are those of 3GPP (TS 24.109, `X-3GPP-…`) and OMA XDM (`X-XCAP-Asserted-Identity`). A value is a list of
identities, each bare, in quotes, or in angle brackets after a display name.

Law: this file only reads. Whether a field may be believed is the authenticator's decision, by the peer's address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xcap.core.errors import BadRequest, Forbidden
from xcap.core.uri import normal_xui

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xcap.http.message import Head

INTENDED = b"x-3gpp-intended-identity"
ASSERTED = (b"x-3gpp-asserted-identity", b"x-xcap-asserted-identity")

_ELEMENT = re.compile(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^",<])+')
_BRACKETED = re.compile(r"<([^<>]*)>\s*\Z")


def asserted(head: Head) -> tuple[str, ...]:
    """The identities that the peer vouches for, as XUIs in its order; none without the fields.

    Where both fields stand, what both say. Raises Forbidden when that is nobody.
    """
    said = [names for names in (tuple(_identities(head, field)) for field in ASSERTED) if names]
    if len(said) < 2:
        return said[0] if said else ()
    first, second = said
    agreed = tuple(name for name in first if name in second)
    if not agreed:
        raise Forbidden("the asserted identities contradict each other")
    return agreed


def intended(head: Head) -> str | None:
    """Whom the client wants to act as, if it says. Raises BadRequest for more than one."""
    names = list(_identities(head, INTENDED))
    if len(names) > 1:
        raise BadRequest("several intended identities")
    return names[0] if names else None


def _identities(head: Head, field: bytes) -> Iterator[str]:
    for value in head.values(field):
        for element in _ELEMENT.findall(value):
            bracketed = _BRACKETED.search(element)
            name = (bracketed[1] if bracketed else element.strip().strip('"')).strip()
            if name:
                yield normal_xui(name)
