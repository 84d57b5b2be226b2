"""One spelling for a SIP URI (RFC 4826 §5), by which two of them can be compared as texts."""

from __future__ import annotations

import re

_SIP = re.compile(
    r"(?P<scheme>sips?):(?:(?P<user>[^@]*)@)?(?P<host>\[[^\]]*\]|[^:;?@\[\]]+)(?P<port>:[0-9]+)?"
    r"(?P<parameters>;[^?]*)?(?:\?.*)?",
    re.IGNORECASE,
)
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = r"A-Za-z0-9\-_.!~*'()"
_IN_USER = re.compile(rf"[{_UNRESERVED}&=+$,;?/]")
_IN_PARAMETER = re.compile(rf"[{_UNRESERVED}\[\]/:&+$]")


def canonical(uri: str) -> str:
    """The canonical form of a SIP or SIPS URI; any other text is given back as it is.

    Scheme, host and parameters in lower case, nothing escaped that need not be, parameters by name, no headers.
    """
    found = _SIP.fullmatch(uri)
    if found is None:
        return uri
    user = "" if found["user"] is None else f"{_plain(found['user'], _IN_USER)}@"
    parameters = sorted(
        (_plain(each, _IN_PARAMETER).lower() for each in (found["parameters"] or "").split(";") if each),
        key=lambda each: each.partition("=")[0],
    )
    port = found["port"] or ""
    return f"{found['scheme'].lower()}:{user}{found['host'].lower()}{port}{''.join(f';{each}' for each in parameters)}"


def _plain(text: str, allowed: re.Pattern[str]) -> str:
    """Without the escapes of characters that are allowed; those that stay have capital digits (RFC 3986 §6.2.2.1)."""

    def replaced(escape: re.Match[str]) -> str:
        character = chr(int(escape[1], 16))
        return character if allowed.fullmatch(character) else escape[0].upper()

    return _ESCAPE.sub(replaced, text)
