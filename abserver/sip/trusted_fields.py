"""Header fields that count between peers of one trust domain (RFC 3325, RFC 5502, RFC 7315), and Privacy (RFC 3323).

Law: this file only reads and writes. Whether a field may be believed, and to whom one may be sent, is the services'
decision, by where a message comes from and where it goes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import is_token, parse_params, split_list
from abserver.sip.headers import NameAddr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abserver.sip.message import Headers


def asserted_identities(value: str) -> Sequence[str]:
    """The URIs of a P-Asserted-Identity, in their order (RFC 3325 §9.1). Raises SipSyntaxError."""
    return [NameAddr.parse(element).uri for element in split_list(value)]


class SessionCase(enum.Enum):
    """On whose behalf an S-CSCF hands a request on (`sescase`, RFC 5502 §6)."""

    ORIGINATING = "orig"
    TERMINATING = "term"


@dataclass(frozen=True, slots=True)
class ServedUser:
    """P-Served-User: the user for whom the application server is asked (RFC 5502)."""

    uri: str
    session_case: SessionCase | None
    """None where it does not say, or says something that is not known here."""

    @classmethod
    def of(cls, headers: Headers) -> ServedUser | None:
        """None where there is none. Raises SipSyntaxError."""
        value = headers.get("P-Served-User")
        if value is None:
            return None
        address = NameAddr.parse(value)
        case = (address.param("sescase") or "").lower()
        return cls(address.uri, _SESSION_CASES.get(case))


_SESSION_CASES = {case.value: case for case in SessionCase}


class Privacy(enum.Flag):
    """What a sender wants kept private (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1)."""

    NONE = 0
    """Nothing, or `none`, which asks for that whatever else is said."""
    ID = enum.auto()
    HEADER = enum.auto()
    USER = enum.auto()
    SESSION = enum.auto()
    HISTORY = enum.auto()
    CRITICAL = enum.auto()
    """Rather refuse the request than give less privacy than was asked for."""


WHO_ASKS: Final = Privacy.ID | Privacy.USER | Privacy.HEADER
"""Any of these asks for the sender not to be named: `id` by the identity that the network asserts, `user` and `header`
by any field of the request."""

_LEVELS = {level.name.lower(): level for level in Privacy if level.name}


def read_privacy(rows: Iterable[str]) -> tuple[Privacy, Sequence[str]]:
    """What the Privacy fields ask for, and those of their values that are not known here. Raises SipSyntaxError.

    Values are separated by semicolons; commas, which many implementations write, are read too.
    """
    values = [each.strip(" \t").lower() for row in rows for each in row.replace(",", ";").split(";")]
    if not all(map(is_token, values)):
        raise SipSyntaxError("Malformed Privacy")
    if "none" in values:
        return Privacy.NONE, ()
    asked = Privacy.NONE
    for value in values:
        asked |= _LEVELS.get(value, Privacy.NONE)
    return asked, [value for value in values if value not in _LEVELS]


@dataclass(frozen=True, slots=True)
class ChargingVector:
    """P-Charging-Vector (RFC 7315 §5.6): by what the charging records of one session are found together again.

    Values are kept as on the wire, quotes included.
    """

    icid: str
    """The IMS charging identity."""
    generated_at: str | None = None
    """The host that made it."""
    orig_ioi: str | None = None
    """The network of the originating side."""
    term_ioi: str | None = None
    """The network of the terminating side."""

    @classmethod
    def of(cls, headers: Headers) -> ChargingVector | None:
        """None where there is none that could be read: nobody is refused for the sake of his bill."""
        value = headers.get("P-Charging-Vector")
        if value is None:
            return None
        try:
            params = parse_params(f";{value}")
        except SipSyntaxError:
            return None
        icid = params.get("icid-value")
        if icid is None:
            return None
        return cls(icid, params.get("icid-generated-at"), params.get("orig-ioi"), params.get("term-ioi"))

    def __str__(self) -> str:
        parts = {
            "icid-value": self.icid,
            "icid-generated-at": self.generated_at,
            "orig-ioi": self.orig_ioi,
            "term-ioi": self.term_ioi,
        }
        return ";".join(f"{name}={value}" for name, value in parts.items() if value is not None)

    def answered_by(self, ioi: str | None) -> ChargingVector:
        """As our response to the request has it: who asked as it came, and who answered, `ioi` being our network."""
        return ChargingVector(self.icid, self.generated_at, self.orig_ioi, ioi)

    def continued_by(self, ioi: str | None) -> ChargingVector:
        """As our own requests of the same dialog have it: the same identity, and ourselves as who asks."""
        return ChargingVector(self.icid, self.generated_at, ioi)
