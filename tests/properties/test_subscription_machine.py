"""The notifier's machine against a model of the subscriber, with a clock that only the test moves.

Whatever happens in whatever order (subscriptions of all kinds, changes, decisions, answers good and bad, restarts):

* one NOTIFY at most is in flight, and what it builds on is what the subscriber has;
* two NOTIFYs keep the agreed distance, but for those that RFC 6446 §5.2 exempts; and after a failure the pause;
* a minimum rate is kept;
* who asked for silence hears of a new standing and nothing else, and nobody but active watchers gets a body;
* no deadline is in the past, and keeping deadlines is all that the caller has to do;
* once answers are good again, the subscriber has what it should have, and knows how it stands.
"""

from __future__ import annotations

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from abserver.domain.view import View
from abserver.events.rates import NO_RATES, Limits, Rates
from abserver.events.subscription import REMOVING, TRIES, Gone, Notice, Subscription
from abserver.sip.headers import EventReason, Substate

VIEWS = [View(b"", tag) for tag in "abc"]
LIMITS = Limits(max_rate=4.0, min_rate=0.25)
SLACK = 1e-6
"""Seconds that floating point may make of nothing."""

RATE = st.none() | st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.25, 1.0, 4.0])
RATES = st.just(NO_RATES) | st.builds(Rates, RATE, RATE, RATE)
CONDITIONS = st.sampled_from(["none", "none", "*", "own", "own"])
LASTING = st.sampled_from([60.0, 600.0, 3600.0])


