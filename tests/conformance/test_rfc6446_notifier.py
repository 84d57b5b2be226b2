"""RFC 6446 at the notifier, statement by statement. The grammar (§9.2), what is agreed (§5.3, §6.3, §7.3, §8) and the
formula (§7.4) are held by tests/pure/events/test_rates.py too; retransmissions, which no rate may touch, by the
transactions, which know of none."""

from __future__ import annotations

import pytest

from abserver.domain.view import View
from abserver.events.contact_card import PACKAGE
from abserver.events.rates import NO_RATES, Limits, Rates
from abserver.events.subscription import Notice, Subscription
from abserver.sip.headers import Event, EventReason, Substate

VIEWS = [View(b"", str(number)) for number in range(10)]


def agreed(event: str, *, lasts: float = 3600.0, limits: Limits = PACKAGE.limits, pace: float = 0.0) -> Rates:
    """What the notifier makes of an Event field."""
    return Rates.of(Event.parse(event).params).agreed(limits, pace=pace, lasts=lasts)


def subscribed(rates: Rates = NO_RATES, *, pace: float = 0.0, full: bool = False) -> Subscription:
    """A subscription whose first state was acknowledged at 0."""
    machine = Subscription(pace=pace)
    machine.subscribed(expires_at=3600.0, holds=None, full=full)
    machine.regulate(rates, 0.0)
    machine.set_active(VIEWS[0])
    assert sent(machine, 0.0)
    return machine


def sent(machine: Subscription, now: float) -> Notice | None:
    """The NOTIFY that goes at `now`, acknowledged."""
    machine.expire(now)
    notice = machine.next_notice(now)
    machine.answered(200, now)
    return notice


def beats(machine: Subscription, until: float) -> list[float]:
    """When NOTIFYs go if nothing happens but that deadlines are kept."""
    times = []
    while (deadline := machine.next_deadline()) is not None and deadline <= until:
        assert sent(machine, deadline)
        times.append(deadline)
    return times


# -- 4.2 and 5.2: the maximum rate ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max-rate", "min-rate", "adaptive-min-rate"])
def test_the_adjusted_rate_is_told_in_every_notify_4_2_and_5_2_and_6_2_and_7_2(name: str) -> None:
    """The notifier MUST reflect back the possibly adjusted rate control values in the subsequent NOTIFY requests."""
    machine = subscribed(agreed(f"contact-card;{name}=99", limits=Limits(max_rate=0.5, min_rate=0.5)))
    machine.set_active(VIEWS[1])
    change = sent(machine, 2.0)
    machine.set_pending()
    pending = sent(machine, 4.0)
    machine.terminate(EventReason.REJECTED)
    last = sent(machine, 4.0)
    assert [notice and notice.rates.params() for notice in (change, pending, last)] == [{name: "0.5"}] * 3


def test_no_notify_goes_before_the_reciprocal_of_the_max_rate_is_over_5_2() -> None:
    """A compliant notifier MUST NOT generate a notification if the interval since the most recent notification is less
    than the reciprocal value of the max-rate parameter."""
    machine = subscribed(Rates(max_rate=0.25))
    machine.set_active(VIEWS[1])
    assert sent(machine, 3.9) is None
    assert machine.next_deadline() == 4.0
    assert sent(machine, 4.0) is not None
    machine.set_active(VIEWS[2])
    assert sent(machine, 7.9) is None


def test_after_a_quiet_time_a_change_goes_at_once_5_2() -> None:
    machine = subscribed(Rates(max_rate=0.25))
    machine.set_active(VIEWS[1])
    assert sent(machine, 100.0) is not None


def test_the_answer_to_a_subscribe_is_exempt_5_2() -> None:
    machine = subscribed(Rates(max_rate=0.25))
    machine.subscribed(expires_at=3600.0, holds="0", full=False)
    assert sent(machine, 0.1) is not None


def test_the_change_from_pending_to_active_is_exempt_5_2() -> None:
    machine = subscribed(Rates(max_rate=0.25))
    machine.set_pending()
    assert sent(machine, 3.9) is None
    assert sent(machine, 4.0) is not None
    machine.set_active(VIEWS[0])
    assert sent(machine, 4.1) is not None


