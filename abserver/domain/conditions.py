"""The conditions of a rule: identity, sphere and validity (RFC 4745 §7), read from XML and evaluated.

What is not understood is false: a condition of an extension (§7), and whatever part of an identity is not known here
(§7.1.1). It never widens a rule.
"""

from __future__ import annotations

import datetime
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from abserver.domain import trees
from abserver.domain.identity import InvalidAor, Watcher, domain_of, parse_aor

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

COMMON_POLICY = "urn:ietf:params:xml:ns:common-policy"


@dataclass(frozen=True, slots=True)
class Request:
    """The circumstances in which conditions are evaluated."""

    watcher: Watcher | None
    """None is not authenticated: no identity matches, rules without identity do."""
    utc: datetime.datetime
    sphere: str | None


class Condition(Protocol):
    """A child of <conditions>."""

    def holds(self, request: Request) -> bool:
        """Whether it is true for this request."""
        ...


@dataclass(frozen=True, slots=True)
class Many:
    """<many>: everybody authenticated, or everybody of one domain, except some (RFC 4745 §7.1.3)."""

    domain: str | None
    """In comparable form; a domain that has none, the empty string, equals no domain (step 3 of §7.1.3)."""
    except_ids: frozenset[str]
    except_domains: frozenset[str]

    def holds(self, watcher: Watcher) -> bool:
        """Whether the watcher is one of the many."""
        domain = _comparable(domain_of(watcher))
        if self.domain is not None and (self.domain != domain or not domain):
            return False
        return watcher not in self.except_ids and domain not in self.except_domains


@dataclass(frozen=True, slots=True)
class Identity:
    """<identity>: true if any of its children is (RFC 4745 §7.1)."""

    ones: frozenset[str]
    many: tuple[Many, ...]

    def holds(self, request: Request) -> bool:
        """Whether the authenticated watcher is one of those named."""
        watcher = request.watcher
        return watcher is not None and (watcher in self.ones or any(many.holds(watcher) for many in self.many))


@dataclass(frozen=True, slots=True)
class Sphere:
    """<sphere>: the owner is in one of these (RFC 4745 §7.3); an unknown sphere is in none."""

    values: frozenset[str]

    def holds(self, request: Request) -> bool:
        """Whether the owner's sphere is one of the tokens, without regard to case."""
        return request.sphere is not None and request.sphere.lower() in self.values


@dataclass(frozen=True, slots=True)
class Validity:
    """<validity>: now is within one of the pairs, from inclusive, until exclusive (RFC 4745 §7.4)."""

    periods: tuple[tuple[datetime.datetime, datetime.datetime], ...]

    def holds(self, request: Request) -> bool:
        """Whether the time is in one of the periods."""
        return any(start <= request.utc < end for start, end in self.periods)


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A condition of an extension that this server does not have."""

    def holds(self, request: Request) -> bool:
        """False (RFC 4745 §7)."""
        return False


# Reading


def read_condition(element: Element) -> Condition:
    """A child of <conditions>."""
    match trees.split(element.tag):
        case (namespace, "identity") if namespace == COMMON_POLICY:
            return _identity(element)
        case (namespace, "sphere") if namespace == COMMON_POLICY:
            return Sphere(frozenset(element.get("value", "").lower().split()))
        case (namespace, "validity") if namespace == COMMON_POLICY:
            return _validity(element)
        case _:
            return NotUnderstood()


def _identity(element: Element) -> Identity:
    """Children that are not understood, or hold something that is not, match nobody and are left out."""
    ones = [child for child in element.findall(f"{{{COMMON_POLICY}}}one") if not len(child)]
    many = [_many(child) for child in element.findall(f"{{{COMMON_POLICY}}}many")]
    return Identity(frozenset(_identifier(one.get("id", "")) for one in ones), tuple(each for each in many if each))


def _many(element: Element) -> Many | None:
    """None if one of its exceptions is not understood: leaving that out would let somebody in."""
    excepts = element.findall(f"{{{COMMON_POLICY}}}except")
    if len(excepts) != len(element):
        return None
    domain = element.get("domain")
    return Many(
        domain=None if domain is None else _comparable(domain),
        except_ids=frozenset(_identifier(identifier) for each in excepts if (identifier := each.get("id"))),
        except_domains=frozenset(_comparable(name) for each in excepts if (name := each.get("domain"))),
    )


def _identifier(text: str) -> str:
    """A SIP address in normal form; a URI of another scheme equals no SIP address (RFC 5025 §3.1.1.2)."""
    try:
        return parse_aor(text)
    except InvalidAor:
        return text


@functools.lru_cache(maxsize=4096)
def _comparable(domain: str) -> str:
    """The ASCII form of a domain after its percent-encoding is undone; "" where there is none (RFC 4745 §7.1.3)."""
    plain = re.sub(
        "(?:%[0-9A-Fa-f]{2})+", lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace"), domain
    )
    try:
        return plain.strip().rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def _validity(element: Element) -> Validity:
    """Pairs in their order; a half pair or a time that is none is no period."""
    times = [_instant(child.text or "") for child in element]
    pairs = zip(times[::2], times[1::2], strict=False)
    return Validity(tuple((start, end) for start, end in pairs if start is not None and end is not None))


_DATE_TIME = re.compile(
    r"(?P<year>-?\d{4,})-(?P<date>\d\d-\d\d)T(?P<time>\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_EARLIEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_LATEST = datetime.datetime.max.replace(tzinfo=datetime.UTC)


def _instant(text: str) -> datetime.datetime | None:
    """An xs:dateTime in UTC, which is also what a time without a zone means; None if it is none.

    Years that Python's calendar does not have are its beginning and its end: people write 9999 for "never".
    """
    found = _DATE_TIME.fullmatch(text.strip())
    if found is None:
        return None
    if found["year"].startswith("-") or found["year"] == "0000":
        return _EARLIEST
    if len(found["year"]) > 4:
        return _LATEST
    midnight = found["time"] == "24:00:00"  # the end of the day, as XML Schema may write it
    time = "00:00:00" if midnight else found["time"]
    zone = (found["zone"] or "Z").replace("Z", "+00:00")
    try:
        local = datetime.datetime.fromisoformat(
            f"{found['year']}-{found['date']}T{time}{(found['fraction'] or '')[:7]}{zone}"
        )
    except ValueError:
        return None
    try:
        return (local + datetime.timedelta(days=midnight)).astimezone(datetime.UTC)
    except OverflowError:
        return _LATEST if local.year > 1 else _EARLIEST
