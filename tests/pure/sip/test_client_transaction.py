"""RFC 3261 §17.1.2, Figure 6: every state of the non-INVITE client transaction against every event, and its clock."""

from __future__ import annotations

import enum
import itertools
import math

import pytest

from abserver.sip.client_transaction import ClientTransaction, Effect, State
from abserver.sip.transport import Transport


class Event(enum.Enum):
    """All that can happen to the machine."""

    PROVISIONAL = "a 1xx"
    FINAL = "a 200 to 699"
    TRANSPORT_ERROR = "a transport error"
    TIMER_E = "timer E"
    TIMER_F = "timer F"
    TIMER_K = "timer K"


NOT_RUNNING = "the timer does not run in this state"

# Figure 6, and for each pair that has no arrow there: nothing happens.
UNRELIABLE = {
    (State.TRYING, Event.PROVISIONAL): ([Effect.DELIVER], State.PROCEEDING),
    (State.TRYING, Event.FINAL): ([Effect.DELIVER], State.COMPLETED),
    (State.TRYING, Event.TRANSPORT_ERROR): ([Effect.FAILED], State.TERMINATED),
    (State.TRYING, Event.TIMER_E): ([Effect.SEND], State.TRYING),
    (State.TRYING, Event.TIMER_F): ([Effect.TIMED_OUT], State.TERMINATED),
    (State.TRYING, Event.TIMER_K): NOT_RUNNING,
    (State.PROCEEDING, Event.PROVISIONAL): ([Effect.DELIVER], State.PROCEEDING),
    (State.PROCEEDING, Event.FINAL): ([Effect.DELIVER], State.COMPLETED),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): ([Effect.FAILED], State.TERMINATED),
    (State.PROCEEDING, Event.TIMER_E): ([Effect.SEND], State.PROCEEDING),
    (State.PROCEEDING, Event.TIMER_F): ([Effect.TIMED_OUT], State.TERMINATED),
    (State.PROCEEDING, Event.TIMER_K): NOT_RUNNING,
    (State.COMPLETED, Event.PROVISIONAL): ([], State.COMPLETED),
    (State.COMPLETED, Event.FINAL): ([], State.COMPLETED),
    (State.COMPLETED, Event.TRANSPORT_ERROR): ([], State.COMPLETED),
    (State.COMPLETED, Event.TIMER_E): NOT_RUNNING,
    (State.COMPLETED, Event.TIMER_F): NOT_RUNNING,
    (State.COMPLETED, Event.TIMER_K): ([], State.TERMINATED),
    (State.TERMINATED, Event.PROVISIONAL): ([], State.TERMINATED),
    (State.TERMINATED, Event.FINAL): ([], State.TERMINATED),
    (State.TERMINATED, Event.TRANSPORT_ERROR): ([], State.TERMINATED),
    (State.TERMINATED, Event.TIMER_E): NOT_RUNNING,
    (State.TERMINATED, Event.TIMER_F): NOT_RUNNING,
    (State.TERMINATED, Event.TIMER_K): NOT_RUNNING,
}
# Over a reliable transport timer E never runs, and timer K is zero: there is no Completed.
RELIABLE = UNRELIABLE | {
    (State.TRYING, Event.FINAL): ([Effect.DELIVER], State.TERMINATED),
    (State.TRYING, Event.TIMER_E): NOT_RUNNING,
    (State.PROCEEDING, Event.FINAL): ([Effect.DELIVER], State.TERMINATED),
    (State.PROCEEDING, Event.TIMER_E): NOT_RUNNING,
}
UNREACHABLE = {(transport, State.COMPLETED) for transport in Transport if transport.reliable}
"""Where no way leads, as `test_no_way_leads_to_what_the_tables_leave_out` shows."""
CASES = [case for case in itertools.product(Transport, State, Event) if case[:2] not in UNREACHABLE]


def machine_in(state: State, *, reliable: bool) -> ClientTransaction:
    machine = ClientTransaction(reliable=reliable, now=0.0)
    match state:
        case State.PROCEEDING:
            machine.receive(100, 0.1)
        case State.COMPLETED:
            machine.receive(200, 0.1)
        case State.TERMINATED:
            machine.transport_failed()
        case _:
            pass
    assert machine.state is state
    return machine


def timeline(machine: ClientTransaction) -> list[tuple[float, list[Effect]]]:
    """What happens if nothing but time comes any more: when, and what."""
    happened = []
    while (deadline := machine.next_deadline()) < math.inf:
        happened.append((round(deadline, 6), machine.expire(deadline)))
    return happened