@pytest.mark.parametrize("way", ["terminate", "expire", "leave"])
def test_the_last_notify_is_exempt_5_2(way: str) -> None:
    machine = subscribed(Rates(max_rate=0.0002777778))
    machine.set_active(VIEWS[1])
    if way == "terminate":
        machine.terminate(EventReason.REJECTED)
    elif way == "expire":
        machine.expires_at = 0.1
    else:
        machine.subscribed(expires_at=0.0, holds="0", full=False, leaving=True)
    notice = sent(machine, 0.1)
    assert notice is not None
    assert notice.standing is Substate.TERMINATED


def test_an_exempt_notify_counts_as_the_most_recent_5_2() -> None:
    machine = subscribed(Rates(max_rate=0.25))
    machine.subscribed(expires_at=3600.0, holds="0", full=False)
    assert sent(machine, 3.0) is not None
    machine.set_active(VIEWS[1])
    assert sent(machine, 6.9) is None
    assert sent(machine, 7.0) is not None


def test_a_second_try_keeps_to_the_rate_5_2() -> None:
    machine = subscribed(Rates(max_rate=0.01))
    machine.set_active(VIEWS[1])
    machine.next_notice(100.0)
    machine.answered(503, 100.0, retry_after=5.0)
    assert sent(machine, 105.0) is None
    assert sent(machine, 200.0) is not None


def test_the_policy_of_the_package_paces_who_asks_for_nothing_5_2() -> None:
    """When a local policy dictates a maximum rate, a notifier will not generate notifications more frequently, even if
    the subscriber is not asking for maximum rate control."""
    machine = subscribed(pace=5.0)
    machine.set_active(VIEWS[1])
    assert sent(machine, 4.9) is None
    notice = sent(machine, 5.0)
    assert notice is not None
    assert notice.rates is NO_RATES  # "MAY inform": it did not ask


def test_who_asks_gets_more_than_the_pace_as_far_as_policy_goes_5_3() -> None:
    machine = subscribed(agreed("contact-card;max-rate=99", limits=Limits(max_rate=2.0), pace=5.0), pace=5.0)
    machine.set_active(VIEWS[1])
    assert sent(machine, 0.4) is None
    assert sent(machine, 0.5) is not None


def test_the_pace_holds_for_who_asks_for_a_minimum_alone_5_2() -> None:
    machine = subscribed(Rates(min_rate=0.125), pace=5.0)
    machine.set_active(VIEWS[1])
    assert sent(machine, 4.9) is None
    assert sent(machine, 5.0) is not None


def test_a_new_rate_counts_from_the_most_recent_notify_5_2() -> None:
    machine = subscribed()
    machine.regulate(Rates(max_rate=0.25), 3.0)
    machine.set_active(VIEWS[1])
    assert sent(machine, 3.9) is None
    assert sent(machine, 4.0) is not None


@pytest.mark.parametrize("way", ["subscribe", "answer"])
def test_a_max_rate_that_is_not_named_again_is_removed_5_1(way: str) -> None:
    """MUST indicate so by not including a max-rate parameter in a subsequent SUBSCRIBE or a 2xx response."""
    machine = subscribed(Rates(max_rate=0.01), pace=1.0)
    if way == "subscribe":
        machine.subscribed(expires_at=3600.0, holds="0", full=False)
    machine.regulate(agreed("contact-card"), 10.0)
    if way == "subscribe":
        assert sent(machine, 10.0) is not None
    machine.set_active(VIEWS[1])
    notice = sent(machine, 11.0)
    assert notice is not None
    assert notice.rates.params() == {}


def test_a_restart_keeps_the_distance_5_2() -> None:
    """What was sent just before it is not known any more, so the interval begins anew."""
    machine = Subscription(expires_at=3600.0, delivered="0", told=Substate.ACTIVE)
    machine.regulate(Rates(max_rate=0.25), 1000.0)
    machine.set_active(VIEWS[1])
    assert sent(machine, 1003.9) is None
    assert sent(machine, 1004.0) is not None


