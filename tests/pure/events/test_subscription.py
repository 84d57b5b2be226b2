"""The notifier's end of a subscription: every situation, every answer, no clock."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abserver.domain.view import View
from abserver.events.rates import Rates
from abserver.events.subscription import FIRST_RETRY, REMOVING, TRIES, Gone, Notice, Outcome, Subscription
from abserver.sip.headers import EventReason, Substate

OLD, NEW = View(b"<old/>", "old"), View(b"<new/>", "new")

DELIVERED, LATER = Outcome(delivered=True, gone=None), Outcome(delivered=False, gone=None)


def subscribed(*, holds: str | None = None, full: bool = False, leaving: bool = False) -> Subscription:
    machine = Subscription()
    machine.subscribed(expires_at=100.0, holds=holds, full=full, leaving=leaving)
    return machine


def active(view: View = OLD) -> Subscription:
    """A subscription that acknowledged `view`."""
    machine = subscribed()
    machine.set_active(view)
    assert machine.next_notice(0.0)
    machine.answered(200, 0.0)
    return machine


def test_a_subscribe_is_followed_by_a_notify_at_once_rfc6665_4_2_1_2() -> None:
    machine = subscribed()
    machine.set_active(OLD)
    assert machine.next_notice(10.0) == Notice(Substate.ACTIVE, None, 90, OLD, None)


def test_a_notify_never_lengthens_a_subscription_rfc6665_4_2_2() -> None:
    machine = subscribed()
    notice = machine.next_notice(0.1)
    assert notice is not None
    assert notice.expires == 99


def test_a_notify_that_is_late_does_not_tell_a_time_before_now() -> None:
    machine = subscribed()
    notice = machine.next_notice(200.0)
    assert notice is not None
    assert notice.expires == 0


def test_a_pending_watcher_never_gets_a_view() -> None:
    machine = subscribed(holds="old")
    machine.set_pending()
    notice = machine.next_notice(0.0)
    assert notice == Notice(Substate.PENDING, None, 100, None, "old")
    assert not notice.unchanged
    assert machine.answered(200, 0.0) == DELIVERED
    assert machine.delivered == "old"


def test_the_decision_is_told_at_once() -> None:
    machine = subscribed()
    machine.set_pending()
    machine.next_notice(0.0)
    machine.answered(200, 0.0)
    machine.set_active(NEW)
    assert machine.behind
    assert machine.next_notice(1.0) == Notice(Substate.ACTIVE, None, 99, NEW, None)


def test_a_revoked_watcher_goes_back_to_pending_without_a_view() -> None:
    machine = active()
    machine.set_pending()
    assert machine.next_notice(0.0) == Notice(Substate.PENDING, None, 100, None, "old")


def test_nothing_is_sent_while_the_view_stays_what_it_was() -> None:
    machine = active()
    machine.set_active(View(b"<old/>", "old"))
    assert not machine.behind
    assert machine.next_notice(1.0) is None


def test_only_one_notify_is_in_flight_and_changes_merge_meanwhile() -> None:
    machine = active()
    machine.set_active(View(b"1", "1"))
    first = machine.next_notice(0.0)
    machine.set_active(View(b"2", "2"))
    machine.set_active(NEW)
    assert machine.next_notice(0.0) is None
    assert first is not None
    assert machine.answered(200, 0.0) == DELIVERED
    assert machine.next_notice(0.0) == Notice(Substate.ACTIVE, None, 100, NEW, "1")


def test_a_view_that_came_back_while_in_flight_costs_one_more_notify() -> None:
    machine = active(OLD)
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.set_active(OLD)
    machine.answered(200, 0.0)
    assert machine.next_notice(0.0) == Notice(Substate.ACTIVE, None, 100, OLD, "new")


def test_only_a_2xx_moves_delivered() -> None:
    for status in (None, 300, 400, 500, 503, 600, *REMOVING):
        machine = active(OLD)
        machine.set_active(NEW)
        machine.next_notice(0.0)
        machine.answered(status, 0.0)
        assert machine.delivered == "old", status


@pytest.mark.parametrize("status", sorted(REMOVING))
def test_the_must_list_removes_the_subscription_rfc6665_4_2_2(status: int) -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    assert machine.answered(status, 0.0) == Outcome(delivered=False, gone=Gone.REFUSED)


def test_silence_removes_the_subscription_rfc6665_4_2_2() -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    assert machine.answered(None, 0.0) == Outcome(delivered=False, gone=Gone.SILENT)


def test_another_failure_is_tried_again_later_with_the_full_view_and_ever_more_slowly() -> None:
    machine = active()
    machine.expires_at = 1000.0
    machine.set_active(NEW)
    machine.next_notice(0.0)
    assert machine.answered(500, 0.0) == LATER
    assert machine.next_notice(FIRST_RETRY - 1) is None
    assert machine.next_deadline() == FIRST_RETRY
    again = machine.next_notice(FIRST_RETRY)
    assert again is not None
    assert again.base is None
    assert machine.answered(500, FIRST_RETRY) == LATER
    assert machine.next_deadline() == 3 * FIRST_RETRY
    machine.next_notice(3 * FIRST_RETRY)
    machine.answered(200, 3 * FIRST_RETRY)
    assert machine.next_deadline() == 1000.0


def test_a_retry_after_is_obeyed() -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.answered(503, 0.0, retry_after=7.0)
    assert machine.next_deadline() == 7.0
    assert machine.next_notice(6.9) is None
    assert machine.next_notice(7.0) is not None


def test_a_way_that_is_there_again_ends_the_wait_for_a_retry_and_no_other() -> None:
    machine = active()
    machine.regulate(Rates(0.1, None, None), 0.0)
    machine.set_active(NEW)
    assert machine.next_notice(10.0)
    machine.answered(503, 10.0, retry_after=70.0)
    assert machine.next_notice(30.0) is None
    machine.reachable_again()
    assert machine.next_notice(30.0) is not None
    machine.answered(200, 30.0)
    machine.set_active(OLD)
    assert machine.next_notice(35.0) is None
    machine.reachable_again()
    assert machine.next_notice(35.0) is None


def test_the_last_word_does_not_wait_for_a_retry() -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.answered(503, 0.0, retry_after=70.0)
    machine.set_pending()
    assert machine.next_notice(1.0) is None
    machine.terminate(EventReason.REJECTED)
    assert machine.next_notice(1.0) is not None


def test_the_answer_to_a_subscribe_does_not_wait_for_a_retry_rfc6665_4_2_1_2() -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.answered(503, 0.0, retry_after=70.0)
    machine.subscribed(expires_at=100.0, holds="old", full=False)
    assert machine.next_notice(1.0) is not None


def test_a_subscribe_during_a_notify_that_fails_is_answered_at_once_rfc6665_4_2_1_2() -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.subscribed(expires_at=100.0, holds="old", full=False)
    machine.answered(503, 0.0, retry_after=70.0)
    assert machine.next_notice(1.0) is not None


def test_failures_in_a_row_end_the_subscription() -> None:
    machine = active()
    machine.expires_at = 10_000.0
    machine.set_active(NEW)
    now = 0.0
    for _ in range(TRIES - 1):
        assert machine.next_notice(now) is not None
        assert machine.answered(500, now) == LATER
        deadline = machine.next_deadline()
        assert deadline is not None
        now = deadline
    assert machine.next_notice(now) is not None
    assert machine.answered(500, now) == Outcome(delivered=False, gone=Gone.FAILING)


@pytest.mark.parametrize("word", ["answer", "subscribe", "suppress"])
def test_a_word_of_the_subscriber_gives_it_all_tries_again(word: str) -> None:
    machine = active()
    for turn in range(3 * TRIES):
        machine.set_active(View(b"", str(turn)))
        now = 1000.0 * turn
        assert machine.next_notice(now) is not None
        assert machine.answered(500, now) == LATER
        if word == "answer":
            assert machine.next_notice(now + FIRST_RETRY) is not None
            machine.answered(200, now + FIRST_RETRY)
        elif word == "subscribe":
            machine.subscribed(expires_at=100_000.0, holds="old", full=False)
        else:
            assert machine.suppress(str(turn), expires_at=100_000.0)


def test_a_copy_is_in_doubt_until_the_full_view_is_acknowledged() -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.answered(500, 0.0)
    machine.next_notice(FIRST_RETRY)
    machine.answered(200, FIRST_RETRY)
    machine.set_active(OLD)
    notice = machine.next_notice(FIRST_RETRY)
    assert notice is not None
    assert notice.base == "new"


def test_a_notify_without_a_body_leaves_no_doubt_when_it_fails() -> None:
    machine = active()
    machine.subscribed(expires_at=100.0, holds="old", full=False)
    machine.next_notice(0.0)
    machine.answered(500, 0.0)
    notice = machine.next_notice(FIRST_RETRY)
    assert notice is not None
    assert notice.unchanged


def test_whoever_names_the_state_it_holds_has_no_copy_in_doubt_rfc5839_5_2() -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.answered(500, 0.0)
    machine.subscribed(expires_at=100.0, holds="old", full=False, condition="old")
    assert machine.next_notice(1.0) == Notice(Substate.ACTIVE, None, 99, NEW, "old")


def test_a_time_that_came_is_no_deadline_any_more() -> None:
    machine = Subscription(pace=5.0)
    machine.subscribed(expires_at=100.0, holds=None, full=False)
    machine.set_active(OLD)
    machine.next_notice(0.0)
    machine.answered(200, 0.0)
    machine.set_active(NEW)
    assert machine.next_notice(1.0) is None
    assert machine.next_deadline() == 5.0
    machine.set_active(OLD)
    machine.expire(5.0)
    assert machine.next_deadline() == 100.0


def test_a_rejected_subscription_ends_with_its_notify_and_shows_nothing() -> None:
    machine = active()
    machine.terminate(EventReason.REJECTED)
    notice = machine.next_notice(0.0)
    assert notice == Notice(Substate.TERMINATED, EventReason.REJECTED, None, None, "old")
    assert machine.over
    assert machine.answered(200, 0.0) == Outcome(delivered=True, gone=Gone.TOLD)


def test_nothing_revives_a_terminated_subscription() -> None:
    machine = active()
    machine.terminate(EventReason.REJECTED)
    machine.terminate(EventReason.TIMEOUT)
    machine.set_active(NEW)
    machine.set_pending()
    assert machine.standing is Substate.TERMINATED
    assert machine.reason is EventReason.REJECTED
    assert machine.view is None
    assert machine.next_deadline() is None


@pytest.mark.parametrize("status", [None, 401, 481, 500])
def test_a_terminal_notify_is_not_repeated(status: int | None) -> None:
    machine = active()
    machine.terminate(EventReason.REJECTED)
    machine.next_notice(0.0)
    assert machine.answered(status, 0.0) == Outcome(delivered=False, gone=Gone.TOLD)


def test_an_answer_to_nothing_is_nothing() -> None:
    assert Subscription().answered(200, 0.0) == LATER


def test_an_unsubscription_takes_the_last_state_along_rfc6665_4_4_3() -> None:
    machine = active(OLD)
    machine.subscribed(expires_at=0.0, holds="old", full=False, leaving=True)
    assert machine.over
    machine.set_active(NEW)
    assert machine.next_notice(0.0) == Notice(Substate.TERMINATED, EventReason.TIMEOUT, None, NEW, "old")


def test_whoever_leaves_does_not_expire_before_the_last_state_is_told() -> None:
    machine = subscribed(leaving=True)
    machine.expires_at = 0.0
    assert machine.next_deadline() is None
    machine.expire(1.0)
    machine.set_active(NEW)
    assert machine.next_notice(1.0) == Notice(Substate.TERMINATED, EventReason.TIMEOUT, None, NEW, None)


def test_who_is_rejected_while_leaving_gets_no_state_any_more() -> None:
    machine = active(OLD)
    machine.subscribed(expires_at=0.0, holds="old", full=False, leaving=True)
    machine.set_active(NEW)
    machine.terminate(EventReason.REJECTED)
    machine.set_active(NEW)
    assert machine.next_notice(0.0) == Notice(Substate.TERMINATED, EventReason.REJECTED, None, None, "old")


def test_a_poll_of_a_pending_watcher_shows_nothing_rfc6665_4_4_3() -> None:
    machine = subscribed(leaving=True)
    machine.set_pending()
    assert machine.next_notice(0.0) == Notice(Substate.TERMINATED, EventReason.TIMEOUT, None, None, None)


def test_a_subscription_expires_rfc6665_4_4_1() -> None:
    machine = active()
    machine.expire(99.9)
    assert not machine.over
    assert machine.next_deadline() == 100.0
    machine.expire(100.0)
    assert machine.next_notice(100.0) == Notice(Substate.TERMINATED, EventReason.TIMEOUT, None, None, "old")


def test_a_subscriber_that_holds_the_view_gets_a_notify_that_says_so_rfc5839_5_3() -> None:
    machine = subscribed(holds="new")
    machine.set_active(NEW)
    notice = machine.next_notice(0.0)
    assert notice is not None
    assert notice.unchanged


def test_a_subscriber_without_a_copy_gets_the_full_view_on_every_subscribe() -> None:
    machine = active(OLD)
    machine.subscribed(expires_at=100.0, holds="old", full=True)
    machine.set_active(OLD)
    notice = machine.next_notice(0.0)
    assert notice is not None
    assert notice.base is None
    machine.answered(200, 0.0)
    machine.set_active(NEW)
    later = machine.next_notice(0.0)
    assert later is not None
    assert later.base is None


class TestSuppression:
    """Suppress-If-Match within the dialog, RFC 5839 §5.2."""

    @pytest.mark.parametrize("tag", ["old", "*"])
    def test_a_match_needs_no_notify(self, tag: str) -> None:
        machine = active(OLD)
        assert machine.suppress(tag, expires_at=500.0)
        assert machine.expires_at == 500.0
        assert machine.next_notice(0.0) is None

    def test_the_subscribers_own_word_on_its_copy_counts(self) -> None:
        machine = active(OLD)
        machine.set_active(NEW)
        machine.next_notice(0.0)
        assert machine.suppress("new", expires_at=500.0)
        assert machine.delivered == "new"

    def test_a_star_says_nothing_of_a_copy(self) -> None:
        machine = active(OLD)
        machine.set_active(NEW)
        assert machine.suppress("*", expires_at=500.0)
        assert machine.delivered == "old"

    def test_another_tag_does_not_match(self) -> None:
        assert not active(OLD).suppress("new", expires_at=500.0)

    def test_a_change_of_state_is_told_all_the_same(self) -> None:
        machine = subscribed()
        machine.set_pending()
        assert not machine.suppress("*", expires_at=500.0)
        machine.next_notice(0.0)
        machine.answered(200, 0.0)
        machine.set_active(OLD)
        assert not machine.suppress("*", expires_at=500.0)


INPUTS = ("pending", "active", "other", "reject", "expire", "subscribe", "leave", "send", "200", "500", "481", "lost")


def apply(machine: Subscription, action: str, now: float) -> Notice | None:
    match action:
        case "pending":
            machine.set_pending()
        case "active":
            machine.set_active(OLD)
        case "other":
            machine.set_active(NEW)
        case "reject":
            machine.terminate(EventReason.REJECTED)
        case "expire":
            machine.expire(machine.expires_at)
        case "subscribe" | "leave":
            machine.subscribed(expires_at=now + 100, holds=machine.delivered, full=False, leaving=action == "leave")
        case "send":
            return machine.next_notice(now)
        case _:
            machine.answered({"200": 200, "500": 500, "481": 481, "lost": None}[action], now)
    return None


def test_every_three_inputs_keep_the_laws() -> None:
    for path in itertools.product(INPUTS, repeat=3):
        check_laws(path)


@given(st.lists(st.sampled_from(INPUTS), max_size=60))
def test_any_inputs_keep_the_laws(path: list[str]) -> None:
    check_laws(path)


def check_laws(path: tuple[str, ...] | list[str]) -> None:
    """One NOTIFY at a time; delivered moves with a 2xx alone; a view only if active or leaving; the end is the end."""
    machine, in_flight, ended = subscribed(), None, False
    for now, action in enumerate(path):
        before = machine.delivered
        notice = apply(machine, action, float(now))
        if notice is not None:
            assert in_flight is None
            in_flight = notice
            assert notice.view is None or notice.standing is not Substate.PENDING
            assert notice.reason is not EventReason.REJECTED or notice.view is None
            assert (notice.expires is None) == (notice.standing is Substate.TERMINATED)
            assert not ended
            ended = notice.standing is Substate.TERMINATED
        elif action in ("200", "500", "481", "lost"):
            if in_flight is not None and action == "200" and in_flight.view is not None:
                assert machine.delivered == in_flight.view.tag
            else:
                assert machine.delivered == before
            in_flight = None
