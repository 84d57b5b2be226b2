"""RFC 5839 at the notifier, statement by statement: what the machine of a subscription makes of Suppress-If-Match.

The statements about the answer itself (204, its Expires) and about the NOTIFY on the wire are held by
tests/services/test_subscribing.py and tests/pure/events/test_notify.py.
"""

from __future__ import annotations

import pytest

from abserver.domain.view import View
from abserver.events.contact_card import VCARD, XCARD, Formats
from abserver.events.rates import Rates
from abserver.events.subscription import Notice, Subscription
from abserver.sip.headers import EventReason, Substate

OLD, NEW, NEWER = View(b"<old/>", "old"), View(b"<new/>", "new"), View(b"<newer/>", "newer")
CONDITIONS = ["old", "*"]
"""What is met by OLD."""


def subscribed(*, condition: str | None = None, leaving: bool = False) -> Subscription:
    """A SUBSCRIBE outside of a dialog was accepted."""
    machine = Subscription()
    holds = None if condition == "*" else condition
    machine.subscribed(expires_at=3600.0, holds=holds, full=False, leaving=leaving, condition=condition)
    return machine


def active(machine: Subscription | None = None) -> Subscription:
    """A subscription in whose dialog OLD was acknowledged."""
    machine = subscribed() if machine is None else machine
    machine.set_active(OLD)
    assert sent(machine)
    return machine


def sent(machine: Subscription, now: float = 0.0) -> Notice | None:
    """The NOTIFY that goes now, acknowledged."""
    notice = machine.next_notice(now)
    machine.answered(200, now)
    return notice


def has_body(notice: Notice) -> bool:
    return notice.view is not None and not notice.unchanged


# -- 4 and 6.1: entity-tags -------------------------------------------------------------------------------------------


def test_every_notify_of_a_state_has_its_tag_6_1() -> None:
    """A notifier MUST generate entity-tags for event notifications of all resources."""
    machine = subscribed()
    machine.set_active(OLD)
    notice = sent(machine)
    assert notice is not None
    assert notice.tag == "old"


def test_a_tag_names_one_presentation_6_1() -> None:
    """Each entity-tag produced MUST map to one and only one presentation of resource state; the media type is part of
    it (§4)."""
    forms = [Formats(XCARD, patches=True), Formats(VCARD, patches=False)]
    assert len({each.entity_tag("old") for each in forms}) == len(forms)


def test_another_state_has_another_tag_4() -> None:
    """Whenever the data in the body changes, the notifier MUST produce a new entity-tag."""
    machine = active()
    machine.set_active(NEW)
    notice = sent(machine)
    assert notice is not None
    assert notice.tag == "new"


def test_a_difference_has_the_tag_of_the_full_state_4_and_6_4() -> None:
    """Implementations MUST consider the full event state as the version to which the entity-tag applies."""
    machine = active()
    machine.set_active(NEW)
    notice = machine.next_notice(0.0)
    assert notice is not None
    assert (notice.base, notice.tag) == ("old", "new")


# -- 6.2: suppressing the body ----------------------------------------------------------------------------------------


def test_an_initial_match_gets_a_notify_without_a_body_6_2() -> None:
    """The condition is true and the SUBSCRIBE is not within a dialog: the notifier MUST send a NOTIFY request with a
    suppressed entity body, and the NOTIFY MUST contain the unchanged entity-tag."""
    machine = subscribed(condition="old")
    machine.set_active(OLD)
    notice = sent(machine)
    assert notice is not None
    assert (notice.standing, notice.tag, has_body(notice)) == (Substate.ACTIVE, "old", False)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_poll_that_matches_gets_a_notify_without_a_body_5_4(condition: str) -> None:
    machine = subscribed(condition=condition, leaving=True)
    machine.set_active(OLD)
    notice = sent(machine)
    assert notice is not None
    assert (notice.standing, notice.reason) == (Substate.TERMINATED, EventReason.TIMEOUT)
    assert (notice.tag, has_body(notice)) == ("old", False)


def test_an_initial_star_gets_a_notify_without_a_body_6_2() -> None:
    """A Suppress-If-Match of `*` MUST always evaluate to true; the NOTIFY MUST contain the entity-tag."""
    machine = subscribed(condition="*")
    machine.set_active(OLD)
    notice = sent(machine)
    assert notice is not None
    assert (notice.standing, notice.tag, notice.view) == (Substate.ACTIVE, "old", None)


