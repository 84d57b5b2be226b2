"""RFC 3261 §17.1.2, Figure 6: every state of the non-INVITE client transaction against every event, and its clock."""

from __future__ import annotations

import itertools
import math

import pytest

from abserver.sip.client_transaction import ClientTransaction, Effect, State

PROVISIONAL, FINAL, TRANSPORT_ERROR, TIMER_E, TIMER_F, TIMER_K = (
    "a 1xx",
    "a 200 to 699",
    "a transport error",
    "timer E",
    "timer F",
    "timer K",
)
EVENTS = (PROVISIONAL, FINAL, TRANSPORT_ERROR, TIMER_E, TIMER_F, TIMER_K)
NOT_RUNNING = "the timer does not run in this state"

# Figure 6, and for each pair that has no arrow there: nothing happens.
UNRELIABLE = {
    (State.TRYING, PROVISIONAL): ([Effect.DELIVER], State.PROCEEDING),
    (State.TRYING, FINAL): ([Effect.DELIVER], State.COMPLETED),
    (State.TRYING, TRANSPORT_ERROR): ([Effect.FAILED], State.TERMINATED),
    (State.TRYING, TIMER_E): ([Effect.SEND], State.TRYING),
    (State.TRYING, TIMER_F): ([Effect.TIMED_OUT], State.TERMINATED),
    (State.TRYING, TIMER_K): NOT_RUNNING,
    (State.PROCEEDING, PROVISIONAL): ([Effect.DELIVER], State.PROCEEDING),
    (State.PROCEEDING, FINAL): ([Effect.DELIVER], State.COMPLETED),
    (State.PROCEEDING, TRANSPORT_ERROR): ([Effect.FAILED], State.TERMINATED),
    (State.PROCEEDING, TIMER_E): ([Effect.SEND], State.PROCEEDING),
    (State.PROCEEDING, TIMER_F): ([Effect.TIMED_OUT], State.TERMINATED),
    (State.PROCEEDING, TIMER_K): NOT_RUNNING,
    (State.COMPLETED, PROVISIONAL): ([], State.COMPLETED),
    (State.COMPLETED, FINAL): ([], State.COMPLETED),
    (State.COMPLETED, TRANSPORT_ERROR): ([], State.COMPLETED),
    (State.COMPLETED, TIMER_E): NOT_RUNNING,
    (State.COMPLETED, TIMER_F): NOT_RUNNING,
    (State.COMPLETED, TIMER_K): ([], State.TERMINATED),
    (State.TERMINATED, PROVISIONAL): ([], State.TERMINATED),
    (State.TERMINATED, FINAL): ([], State.TERMINATED),
    (State.TERMINATED, TRANSPORT_ERROR): ([], State.TERMINATED),
    (State.TERMINATED, TIMER_E): NOT_RUNNING,
    (State.TERMINATED, TIMER_F): NOT_RUNNING,
    (State.TERMINATED, TIMER_K): NOT_RUNNING,
}
# Over a reliable transport timer E never runs, and timer K is zero: there is no Completed.
RELIABLE = UNRELIABLE | {
    (State.TRYING, FINAL): ([Effect.DELIVER], State.TERMINATED),
    (State.TRYING, TIMER_E): NOT_RUNNING,
    (State.PROCEEDING, FINAL): ([Effect.DELIVER], State.TERMINATED),
    (State.PROCEEDING, TIMER_E): NOT_RUNNING,
}
CASES = [
    *((False, state, event) for state, event in itertools.product(State, EVENTS)),
    *((True, state, event) for state, event in itertools.product(State, EVENTS) if state is not State.COMPLETED),
]


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


def is_running(state: State, timer: str, *, reliable: bool) -> bool:
    fired = [effects for _, effects in timeline(machine_in(state, reliable=reliable))]
    return {TIMER_E: [Effect.SEND], TIMER_F: [Effect.TIMED_OUT], TIMER_K: []}[timer] in fired


def fire(machine: ClientTransaction, timer: str) -> list[Effect]:
    """Let time pass until `timer` fires, and give what that one firing did."""
    while (deadline := machine.next_deadline()) < math.inf:
        effects = machine.expire(deadline)
        if timer != TIMER_F or effects == [Effect.TIMED_OUT]:
            return effects
    raise AssertionError(f"{timer} never fired")


@pytest.mark.parametrize(("reliable", "state", "event"), CASES)
def test_every_event_in_every_state_does_what_figure_6_says(reliable: bool, state: State, event: str) -> None:
    expected = (RELIABLE if reliable else UNRELIABLE)[state, event]
    if isinstance(expected, str):
        assert not is_running(state, event, reliable=reliable)
        return
    machine = machine_in(state, reliable=reliable)
    match event:
        case "a 1xx":
            effects = machine.receive(180, 0.2)
        case "a 200 to 699":
            effects = machine.receive(489, 0.2)
        case "a transport error":
            effects = machine.transport_failed()
        case timer:
            effects = fire(machine, timer)
    assert (effects, machine.state) == expected


def test_the_tables_leave_no_pair_out() -> None:
    assert set(UNRELIABLE) == set(RELIABLE) == set(itertools.product(State, EVENTS))


def test_a_request_that_nobody_answers_is_sent_eleven_times_and_then_given_up() -> None:
    """§17.1.2.2: intervals of 500 ms, 1 s, 2 s, 4 s, 4 s ... and timer F at 64*T1."""
    happened = timeline(ClientTransaction(reliable=False, now=0.0))
    sends = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert happened == [*((at, [Effect.SEND]) for at in sends), (32.0, [Effect.TIMED_OUT])]


def test_after_a_provisional_response_the_request_is_sent_every_t2() -> None:
    """§17.1.2.2: "If Timer E fires while in the Proceeding state [...] Timer E MUST be reset with a value of T2"."""
    machine = ClientTransaction(reliable=False, now=0.0)
    machine.receive(100, 0.1)
    sends = [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert timeline(machine) == [*((at, [Effect.SEND]) for at in sends), (32.0, [Effect.TIMED_OUT])]


def test_over_a_reliable_transport_only_timer_f_runs() -> None:
    assert timeline(ClientTransaction(reliable=True, now=7.0)) == [(39.0, [Effect.TIMED_OUT])]


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
