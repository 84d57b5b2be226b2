"""Whether two URIs are equivalent (RFC 3261 §19.1.4): the rule by which a registrar knows a Contact again."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from abserver.sip.errors import SipSyntaxError
from abserver.sip.uri import SipUri

_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_RESERVED = frozenset(";/?:@&=+$,")
"""RFC 2396 §2.2: only other characters equal their escapes."""
_NEVER_IGNORED = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that have to be in both URIs or in none: a URI without a component does not match one that has it, though
it be the default."""


class _Compared(NamedTuple):
    """A URI in the forms that are compared."""

    fixed: tuple[object, ...]
    """What has to be equal."""
    params: dict[str, str]
    """What has to be equal where both have it."""


def equivalent(one: str, other: str) -> bool:
    """Whether both are the same by the rules of their scheme; URIs that are not SIP compare by their text."""
    if one == other:
        return True
    here, there = _compared(one), _compared(other)
    if here is None or there is None or here.fixed != there.fixed:
        return False
    return all(there.params.get(name, value) == value for name, value in here.params.items())


@functools.lru_cache(1024)
def _compared(text: str) -> _Compared | None:
    try:
        uri = SipUri.parse(text)
    except SipSyntaxError:
        return None
    params = {name: _unescaped(value or "").lower() for name, value in uri.params.items()}
    port = None if uri.port is None else int(uri.port)
    headers = tuple(sorted(_unescaped(each).lower() for each in uri.headers.split("&")))
    always = tuple(params.get(name) for name in _NEVER_IGNORED)
    user = None if uri.userinfo is None else _unescaped(uri.userinfo)
    return _Compared((uri.scheme, user, uri.host.lower(), port, headers, always), params)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text)


def _character(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return escape[0].upper() if character in _RESERVED or character == "%" else character
