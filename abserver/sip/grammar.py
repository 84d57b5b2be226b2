"""Pieces of RFC 3261 §25 that many header fields share: tokens, quoted strings, lists, parameters, hosts.

Law: every function takes time linear in its text. No pattern here can fail after a long match and start again one
character further on, so a hostile line costs no more than a plain one of its length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from abserver.sip.errors import SipSyntaxError

Params = Mapping[str, str | None]
"""Parameters by lower-case name; the value as on the wire (a quoted string keeps its quotes), None for a bare name."""

TCHARS = r"[A-Za-z0-9\-.!%*_+`'~]+"  # a token
HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+"  # names with "_" break the grammar, and are in use
URI = r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20\x7f<>\"]+"  # the shape of an absolute one
QUOTED = r'"(?:[^"\\]|\\.)*"'

_TOKEN = re.compile(TCHARS)
_URI = re.compile(URI)
_PARAM = re.compile(
    rf"[ \t]*;[ \t]*({TCHARS})(?:[ \t]*=[ \t]*([^\x00-\x20\x7f;,=\"<>?]+|{QUOTED}))?[ \t]*",
    re.DOTALL,
)
_COMMA_OR_SHELTER = re.compile(r'"(?:[^"\\]|\\.)*\\?("?)|<[^>]*(>?)|,', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LONGEST_NUMBER = 10  # digits of 2**32 - 1, the largest in any header field
_MUST_ESCAPE = re.compile(r'(["\\])')


def is_token(text: str) -> bool:
    """Whether `text` is a token of §25.1."""
    return _TOKEN.fullmatch(text) is not None


def is_uri(text: str) -> bool:
    """Whether `text` has the shape of an absolute URI: a scheme, and nothing that ends a URI in a header field."""
    return _URI.fullmatch(text) is not None


def split_list(text: str) -> list[str]:
    """Split a field value at its commas, not at those within quoted strings or angle brackets (§7.3.1).

    Raises SipSyntaxError for an element that is empty, a quote or a bracket that never ends.
    """
    elements: list[str] = []
    start = 0
    for piece in _COMMA_OR_SHELTER.finditer(text) if "," in text else ():
        if piece[0] == ",":
            elements.append(text[start : piece.start()].strip(" \t"))
            start = piece.end()
        elif not (piece[1] or piece[2]):
            raise SipSyntaxError("Unterminated Quoted String or Angle Bracket")
    elements.append(text[start:].strip(" \t"))
    if "" in elements:
        raise SipSyntaxError("Empty List Element")
    return elements


def parse_params(text: str, position: int = 0) -> dict[str, str | None]:
    """Parse `;name=value;flag` from `position` to the end of `text` (generic-param, §25.1).

    Raises SipSyntaxError, also for a name that occurs twice (§7.3.1).
    """
    params: dict[str, str | None] = {}
    while position < len(text):
        match = _PARAM.match(text, position)
        if match is None:
            raise SipSyntaxError("Malformed Parameter")
        name = match[1].lower()
        if name in params:
            raise SipSyntaxError("Repeated Parameter")
        params[name] = match[2]
        position = match.end()
    return params


def format_params(params: Params) -> str:
    """The inverse of `parse_params`."""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params.items()])


def quote(text: str) -> str:
    """Make a quoted string (§25.1)."""
    return '"' + _MUST_ESCAPE.sub(r"\\\1", text) + '"'


def unquote(text: str) -> str:
    """The content of a quoted string; any other text stays as it is."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _ESCAPE.sub(r"\1", text[1:-1]) if "\\" in text else text[1:-1]
    return text


def parse_number(text: str, limit: int) -> int:
    """Parse `1*DIGIT` up to `limit`, below 10**10; raises SipSyntaxError.

    (`int` alone takes signs, blanks and foreign digits.)
    """
    if len(text) > _LONGEST_NUMBER:
        text = text.lstrip("0") or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_NUMBER or (number := int(text)) > limit:
        raise SipSyntaxError("Number Malformed or out of Range")
    return number


def bare_host(host: str) -> str:
    """A host without the brackets of an IPv6 reference, as `transport.Address` holds it."""
    return host[1:-1] if host.startswith("[") else host
