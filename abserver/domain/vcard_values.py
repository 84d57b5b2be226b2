"""Values of vCard properties, brought into the form that vCard 4.0 wants (RFC 6350 §4, Appendix A)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TypedValue = tuple[str, str]
"""Value type and text."""

_ZONE = r"(?:Z|[+-]\d\d(?::?\d\d)?)?"
_DATE = re.compile(r"\d{4}-?\d\d-?\d\d|\d{4}-\d\d|\d{4}|--\d\d-?\d\d|--\d\d|---\d\d", re.ASCII)
_TIME = re.compile(rf"(?:\d\d(?::?\d\d(?::?\d\d)?)?|-\d\d(?::?\d\d)?|--\d\d){_ZONE}", re.ASCII)
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-?\d\d-?\d\d|--\d\d-?\d\d|---\d\d)[Tt]"
    rf"(?P<time>\d\d(?::?\d\d(?::?\d\d)?)?)(?:\.\d+)?(?P<zone>{_ZONE})",
    re.ASCII,
)


def date_or_time(text: str, omitted_years: tuple[str, ...] = ()) -> TypedValue:
    """A point in time in the basic format, as vCard 4.0 wants it (RFC 6350 §4.3), or whatever else as text.

    omitted_years: years that stand for "none", as Apple's X-APPLE-OMIT-YEAR says.
    """
    text = text.strip()
    if text[:4] in omitted_years:
        text = "--" + text[4:].lstrip("-")
    if text.startswith("T") and _TIME.fullmatch(text[1:]):
        return "time", _basic_time(text[1:])
    if found := _DATE_TIME.fullmatch(text):
        return "date-time", f"{_basic_date(found['date'])}T{_basic_time(found['time'] + found['zone'])}"
    if _DATE.fullmatch(text):
        return "date", _basic_date(text)
    return "text", text


def _basic_date(text: str) -> str:
    """Hyphens stand for what is left out; `YYYY-MM` needs its own (§4.3.1)."""
    if re.fullmatch(r"\d{4}-\d\d", text):
        return text
    hyphens = len(text) - len(text.lstrip("-"))
    return "-" * hyphens + text[hyphens:].replace("-", "")


def _basic_time(text: str) -> str:
    return text.replace(":", "")


def _timestamp(kind: str, text: str) -> TypedValue:
    """REV: a whole date and time; a date alone is its beginning."""
    text = text.strip()
    if found := _DATE_TIME.fullmatch(text):
        time = _basic_time(found["time"]).ljust(6, "0")
        return kind, f"{_basic_date(found['date'])}T{time}{_basic_time(found['zone'])}"
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", text, re.ASCII):
        return kind, f"{_basic_date(text)}T000000Z"
    return "text", text


def _geo(kind: str, text: str) -> TypedValue:
    """`latitude;longitude` of vCard 3.0 as a geo URI (RFC 5870)."""
    found = re.fullmatch(r"\s*([+-]?[\d.]+)\s*[;,]\s*([+-]?[\d.]+)\s*", text, re.ASCII)
    return (kind, f"geo:{found[1]},{found[2]}") if found else (kind, text)


def _uri_or_text(kind: str, text: str) -> TypedValue:
    """Identifiers and relations of vCard 3.0 need not be URIs."""
    return (kind, text) if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text) else ("text", text)


def _zone(kind: str, text: str) -> TypedValue:
    """TZ of vCard 3.0 is an offset, with a colon."""
    return ("utc-offset", _basic_time(text)) if re.fullmatch(r"[+-]\d\d(?::?\d\d)?", text, re.ASCII) else (kind, text)


REPAIRS: dict[str, Callable[[str, str], TypedValue]] = {
    "rev": _timestamp,
    "created": _timestamp,
    "geo": _geo,
    "uid": _uri_or_text,
    "related": _uri_or_text,
    "key": _uri_or_text,
    "tz": _zone,
}
"""What vCard 3.0, or a program that does not follow 4.0, writes in another way, where VALUE says nothing."""