def test_an_initial_mismatch_gets_the_state_5_5() -> None:
    """Had the entity-tag not been valid any longer, the NOTIFY would have had a body with the latest state."""
    machine = subscribed(condition="old")
    machine.set_active(NEW)
    notice = sent(machine)
    assert notice is not None
    assert (notice.base, notice.tag, has_body(notice)) == ("old", "new", True)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_new_standing_is_told_without_a_body_6_2(condition: str) -> None:
    """The condition is true but there are reportable changes in the NOTIFY header: the notifier MUST suppress the
    body, and the NOTIFY MUST contain the unchanged entity-tag."""
    machine = active()
    assert machine.suppress(condition, expires_at=3600.0)
    machine.set_pending()
    notice = sent(machine)
    assert notice is not None
    assert (notice.standing, has_body(notice)) == (Substate.PENDING, False)
    machine.set_active(OLD)
    notice = sent(machine)
    assert notice is not None
    assert (notice.standing, notice.tag, has_body(notice)) == (Substate.ACTIVE, "old", False)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_refresh_before_the_standing_was_told_gets_a_notify_without_a_body_6_2(condition: str) -> None:
    """A reportable change is open, so the refresh gets 200 and the NOTIFY; its body MUST be suppressed."""
    machine = active()
    machine.set_pending()
    sent(machine)
    machine.set_active(OLD)
    assert not machine.suppress(condition, expires_at=3600.0)
    machine.subscribed(expires_at=3600.0, holds="old", full=False, condition=condition)
    notice = sent(machine)
    assert notice is not None
    assert (notice.standing, notice.tag, has_body(notice)) == (Substate.ACTIVE, "old", False)


def test_the_subscribers_word_counts_though_its_copy_was_in_doubt_6_2() -> None:
    """A NOTIFY failed; then the subscriber says itself what it has."""
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.answered(500, 0.0)
    machine.set_pending()
    machine.subscribed(expires_at=3600.0, holds="new", full=False, condition="new")
    sent(machine)
    machine.set_active(NEW)
    notice = sent(machine)
    assert notice is not None
    assert not has_body(notice)


def test_who_keeps_no_copy_but_names_a_tag_gets_no_body_6_2() -> None:
    machine = subscribed()
    machine.subscribed(expires_at=3600.0, holds=None, full=True)
    active(machine)
    assert machine.suppress("old", expires_at=3600.0)
    machine.set_pending()
    sent(machine)
    machine.set_active(OLD)
    notice = sent(machine)
    assert notice is not None
    assert not has_body(notice)


def test_a_match_ends_the_doubt_of_a_copy_6_2() -> None:
    machine = active()
    machine.set_active(NEW)
    machine.next_notice(0.0)
    machine.answered(500, 0.0)
    assert machine.suppress("new", expires_at=3600.0)
    machine.set_pending()
    sent(machine)
    machine.set_active(NEW)
    notice = sent(machine)
    assert notice is not None
    assert not has_body(notice)


# -- 6.3: suppressing the NOTIFY --------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_match_within_the_dialog_suppresses_the_notify_6_3(condition: str) -> None:
    """The notifier MUST suppress the resulting NOTIFY request, and generate a 204 (No Notification) response."""
    machine = active()
    assert machine.suppress(condition, expires_at=3600.0)
    assert machine.next_notice(0.0) is None


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_match_outside_of_a_dialog_never_suppresses_the_notify_6_3(condition: str) -> None:
    """Notifiers MUST NOT suppress a NOTIFY unless the SUBSCRIBE was sent in an established dialog."""
    machine = subscribed(condition=condition)
    machine.set_active(OLD)
    assert not machine.suppress(condition, expires_at=3600.0)
    assert machine.next_notice(0.0) is not None


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_match_extends_the_subscription_6_3(condition: str) -> None:
    """A successful conditional SUBSCRIBE request MUST extend the subscription expiry time."""
    machine = active()
    assert machine.suppress(condition, expires_at=7200.0)
    assert machine.next_deadline() == 7200.0


def test_a_mismatch_within_the_dialog_suppresses_nothing_6_3() -> None:
    machine = active()
    assert not machine.suppress("other", expires_at=7200.0)
    assert not machine.suppress("OLD", expires_at=7200.0)  # "byte-wise identical" (§6.2)
    assert machine.next_deadline() == 3600.0


def test_a_pending_subscription_has_no_state_to_match_6_3() -> None:
    machine = subscribed()
    machine.set_pending()
    sent(machine)
    assert not machine.suppress("old", expires_at=3600.0)
    assert machine.suppress("*", expires_at=3600.0)  # "MUST always evaluate to true"


def test_while_the_condition_is_true_no_notify_follows_6_3() -> None:
    """All subsequent NOTIFY requests MUST also be suppressed: those of a min-rate above all (RFC 6446 §6.2)."""
    machine = active()
    machine.regulate(Rates(min_rate=0.1), 0.0)
    assert machine.suppress("old", expires_at=3600.0)
    for now in (10.0, 20.0, 100.0):
        machine.expire(now)
        machine.set_active(OLD)
        assert machine.next_notice(now) is None


