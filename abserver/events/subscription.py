"""The notifier's end of one subscription (RFC 6665 §4.2, §4.4; entity-tags: RFC 5839; rates: RFC 6446).

Level-triggered: the machine holds what *should* be at the subscriber (its standing, and while active a state of the
resource) and what the subscriber was *told* (the last NOTIFY that it answered with 2xx). `next_notice` compares the two
and says the one NOTIFY that closes the gap, or nothing. Ten changes during one round trip, or within one pace, are one
gap; a lost NOTIFY is a gap that stays open; a change that leaves the state as it was is no gap at all.

The machine is the same for every event package: of a state it knows nothing but the tag.

Laws: at most one NOTIFY is in flight; only a 2xx moves `delivered` (or the subscriber's own word, its
Suppress-If-Match); a state goes out only while the standing is active, or when an active watcher leaves, and never to
one that asked for silence; two NOTIFYs keep the agreed distance, but for those that RFC 6446 §5.2 exempts.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, Protocol

from abserver.events.rates import NO_RATES, Rates, Rhythm
from abserver.sip.headers import EventReason, Substate


class State(Protocol):
    """The state of a resource as one subscriber may see it; packages have types of their own for it."""

    @property
    def tag(self) -> str:
        """Names the content: states with equal tags are equal."""
        ...


class Gone(enum.Enum):
    """Why the machine ended without (or before) a terminal NOTIFY that was answered."""

    REFUSED = "the subscriber answered NOTIFY with a final 4xx-6xx of the MUST-remove list"
    SILENT = "the subscriber did not answer or could not be reached"
    FAILING = "the subscriber answered TRIES NOTIFYs in a row with failures"
    TOLD = "the terminal NOTIFY is done"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer to a NOTIFY means."""

    delivered: bool
    """The subscriber acknowledged the notice."""
    gone: Gone | None
    """Forget the dialog; None: it goes on."""


_DELIVERED = Outcome(delivered=True, gone=None)
_DELIVERED_LAST = Outcome(delivered=True, gone=Gone.TOLD)
_LATER = Outcome(delivered=False, gone=None)
_ENDED = {gone: Outcome(delivered=False, gone=gone) for gone in Gone}


class Notice(NamedTuple):
    """What one NOTIFY says."""

    standing: Substate
    reason: EventReason | None
    expires: int | None
    """Seconds that remain; None when terminated (RFC 6665 §4.1.3)."""
    view: State | None
    """The state that the subscriber has after this NOTIFY; None tells nothing of the resource."""
    base: str | None
    """The tag of the state that the subscriber has now; None if unknown or lost: send all."""
    withheld: str | None = None
    """The tag of the current state, where that is not told since the subscriber asked for silence."""
    rates: Rates = NO_RATES
    """The rates as agreed, to be told (RFC 6446 §4.2)."""

    @property
    def tag(self) -> str | None:
        """The tag of the current state, for SIP-ETag, told or not (RFC 5839 §6.2)."""
        return self.withheld if self.view is None else self.view.tag

    @property
    def unchanged(self) -> bool:
        """Whether the subscriber has this state already: the NOTIFY goes without a body (RFC 5839 §6.2)."""
        return self.view is not None and self.view.tag == self.base


class Owed(enum.Enum):
    """A NOTIFY that is due though nothing changed."""

    NOTHING = "none"
    SOON = "one that keeps to the rates: the beat of a min-rate, or another try"
    NOW = "the one that follows a SUBSCRIBE (RFC 6665 §4.2.1.2)"


class Pause(enum.Enum):
    """What the next NOTIFY waits for."""

    CHANGE = "something to tell"
    SILENCE = "the end of a silence that the subscriber asked for; there is something to tell"
    ANSWER = "the answer to the one before"
    RETRY = "the end of a pause after a failure"
    RATE = "the rates, or the pace"
    NOTHING = "nothing: it may leave now"


REMOVING = frozenset({404, 405, 410, 416, *range(480, 486), 489, 501, 604})
"""Answers to NOTIFY upon which the subscription MUST be removed (RFC 6665 §4.2.2)."""

TIMED_OUT = 408
"""The same as no answer, but heard of by a proxy (RFC 5057 §5.1 note 4)."""

