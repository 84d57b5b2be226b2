"""The agenda: who is looked at when, in which order, and at what price."""

from __future__ import annotations

import math
import random

import pytest

from abserver.sip.timers import T1, T2, T4, TRANSACTION_TIMEOUT, Agenda


def test_an_agenda_gives_its_entries_in_time_order() -> None:
    agenda: Agenda[str] = Agenda()
    assert agenda.next == math.inf
    agenda.add(3.0, "late")
    agenda.add(1.0, "early")
    assert agenda.next == 1.0
    assert agenda.take_due(0.5) == []
    assert agenda.take_due(5.0) == ["early", "late"]
    assert agenda.take_due(5.0) == []
    assert agenda.next == math.inf


def test_what_never_fires_is_no_entry() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.add(math.inf, "never")
    assert len(agenda) == 0


def test_any_order_of_entries_comes_out_sorted_and_not_before_its_time() -> None:
    agenda: Agenda[float] = Agenda()
    draw = random.Random(1)
    times = [draw.random() for _ in range(500)]
    for at in times:
        agenda.add(at, at)
    assert len(agenda) == 500
    taken: list[float] = []
    for now in (0.25, 0.5, 1.0):
        assert agenda.next == min(set(times) - set(taken))
        taken += agenda.take_due(now)
        assert taken == sorted(at for at in times if at <= now)


def test_timers_of_a_few_lengths_share_as_few_queues() -> None:
    """What makes an entry cost no search, however many there are."""
    agenda: Agenda[int] = Agenda()
    draw = random.Random(1)
    for step in range(5000):
        now = step / 100
        agenda.take_due(now)
        agenda.add(now + draw.choice([0.5, 4.0, 32.0]), step)
    assert len(agenda._queues) == 3


def test_a_swept_agenda_keeps_the_living_in_order() -> None:
    agenda: Agenda[float] = Agenda()
    for at in (3.0, 1.0, 2.0, 0.5):
        agenda.add(at, at)
    agenda.keep(lambda at: at not in (3.0, 0.5))
    assert len(agenda) == 2
    assert agenda.next == 1.0
    agenda.add(2.5, 2.5)
    assert agenda.take_due(9.0) == [1.0, 2.0, 2.5]


@pytest.mark.rfc("3261", "17.1.2.2", "Trying")
def test_the_timers_have_the_values_of_table_4() -> None:
    """RFC 3261 §17.1.2.2, §17.2.2; timers A, B, D, G, H and I are of INVITE, which is none of our methods."""
    assert (T1, T2, T4) == (0.5, 4.0, 5.0)
    assert TRANSACTION_TIMEOUT == 32.0  # F and J; E begins with T1, K is T4
