"""SIP messages as values: a start line, header fields, a body (RFC 3261 §7).

Header fields keep their text; typed access parses it when asked, so a field that nobody reads costs nothing.
Content-Length is the codec's business and is in no `Headers`: the length of `body` is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import is_token, split_list
from abserver.sip.headers import CSeq, Event, MediaType, NameAddr, Via, parse_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
"""The compact forms that IANA lists (§7.3.3, RFC 6665 §8.2)."""

_SPELLED = (
    "Accept Accept-Encoding Accept-Language Alert-Info Allow Authentication-Info Authorization Call-Info Content- "
    "Disposition Content-Language CSeq Date Error-Info Expires Flow-Timer In-Reply-To Max-Forwards MIME-Version "
    "Min-Expires Organization P-Asserted-Identity P-Preferred-Identity Path Priority Privacy Proxy-Authenticate "
    "Proxy-Authorization Proxy-Require RAck Reason Record-Route Replaces Reply-To Require Retry-After Route RSeq "
    "Server Service-Route SIP-ETag SIP-If-Match Subscription-State Suppress-If-Match Timestamp Unsupported User- "
    "Agent Warning WWW-Authenticate"
)
FIELD_NAMES = {name: name for name in (*_COMPACT.values(), *_SPELLED.split())}
FIELD_NAMES |= {name.lower(): name for name in FIELD_NAMES}
FIELD_NAMES |= _COMPACT | {letter.upper(): name for letter, name in _COMPACT.items()}
"""The canonical spelling of each field name that is known, by the spellings in which it mostly comes."""


def canonical_name(name: str) -> str:
    """The one spelling of a header field's name: compact forms in full, unknown names Capitalised-Like-This."""
    return FIELD_NAMES.get(name) or FIELD_NAMES.get(name.lower()) or name.title()


class Headers:
    """Header fields: for each name its rows in order (§7.3.1: the order among different names says nothing).

    Names are any spelling of the name, compact or not; a row's value is text without its line break.
    """

    __slots__ = ("_rows",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._rows: dict[str, list[str]] = {}
        for name, value in fields:
            self.add(name, value)

    @classmethod
    def of_rows(cls, rows: dict[str, list[str]]) -> Headers:
        """Take over rows that are filed under canonical names already."""
        headers = cls.__new__(cls)
        headers._rows = rows
        return headers

    def rows(self) -> dict[str, list[str]]:
        """The fields by canonical name: for reading."""
        return self._rows

    def get(self, name: str) -> str | None:
        """The first row of that name."""
        rows = self._rows.get(name) or self._rows.get(canonical_name(name))
        return rows[0] if rows else None

    def get_all(self, name: str) -> list[str]:
        """Every row of that name, each as it came: a row may hold a comma-separated list."""
        return list(self._rows.get(canonical_name(name), ()))

    def elements(self, name: str) -> list[str]:
        """The elements of a list field over all its rows (§7.3.1); raises SipSyntaxError."""
        return [element for row in self._rows.get(canonical_name(name), ()) if row for element in split_list(row)]

    def add(self, name: str, value: str) -> None:
        """Append a row."""
        known = canonical_name(name)
        if known in self._rows:
            self._rows[known].append(value)
        else:
            self._rows[known] = [value]

    def set(self, name: str, value: str) -> None:
        """Put one row in place of all of that name."""
        self._rows[canonical_name(name)] = [value]

    def set_all(self, name: str, values: Iterable[str]) -> None:
        """Put these rows in place of all of that name."""
        self._rows[canonical_name(name)] = list(values)

    def remove(self, name: str) -> None:
        """Drop every row of that name, if there is one."""
        self._rows.pop(canonical_name(name), None)

    def copy(self) -> Headers:
        return Headers.of_rows({name: list(rows) for name, rows in self._rows.items()})

    def __contains__(self, name: str) -> bool:
        return canonical_name(name) in self._rows

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, value) for name, rows in self._rows.items() for value in rows)

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._rows == other._rows

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


class _Typed:
    """Typed reading of the fields that every message has or may have. Each raises SipSyntaxError for a malformed
    field, and for a missing one where the type has no None."""

    __slots__ = ()

    headers: Headers

    def _required(self, name: str) -> str:
        value = self.headers.get(name)
        if value is None:
            raise SipSyntaxError(f"Missing {name}")
        return value

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return Via.parse(split_list(self._required("Via"))[0])

    @property
    def from_(self) -> NameAddr:
        return NameAddr.parse(self._required("From"))

    @property
    def to(self) -> NameAddr:
        return NameAddr.parse(self._required("To"))

    @property
    def call_id(self) -> str:
        return self._required("Call-ID")

    @property
    def cseq(self) -> CSeq:
        return CSeq.parse(self._required("CSeq"))

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact; None for none, and for the `*` of a REGISTER."""
        elements = self.headers.elements("Contact")
        return NameAddr.parse(elements[0]) if elements and elements[0] != "*" else None

    @property
    def event(self) -> Event | None:
        value = self.headers.get("Event")
        return None if value is None else Event.parse(value)

    @property
    def expires(self) -> int | None:
        """Seconds (§20.19)."""
        value = self.headers.get("Expires")
        return None if value is None else parse_seconds(value)

    @property
    def retry_after(self) -> int | None:
        """Seconds; a comment or parameters may follow the number (§20.33)."""
        value = self.headers.get("Retry-After")
        return None if value is None else parse_seconds(value.partition(";")[0].partition("(")[0].strip())

    @property
    def content_type(self) -> MediaType | None:
        value = self.headers.get("Content-Type")
        return None if value is None else MediaType.parse(value)

    @property
    def accept(self) -> list[MediaType] | None:
        """The elements of Accept over all its rows; None if there is no such field (§20.1)."""
        if "Accept" not in self.headers:
            return None
        return [MediaType.parse(element) for element in self.headers.elements("Accept")]

    def option_tags(self, name: str) -> list[str]:
        """The option tags of Supported, Require, Unsupported or Proxy-Require, in lower case (§19.2)."""
        tags = [element.lower() for element in self.headers.elements(name)]
        if not all(map(is_token, tags)):
            raise SipSyntaxError(f"Malformed {name}")
        return tags


@dataclass(slots=True)
class Request(_Typed):
    """A request (§7.1). A value: not frozen only because freezing costs more than making one."""

    method: str
    uri: str
    """The Request-URI as text."""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


@dataclass(slots=True)
class Response(_Typed):
    """A response (§7.2). A value, like Request."""

    status: int
    """100 to 699."""
    reason: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


Message = Request | Response