# -- 5.3: selecting it ------------------------------------------------------------------------------------------------


def test_a_rate_without_a_notify_before_the_expiry_is_raised_5_3() -> None:
    """The notifier MUST increase the maximum rate and set it to the reciprocal value of the remaining time."""
    assert agreed("contact-card;max-rate=0.0001", lasts=100.0) == Rates(max_rate=0.01)


def test_a_shorter_expiry_raises_the_rate_5_3() -> None:
    """If the subscription expiry is shortened during an active subscription, the notifier MUST also increase it."""
    asked = "contact-card;max-rate=0.0005"
    machine = subscribed(agreed(asked, lasts=3600.0))
    machine.subscribed(expires_at=500.0, holds="0", full=False)
    machine.regulate(agreed(asked, lasts=500.0), 0.0)
    notice = sent(machine, 0.0)
    assert notice is not None
    assert notice.rates == Rates(max_rate=0.002)


def test_a_pause_ends_with_the_next_subscribe_5_3() -> None:
    """No further notifications until the subscription expires or a SUBSCRIBE resumes notifications."""
    machine = subscribed(agreed("contact-card;max-rate=0.0000000001"))
    machine.set_active(VIEWS[1])
    assert sent(machine, 3599.0) is None
    machine.subscribed(expires_at=7200.0, holds="0", full=False)
    machine.regulate(agreed("contact-card;max-rate=1"), 3599.0)
    notice = sent(machine, 3599.0)
    assert notice is not None
    assert notice.tag == "1"


# -- 5.5: what waits --------------------------------------------------------------------------------------------------


def test_of_states_that_wait_the_newest_is_sent_5_5_2() -> None:
    """The notifier simply replaces the pending notification with the new one, discarding the older state."""
    machine = subscribed(Rates(max_rate=0.25), full=True)
    for view in VIEWS[1:5]:
        machine.set_active(view)
    notice = sent(machine, 4.0)
    assert notice is not None
    assert (notice.base, notice.view) == (None, VIEWS[4])
    assert not machine.behind


def test_differences_that_wait_are_merged_5_5_1() -> None:
    """F' is replaced with F only when their difference is in a notification that the mechanism allowed."""
    machine = subscribed(Rates(max_rate=0.25))
    machine.set_active(VIEWS[1])
    assert sent(machine, 1.0) is None
    machine.set_active(VIEWS[2])
    notice = sent(machine, 4.0)
    assert notice is not None
    assert (notice.base, notice.view) == ("0", VIEWS[2])


def test_a_change_that_is_taken_back_while_it_waits_is_not_sent_5_5() -> None:
    machine = subscribed(Rates(max_rate=0.25))
    machine.set_active(VIEWS[1])
    assert sent(machine, 1.0) is None
    machine.set_active(VIEWS[0])
    assert sent(machine, 4.0) is None


# -- 6.2: the minimum rate --------------------------------------------------------------------------------------------


def test_a_notify_goes_when_the_reciprocal_of_the_min_rate_is_over_6_2() -> None:
    """A compliant notifier MUST generate notifications when state changes occur or when the time since the most recent
    notification exceeds the reciprocal value of the min-rate parameter."""
    machine = subscribed(Rates(min_rate=0.125))
    assert beats(machine, 30.0) == [8.0, 16.0, 24.0]
    machine.set_active(VIEWS[1])
    assert sent(machine, 25.0) is not None
    assert beats(machine, 45.0) == [33.0, 41.0]


def test_the_beat_goes_on_while_pending_6_2() -> None:
    machine = subscribed(Rates(min_rate=0.125))
    machine.set_pending()
    notice = sent(machine, 8.0)
    assert notice is not None
    assert (notice.standing, notice.view) == (Substate.PENDING, None)
    assert beats(machine, 30.0) == [16.0, 24.0]


def test_who_keeps_no_copy_gets_the_full_state_again_6_2() -> None:
    """The NOTIFY MUST contain either the current full state or ..."""
    machine = subscribed(Rates(min_rate=0.125), full=True)
    notice = sent(machine, 8.0)
    assert notice is not None
    assert (notice.base, notice.view, notice.unchanged) == (None, VIEWS[0], False)