def test_while_the_condition_is_true_none_follows_the_one_that_told_a_new_standing_6_3() -> None:
    """The SUBSCRIBE was within the dialog, and a reportable change kept its NOTIFY from being suppressed."""
    machine = active()
    machine.set_pending()
    sent(machine)
    machine.subscribed(expires_at=3600.0, holds="old", full=False, condition="old")
    machine.regulate(Rates(min_rate=0.1), 0.0)
    machine.set_active(OLD)
    assert sent(machine) is not None
    machine.expire(10.0)
    assert sent(machine, 10.0) is None


def test_after_an_initial_match_a_min_rate_is_kept_without_bodies_6_3() -> None:
    """Notifiers MUST NOT suppress a NOTIFY unless the SUBSCRIBE was sent in an established dialog."""
    machine = active(subscribed(condition="old"))
    machine.regulate(Rates(min_rate=0.1), 0.0)
    machine.expire(10.0)
    notice = sent(machine, 10.0)
    assert notice is not None
    assert not has_body(notice)


def test_when_the_condition_is_no_longer_true_the_default_behaviour_is_back_5_2() -> None:
    machine = active()
    machine.regulate(Rates(min_rate=0.1), 0.0)
    assert machine.suppress("old", expires_at=3600.0)
    machine.set_active(NEW)
    notice = sent(machine, 5.0)
    assert notice is not None
    assert (notice.base, notice.tag) == ("old", "new")
    machine.expire(15.0)
    assert sent(machine, 15.0) is not None
    machine.set_active(OLD)  # the subscriber has NEW now
    notice = sent(machine, 16.0)
    assert notice is not None
    assert (notice.base, notice.tag, has_body(notice)) == ("new", "old", True)
    machine.expire(26.0)
    assert sent(machine, 26.0) is not None


def test_a_change_that_is_taken_back_in_time_leaves_the_condition_true_6_3() -> None:
    machine = active()
    assert machine.suppress("old", expires_at=3600.0)
    machine.set_active(NEW)
    machine.set_active(OLD)
    assert machine.next_notice(5.0) is None


# -- 5.2: a quenched subscription -------------------------------------------------------------------------------------


@pytest.mark.parametrize("initial", [True, False])
def test_a_star_quenches_the_subscription_5_2(initial: bool) -> None:
    """The only notifications are those reporting changes to the subscription state; they will not contain a body."""
    machine = active(subscribed(condition="*" if initial else None))
    assert initial or machine.suppress("*", expires_at=3600.0)
    for view in (NEW, NEWER, OLD, NEW):
        machine.set_active(view)
        assert not machine.behind
        assert machine.next_notice(10.0) is None
    machine.set_pending()
    notice = sent(machine, 20.0)
    assert notice is not None
    assert (notice.standing, notice.tag, notice.view) == (Substate.PENDING, None, None)
    machine.set_active(NEWER)
    notice = sent(machine, 30.0)
    assert notice is not None
    assert (notice.standing, notice.tag, notice.view) == (Substate.ACTIVE, "newer", None)
    machine.terminate(EventReason.REJECTED)
    notice = sent(machine, 40.0)
    assert notice is not None
    assert (notice.standing, notice.tag, notice.view) == (Substate.TERMINATED, None, None)


def test_silence_holds_through_refreshes_that_ask_for_it_5_2() -> None:
    machine = active()
    assert machine.suppress("*", expires_at=3600.0)
    machine.set_active(NEW)
    assert machine.suppress("*", expires_at=7200.0)
    assert machine.next_notice(10.0) is None


def test_what_failed_is_not_tried_again_in_silence_5_2() -> None:
    machine = active()
    machine.set_active(NEW)
    assert machine.next_notice(10.0) is not None
    assert machine.suppress("*", expires_at=3600.0)
    machine.answered(503, 10.0)
    machine.expire(100.0)
    assert sent(machine, 100.0) is None


def test_silence_holds_over_a_restart_5_2() -> None:
    machine = Subscription(expires_at=3600.0, delivered="old", told=Substate.ACTIVE, quenched=True)
    machine.set_active(NEW)
    assert machine.next_notice(0.0) is None


def test_what_came_meanwhile_is_told_when_the_silence_ends_5_2() -> None:
    """A SUBSCRIBE without the condition, and the difference to what the subscriber had before."""
    machine = active()
    assert machine.suppress("*", expires_at=3600.0)
    machine.set_active(NEW)
    machine.subscribed(expires_at=3600.0, holds=machine.delivered, full=False)
    notice = sent(machine)
    assert notice is not None
    assert (notice.base, notice.tag, has_body(notice)) == ("old", "new", True)
    machine.set_active(NEWER)
    assert sent(machine) is not None


def test_another_condition_ends_the_silence_too_5_2() -> None:
    machine = active()
    assert machine.suppress("*", expires_at=3600.0)
    assert machine.suppress("old", expires_at=3600.0)
    machine.set_active(NEW)
    assert sent(machine) is not None
