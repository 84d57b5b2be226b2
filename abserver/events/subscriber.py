"""The subscriber's end of one contact-card subscription (RFC 6665 §4.1, §4.4, RFC 5839 §5).

    subscriber = Subscriber(follow, device, copy=what_the_file_held)
    effects = subscriber.begin(now)
    effects = subscriber.answered(request, response, now)        # the final response to a SendSubscribe, or None
    response, effects = subscriber.notified(notify, now)
    effects = subscriber.expire(now)                             # when next_deadline() has come

Pure: the caller sends, waits and keeps the copy. Laws: at most one SUBSCRIBE is unanswered; the dialog comes from the
NOTIFY, never from the 2xx (§4.4.1); a subscription that ends without being told to stay away begins anew by itself,
each time more patiently, in a dialog of its own.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import TYPE_CHECKING

from abserver.events.card_copy import NO_COPY, BehindNotifier, copy_after
from abserver.events.contact_card import PACKAGE, PATCH
from abserver.events.digest_answers import DigestAnswers
from abserver.events.follow import (
    CopyChanged,
    Device,
    Effect,
    Follow,
    SendSubscribe,
    State,
    StateChanged,
    Timer,
    complete,
    first_subscribe,
    renumbered,
)
from abserver.sip.dialog import Dialog
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import EventReason, SubscriptionState, Substate
from abserver.sip.uas import make_response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Callable

    from abserver.events.card_copy import CardCopy
    from abserver.sip.message import Request, Response

TIMER_N = 32.0
"""Seconds, 64*T1 (RFC 6665 §4.1.2)."""
STEADY = 60.0
"""Seconds that a subscription has to last for the next end to be no failure in a row."""
LONGEST_PAUSE = 300.0
"""Seconds between attempts at most, unless the notifier asks for more."""
MOST_RECOVERIES = 3
"""Refreshes in a row that try to bring a copy in step, before waiting for the regular one."""


_ENDS_SUBSCRIPTION = {404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604}
"""Answers to a refresh after which the subscription is terminated (§4.1.2.2)."""
_WORTH_REPEATING = {408, 480, 481, 482, 486, 500, 502, 503, 504, 600}
"""Answers after which a new subscription may do better; the others stay what they are."""
_AT_ONCE = {EventReason.DEACTIVATED, EventReason.TIMEOUT}
_NEVER = {EventReason.REJECTED, EventReason.NORESOURCE, EventReason.INVARIANT}


class Subscriber:
    """One subscription after another, for one owner's card at one device."""

    def __init__(
        self,
        follow: Follow,
        device: Device,
        *,
        copy: CardCopy | None = None,
        new_token: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self.state = State.INIT
        self.copy = copy
        self._follow = follow
        self._device = device
        self._new_token = new_token
        user = SipUri.parse(follow.watcher).userinfo or ""
        self._digest = DigestAnswers(follow.username or user, follow.password, new_token)
        self._expires = follow.expires
        self._dialog: Dialog | None = None
        self._initial: Request | None = None
        """The latest SUBSCRIBE outside of a dialog: what a NOTIFY is matched to until there is one."""
        self._unanswered: Request | None = None
        self._again = False
        """Whether a SUBSCRIBE is due as soon as the unanswered one is done."""
        self._leaving = False
        self._timers: dict[Timer, float] = {}
        self._begun_at = 0.0
        self._failures = 0
        self._recoveries = 0

    def next_deadline(self) -> float | None:
        """When to call `expire`; None if nothing is waited for."""
        return min(self._timers.values(), default=None)

    # -- what the user wants ----------------------------------------------------------------------------------------

    def begin(self, now: float) -> list[Effect]:
        """Subscribe with a fresh Call-ID and From tag (§4.1.2.1), if no subscription is there."""
        if self.state not in (State.INIT, State.TERMINATED):
            return []
        self._timers.clear()
        self._leaving = self._again = False
        self._begun_at = now
        self._initial = first_subscribe(self._follow, call_id=self._new_token(), tag=self._new_token())
        return [*self._become(State.NOTIFY_WAIT), *self._send(self._initial, now)]

    def leave(self, now: float) -> list[Effect]:
        """Unsubscribe (§4.1.2.3). Without a dialog yet there is nobody to tell: a NOTIFY that comes late gets 481."""
        self._leaving = True
        self._timers.pop(Timer.REFRESH, None)
        if self._dialog is not None:
            return self._subscribe(now)
        if self.state is State.NOTIFY_WAIT:
            return self._end(None, None)
        self._timers.clear()
        return []

    # -- what the network brings ------------------------------------------------------------------------------------

    def answered(self, request: Request, response: Response | None, now: float) -> list[Effect]:
        """Take the final response to a SendSubscribe; None if there is none, by timeout or transport error."""
        if request is not self._unanswered:
            return []  # of a subscription that is over
        self._unanswered = None
        effects = self._fell_silent(now) if response is None else self._judge(request, response, now)
        if self._again and self._dialog is not None and self._unanswered is None:
            effects += self._subscribe(now)
        return effects

    def _judge(self, request: Request, response: Response, now: float) -> list[Effect]:
        match response.status:
            case 401 | 407:
                return self._challenged(request, response, now)
            case 423 if (minimum := _seconds(response, "Min-Expires") or 0) > self._expires:
                self._expires = minimum
                return self._resend(request, now)
            case status if status < 300:
                return self._granted(response, now)
            case _:
                return self._refused(response, now)

    def notified(self, notify: Request, now: float) -> tuple[Response, list[Effect]]:
        """Take a NOTIFY (§4.1.3); the response is to be sent after the effects."""
        try:
            return self._notified(notify, now)
        except SipSyntaxError as error:
            return make_response(notify, error.status_hint, reason=error.reason), []

    def expire(self, now: float) -> list[Effect]:
        """Do what is due at `now`."""
        effects: list[Effect] = []
        for timer in Timer:
            if self._timers.get(timer, now + 1.0) <= now:
                del self._timers[timer]
                effects += self._expired(timer, now)
        return effects

    def _expired(self, timer: Timer, now: float) -> list[Effect]:
        match timer:
            case Timer.N:
                return self._end("no NOTIFY came", self._after_failure(now))
            case Timer.REFRESH:
                return self._subscribe(now)
            case Timer.EXPIRY:
                return self._end("expired", self._soon(now))
            case _:  # RESUBSCRIBE
                return self.begin(now)

    # -- requests ---------------------------------------------------------------------------------------------------

    def _subscribe(self, now: float) -> list[Effect]:
        """Refresh or unsubscribe within the dialog, now or after the SUBSCRIBE that is under way."""
        self._again = self._unanswered is not None
        if self._again or self._dialog is None:
            return []
        return self._send(self._dialog.next_request("SUBSCRIBE"), now)

    def _resend(self, request: Request, now: float) -> list[Effect]:
        """Send the SUBSCRIBE that was just answered once more, with what the answer taught."""
        if self._dialog is not None:
            return self._send(self._dialog.next_request("SUBSCRIBE"), now)
        self._initial = renumbered(request)
        return self._send(self._initial, now)

    def _send(self, request: Request, now: float) -> list[Effect]:
        complete(
            request, self._follow, self._device, expires=0 if self._leaving else self._expires, suppress=self._tag()
        )
        self._digest.sign(request)
        self._unanswered = request
        self._again = False
        self._timers.setdefault(Timer.N, now + TIMER_N)
        return [SendSubscribe(request)]

    def _tag(self) -> str | None:
        """The tag for Suppress-If-Match (RFC 5839 §5.5, §5.6). Who takes patches always says what it has, or that it
        has nothing: the notifier may remember another copy of this device."""
        if self.copy is not None and self.copy.etag is not None and self._recoveries < 2:
            return self.copy.etag
        return NO_COPY if PATCH in self._follow.accept or self._recoveries else None

    # -- answers ----------------------------------------------------------------------------------------------------

    def _granted(self, response: Response, now: float) -> list[Effect]:
        """A 2xx: only the duration is news (§4.1.2.1); 204 says that no NOTIFY follows (RFC 5839 §5.2)."""
        self._digest.accepted()
        if self._dialog is None:
            return []
        if response.status == 204:
            self._timers.pop(Timer.N, None)
        if self._leaving:  # until the final NOTIFY, or for good
            return self._end(None, None) if response.status == 204 else []
        with contextlib.suppress(SipSyntaxError):  # a Contact that can't be read moves no target
            self._dialog.refresh(response)
        granted = _seconds(response, "Expires")
        self._lasts(self._expires if granted is None else min(granted, self._expires), now)
        return []

    def _challenged(self, request: Request, response: Response, now: float) -> list[Effect]:
        if self._digest.learn(response):
            return self._resend(request, now)
        return self._end(f"{response.status} {response.reason}", None)

    def _fell_silent(self, now: float) -> list[Effect]:
        """No response at all: the subscription may still stand at the notifier, until Timer N says otherwise."""
        at = self._after_failure(now)
        if self._dialog is None or self._leaving:
            return self._end("no answer", at)
        self._timers[Timer.REFRESH] = at
        return []

    def _refused(self, response: Response, now: float) -> list[Effect]:
        status, pause = response.status, _seconds(response, "Retry-After")
        gone = self._dialog is None or self._leaving or status in _ENDS_SUBSCRIPTION
        if not gone:  # what was granted before stays valid
            self._timers.pop(Timer.N, None)
            self._timers[Timer.REFRESH] = self._after_failure(now, pause)
            return []
        at_once = self._dialog is not None and status == 481
        again = self._soon(now) if at_once else self._after_failure(now, pause)
        return self._end(f"{status} {response.reason}", again if status in _WORTH_REPEATING else None)

    # -- NOTIFY -----------------------------------------------------------------------------------------------------

    def _notified(self, notify: Request, now: float) -> tuple[Response, list[Effect]]:
        event = notify.event
        if event is None or event.package != PACKAGE.name:
            return make_response(notify, 489), []
        if event.id is not None or not self._is_for_us(notify):
            return make_response(notify, 481, reason="Subscription does not exist"), []
        text = notify.headers.get("Subscription-State")
        if text is None:
            return make_response(notify, 400, reason="Missing Subscription-State"), []
        told = SubscriptionState.parse(text)
        if not self._in_order(notify):
            return make_response(notify, 500, reason="CSeq Out of Order"), []
        if not self._leaving:  # then only the last NOTIFY will do
            self._timers.pop(Timer.N, None)
        effects = self._take_body(notify, told, now)
        return make_response(notify, 200), effects + self._take_state(told, now)

    def _is_for_us(self, notify: Request) -> bool:
        """Whether a NOTIFY is in the dialog, or may make it: the first one wins where a SUBSCRIBE forked (§4.4.1)."""
        if self._dialog is not None:
            return (notify.call_id, notify.to.tag, notify.from_.tag or "") == self._dialog.id
        if self.state is not State.NOTIFY_WAIT or self._initial is None:
            return False
        return (notify.call_id, notify.to.tag) == (self._initial.call_id, self._initial.from_.tag)

    def _in_order(self, notify: Request) -> bool:
        if self._dialog is None and self._initial is not None:
            self._dialog = Dialog.subscriber(self._initial, notify)
            return True
        if self._dialog is None or not self._dialog.receive(notify):
            return False
        self._dialog.refresh(notify)
        return True

    def _take_body(self, notify: Request, told: SubscriptionState, now: float) -> list[Effect]:
        if told.state == Substate.PENDING:
            return []  # nothing may be shown before the owner confirms, whatever came
        before = self.copy
        try:
            self.copy = copy_after(before, notify)
        except BehindNotifier:
            return self._recover(told, now)
        self._recoveries = 0
        if self.copy is None or self.copy == before:
            return []
        content_type = notify.content_type
        patched = content_type is not None and content_type.name == PATCH
        return [CopyChanged(self.copy, patch=notify.body if patched else None)]

    def _recover(self, told: SubscriptionState, now: float) -> list[Effect]:
        """Ask for a way from our copy to the current view, then for the full view, then wait for the next refresh."""
        if told.state == Substate.TERMINATED or self._leaving or self._recoveries == MOST_RECOVERIES:
            return []
        self._recoveries += 1
        return self._subscribe(now)

    def _take_state(self, told: SubscriptionState, now: float) -> list[Effect]:
        if told.state == Substate.TERMINATED:
            return self._ended_by_notifier(told, now)
        if told.expires is not None:
            self._lasts(told.expires, now)
        elif Timer.EXPIRY not in self._timers:
            self._lasts(self._expires, now)
        return self._become(State.ACTIVE if told.state == Substate.ACTIVE else State.PENDING)

    def _ended_by_notifier(self, told: SubscriptionState, now: float) -> list[Effect]:
        """What the reason codes ask for (§4.1.3)."""
        if told.reason in _NEVER:
            return self._end(told.reason, None)
        if told.reason in _AT_ONCE:
            return self._end(told.reason, self._soon(now))
        return self._end(told.reason, self._after_failure(now, told.retry_after))

    # -- time -------------------------------------------------------------------------------------------------------

    def _lasts(self, seconds: int, now: float) -> None:
        """The subscription stands for `seconds` from now; refresh so early that a lost exchange can be repeated."""
        self._forgive(now)
        self._timers[Timer.EXPIRY] = now + seconds
        if not self._leaving:
            self._timers[Timer.REFRESH] = now + seconds - min(seconds / 2, max(TIMER_N + 3, seconds / 10))

    def _forgive(self, now: float) -> None:
        """A subscription that lasted makes up for the failures before it."""
        if now - self._begun_at >= STEADY:
            self._failures = 0

    def _after_failure(self, now: float, pause: float | None = None) -> float:
        """When to try again: after the pause that was asked for, else ever later."""
        self._failures += 1
        return now + (min(2.0**self._failures / 2, LONGEST_PAUSE) if pause is None else pause)

    def _soon(self, now: float) -> float:
        """When to try again if that may be at once: unless the last subscription was short too."""
        self._forgive(now)
        if self._failures:
            return self._after_failure(now)
        self._failures = 1
        return now

    # -- states -----------------------------------------------------------------------------------------------------

    def _become(self, state: State) -> list[Effect]:
        if state is self.state:
            return []
        self.state = state
        return [StateChanged(state)]

    def _end(self, reason: str | None, retry_at: float | None) -> list[Effect]:
        """Nothing is left of the subscription; if that is not our own wish, there may be another."""
        self._timers.clear()
        self._dialog = self._initial = self._unanswered = None
        self._again = False
        self.state = State.TERMINATED
        if self._leaving:
            return [StateChanged(State.TERMINATED, "left")]
        if retry_at is not None:
            self._timers[Timer.RESUBSCRIBE] = retry_at
        return [StateChanged(State.TERMINATED, reason, retry_at)]


def _seconds(response: Response, name: str) -> int | None:
    """A number of seconds at the start of a header field (Retry-After may go on, RFC 3261 §20.33)."""
    match = re.match(r"\d{1,9}", response.headers.get(name) or "", re.ASCII)
    return int(match[0]) if match else None