def is_running(state: State, timer: Event, *, reliable: bool) -> bool:
    fired = [effects for _, effects in timeline(machine_in(state, reliable=reliable))]
    return {Event.TIMER_E: [Effect.SEND], Event.TIMER_F: [Effect.TIMED_OUT], Event.TIMER_K: []}[timer] in fired


def fire(machine: ClientTransaction, timer: Event) -> list[Effect]:
    """Let time pass until `timer` fires, and give what that one firing did."""
    while (deadline := machine.next_deadline()) < math.inf:
        effects = machine.expire(deadline)
        if timer != Event.TIMER_F or effects == [Effect.TIMED_OUT]:
            return effects
    raise AssertionError(f"{timer} never fired")


@pytest.mark.rfc("3261", "17.1.2.2", "Trying")
@pytest.mark.rfc("3261", "17.1.2.2", "Proceeding")
@pytest.mark.rfc("3261", "17.1.2.2", "Completed and Terminated")
@pytest.mark.rfc("3261", "17.1.4", "a transport failure is told")
@pytest.mark.parametrize(("transport", "state", "event"), CASES)
def test_every_event_in_every_state_does_what_figure_6_says(transport: Transport, state: State, event: Event) -> None:
    reliable = transport.reliable
    expected = (RELIABLE if reliable else UNRELIABLE)[state, event]
    if isinstance(expected, str):
        assert not is_running(state, event, reliable=reliable)
        return
    machine = machine_in(state, reliable=reliable)
    match event:
        case Event.PROVISIONAL:
            effects = machine.receive(180, 0.2)
        case Event.FINAL:
            effects = machine.receive(489, 0.2)
        case Event.TRANSPORT_ERROR:
            effects = machine.transport_failed()
        case timer:
            effects = fire(machine, timer)
    assert (effects, machine.state) == expected


def test_the_tables_leave_no_pair_out() -> None:
    assert set(UNRELIABLE) == set(RELIABLE) == set(itertools.product(State, Event))


@pytest.mark.parametrize("transport", Transport)
def test_no_way_leads_to_what_the_tables_leave_out(transport: Transport) -> None:
    """All ways of four events from Trying."""
    seen = {(transport, State.TRYING)}
    for way in itertools.product(("1xx", "final", "error", "time"), repeat=4):
        machine = ClientTransaction(reliable=transport.reliable, now=0.0)
        for event in way:
            match event:
                case "1xx":
                    machine.receive(100, 0.1)
                case "final":
                    machine.receive(200, 0.1)
                case "error":
                    machine.transport_failed()
                case _:
                    machine.expire(machine.next_deadline())
            seen.add((transport, machine.state))
    assert seen == {(transport, state) for state in State} - UNREACHABLE


@pytest.mark.rfc("3261", "17.1.2.2", "Trying")
def test_a_request_that_nobody_answers_is_sent_eleven_times_and_then_given_up() -> None:
    """§17.1.2.2: intervals of 500 ms, 1 s, 2 s, 4 s, 4 s ... and timer F at 64*T1."""
    happened = timeline(ClientTransaction(reliable=False, now=0.0))
    sends = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert happened == [*((at, [Effect.SEND]) for at in sends), (32.0, [Effect.TIMED_OUT])]


@pytest.mark.rfc("3261", "17.1.2.2", "Proceeding")
def test_after_a_provisional_response_the_request_is_sent_every_t2() -> None:
    """§17.1.2.2: "If Timer E fires while in the Proceeding state [...] Timer E MUST be reset with a value of T2"."""
    machine = ClientTransaction(reliable=False, now=0.0)
    machine.receive(100, 0.1)
    sends = [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert timeline(machine) == [*((at, [Effect.SEND]) for at in sends), (32.0, [Effect.TIMED_OUT])]


@pytest.mark.rfc("3261", "17.1.2.2", "Trying")
def test_over_a_reliable_transport_only_timer_f_runs() -> None:
    assert timeline(ClientTransaction(reliable=True, now=7.0)) == [(39.0, [Effect.TIMED_OUT])]


@pytest.mark.rfc("3261", "17.1.2.2", "Completed and Terminated")
def test_a_completed_transaction_absorbs_for_t4() -> None:
    machine = ClientTransaction(reliable=False, now=0.0)
    machine.receive(200, 1.0)
    assert timeline(machine) == [(6.0, [])]
    assert machine.state is State.TERMINATED


def test_a_late_clock_fires_everything_that_is_due_once() -> None:
    machine = ClientTransaction(reliable=False, now=0.0)
    assert machine.expire(100.0) == [Effect.SEND, Effect.TIMED_OUT]
    assert machine.next_deadline() == math.inf


def test_an_early_clock_fires_nothing() -> None:
    machine = ClientTransaction(reliable=False, now=0.0)
    assert machine.expire(0.499) == []
    assert machine.next_deadline() == 0.5
