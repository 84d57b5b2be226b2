"""The relation between owner and watcher: every state and every input (RFC 3857 §4.7.1, RFC 5025 §3.2.1)."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import replace

import pytest

from abserver.domain.identity import Owner, Watcher, parse_aor
from abserver.domain.relation import (
    Input,
    Relation,
    RelationState,
    WinfoEvent,
    asked,
    decided,
    event_between,
    given_up,
    next_state,
    unwatched,
)
from abserver.domain.rules import EVERYTHING, NOTHING, UNDECIDED, Decision, Grant, Handling

OWNER = Owner(parse_aor("sip:ann@example.org"))
WATCHER = Watcher(parse_aor("sip:bob@example.org"))
T0 = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
T1, T2, T3 = (T0 + datetime.timedelta(days=days) for days in (1, 2, 3))
ALLOW = Decision(Handling.ALLOW, Grant(frozenset({"public", "friends"})), "w-bob")
POLITE = Decision(Handling.POLITE_BLOCK, NOTHING, "w-bob")
BLOCK = Decision(Handling.BLOCK, NOTHING, "w-bob")

P, W, C, B, R, E = RelationState

TABLE = {
    #                        P  W  C  B  R  E
    Input.ALLOWED: (C, C, C, C, C, C),
    Input.POLITE_BLOCKED: (B, B, B, B, B, B),
    Input.BLOCKED: (R, R, R, R, R, R),
    Input.OPEN: (P, P, P, P, P, P),
    Input.OPEN_UNWATCHED: (W, W, E, E, E, E),
    Input.UNWATCHED: (W, W, C, B, R, E),
    Input.GIVEN_UP: (E, E, C, B, R, E),
}


@pytest.mark.parametrize(("state", "happened"), list(itertools.product(RelationState, Input)))
def test_every_state_takes_every_input(state: RelationState, happened: Input) -> None:
    assert next_state(state, happened) is TABLE[happened][list(RelationState).index(state)]


def pending() -> Relation:
    return asked(None, OWNER, WATCHER, UNDECIDED, T0)


def test_a_first_request_is_pending() -> None:
    assert pending() == Relation(
        owner=OWNER,
        watcher=WATCHER,
        state=P,
        levels=frozenset(),
        rule=None,
        requested_at=T0,
        decided_at=None,
        ended_at=None,
    )


def test_a_first_request_that_the_rules_foresee_is_decided_at_once() -> None:
    """RFC 3857 Figure 1: init to active, or to terminated."""
    confirmed = asked(None, OWNER, WATCHER, ALLOW, T0)
    assert (confirmed.state, confirmed.levels, confirmed.rule) == (C, ALLOW.grant.levels, "w-bob")
    assert (confirmed.requested_at, confirmed.decided_at, confirmed.ended_at) == (T0, T0, None)
    assert asked(None, OWNER, WATCHER, BLOCK, T0).state is R
    assert asked(None, OWNER, WATCHER, POLITE, T0).state is B


def test_a_pending_request_whose_subscription_expires_waits_and_is_still_decided() -> None:
    """RFC 3857 §4.7.1."""
    waiting = unwatched(pending())
    assert waiting.state is W
    assert unwatched(waiting) is waiting
    assert decided(waiting, UNDECIDED, T1, watched=False) is waiting
    confirmed = decided(waiting, ALLOW, T2, watched=False)
    assert (confirmed.state, confirmed.requested_at, confirmed.decided_at) == (C, T0, T2)


def test_asking_again_while_waiting_is_the_same_request() -> None:
    again = asked(unwatched(pending()), OWNER, WATCHER, UNDECIDED, T1)
    assert again == pending()


def test_asking_again_while_pending_changes_nothing() -> None:
    relation = pending()
    assert asked(relation, OWNER, WATCHER, UNDECIDED, T1) is relation


def test_a_confirmed_relation_outlives_the_subscription_under_it() -> None:
    confirmed = decided(pending(), ALLOW, T1, watched=True)
    assert unwatched(confirmed) is confirmed
    assert decided(confirmed, ALLOW, T2, watched=False) is confirmed
    assert asked(confirmed, OWNER, WATCHER, ALLOW, T3) is confirmed
    assert given_up(confirmed, T3) is confirmed


def test_other_levels_or_another_rule_are_a_new_decision() -> None:
    confirmed = decided(pending(), ALLOW, T1, watched=True)
    narrowed = decided(confirmed, replace(ALLOW, grant=Grant(frozenset({"public"}))), T2, watched=True)
    assert (narrowed.state, narrowed.levels, narrowed.decided_at) == (C, frozenset({"public"}), T2)
    assert decided(narrowed, Decision(Handling.ALLOW, EVERYTHING, "all"), T3, watched=True).levels == {"*"}


def test_a_rule_that_goes_leaves_a_request_where_somebody_still_asks() -> None:
    """RFC 5025 §3.2.1: back to `confirm` is back to pending."""
    confirmed = decided(pending(), ALLOW, T1, watched=True)
    reopened = decided(confirmed, UNDECIDED, T2, watched=True)
    assert (reopened.state, reopened.requested_at, reopened.decided_at) == (P, T2, None)
    assert (reopened.levels, reopened.rule) == (frozenset(), None)


def test_a_rule_that_goes_ends_a_relation_that_nobody_follows() -> None:
    confirmed = unwatched(decided(pending(), ALLOW, T1, watched=True))
    ended = decided(confirmed, UNDECIDED, T2, watched=False)
    assert (ended.state, ended.ended_at, ended.requested_at) == (E, T2, T0)
    assert decided(ended, UNDECIDED, T3, watched=False) is ended
    asked_again = asked(ended, OWNER, WATCHER, UNDECIDED, T3)
    assert (asked_again.state, asked_again.requested_at, asked_again.ended_at) == (P, T3, None)


def test_a_request_can_be_given_up_and_made_again() -> None:
    """RFC 3857 §4.7.1 `giveup`."""
    ended = given_up(unwatched(pending()), T1)
    assert (ended.state, ended.ended_at) == (E, T1)
    assert given_up(ended, T2) is ended
    assert asked(ended, OWNER, WATCHER, UNDECIDED, T2).requested_at == T2


def test_an_end_keeps_its_time_while_an_explicit_confirm_rule_comes() -> None:
    ended = given_up(pending(), T1)
    confirm = Decision(Handling.CONFIRM, NOTHING, "ask-me")
    assert decided(ended, confirm, T2, watched=False).ended_at == T1


def test_a_rejected_watcher_may_be_let_in_later() -> None:
    rejected = decided(pending(), BLOCK, T1, watched=True)
    assert rejected.state is R
    assert unwatched(rejected) is rejected
    assert decided(rejected, POLITE, T2, watched=False).state is B


@pytest.mark.parametrize(
    ("old", "new", "watched", "event"),
    [
        (None, P, True, WinfoEvent.SUBSCRIBE),
        (None, C, True, WinfoEvent.SUBSCRIBE),
        (E, B, True, WinfoEvent.SUBSCRIBE),
        (E, C, False, WinfoEvent.APPROVED),
        (W, P, True, WinfoEvent.SUBSCRIBE),
        (C, P, True, WinfoEvent.SUBSCRIBE),
        (P, C, True, WinfoEvent.APPROVED),
        (W, B, False, WinfoEvent.APPROVED),
        (R, C, False, WinfoEvent.APPROVED),
        (P, R, True, WinfoEvent.REJECTED),
        (W, R, False, WinfoEvent.REJECTED),
        (P, W, False, WinfoEvent.TIMEOUT),
        (P, E, False, WinfoEvent.GIVEUP),
        (W, E, False, WinfoEvent.GIVEUP),
        (C, E, False, WinfoEvent.DEACTIVATED),
    ],
)
def test_each_change_has_its_event(
    old: RelationState | None, new: RelationState, watched: bool, event: WinfoEvent
) -> None:
    """RFC 3857 §4.7.1, Figure 1."""
    before = None if old is None else replace(pending(), state=old)
    assert event_between(before, replace(pending(), state=new), watched=watched) is event
