"""What the next NOTIFY waits for, as the notifier's machine says it."""

from __future__ import annotations

from abserver.domain.view import View
from abserver.events.rates import Rates
from abserver.events.subscription import ANY, FIRST_RETRY, Pause, Subscription
from abserver.sip.headers import EventReason

OLD, NEW = View(b"<old/>", "old"), View(b"<new/>", "new")


def active(*, pace: float = 0.0) -> Subscription:
    """A subscription that acknowledged OLD at 0."""
    machine = Subscription(pace=pace)
    machine.subscribed(expires_at=1000.0, holds=None, full=False)
    machine.set_active(OLD)
    assert machine.next_notice(0.0)
    machine.answered(200, 0.0)
    return machine


def test_who_has_all_waits_for_a_change() -> None:
    assert active().pause(5.0) == (Pause.CHANGE, None)


def test_a_pending_watcher_who_was_told_so_waits_for_a_change() -> None:
    machine = Subscription()
    machine.subscribed(expires_at=1000.0, holds=None, full=False, condition=ANY)
    assert machine.pause(0.0) == (Pause.NOTHING, None)
    assert machine.next_notice(0.0)
    machine.answered(200, 0.0)
    assert machine.pause(1.0) == (Pause.CHANGE, None)


def test_a_notify_on_its_way_is_waited_for_since_it_left() -> None:
    machine = active()
    assert not machine.is_in_flight
    machine.set_active(NEW)
    assert machine.pause(3.0) == (Pause.NOTHING, None)
    assert machine.next_notice(3.0)
    assert machine.pause(4.0) == (Pause.ANSWER, 3.0)
    assert (machine.is_in_flight, machine.sent_at) == (True, 3.0)


def test_a_pace_is_waited_for_until_its_end() -> None:
    machine = active(pace=10.0)
    machine.set_active(NEW)
    assert machine.next_notice(1.0) is None
    assert machine.pause(1.0) == (Pause.RATE, 10.0)
    assert machine.pause(10.0) == (Pause.NOTHING, None)


def test_a_rate_as_well() -> None:
    machine = active()
    machine.regulate(Rates(max_rate=0.5), 0.0)
    machine.set_active(NEW)
    assert machine.next_notice(1.0) is None
    assert machine.pause(1.0) == (Pause.RATE, 2.0)


def test_the_beat_of_a_min_rate_is_no_later_for_hearing_of_the_same_rates_again_rfc6446_6() -> None:
    machine = active()
    for now in (0.0, 4.0):
        machine.regulate(Rates(min_rate=0.1), now)
        assert machine.next_deadline() == 10.0


def test_a_notify_begins_the_beat_of_a_min_rate_anew_rfc6446_6() -> None:
    machine = active()
    machine.regulate(Rates(min_rate=0.1), 0.0)
    machine.set_active(NEW)
    assert machine.next_notice(4.0)
    machine.answered(200, 4.0)
    assert machine.next_deadline() == 14.0
    machine.expire(14.0)
    assert machine.next_notice(14.0)


def test_who_asked_for_silence_hears_no_beat_of_a_min_rate_either_rfc5839_5_2() -> None:
    machine = active()
    machine.regulate(Rates(min_rate=0.1), 0.0)
    assert machine.suppress(ANY, expires_at=1000.0)
    machine.expire(10.0)
    assert machine.next_notice(10.0) is None


def test_after_a_failure_the_next_try_is_waited_for() -> None:
    machine = active(pace=10.0)
    machine.set_active(NEW)
    assert machine.next_notice(10.0)
    machine.answered(500, 11.0)
    assert machine.pause(12.0) == (Pause.RETRY, 11.0 + FIRST_RETRY)


def test_what_follows_a_subscribe_or_ends_a_subscription_waits_for_nothing() -> None:
    asked, ended = active(pace=10.0), active(pace=10.0)
    for machine in (asked, ended):
        machine.set_active(NEW)
        assert machine.next_notice(1.0) is None
    asked.subscribed(expires_at=1000.0, holds="old", full=False)
    ended.terminate(EventReason.REJECTED)
    for machine in (asked, ended):
        assert machine.pause(1.0) == (Pause.NOTHING, None)


def test_a_silence_is_waited_for_as_long_as_there_is_something_to_tell() -> None:
    machine = active()
    assert machine.suppress(ANY, expires_at=1000.0)
    assert machine.pause(1.0) == (Pause.CHANGE, None)
    machine.set_active(NEW)
    assert machine.pause(1.0) == (Pause.SILENCE, None)
    machine.set_pending()
    machine.set_active(OLD)
    assert machine.pause(1.0) == (Pause.CHANGE, None)
