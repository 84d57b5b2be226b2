"""The timer tables: what runs, what is due, in which order."""

from __future__ import annotations

import enum

from abserver.sip.timers import Agenda, Deadlines


class Timer(enum.Enum):
    A = "one"
    B = "another"


def test_no_timer_runs_at_first() -> None:
    deadlines: Deadlines[Timer] = Deadlines()
    assert deadlines.next() is None
    assert deadlines.pop_due(1e9) is None


def test_due_timers_come_earliest_first_and_once() -> None:
    deadlines: Deadlines[Timer] = Deadlines()
    deadlines.set(Timer.A, 2.0)
    deadlines.set(Timer.B, 1.0)
    assert deadlines.next() == 1.0
    assert deadlines.pop_due(0.9) is None
    assert [deadlines.pop_due(2.0), deadlines.pop_due(2.0), deadlines.pop_due(2.0)] == [Timer.B, Timer.A, None]


def test_setting_a_timer_again_moves_it() -> None:
    deadlines: Deadlines[Timer] = Deadlines()
    deadlines.set(Timer.A, 2.0)
    deadlines.set(Timer.A, 5.0)
    assert deadlines.next() == 5.0


def test_clearing_stops_every_timer() -> None:
    deadlines: Deadlines[Timer] = Deadlines()
    deadlines.set(Timer.A, 2.0)
    deadlines.clear()
    assert deadlines.next() is None


def test_an_agenda_gives_its_entries_in_time_order() -> None:
    agenda: Agenda[tuple[str, ...]] = Agenda()
    assert agenda.next() is None
    agenda.add(3.0, ("late",))
    agenda.add(1.0, ("early",))
    assert agenda.next() == 1.0
    assert agenda.pop_due(0.5) is None
    assert agenda.pop_due(5.0) == ("early",)
    assert agenda.pop_due(5.0) == ("late",)
    assert agenda.pop_due(5.0) is None


def test_a_swept_agenda_keeps_the_living_in_order() -> None:
    agenda: Agenda[tuple[str, ...]] = Agenda()
    for at in (3.0, 1.0, 2.0):
        agenda.add(at, (str(at),))
    agenda.keep(lambda key: key != ("1.0",))
    assert len(agenda) == 2
    assert [agenda.pop_due(9.0), agenda.pop_due(9.0)] == [("2.0",), ("3.0",)]
