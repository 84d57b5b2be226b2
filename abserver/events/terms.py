"""The terms of one subscription: what its SUBSCRIBE asked for and what holds for the dialog, over restarts too.

The journal keeps them as one JSON text; a field that says the usual is left out of it. Many subscriptions have equal
terms: `shared` gives the value that the others hold already.
"""

from __future__ import annotations

import base64
import functools
import json
import weakref
from dataclasses import dataclass
from typing import Any

from abserver.events.contact_card import DEFAULT_FORMATS, Formats
from abserver.events.quirks import Quirks
from abserver.events.rates import NO_RATES, Rates

REMEMBERED = 256
"""JSON texts whose meaning is at hand."""

_Fields = tuple[Formats, Rates, str | None, bytes, bool, Quirks, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Terms:
    """What a subscriber asked for."""

    formats: Formats = DEFAULT_FORMATS
    """The bodies that it takes; a SUBSCRIBE without Accept leaves them as they are."""
    rates: Rates = NO_RATES
    """As asked, before the notifier adjusts them (RFC 6446); each SUBSCRIBE names all of them."""
    body_type: str | None = None
    """The media type of `body`."""
    body: bytes = b""
    """The document of the SUBSCRIBE: a filter-set (RFC 4661), resource-lists (RFC 5875). None: empty."""
    quenched: bool = False
    """`Suppress-If-Match: *`: nothing of the resource is told until a SUBSCRIBE without it (RFC 5839 §5.2)."""
    quirks: Quirks = Quirks.NONE
    """What its user agent needs."""
    processing: str | None = None
    """How changes are to be told: the `diff-processing` of RFC 5875 §4.3, as each SUBSCRIBE says anew."""
    identity: str | None = None
    """Who the rules are to take the subscriber for, where he is not to be named (RFC 3325 §7); for the whole dialog."""
    charging: str | None = None
    """The P-Charging-Vector of our requests, for peers that we trust (RFC 7315 §4.6)."""

    def shared(self) -> Terms:
        """An equal value, the same for all who ask while anybody holds it."""
        return _LIVING.setdefault(self._fields, self)

    @property
    def _fields(self) -> _Fields:
        return (
            self.formats,
            self.rates,
            self.body_type,
            self.body,
            self.quenched,
            self.quirks,
            self.processing,
            self.identity,
            self.charging,
        )

    def to_json(self) -> str:
        """The text that the journal keeps."""
        return _text(self)

    @classmethod
    def from_json(cls, text: str) -> Terms:
        """The inverse of `to_json`; shared."""
        return _terms(text)


_LIVING: weakref.WeakValueDictionary[_Fields, Terms] = weakref.WeakValueDictionary()


@functools.lru_cache(REMEMBERED)
def _text(terms: Terms) -> str:
    fields = {
        "full": terms.formats.full,
        "patches": terms.formats.patches,
        "max_rate": terms.rates.max_rate,
        "min_rate": terms.rates.min_rate,
        "adaptive_min_rate": terms.rates.adaptive_min_rate,
        "coding": terms.formats.coding,
        "always_coded": terms.formats.always_coded,
        "body_type": terms.body_type,
        "body": base64.b64encode(terms.body).decode(),
        "quenched": terms.quenched,
        "quirks": terms.quirks.value,
        "processing": terms.processing,
        "identity": terms.identity,
        "charging": terms.charging,
    }
    return json.dumps({name: value for name, value in fields.items() if value}, separators=(",", ":"))


@functools.lru_cache(REMEMBERED)
def _terms(text: str) -> Terms:
    fields: dict[str, Any] = json.loads(text)
    rates = Rates(fields.get("max_rate"), fields.get("min_rate"), fields.get("adaptive_min_rate"))
    return Terms(
        formats=Formats(
            full=fields["full"],
            patches=fields.get("patches", False),
            coding=fields.get("coding"),
            always_coded=fields.get("always_coded", False),
        ),
        rates=NO_RATES if rates == NO_RATES else rates,
        body_type=fields.get("body_type"),
        body=base64.b64decode(fields.get("body", "")),
        quenched=fields.get("quenched", False),
        quirks=Quirks(fields.get("quirks", 0)),
        processing=fields.get("processing"),
        identity=fields.get("identity"),
        charging=fields.get("charging"),
    ).shared()
