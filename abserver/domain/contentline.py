r"""The lines of text/vcard (RFC 6350 §3.2, §3.3, RFC 2426 §2): unfolding, parameters, escapes; and back.

Reading takes time in proportion to the text, whatever the text is. The vobject package, which would be the ready-made
choice, takes exponential time for a line of many parameters and counts lines twice where they end in CRLF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class VcardError(ValueError):
    """A vCard cannot be taken; the message says where, why and what to do, and never quotes a value."""

    def __init__(self, reason: str, *, line: int | None = None, name: str | None = None) -> None:
        place = "" if line is None else f"line {line}"
        if name is not None:
            place += f" ({name})"
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.line = line
        """1 is the first; a folded line counts where it starts."""
        self.name = name
        """The property, in upper case."""


@dataclass(frozen=True, slots=True)
class ContentLine:
    """One property as it is written."""

    name: str
    """Upper case."""
    value: str
    """Raw: escapes and separators as written."""
    group: str | None = None
    parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(upper-case name, values) in their order; a bare word of vCard 2.1 style is a value of TYPE."""
    line: int = 0

    def values(self, parameter: str) -> tuple[str, ...]:
        """All values of a parameter, however many times it occurs."""
        return tuple(value for name, values in self.parameters if name == parameter for value in values)

    def error(self, reason: str) -> VcardError:
        """A fault of this line, to be raised."""
        return VcardError(reason, line=self.line, name=self.name)


# Reading

_LINE_END = re.compile(rb"\r\n|\n|\r")
_NAME = re.compile(r"(?:(?P<group>[A-Za-z0-9_-]+)\.)?(?P<name>[A-Za-z0-9_-]+)")
_VALUE = r'(?:"[^"]*+"|[^";:,]*+)'
_PARAMETER = re.compile(rf";(?P<name>[A-Za-z0-9_-]+)(?:=(?P<values>{_VALUE}(?:,{_VALUE})*+))?")
_ONE_VALUE = re.compile(r'"(?P<quoted>[^"]*)"|(?P<plain>[^",]+)')
_LISTS = frozenset({"TYPE", "PID", "SORT-AS"})
"""Parameters whose quoted value is a list too: `TYPE="voice,home"` (RFC 6350 §6.4.1), `SORT-AS="A,B"` (§5.9)."""
_CARET = re.compile(r"\^([n^'])")
_CARETS = {"n": "\n", "^": "^", "'": '"'}


def unfold(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, logical line) for all that are not blank.

    Octets are joined before they are decoded: some programs fold within a character.
    """
    start, parts = 0, [b""]
    for number, line in enumerate(_LINE_END.split(content), 1):
        if line[:1] in (b" ", b"\t"):
            parts.append(line[1:])
            continue
        if joined := b"".join(parts):
            yield start, joined
        start, parts = number, [line]
    if joined := b"".join(parts):
        yield start, joined


def parse_line(number: int, line: bytes) -> ContentLine:
    """One logical line taken apart. Raises VcardError."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise VcardError("the text is not UTF-8: export it again with this encoding", line=number) from None
    found = _NAME.match(text)
    if found is None:
        raise VcardError("this is no property: write NAME:value, or begin a continued line with a space", line=number)
    name = found["name"].replace("_", "-").upper()  # Lotus Notes writes underscores
    place = found.end()
    parameters: list[tuple[str, tuple[str, ...]]] = []
    while parameter := _PARAMETER.match(text, place):
        parameters.append(_parameter(parameter))
        place = parameter.end()
    if text[place : place + 1] != ":":
        raise VcardError("a colon must follow the name and its parameters", line=number, name=name)
    return ContentLine(name, text[place + 1 :], found["group"], tuple(parameters), number)


def _parameter(found: re.Match[str]) -> tuple[str, tuple[str, ...]]:
    name = found["name"].replace("_", "-").upper()
    if found["values"] is None:
        return "TYPE", (name,)
    values: list[str] = []
    for each in _ONE_VALUE.finditer(found["values"]):
        value = each["plain"] or each["quoted"] or ""
        values.extend(value.split(",") if name in _LISTS else [value])
    return name, tuple(unescaped(_CARET.sub(lambda caret: _CARETS[caret[1]], value)) for value in values)


_ESCAPE = re.compile(r"\\([\\,;:nN])")


def unescaped(text: str) -> str:
    r"""RFC 6350 §3.4 undone; `\:` is a habit of vCard 3.0 programs. A backslash before anything else is itself."""
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] in "nN" else escape[1], text)


def split_raw(value: str, separator: str) -> list[str]:
    """The raw parts between separators that are not escaped; at least one."""
    parts: list[list[str]] = [[]]
    for token in re.findall(rf"\\.|{separator}|[^\\{separator}]+|\\", value, re.DOTALL):
        if token == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return ["".join(tokens) for tokens in parts]


# Writing

FOLD = 75
"""Octets in a line at most, without its end (RFC 6350 §3.2)."""

_SAFE = re.compile(r"[^\x00-\x1f\x7f\";:,]*")


def write_line(line: ContentLine) -> bytes:
    """The folded line with its CRLF."""
    group = f"{line.group}." if line.group else ""
    parameters = "".join(f";{name}={_parameter_text(values)}" for name, values in line.parameters)
    return _folded(f"{group}{line.name}{parameters}:{line.value}".encode())


def _parameter_text(values: Sequence[str]) -> str:
    return ",".join(_quoted(value) for value in values)


def _quoted(value: str) -> str:
    r"""RFC 6868 for what no quotes can hold; RFC 6351 §6 wants backslashes escaped."""
    encoded = value.replace("\\", "\\\\").replace("^", "^^").replace("\n", "^n").replace('"', "^'").replace("\r", "")
    return encoded if encoded and _SAFE.fullmatch(encoded) else f'"{encoded}"'


def _folded(line: bytes) -> bytes:
    """Cut before the 76th octet, and never within a character."""
    pieces: list[bytes] = []
    room = FOLD
    while len(line) > room:
        cut = room
        while line[cut] & 0xC0 == 0x80:
            cut -= 1
        pieces.append(line[:cut])
        line = line[cut:]
        room = FOLD - 1  # the space counts
    return b"\r\n ".join([*pieces, line]) + b"\r\n"


def escaped(text: str, *, compound: bool = False) -> str:
    """RFC 6350 §3.4 done, with semicolons where they separate fields."""
    text = text.replace("\\", "\\\\").replace(",", "\\,").replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")
    return text.replace(";", "\\;") if compound else text
