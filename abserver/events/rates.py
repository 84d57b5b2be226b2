"""How fast a subscriber wants to be notified (RFC 6446): what it asks, and what the notifier makes of it.

Rates are NOTIFY requests per second. What a subscriber asks for stays with its subscription until its next SUBSCRIBE,
which names all rates anew (§5.1, §6.1, §7.1); what was agreed is told in every NOTIFY (§4.2).

Laws: agreed rates are in order, `min_rate < adaptive_min_rate <= max_rate` as far as they are given (§8); the value
that is told is the value that is kept; agreeing on what was agreed changes nothing.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from abserver.sip.errors import SipSyntaxError

if TYPE_CHECKING:
    from abserver.sip.grammar import Params
    from abserver.sip.message import Response

_RATE = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,10})?")
_DIGITS = 10
"""Decimals of a rate (§9.2)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the notifier grants at most, in NOTIFY requests per second (§5.3, §6.3, §7.3)."""

    max_rate: float = 10.0
    """How fast changes may follow each other for a subscriber that asks for it."""
    min_rate: float = 0.1
    """How often a subscriber may have itself notified of nothing: bounds min-rate and adaptive-min-rate."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Rates:
    """The three rates of one subscription; None where there is none."""

    max_rate: float | None = None
    """No more NOTIFY requests than this (§5)."""
    min_rate: float | None = None
    """No fewer, whether anything changes or not (§6)."""
    adaptive_min_rate: float | None = None
    """No fewer on average (§7)."""

    @classmethod
    def of(cls, params: Params) -> Rates:
        """Read the parameters of an Event field; raises SipSyntaxError."""
        if not params:
            return NO_RATES
        rates = cls(
            _rate(params, "max-rate"),
            _rate(params, "min-rate"),
            _rate(params, "adaptive-min-rate"),
        )
        return NO_RATES if rates == NO_RATES else rates

    def params(self) -> dict[str, str | None]:
        """The rates as parameters of Event, or of Subscription-State."""
        named = {"max-rate": self.max_rate, "min-rate": self.min_rate, "adaptive-min-rate": self.adaptive_min_rate}
        return {name: _decimal(rate) for name, rate in named.items() if rate is not None}

    def agreed(self, limits: Limits, *, pace: float, lasts: float) -> Rates:
        """What the notifier makes of these wishes.

        pace: the least seconds between two changes for a subscriber that names no max-rate.
        lasts: the seconds that the subscription lasts from now on; a max-rate that leaves no NOTIFY within them is
        raised until one is left (§5.3).
        """
        if self is NO_RATES:
            return self
        most = 1 / pace if pace else limits.max_rate
        highest = None
        if self.max_rate is not None:
            most = highest = _rounded(max(min(self.max_rate, limits.max_rate), 1 / max(lasts, 1.0)))
        adaptive = _lowered(self.adaptive_min_rate, limits.min_rate, most)
        lowest = _lowered(self.min_rate, limits.min_rate, most)
        if lowest is not None and adaptive is not None and lowest >= adaptive:
            lowest = None  # "the notifier MUST NOT consider the min-rate value" (§8)
        return Rates(highest, lowest, adaptive)


NO_RATES = Rates()


def changed_by(answer: Response, package: str) -> Rates | None:
    """The rates that a 2xx to a NOTIFY of `package` asks for from now on (§9.3); None: no word of rates.

    What can't be read says nothing: the NOTIFY is answered, and nobody is left to be told of an error.
    """
    try:
        event = answer.event
        return None if event is None or event.package != package else Rates.of(event.params)
    except SipSyntaxError:
        return None


def _rate(params: Params, name: str) -> float | None:
    if name not in params:
        return None
    value = params[name] or ""
    if not _RATE.fullmatch(value) or not float(value):
        raise SipSyntaxError("Malformed Rate")
    return float(value)


def _decimal(rate: float) -> str:
    return f"{rate:.{_DIGITS}f}".rstrip("0").rstrip(".")


def _rounded(rate: float) -> float:
    """The value that `_decimal` can tell, and never none at all."""
    return max(round(rate, _DIGITS), 10.0**-_DIGITS)


def _lowered(wish: float | None, *bounds: float) -> float | None:
    return None if wish is None else _rounded(min(wish, *bounds))


PERIOD = 10
"""The period over which an adaptive rate is averaged, in reciprocals of that rate: "several times larger" (§7.4)."""

MOST = 64
"""NOTIFY requests that one history remembers. Whoever got more within a period waits as if it had been so many."""


class Rhythm:
    """When a subscriber is to be notified though nothing changed: keeps the history of §7.2 for one subscription."""

    __slots__ = ("_history", "_rates")

    def __init__(self, rates: Rates, now: float) -> None:
        """rates: as agreed, with a minimum of either kind; now: when the last NOTIFY left."""
        self._rates = rates
        self._history: deque[float] = deque(maxlen=MOST)
        if rates.adaptive_min_rate is not None:  # "a history of having sent period * adaptive-min-rate" (§7.2)
            self._history.extend(now - back / rates.adaptive_min_rate for back in range(PERIOD, 0, -1))

    def sent(self, now: float) -> float:
        """A NOTIFY leaves: when the next one is due, if nothing changes until then."""
        if self._rates.adaptive_min_rate is not None:
            self._history.append(now)
            while self._history[0] <= now - PERIOD / self._rates.adaptive_min_rate:
                self._history.popleft()
        return self.due(now)

    def due(self, sent_at: float) -> float:
        """When the next one is due, if the last one left at `sent_at`."""
        lowest, adaptive, highest = self._rates.min_rate, self._rates.adaptive_min_rate, self._rates.max_rate
        longest = inf if lowest is None else 1 / lowest
        if adaptive is not None:
            timeout = len(self._history) / (adaptive**2 * (PERIOD / adaptive))  # equation (1) of §7.4
            longest = min(longest, timeout if highest is None else max(1 / highest, timeout))  # equation (2)
        return sent_at + longest
