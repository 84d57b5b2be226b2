"""Which requests an overloaded server refuses, and how many (RFC 5390, RFC 7339 §5.10, RFC 6357).

The load is how late the server is, how many requests are being served, and how many records wait for the journal; each
beside its bound. Beyond a bound the part of the requests that is let through shrinks by as much as the bound is
exceeded, at each measurement; it grows again, slowly, only below half of all bounds. So the server works close to what
it can do and does not swing between all and nothing (REQ 7, REQ 21).

What is refused is taken from the kinds of requests in their order: first what begins something new, last what lies
within a dialog; and never what ends something, since that makes the load smaller (REQ 19).

Pure: the shell measures, at a steady beat.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from abserver.sip.message import Request
    from abserver.sip.uas import Mandatory

LEAST = 0.02
"""Part of the requests that is let through at the worst: what comes back is told by trying."""
CALM = 0.5
"""Part of the bounds below which the load has to fall before more is let through."""

_SMOOTH = 0.45
"""Weight of the latest measurement: two bad ones in a row count, one alone does not."""
_GAIN = 0.5
"""How much of what exceeds a bound the part that is let through loses in one beat."""
_WORST = 2.0
"""A measurement counts as no more than twice the bound."""
_RECOVERY, _STEP = 1.02, 0.005
"""How that part grows in one beat: from the least to all in some eight seconds."""
_MIX = 0.2
"""Weight of the latest measurement in the mix of requests."""


class Kind(enum.IntEnum):
    """Kinds of requests, in the order in which they are refused."""

    NEW = 0
    """Outside of any dialog: a new subscription above all."""
    REGISTRATION = 1
    """REGISTER: it keeps a device reachable for what is there already."""
    ONGOING = 2
    """Within a dialog: refreshes. OPTIONS too: who asks for capabilities asks whether the server is of use at all."""
    ENDING = 3
    """Within a dialog and with Expires 0, or CANCEL."""


REFUSED = (Kind.NEW, Kind.REGISTRATION, Kind.ONGOING)


def kind_of(request: Request, fields: Mandatory) -> Kind:
    """The kind of a request."""
    if request.method == "REGISTER":
        return Kind.REGISTRATION
    if request.method == "OPTIONS":
        return Kind.ONGOING
    if request.method == "CANCEL":
        return Kind.ENDING
    if fields.to.tag is None:
        return Kind.NEW
    return Kind.ENDING if request.headers.get("Expires") == "0" else Kind.ONGOING


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement, or the bounds of it."""

    lag: float
    """Seconds that the event loop is late, or that a datagram waits for it, whichever is more."""
    handling: float
    """Requests that are being served."""
    waiting: float
    """Records that wait for the journal."""

    def beside(self, bounds: Load) -> float:
        """The largest part of a bound that is used; 1.0 is the bound."""
        return max(self.lag / bounds.lag, self.handling / bounds.handling, self.waiting / bounds.waiting)


@dataclass(frozen=True, slots=True)
class Episode:
    """A time of overload, from the first refusal that was called for to the last."""

    seconds: float
    refused: Mapping[Kind, int]
    worst: int
    """Largest part of the requests that was not to be let through, in percent."""


class Shedder:
    """Decides about requests by the load as it was last measured."""

    def __init__(self, bounds: Load, draw: Callable[[], float]) -> None:
        """draw: a number in [0, 1) by chance."""
        self._bounds = bounds
        self._draw = draw
        self.measurements = 0
        """How many there were."""
        self._pressure = 0.0
        self._through = 1.0
        self._arrived = dict.fromkeys(REFUSED, 0)
        self._mix = dict.fromkeys(REFUSED, 0.0)
        self._odds = dict.fromkeys(Kind, 0.0)
        self._since: float | None = None
        self._worst = 0
        self._refused = dict.fromkeys(REFUSED, 0)

    @property
    def loss(self) -> int:
        """Percent of the requests that should not come: the `oc` of RFC 7339 §7.1; 0 without overload."""
        return round((1.0 - self._through) * 100)

    @property
    def overloaded(self) -> bool:
        """Whether an episode is going on."""
        return self._since is not None

    def refuses(self, kind: Kind) -> bool:
        """Count a request of that kind, and decide whether it is refused."""
        if kind is Kind.ENDING:
            return False
        self._arrived[kind] += 1
        odds = self._odds[kind]
        if not odds or self._draw() >= odds:
            return False
        self._refused[kind] += 1
        return True

    def measured(self, load: Load, now: float) -> Episode | None:
        """Take a measurement; the episode that ends with it, if one does."""
        self.measurements += 1
        latest = min(load.beside(self._bounds), _WORST)
        self._pressure += _SMOOTH * (latest - self._pressure)
        if self._pressure > 1.0:
            self._through = max(LEAST, self._through / (1.0 + _GAIN * (self._pressure - 1.0)))
        elif self._pressure < CALM:
            self._through = min(1.0, self._through * _RECOVERY + _STEP)
        for kind, count in self._arrived.items():
            self._mix[kind] += _MIX * (count - self._mix[kind])
        self._arrived = dict.fromkeys(REFUSED, 0)
        self._spread()
        return self._follow(now)

    def _spread(self) -> None:
        """Turn the part that is to be refused into odds for each kind, one kind after the other (RFC 7339 §7.2)."""
        excess = (1.0 - self._through) * sum(self._mix.values())
        for kind in REFUSED:
            share = self._mix[kind]
            self._odds[kind] = 0.0 if excess <= 0.0 else min(1.0, excess / share) if share else 1.0
            excess -= share

    def _follow(self, now: float) -> Episode | None:
        """Keep the book of the episode."""
        if self._through < 1.0:
            self._since = now if self._since is None else self._since
            self._worst = max(self._worst, self.loss)
            return None
        if self._since is None:
            return None
        episode = Episode(now - self._since, self._refused, self._worst)
        self._since, self._worst, self._refused = None, 0, dict.fromkeys(REFUSED, 0)
        return episode
