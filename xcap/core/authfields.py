"""The grammar of authentication header fields (RFC 9110 §11): schemes with their parameters, shared by all schemes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"([^"\\]*+(?:(?:\\.|"(?![ \t\r\n]*(?:,|$)))[^"\\]*+)*+)"'
"""A quoted-string, in which a quote may stand bare unless it ends the parameter: clients that send a URI with quotes
in it (an XCAP node selector) repeat it in `uri` without escapes. Nothing in it is looked at twice."""
_PARAMETER = re.compile(rf"({_WORD})[ \t]*=[ \t]*(?:{_QUOTED}|([^\s\",;]+))[ \t\r\n,]*", re.DOTALL)
_SCHEME = re.compile(rf"({_WORD})(?:[ \t\r\n]+(?=[^\s,=])|[ \t]*(?=,|$))")
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))")
_SEPARATORS = re.compile(r"[ \t\r\n,]*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class MalformedDigest(ValueError):
    """A challenge or credentials that are not well formed (RFC 7616 §3.4: "the proper response is a 4xx")."""


def schemes(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Split a header value into its schemes (lower case) with their parameters (names lower case, values unquoted).

    A scheme comes when all of its parameters were read. Raises MalformedDigest.
    """
    scheme: str | None = None
    parameters: dict[str, str] = {}
    position = _end(_SEPARATORS, text, 0)
    while position < len(text):
        if match := _PARAMETER.match(text, position):
            name = match[1].lower()
            if scheme is None or name in parameters:
                raise MalformedDigest("a parameter without a scheme, or twice")
            parameters[name] = match[3] or _unquoted(match[2])
            position = match.end()
        elif match := _SCHEME.match(text, position):
            if scheme is not None:
                yield scheme, parameters
            scheme, parameters = match[1].lower(), {}
            position = _end(_SEPARATORS, text, _end(_TOKEN68, text, match.end()))
        else:
            raise MalformedDigest("not a list of authentication parameters")
    if scheme is not None:
        yield scheme, parameters


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def quoted(value: str) -> str:
    """As a quoted-string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where a match of `pattern` at `position` ends; `position` if there is none."""
    match = pattern.match(text, position)
    return match.end() if match else position
