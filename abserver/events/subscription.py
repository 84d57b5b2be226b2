"""The notifier's end of one subscription (RFC 6665 §4.2, §4.4; entity-tags: RFC 5839).

Level-triggered: the machine holds what *should* be at the subscriber (its standing, and while active a view) and what
the subscriber was *told* (the last NOTIFY that it answered with 2xx). `next_notice` compares the two and says the
one NOTIFY that closes the gap, or nothing. Ten changes during one round trip are one gap; a lost NOTIFY is a gap
that stays open; a change that leaves the view as it was is no gap at all.

Laws: at most one NOTIFY is in flight; only a 2xx moves `delivered` (or the subscriber's own word, its
Suppress-If-Match); a view goes out only while the standing is active, or when an active watcher leaves.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip.headers import EventReason, Substate

if TYPE_CHECKING:
    from abserver.domain.view import View


class Gone(enum.Enum):
    """Why the machine ended without (or before) a terminal NOTIFY that was answered."""

    REFUSED = "the subscriber answered NOTIFY with a final 4xx-6xx of the MUST-remove list"
    SILENT = "the subscriber did not answer or could not be reached"
    TOLD = "the terminal NOTIFY is done"


REMOVING = frozenset({404, 405, 410, 416, *range(480, 486), 489, 501, 604})
"""Answers to NOTIFY upon which the subscription MUST be removed (RFC 6665 §4.2.2)."""

FIRST_RETRY = 32.0
"""Seconds until a NOTIFY that was answered with some other failure is tried again; doubled each time. One Timer F:
a subscriber in trouble hears from us no more often than one that is silent."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What one NOTIFY says."""

    standing: Substate
    reason: EventReason | None
    expires: int | None
    """Seconds that remain; None when terminated (RFC 6665 §4.1.3)."""
    view: View | None
    """The view that the subscriber has after this NOTIFY; None tells nothing of the card."""
    base: str | None
    """The tag of the view that the subscriber has now; None if unknown or lost: send the full view."""

    @property
    def unchanged(self) -> bool:
        """Whether the subscriber has this view already: the NOTIFY goes without a body (RFC 5839 §5.3)."""
        return self.view is not None and self.view.tag == self.base