def test_who_keeps_a_copy_is_told_that_it_is_the_current_one_6_2() -> None:
    """... the partial state showing the difference to the last successfully communicated state: none. "The NOTIFY
    request body can be suppressed if the state has not changed"."""
    machine = subscribed(Rates(min_rate=0.125))
    notice = sent(machine, 8.0)
    assert notice is not None
    assert (notice.tag, notice.unchanged) == ("0", True)


def test_the_complete_notify_is_suppressed_while_a_condition_is_true_6_2() -> None:
    machine = subscribed(Rates(min_rate=0.125))
    assert machine.suppress("0", expires_at=100.0)
    assert sent(machine, 8.0) is None
    assert machine.next_deadline() == 100.0


def test_a_beat_is_not_missed_over_a_restart_6_2() -> None:
    machine = Subscription(expires_at=3600.0, delivered="0", told=Substate.ACTIVE)
    machine.regulate(Rates(min_rate=0.125), 1000.0)
    machine.set_active(VIEWS[0])
    assert beats(machine, 1020.0) == [1008.0, 1016.0]


def test_a_beat_that_falls_due_while_a_notify_is_in_flight_goes_after_it_6_2() -> None:
    machine = subscribed(Rates(min_rate=0.125))
    machine.set_active(VIEWS[1])
    machine.next_notice(8.0)
    machine.expire(16.0)
    assert machine.next_notice(16.0) is None
    assert machine.next_deadline() == 3600.0
    machine.answered(200, 17.0)
    assert machine.next_notice(17.0) is not None


def test_a_beat_does_not_delay_the_answer_to_a_subscribe_5_2() -> None:
    machine = subscribed(Rates(min_rate=0.125))
    machine.set_active(VIEWS[1])
    machine.next_notice(8.0)
    machine.subscribed(expires_at=3600.0, holds="0", full=False)
    machine.expire(16.0)
    machine.answered(503, 16.0, retry_after=100.0)
    assert machine.next_notice(16.0) is not None


def test_the_beat_ends_with_the_rate_6_1() -> None:
    machine = subscribed(Rates(min_rate=0.125))
    machine.regulate(NO_RATES, 1.0)
    assert machine.next_deadline() == 3600.0


# -- 7: the adaptive minimum rate -------------------------------------------------------------------------------------


def test_a_steady_adaptive_rate_is_kept_7_2() -> None:
    machine = subscribed(Rates(adaptive_min_rate=0.125))
    assert beats(machine, 33.0) == [8.0, 16.0, 24.0, 32.0]


def test_who_got_many_notifications_waits_longer_for_the_next_7_2() -> None:
    machine = subscribed(Rates(adaptive_min_rate=0.125))
    for number, view in enumerate(VIEWS[1:8], start=1):
        machine.set_active(view)
        assert sent(machine, float(number)) is not None
    assert machine.next_deadline() == 7.0 + 8.0 * 17 / 10


def test_rates_that_are_named_again_keep_their_history_7_2() -> None:
    """The record begins when a subscription is first created."""
    machine = subscribed(Rates(adaptive_min_rate=0.125))
    machine.subscribed(expires_at=3600.0, holds="0", full=False)
    machine.regulate(Rates(adaptive_min_rate=0.125), 1.0)
    assert sent(machine, 1.0) is not None
    assert machine.next_deadline() == 1.0 + 8.0 * 11 / 10


# -- 8: together ------------------------------------------------------------------------------------------------------


def test_maximum_and_minimum_together_8() -> None:
    machine = subscribed(agreed("contact-card;max-rate=0.25;min-rate=0.125", limits=Limits(1.0, 1.0)))
    assert beats(machine, 30.0) == [8.0, 16.0, 24.0]
    machine.set_active(VIEWS[2])
    assert sent(machine, 27.9) is None
    assert sent(machine, 28.0) is not None
    assert beats(machine, 40.0) == [36.0]