FIRST_RETRY = 32.0
"""Seconds until a NOTIFY that was answered with some other failure is tried again; doubled each time. One Timer F:
a subscriber in trouble hears from us no more often than one that is silent."""

TRIES = 6
"""Failures in a row that end a subscription: after a quarter of an hour if the subscriber names no times."""

TICK = 1e-6
"""Seconds that count as none: a duration that sums of times miss by their rounding is whole."""

ANY = "*"
"""The condition that every state meets (RFC 5839 §5.2): the subscriber asks for silence."""

# The names that the hot path needs: a module's name is found faster than an enum's member.
_ACTIVE, _TERMINATED = Substate.ACTIVE, Substate.TERMINATED
_NOTHING, _NOW = Owed.NOTHING, Owed.NOW


class Subscription:
    """One subscription dialog at the notifier; the caller owns the dialog, the device's identity and all IO."""

    __slots__ = (
        "_condition",
        "_doubted",
        "_failures",
        "_gap",
        "_in_flight",
        "_leaving",
        "_owed",
        "_pace",
        "_retry_at",
        "_rhythm",
        "_sent_at",
        "_tick_at",
        "_wake_at",
        "_whole",
        "delivered",
        "expires_at",
        "rates",
        "reason",
        "standing",
        "told",
        "view",
    )

    def __init__(
        self,
        *,
        expires_at: float = 0.0,
        delivered: str | None = None,
        told: Substate | None = None,
        pace: float = 0.0,
        full: bool = False,
        quenched: bool = False,
    ) -> None:
        """A subscription that the journal remembers; a new one begins with `subscribed`.

        delivered: the tag of the state that the device is known to hold; told: what it last heard of its standing;
        pace: seconds between two changes while no max-rate is agreed; full, quenched: as for `subscribed`.
        """
        self.standing = Substate.PENDING
        self.reason: EventReason | None = None
        self.view: State | None = None
        self.expires_at = expires_at
        self.delivered = delivered
        self.told = told
        self.rates = NO_RATES
        self._in_flight: Notice | None = None
        self._owed = _NOTHING
        self._leaving = False
        # what it may be told
        self._condition = ANY if quenched else None
        """The Suppress-If-Match of a SUBSCRIBE within the dialog, or `*` of any: while it is met, nothing but a new
        standing is told (RFC 5839 §5.2, §6.3)."""
        self._whole = full
        self._doubted = False
        """Whether the subscriber may have taken a state that it did not acknowledge."""
        # when it may be told
        self._pace = self._gap = pace
        self._rhythm: Rhythm | None = None
        self._sent_at = -inf
        self._tick_at = inf
        self._retry_at = -inf
        self._wake_at = inf
        """When a NOTIFY that came too early can go."""
        self._failures = 0

    # -- what should be ---------------------------------------------------------------------------------------------

    def set_pending(self) -> None:
        """The watcher waits for the owner's decision: nothing of the resource is told."""
        self._stand(Substate.PENDING, None)

    def set_active(self, view: State) -> None:
        """The watcher may see `view`."""
        if self.standing is _ACTIVE:
            self.view = view
        else:
            self._stand(_ACTIVE, view)

    def terminate(self, reason: EventReason) -> None:
        """End the subscription: the terminal NOTIFY tells why, and nothing of the resource."""
        if self._leaving or self.standing is not _TERMINATED:
            self.standing, self.reason, self.view = _TERMINATED, reason, None
            self._leaving = False

    def _stand(self, standing: Substate, view: State | None) -> None:
        if self._leaving:  # whoever leaves, or polls, takes the state of now along (RFC 6665 §4.4.3)
            self.standing, self.reason, self.view = _TERMINATED, EventReason.TIMEOUT, view
        elif self.standing is not _TERMINATED:
            self.standing, self.view = standing, view

    @property
    def over(self) -> bool:
        """Whether the subscription has ended or is about to: no SUBSCRIBE can prolong it."""
        return self._leaving or self.standing is _TERMINATED

    # -- what the subscriber asks -----------------------------------------------------------------------------------

    def subscribed(
        self, *, expires_at: float, holds: str | None, full: bool, leaving: bool = False, condition: str | None = None
    ) -> None:
        """A SUBSCRIBE was accepted: a NOTIFY is owed at once (§4.2.1.2), for which `set_pending` or `set_active` is
        to be called. One that is over stays so.

        holds: the tag of the state that the subscriber is known to hold, None if it has none or an unknown one;
        full: it wants the whole state whatever it holds (a subscriber that keeps no copy);
        leaving: the duration is zero: an unsubscription, or a poll;
        condition: the tag of its Suppress-If-Match, or `*` for silence until the next SUBSCRIBE (RFC 5839 §5.2).
        """
        if self.over:
            return
        self.expires_at = expires_at
        self.delivered = holds
        self._owed = _NOW
        self._whole = full
        self._leaving = leaving
        self._condition = condition if condition == ANY or self.told is not None else None
        if condition is not None and condition != ANY:
            self._doubted = False
        self._failures = 0
        if leaving:
            self._stand(self.standing, self.view)

    def suppress(self, tag: str, *, expires_at: float) -> bool:
        """Whether a refresh naming `tag` gets 204 and no NOTIFY (RFC 5839 §6.3): it has all that there is to tell.

        If so the refresh is done: the duration is the new one, and no NOTIFY goes for as long as the state is that of
        `tag`. The subscriber's word on its copy counts; `*` says nothing about a copy, and is met by any state.
        """
        if self.over or self.told is not self.standing or not self._meets(tag):
            return False
        self.expires_at = expires_at
        self._condition = tag
        self._owed = _NOTHING
        self._failures = 0
        self._retry_at = -inf
        if tag != ANY:
            self.delivered = tag
            self._whole = self._doubted = False
        return True

    def _meets(self, condition: str | None) -> bool:
        return condition == ANY or (self.view is not None and self.view.tag == condition)

    def regulate(self, rates: Rates, now: float) -> None:
        """Keep to `rates`, as agreed (`Rates.agreed`), from now on: of a SUBSCRIBE, of a 2xx to NOTIFY (RFC 6446 §4.1),
        or of the journal. Rates that stay as they are keep their history."""
        if rates == self.rates:
            return
        self.rates = rates
        self._gap = self._pace if rates.max_rate is None else 1 / rates.max_rate
        self._sent_at = now if self._sent_at == -inf else self._sent_at  # what was sent before a restart is unknown
        if rates.min_rate is None and rates.adaptive_min_rate is None:
            self._rhythm, self._tick_at = None, inf
        else:
            self._rhythm = Rhythm(rates, self._sent_at)
            self._tick_at = self._rhythm.due(self._sent_at)

    # -- what is to be told -----------------------------------------------------------------------------------------

    @property
    def behind(self) -> bool:
        """Whether the subscriber lacks something that it should have been told, now or when the rates allow it."""
        told = self.told
        if told is not self.standing:
            return True
        return told is not _TERMINATED and (
            self._owed is not _NOTHING
            or (self.view is not None and self.view.tag != self.delivered and self._condition != ANY)
        )

    @property
    def is_open(self) -> bool:
        """Whether it is `behind` and no NOTIFY is in flight."""
        return self._in_flight is None and self.behind

    def pause(self, now: float) -> tuple[Pause, float | None]:
        """What the next NOTIFY waits for, and the time of that: since when for an answer, until when for a pause.

        For whoever wants to know; what is too early is known after `next_notice` said so.
        """
        if self._in_flight is not None:
            return Pause.ANSWER, self._sent_at
        if not self.behind:
            silent = self._condition == ANY and self.view is not None and self.view.tag != self.delivered
            return Pause.SILENCE if silent else Pause.CHANGE, None
        if self._owed is _NOW or self.standing is _TERMINATED or not now < self._wake_at < inf:
            return Pause.NOTHING, None
        return Pause.RETRY if self._wake_at == self._retry_at else Pause.RATE, self._wake_at

    @property
    def is_in_flight(self) -> bool:
        """Whether a NOTIFY awaits its answer."""
        return self._in_flight is not None

    @property
    def sent_at(self) -> float:
        """When the last NOTIFY left; if none did since the server started, it means nothing."""
        return self._sent_at

    def next_notice(self, now: float) -> Notice | None:
        """The NOTIFY to send now, or None; once returned it is in flight until `answered`.

        None while `behind` and nothing in flight: it is too early, and `next_deadline` says when it is not.
        """
        if not self.is_open or self._is_early(now):
            return None
        view, withheld = self.view, None
        if self._condition is not None:
            if self._condition != ANY:
                self._condition = self._condition if self._meets(self._condition) else None
            elif view is not None:
                withheld, view = view.tag, None
        over = self.standing is _TERMINATED
        self._in_flight = notice = Notice(
            self.standing,
            self.reason,
            None if over else max(0, int(self.expires_at - now + TICK)),
            view,
            None if self._whole or self._doubted else self.delivered,
            withheld,
            self.rates,
        )
        self._owed = _NOTHING
        self._retry_at = -inf
        self._wake_at = inf
        self._sent_at = now
        if self._rhythm is not None:
            self._tick_at = self._rhythm.sent(now)
        return notice

    def _is_early(self, now: float) -> bool:
        """Whether the NOTIFY has to wait. The answer to a SUBSCRIBE and the last word never do; the rates do not delay
        a subscription's becoming active (RFC 6446 §5.2)."""
        if self._owed is _NOW or self.standing is _TERMINATED:
            return False
        earliest = self._retry_at
        if self.standing is self.told or self.standing is not _ACTIVE:
            spaced = self._sent_at + self._gap
            if spaced > earliest:
                earliest = spaced
        if now >= earliest:
            return False
        self._wake_at = earliest
        return True

    def answered(self, status: int | None, now: float, *, retry_after: float | None = None) -> Outcome:
        """Take the final status of the NOTIFY in flight; None: no answer, or unreachable (§4.2.2)."""
        notice = self._in_flight
        if notice is None:
            return _LATER
        self._in_flight = None
        if status is not None and 200 <= status < 300:
            return self._acknowledged(notice)
        if notice.standing is _TERMINATED:  # whatever the answer, there is nothing left to try (§4.4.1)
            self.told = _TERMINATED
            return _ENDED[Gone.TOLD]
        if status is None or status == TIMED_OUT:
            return _ENDED[Gone.SILENT]
        if status in REMOVING:
            return _ENDED[Gone.REFUSED]
        return self._retry_later(notice, now, retry_after)

    def _acknowledged(self, notice: Notice) -> Outcome:
        self.told = notice.standing
        self._failures = 0
        if notice.view is not None:
            self.delivered = notice.view.tag
            self._doubted = False
        return _DELIVERED if notice.standing is not _TERMINATED else _DELIVERED_LAST

    def _retry_later(self, notice: Notice, now: float, retry_after: float | None) -> Outcome:
        """Keep the subscription; the gap stays open and is closed later, with the full view: the copy is in doubt."""
        self._failures += 1
        if self._failures == TRIES:
            return _ENDED[Gone.FAILING]
        pause = FIRST_RETRY * 2 ** (self._failures - 1) if retry_after is None else retry_after
        self._retry_at = self._wake_at = now + pause
        if self._owed is _NOTHING and self._condition != ANY:
            self._owed = Owed.SOON
        if notice.view is not None and not notice.unchanged:
            self._doubted = True
        return _LATER

    def reachable_again(self) -> None:
        """Let what could not be sent wait no longer: the way to the subscriber is another one now."""
        if self._retry_at != -inf:
            self._retry_at, self._wake_at = -inf, inf

    # -- time -------------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Do what falls due by time: end the subscription (§4.4.1; one that is leaving ends with the state of now
        instead), owe the beat of a min-rate (RFC 6446 §6.2). `next_notice` may have something afterwards."""
        if now >= self.expires_at and not self._leaving:
            self.terminate(EventReason.TIMEOUT)
        if now >= self._wake_at:
            self._wake_at = inf
        if now >= self._tick_at:
            self._tick_at = inf
            if self._owed is _NOTHING and not self._meets(self._condition):
                self._owed = Owed.SOON

    def next_deadline(self) -> float | None:
        """When `expire` has something to do; None while only an answer can move the machine."""
        if self.over:
            return None
        return min(self.expires_at, self._wake_at, self._tick_at)