@dataclass(frozen=True, slots=True)
class Delivered:
    """Effect: the subscriber acknowledged this notice."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class Ended:
    """Effect: forget the dialog."""

    gone: Gone


Effect = Delivered | Ended


class Subscription:
    """One subscription dialog at the notifier; the caller owns the dialog, the device's identity and all IO."""

    __slots__ = (
        "_backoff",
        "_full",
        "_in_flight",
        "_leaving",
        "_owed",
        "delivered",
        "expires_at",
        "reason",
        "retry_at",
        "standing",
        "told",
        "view",
    )

    def __init__(self, *, expires_at: float = 0.0, delivered: str | None = None, told: Substate | None = None) -> None:
        """A subscription that the journal remembers; a new one begins with `subscribed`.

        delivered: the tag of the view that the device is known to hold; told: what it last heard of its standing.
        """
        self.standing = Substate.PENDING
        self.reason: EventReason | None = None
        self.view: View | None = None
        self.expires_at = expires_at
        self.delivered = delivered
        self.told = told
        self.retry_at = 0.0
        self._in_flight: Notice | None = None
        self._owed = False
        self._full = False
        self._leaving = False
        self._backoff = FIRST_RETRY

    # -- what should be ---------------------------------------------------------------------------------------------

    def set_pending(self) -> None:
        """The watcher waits for the owner's decision: nothing of the card is told."""
        self._stand(Substate.PENDING, None)

    def set_active(self, view: View) -> None:
        """The watcher may see `view`."""
        self._stand(Substate.ACTIVE, view)

    def terminate(self, reason: EventReason) -> None:
        """End the subscription: the terminal NOTIFY tells why, and nothing of the card."""
        if self.standing is not Substate.TERMINATED:
            self.standing, self.reason, self.view = Substate.TERMINATED, reason, None
            self.retry_at = 0.0

    def _stand(self, standing: Substate, view: View | None) -> None:
        if self.standing is Substate.TERMINATED:
            return
        if standing is not self.standing:
            self.retry_at = 0.0
        self.standing, self.view = standing, view
        if self._leaving:  # whoever leaves, or polls, takes the state of now along (RFC 6665 §4.4.3)
            self.standing, self.reason = Substate.TERMINATED, EventReason.TIMEOUT

    @property
    def over(self) -> bool:
        """Whether the subscription has ended or is about to: no SUBSCRIBE can prolong it."""
        return self._leaving or self.standing is Substate.TERMINATED

    # -- what the subscriber asks -----------------------------------------------------------------------------------

    def subscribed(self, *, expires_at: float, holds: str | None, full: bool, leaving: bool = False) -> None:
        """A SUBSCRIBE was accepted: a NOTIFY is owed at once (§4.2.1.2), for which `set_pending` or `set_active` is
        to be called.

        holds: the tag of the view that the subscriber is known to hold, None if it has none or an unknown one;
        full: it wants the whole view whatever it holds (a subscriber that keeps no copy);
        leaving: the duration is zero: an unsubscription, or a poll.
        """
        self.expires_at = expires_at
        self.delivered = holds
        self.retry_at = 0.0
        self._owed = True
        self._full = full
        self._leaving = leaving

    def suppress(self, tag: str, *, expires_at: float) -> bool:
        """Whether a refresh naming `tag` gets 204 and no NOTIFY (RFC 5839 §5.2): it has all that there is to tell.

        If so the refresh is done: the duration is the new one, and the subscriber's word on its copy counts. `*` says
        nothing about a copy.
        """
        if self.standing is not Substate.ACTIVE or self.told is not Substate.ACTIVE or self.view is None:
            return False
        if tag not in ("*", self.view.tag):
            return False
        self.expires_at = expires_at
        if tag != "*":
            self.delivered = tag
        return True

    # -- what is to be told -----------------------------------------------------------------------------------------

    @property
    def behind(self) -> bool:
        """Whether the subscriber lacks something that it should have been told."""
        return self.told is not Substate.TERMINATED and (
            self._owed
            or self.told is not self.standing
            or (self.standing is Substate.ACTIVE and self.view is not None and self.view.tag != self.delivered)
        )

    def next_notice(self, now: float) -> Notice | None:
        """The NOTIFY to send now, or None; once returned it is in flight until `answered`."""
        if self._in_flight is not None or now < self.retry_at or not self.behind:
            return None
        over = self.standing is Substate.TERMINATED
        self._in_flight = Notice(
            standing=self.standing,
            reason=self.reason,
            expires=None if over else max(0, round(self.expires_at - now)),
            view=self.view,
            base=None if self._full else self.delivered,
        )
        self._owed = self._full = False
        self.retry_at = 0.0
        return self._in_flight

    def answered(self, status: int | None, now: float, *, retry_after: float | None = None) -> list[Effect]:
        """Take the final status of the NOTIFY in flight; None: no answer, or unreachable (§4.2.2)."""
        notice, self._in_flight = self._in_flight, None
        if notice is None:
            return []
        delivered = status is not None and 200 <= status < 300
        effects: list[Effect] = [Delivered(notice)] if delivered else []
        if delivered:
            self._acknowledged(notice)
        if notice.standing is Substate.TERMINATED:  # whatever the answer, there is nothing left to try (§4.4.1)
            self.told = notice.standing
            effects.append(Ended(Gone.TOLD))
        elif status is None:
            effects.append(Ended(Gone.SILENT))
        elif status in REMOVING:
            effects.append(Ended(Gone.REFUSED))
        elif not delivered:
            self._retry_later(now, retry_after)
        return effects

    def _acknowledged(self, notice: Notice) -> None:
        self.told = notice.standing
        self._backoff = FIRST_RETRY
        if notice.view is not None:
            self.delivered = notice.view.tag

    def _retry_later(self, now: float, retry_after: float | None) -> None:
        """Keep the subscription; the gap stays open and is closed later, with the full view: the copy is in doubt."""
        self.retry_at = now + (retry_after if retry_after is not None else self._backoff)
        self._backoff *= 2
        self._owed = self._full = True

    def expire(self, now: float) -> None:
        """End the subscription if its time is over (§4.4.1); one that is leaving ends with the state of now instead."""
        if now >= self.expires_at and not self._leaving:
            self.terminate(EventReason.TIMEOUT)

    def next_deadline(self) -> float | None:
        """When `expire` or `next_notice` has something to do again; None while only an answer can move the machine."""
        if self.over:
            return None
        return min(self.expires_at, self.retry_at) if self.retry_at else self.expires_at
