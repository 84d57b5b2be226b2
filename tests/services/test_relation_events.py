"""The relation list by itself: what it tells whom, what it keeps in step with, and what it gives up."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, cast

from abserver.domain.identity import Owner, Watcher, parse_aor
from abserver.domain.relation import Relation, RelationEvent, RelationState, WinfoEvent
from abserver.domain.rules import parse_rules
from abserver.ports import DecisionRecord
from abserver.services.authorizing import Policy, Rulings
from abserver.services.followers import Followed, Followers
from abserver.services.relating import TURN, Hand, Relating
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, confirm, during, polite_block, rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
P, W, C, B, R, E = RelationState


class Phones(Followers):
    """Who watches whom, by the word of the test."""

    def __init__(self) -> None:
        super().__init__()
        self.on: set[tuple[Owner, Watcher]] = set()

    def by(self, owner: Owner, watcher: Watcher) -> Sequence[Followed]:
        return [cast("Followed", object())] if (owner, watcher) in self.on else []


class Story:
    """A relation list, the rules of each owner, and all that was told."""

    def __init__(self, known: Sequence[Relation] = ()) -> None:
        self.utc = NOON
        self.told: list[RelationEvent] = []
        self.phones = Phones()
        self.relating = Relating(self.phones, known, on_change=self.told.append)
        self._rulings: dict[Owner, Rulings] = {}

    def policy(self, owner: Owner) -> Policy:
        return Policy(owner, None, self._rulings.setdefault(owner, Rulings()), {})

    def ask(self, watcher: Watcher = BOB, owner: Owner = ANN) -> Sequence[Relation | DecisionRecord]:
        records = self.relating.asked(self.policy(owner), watcher, self.utc)
        self.phones.on.add((owner, watcher))
        return records

    def leave(self, watcher: Watcher = BOB, owner: Owner = ANN) -> Sequence[Relation]:
        self.phones.on.discard((owner, watcher))
        return self.relating.unwatched(owner, watcher)

    def edit(self, *rule: bytes, owner: Owner = ANN, hand: str = "xcap") -> list[Relation | DecisionRecord]:
        content = rules(*rule)
        self._rulings[owner] = Rulings(str(content), parse_rules(content), before=self._rulings.get(owner))
        self.relating.edited(owner, hand)
        return self.note(owner)

    def note(self, owner: Owner = ANN) -> list[Relation | DecisionRecord]:
        return [each for turn in self.relating.decided(self.policy(owner), self.utc) for each in turn]

    def state(self, watcher: Watcher = BOB, owner: Owner = ANN) -> RelationState | None:
        relation = self.relating.of(owner, watcher)
        return None if relation is None else relation.state

    def heard(self) -> list[tuple[RelationState | None, RelationState, WinfoEvent, bool]]:
        """What was told since the last time."""
        told = [(each.old.state if each.old else None, each.new.state, each.event, each.watched) for each in self.told]
        self.told.clear()
        return told


# What is told: RFC 3857 §4.7.1, Figure 1


def test_a_request_is_told_with_its_approval_and_its_end() -> None:
    story = Story()
    story.ask()
    story.ask()
    assert story.heard() == [(None, P, WinfoEvent.SUBSCRIBE, True)]
    story.edit(allow(BOB))
    assert story.heard() == [(P, C, WinfoEvent.APPROVED, True)]
    story.leave()
    assert story.heard() == [(C, C, WinfoEvent.TIMEOUT, False)], "the relation stands, the subscription does not"
    story.ask()
    story.ask()
    assert story.heard() == [(C, C, WinfoEvent.SUBSCRIBE, True)]


def test_a_request_that_waits_is_told_and_so_is_the_one_that_takes_its_place() -> None:
    story = Story()
    story.ask()
    story.leave()
    story.ask()
    assert story.heard()[1:] == [(P, W, WinfoEvent.TIMEOUT, False), (W, P, WinfoEvent.SUBSCRIBE, True)]
    story.leave()
    assert story.leave() == ()
    story.edit(block(BOB))
    assert story.heard()[1:] == [(W, R, WinfoEvent.REJECTED, False)]


def test_back_to_confirm_is_back_to_asking() -> None:
    """RFC 5025 §3.2.1: the state machine has no event for it."""
    story = Story()
    story.edit(polite_block(BOB))
    story.ask()
    story.edit(confirm(BOB))
    assert story.heard() == [(None, B, WinfoEvent.SUBSCRIBE, True), (B, P, WinfoEvent.SUBSCRIBE, True)]


def test_a_relation_that_nothing_carries_any_more_ends_and_can_begin_again() -> None:
    story = Story()
    story.edit(allow(BOB))
    story.ask()
    story.leave()
    story.edit()
    story.utc += DAY
    story.ask()
    assert story.heard()[2:] == [(C, E, WinfoEvent.DEACTIVATED, False), (E, P, WinfoEvent.SUBSCRIBE, True)]
    relation = story.relating.of(ANN, BOB)
    assert relation is not None
    assert relation.requested_at == story.utc, "it is another request"


def test_a_rejected_watcher_who_keeps_asking_is_not_shown_again() -> None:
    """And nothing is written for him."""
    story = Story()
    story.ask()
    story.edit(block(BOB))
    before = story.relating.of(ANN, BOB)
    story.heard()
    for _ in range(5):
        story.utc += DAY
        assert story.ask() == ()
        story.leave()
        assert story.note() == []
    assert story.heard() == []
    assert story.relating.of(ANN, BOB) is before


def test_a_rule_for_somebody_who_never_asked_makes_no_relation() -> None:
    """RFC 3857 §4.7.1: the state machine is created when a SUBSCRIBE arrives."""
    story = Story()
    story.edit(allow(BOB))
    assert story.relating.all_of(ANN) == ()
    assert story.relating.owners() == []
    story.ask()
    assert story.heard() == [(None, C, WinfoEvent.SUBSCRIBE, True)]


def test_owners_have_no_relation_with_themselves() -> None:
    story = Story()
    assert story.ask(Watcher(ANN)) == ()
    assert story.leave(Watcher(ANN)) == ()
    assert story.relating.all_of(ANN) == ()


# The history of decisions


def lines(records: Sequence[Relation | DecisionRecord]) -> list[tuple[RelationState, str | None, str]]:
    return [(each.state, each.rule, each.by) for each in records if isinstance(each, DecisionRecord)]


def test_a_decision_is_kept_with_its_time_its_rule_and_its_hand() -> None:
    story = Story()
    assert lines(story.ask()) == []
    story.utc += DAY
    relation, line = story.edit(allow(BOB), hand="cli")
    assert relation == story.relating.of(ANN, BOB)
    assert line == DecisionRecord(ANN, BOB, story.utc, C, "w-bob_40example.com", "cli")
    assert lines(story.edit(block(BOB))) == [(R, "w-bob_40example.com", "xcap")]
    assert lines(story.edit(confirm(BOB))) == [(P, "w-bob_40example.com", "xcap")]
    assert lines(story.edit()) == []
    assert lines(story.leave()) == []


def test_a_rule_that_stood_before_the_request_says_so() -> None:
    story = Story()
    story.edit(allow(BOB))
    assert lines(story.ask()) == [(C, "w-bob_40example.com", Hand.STANDING)]


def test_a_rule_that_begins_or_ends_does_so_by_the_clock_rfc4745_7_4() -> None:
    story = Story()
    story.edit(during(allow(BOB), NOON + DAY, NOON + 2 * DAY))
    story.ask()
    story.utc += DAY
    assert lines(story.note()) == [(C, "w-bob_40example.com", Hand.CLOCK)]
    story.utc += DAY
    assert lines(story.ask()) == [(P, None, Hand.CLOCK)], "a SUBSCRIBE may be faster than the reconciliation"
    assert story.note() == []


def test_an_edit_that_changes_nothing_lends_its_hand_to_nothing_later() -> None:
    story = Story()
    story.edit(during(allow(BOB), NOON + DAY, NOON + 2 * DAY))
    story.ask()
    story.relating.edited(ANN, "xcap")  # the same rules once more
    assert story.note() == []
    story.utc += DAY
    assert lines(story.note()) == [(C, "w-bob_40example.com", Hand.CLOCK)]


def test_the_hand_of_an_edit_is_known_to_who_asks_before_the_reconciliation() -> None:
    story = Story()
    story.ask()
    turns = story.relating.decided(story.policy(ANN), NOON)
    assert list(turns)
    content = rules(allow(BOB))
    story._rulings[ANN] = Rulings("1", parse_rules(content))
    story.relating.edited(ANN, "web")
    assert lines(story.ask()) == [(C, "w-bob_40example.com", "web")]


def test_what_changed_while_the_server_was_down_is_found_at_its_start() -> None:
    before = Story()
    before.ask()
    after = Story(before.relating.all_of(ANN))
    after._rulings[ANN] = Rulings("1", parse_rules(rules(allow(BOB))))
    assert lines(after.note()) == [(C, "w-bob_40example.com", Hand.START)]


# In step with the rules


def watchers(count: int) -> list[Watcher]:
    return [Watcher(parse_aor(f"sip:w{number}@example.com")) for number in range(count)]


def test_an_edit_about_one_watcher_looks_at_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    for watcher in watchers(50):
        story.ask(watcher)
    story.note()
    looked: list[Watcher | None] = []
    decide = Policy.decide

    def counted(policy: Policy, watcher: Watcher | None, utc: datetime.datetime) -> object:
        looked.append(watcher)
        return decide(policy, watcher, utc)

    monkeypatch.setattr(Policy, "decide", counted)
    chosen = watchers(50)[7]
    assert len(story.edit(allow(chosen), allow(CAROL))) == 2
    assert looked == [chosen]
    assert story.state(chosen) is C


def test_rules_about_many_are_gone_through_in_turns_and_again_if_that_is_broken_off() -> None:
    story = Story()
    for watcher in watchers(2 * TURN + 1):
        story.ask(watcher)
    everybody = b"<rule id='all'><actions><h:card-handling xmlns:h='urn:abserver:xml:ns:card-rules'>allow"
    everybody += b"</h:card-handling></actions></rule>"
    story._rulings[ANN] = Rulings("1", parse_rules(rules(everybody)))
    turns = story.relating.decided(story.policy(ANN), NOON)
    assert len(next(turns)) == 2 * TURN
    del turns
    assert len(story.note()) == 2 * (TURN + 1)
    assert story.note() == []


# Limits and giving up


def test_open_requests_are_counted_for_watchers_and_for_owners() -> None:
    story = Story()
    story.ask(BOB, ANN)
    story.ask(BOB, DAN)
    story.ask(CAROL, ANN)
    story.leave(CAROL, ANN)
    relating = story.relating
    assert (relating.pending(BOB), relating.pending(CAROL)) == (2, 1)
    assert (relating.requests(ANN), relating.requests(DAN)) == (2, 1)
    assert relating.is_open(ANN, CAROL)
    story.edit(allow(BOB), block(CAROL))
    assert (relating.pending(BOB), relating.pending(CAROL)) == (1, 0)
    assert (relating.requests(ANN), relating.requests(DAN)) == (0, 1)
    assert not relating.is_open(ANN, CAROL)
    assert not relating.is_open(DAN, CAROL)
    restarted = Story([*relating.all_of(ANN), *relating.all_of(DAN)]).relating
    assert (restarted.pending(BOB), restarted.requests(DAN)) == (1, 1)
    assert (set(restarted.followed(BOB)), restarted.followed(Watcher(ANN))) == ({ANN, DAN}, ())


def test_requests_are_given_up_when_they_were_open_for_so_long() -> None:
    """RFC 3857 §4.7.1: the timer of pending and waiting."""
    story = Story()
    week = 7 * DAY
    assert story.relating.next_give_up(week) is None
    story.ask(CAROL)
    story.utc += DAY
    story.ask(BOB)
    story.leave(CAROL)
    story.ask(CAROL)
    story.heard()
    assert story.relating.next_give_up(week) == NOON + week
    assert story.relating.give_up(NOON + week - DAY / 2, week) == []
    [carol] = story.relating.give_up(NOON + week, week)
    assert (carol.watcher, carol.state, carol.ended_at) == (CAROL, E, NOON + week)
    assert story.heard() == [(P, E, WinfoEvent.GIVEUP, False)]
    story.leave(CAROL)
    assert story.heard() == []
    assert [each.watcher for each in story.relating.give_up(NOON + 2 * week, week)] == [BOB]
    assert story.relating.next_give_up(week) is None
    story.utc += 3 * week
    story.ask(CAROL)
    assert story.relating.next_give_up(week) == story.utc + week, "a new request has all its time"


def test_after_a_restart_the_oldest_request_is_still_given_up_first() -> None:
    story = Story()
    story.ask(BOB)
    story.utc += DAY
    story.ask(CAROL)
    restarted = Story(list(reversed(story.relating.all_of(ANN)))).relating
    assert [each.watcher for each in restarted.give_up(NOON + DAY, DAY)] == [BOB]
    assert [each.watcher for each in restarted.give_up(NOON + 2 * DAY, DAY)] == [CAROL]