class Notifying(RuleBasedStateMachine):
    """A subscription, its subscriber, and who drives them."""

    @initialize(pace=st.sampled_from([0.0, 1.0, 5.0]), keeps=st.booleans())
    def begin(self, pace: float, keeps: bool) -> None:
        self.now = 1000.0
        self.pace = pace
        self.keeps = keeps
        """Whether the subscriber keeps a copy that differences apply to."""
        self.standing, self.view = Substate.PENDING, VIEWS[0]
        self.copy: str | None = None
        self.heard: Substate | None = None
        """What the subscriber acknowledged last."""
        self._start()

    def _start(self) -> None:
        self.machine = Subscription(pace=self.pace)
        self.alive = False
        """Whether there is a subscription."""
        self.in_flight: Notice | None = None
        self.sent_at = -inf
        self.not_before = -inf
        """When the pause after a failure ends."""
        self.is_owed = False
        """Whether a SUBSCRIBE was answered 200, and its NOTIFY did not go yet."""
        self.condition: str | None = None
        self.failures = 0
        self.leaving = False

    # -- what the caller does ----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self.standing is Substate.ACTIVE:
            self.machine.set_active(self.view)
        elif self.standing is Substate.PENDING:
            self.machine.set_pending()
        else:
            self.machine.terminate(EventReason.REJECTED)

    def _pump(self) -> None:
        """Do what a caller does after anything: keep the deadlines that are due, send what goes."""
        if not self.alive:
            return
        for _ in range(3):
            deadline = self.machine.next_deadline()
            if deadline is None or deadline > self.now:
                break
            self.machine.expire(self.now)
        notice = self.machine.next_notice(self.now)
        if notice is not None:
            self._take(notice)
        deadline = self.machine.next_deadline()
        assert deadline is None or deadline > self.now
        assert deadline is not None or self.machine.over

    def _take(self, notice: Notice) -> None:
        """Hold one NOTIFY to the laws."""
        assert self.in_flight is None
        last = notice.standing is Substate.TERMINATED
        if not (self.is_owed or last):
            assert self.now >= self.not_before - SLACK
            if not (notice.standing is Substate.ACTIVE and self.heard is not Substate.ACTIVE):
                assert self.now - self.sent_at >= self._gap() - SLACK
        if self.condition == "*":
            assert notice.view is None
            assert self.is_owed or notice.standing is not self.heard
        if self.condition == self.view.tag == self.copy and notice.view is not None:
            assert notice.unchanged
            assert self.is_owed or notice.standing is not self.heard
        if notice.standing is Substate.PENDING or notice.reason is EventReason.REJECTED:
            assert (notice.view, notice.tag) == (None, None)
        if notice.view is not None:
            assert notice.base in (None, self.copy)
            assert notice.view == self.view
        assert (notice.expires is None) == last
        assert notice.rates == self.machine.rates
        if self.condition != "*" and self.condition != (notice.view and notice.view.tag):
            self.condition = None
        self.in_flight, self.sent_at, self.is_owed, self.not_before = notice, self.now, False, -inf

    def _gap(self) -> float:
        rate = self.machine.rates.max_rate
        return self.pace if rate is None else 1 / rate

    # -- what happens ------------------------------------------------------------------------------------------------

    @rule(lasts=LASTING, condition=CONDITIONS, rates=RATES)
    def subscribe(self, lasts: float, condition: str, rates: Rates) -> None:
        self._subscribe(lasts, condition, rates)
        self._pump()

    @rule(condition=CONDITIONS, rates=RATES)
    def leave(self, condition: str, rates: Rates) -> None:
        self._subscribe(0.0, condition, rates)
        self._pump()

    def _subscribe(self, lasts: float, word: str, rates: Rates) -> None:
        condition = {"none": None, "*": "*", "own": self.copy}[word]
        if self.alive and self.machine.over:
            return  # 481
        known = None if condition == "*" else condition
        if not self.alive:
            self._start()
            self.heard = None
        elif condition is not None and self.machine.suppress(condition, expires_at=self.now + lasts):
            self._no_notification(lasts, condition, rates)
            return
        else:
            known = known or self.machine.delivered
        self.machine.subscribed(
            expires_at=self.now + lasts,
            holds=known,
            full=not self.keeps and condition is None,
            leaving=lasts == 0,
            condition=condition,
        )
        self._regulate(rates, lasts)
        self.condition = condition if condition == "*" or self.heard is not None else None
        self.alive, self.is_owed, self.failures = True, True, 0
        self.leaving = lasts == 0
        self._settle()

    def _no_notification(self, lasts: float, condition: str, rates: Rates) -> None:
        """204: what the subscriber knows is how it is (RFC 5839 §6.3)."""
        assert self.heard is self.standing
        assert condition == "*" or condition == self.view.tag
        self._regulate(rates, lasts)
        self.condition, self.failures, self.is_owed, self.not_before = condition, 0, False, -inf
        self.alive = lasts > 0

    @rule(rates=RATES)
    def name_rates_in_an_answer(self, rates: Rates) -> None:
        if self.alive and not self.machine.over:
            self._regulate(rates, self.machine.expires_at - self.now)
            self._pump()

    def _regulate(self, asked: Rates, lasts: float) -> None:
        rates = asked.agreed(LIMITS, pace=self.pace, lasts=lasts)
        if self.sent_at == -inf and rates != self.machine.rates:
            self.sent_at = self.now  # what was sent before the restart counts as sent now
        self.machine.regulate(rates, self.now)

    @rule(view=st.sampled_from(VIEWS))
    def change(self, view: View) -> None:
        self.view = view
        self._settle()
        self._pump()

    @rule(standing=st.sampled_from([Substate.PENDING, Substate.ACTIVE, Substate.ACTIVE, Substate.TERMINATED]))
    def decide(self, standing: Substate) -> None:
        if not self.machine.over or standing is Substate.TERMINATED or self.leaving:
            self.standing = standing
            if standing is Substate.TERMINATED:
                self.leaving = False
            self._settle()
            self._pump()
        if not self.alive:
            self.standing = Substate.PENDING if standing is Substate.TERMINATED else standing

    @precondition(lambda self: self.in_flight is not None)
    @rule(status=st.sampled_from([200, 200, 200, 202, 500, 503, 401, 481, 604, None]), arrived=st.booleans())
    def answer(self, status: int | None, arrived: bool) -> None:
        retry_after = 7.0 if status == 503 else None
        self._answer(status, arrived=arrived or status in (200, 202), retry_after=retry_after)
        self._pump()

    def _answer(self, status: int | None, *, arrived: bool, retry_after: float | None = None) -> None:
        notice, self.in_flight = self.in_flight, None
        assert notice is not None
        if arrived and notice.view is not None:
            self.copy = notice.view.tag
        outcome = self.machine.answered(status, self.now, retry_after=retry_after)
        good = status is not None and status < 300
        self.failures = 0 if good else self.failures + 1
        assert outcome.delivered == good
        if good:
            self.heard = notice.standing
        if notice.standing is Substate.TERMINATED:
            assert outcome.gone is Gone.TOLD
        elif status is None:
            assert outcome.gone is Gone.SILENT
        elif status in REMOVING:
            assert outcome.gone is Gone.REFUSED
        elif self.failures >= TRIES:
            assert outcome.gone is Gone.FAILING
        else:
            assert outcome.gone is None
            if not good:
                self.not_before = self.now + (retry_after or 32.0 * 2 ** (self.failures - 1))
        if outcome.gone is not None:
            self.alive = False
            self.standing = Substate.PENDING if self.standing is Substate.TERMINATED else self.standing

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 4.0, 20.0, 100.0, 4000.0]))
    def pass_time(self, seconds: float) -> None:
        self._pass_time(seconds)

    def _pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.alive and (deadline := self.machine.next_deadline()) is not None and deadline <= end:
            self.now = deadline
            self._pump()
            if self.in_flight is not None and seconds > 32:
                self._answer(200, arrived=True)
                self._pump()
        self.now = end

    @precondition(lambda self: self.alive and not self.machine.over)
    @rule()
    def restart(self) -> None:
        """The journal knows what was acknowledged; what may have arrived besides, it takes for unknown."""
        machine = self.machine
        certain = self.in_flight is None and self.failures == 0
        self.machine = Subscription(
            expires_at=machine.expires_at,
            delivered=machine.delivered if certain else None,
            told=machine.told,
            pace=self.pace,
            full=not self.keeps,
            quenched=self.condition == "*",
        )
        self.machine.regulate(machine.rates, self.now)
        self.in_flight, self.is_owed, self.not_before, self.failures = None, False, -inf, 0
        self.condition = "*" if self.condition == "*" else None
        self.sent_at = -inf if machine.rates == NO_RATES else self.now
        self._settle()
        self._pump()

    # -- laws that hold at all times -----------------------------------------------------------------------------------

    @invariant()
    def a_minimum_rate_is_kept(self) -> None:
        if not self.alive or self.in_flight is not None or self.machine.over or self.now < self.not_before:
            return
        rate = self.machine.rates.min_rate
        if rate is not None and self.condition not in ("*", self.machine.view and self.machine.view.tag):
            assert self.now - self.sent_at <= 1 / rate + SLACK or self.sent_at == -inf

    @invariant()
    def what_waits_has_a_time(self) -> None:
        if self.alive and self.in_flight is None and self.machine.behind:
            deadline = self.machine.next_deadline()
            assert deadline is not None
            waits_until = max(self.not_before, self.sent_at + self._gap())
            assert deadline <= waits_until + SLACK

    def teardown(self) -> None:
        """Everything is told in the end."""
        if not hasattr(self, "now"):
            return
        for _ in range(100):
            if self.in_flight is not None:
                self._answer(200, arrived=True)
            elif self.alive and self.machine.behind:
                deadline = self.machine.next_deadline()
                assert deadline is not None
                self.now = max(self.now, deadline)
            else:
                break
            self._pump()
        if self.alive:
            assert self.heard is self.standing
            if self.standing is Substate.ACTIVE and self.condition != "*":
                assert self.copy == self.view.tag


TestNotifying = Notifying.TestCase
TestNotifying.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
