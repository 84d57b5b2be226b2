"""RFC 3261 §17.2.2, Figure 8, with RFC 4320: every state of the non-INVITE server transaction against every event."""

from __future__ import annotations

import itertools
import math

import pytest

from abserver.sip.server_transaction import TRYING_DELAY, Effect, ServerTransaction, State

RETRANSMISSION, FINAL, TRANSPORT_ERROR, TIMER_TRYING, TIMER_GIVE_UP, TIMER_J = (
    "a retransmitted request",
    "a 200 to 699 from the user",
    "a transport error",
    "the timer of the 100",
    "the timer that gives up",
    "timer J",
)
EVENTS = (RETRANSMISSION, FINAL, TRANSPORT_ERROR, TIMER_TRYING, TIMER_GIVE_UP, TIMER_J)
WHEN = {TIMER_TRYING: 3.5, TIMER_GIVE_UP: 32.0, TIMER_J: 33.0}
"""When each timer fires for a request that came at 0 and, if it was, was answered at 1."""
NOT_RUNNING = "the timer does not run in this state"

UNRELIABLE = {
    (State.TRYING, RETRANSMISSION): ([], State.TRYING),
    (State.TRYING, FINAL): ([Effect.SEND], State.COMPLETED),
    (State.TRYING, TRANSPORT_ERROR): ([], State.TRYING),
    (State.TRYING, TIMER_TRYING): ([Effect.SEND_TRYING], State.PROCEEDING),
    (State.TRYING, TIMER_GIVE_UP): NOT_RUNNING,  # the 100 comes before: there is no way to it from Trying
    (State.TRYING, TIMER_J): NOT_RUNNING,
    (State.PROCEEDING, RETRANSMISSION): ([Effect.SEND], State.PROCEEDING),
    (State.PROCEEDING, FINAL): ([Effect.SEND], State.COMPLETED),
    (State.PROCEEDING, TRANSPORT_ERROR): ([Effect.FAILED], State.TERMINATED),
    (State.PROCEEDING, TIMER_TRYING): NOT_RUNNING,
    (State.PROCEEDING, TIMER_GIVE_UP): ([], State.TERMINATED),
    (State.PROCEEDING, TIMER_J): NOT_RUNNING,
    (State.COMPLETED, RETRANSMISSION): ([Effect.SEND], State.COMPLETED),
    (State.COMPLETED, FINAL): ([], State.COMPLETED),
    (State.COMPLETED, TRANSPORT_ERROR): ([Effect.FAILED], State.TERMINATED),
    (State.COMPLETED, TIMER_TRYING): NOT_RUNNING,
    (State.COMPLETED, TIMER_GIVE_UP): NOT_RUNNING,
    (State.COMPLETED, TIMER_J): ([], State.TERMINATED),
    (State.TERMINATED, RETRANSMISSION): ([], State.TERMINATED),
    (State.TERMINATED, FINAL): ([], State.TERMINATED),
    (State.TERMINATED, TRANSPORT_ERROR): ([], State.TERMINATED),
    (State.TERMINATED, TIMER_TRYING): NOT_RUNNING,
    (State.TERMINATED, TIMER_GIVE_UP): NOT_RUNNING,
    (State.TERMINATED, TIMER_J): NOT_RUNNING,
}
# Over a reliable transport timer J is zero: there is no Completed.
RELIABLE = UNRELIABLE | {
    (State.TRYING, FINAL): ([Effect.SEND], State.TERMINATED),
    (State.PROCEEDING, FINAL): ([Effect.SEND], State.TERMINATED),
}
CASES = [
    *((False, state, event) for state, event in itertools.product(State, EVENTS)),
    *((True, state, event) for state, event in itertools.product(State, EVENTS) if state is not State.COMPLETED),
]


def machine_in(state: State, *, reliable: bool) -> ServerTransaction:
    machine = ServerTransaction(reliable=reliable, now=0.0)
    match state:
        case State.PROCEEDING:
            machine.expire(3.5)
        case State.COMPLETED:
            machine.respond(200, 1.0)
        case State.TERMINATED:
            machine.expire(3.5)
            machine.transport_failed()
        case _:
            pass
    assert machine.state is state
    return machine


@pytest.mark.parametrize(("reliable", "state", "event"), CASES)
def test_every_event_in_every_state_does_what_figure_8_says(reliable: bool, state: State, event: str) -> None:
    expected = (RELIABLE if reliable else UNRELIABLE)[state, event]
    machine = machine_in(state, reliable=reliable)
    if isinstance(expected, str):
        assert machine.next_deadline() != WHEN[event]
        return
    match event:
        case "a retransmitted request":
            effects = machine.receive()
        case "a 200 to 699 from the user":
            effects = machine.respond(404, 4.0)
        case "a transport error":
            effects = machine.transport_failed()
        case timer:
            assert machine.next_deadline() == WHEN[timer]
            effects = machine.expire(WHEN[timer])
    assert (effects, machine.state) == expected


def test_the_tables_leave_no_pair_out() -> None:
    assert set(UNRELIABLE) == set(RELIABLE) == set(itertools.product(State, EVENTS))


def test_the_100_waits_until_timer_e_of_the_client_has_grown_to_t2() -> None:
    """RFC 4320 §4.1: timer E is reset to T2 when it fires at 0.5 + 1 + 2 seconds."""
    assert TRYING_DELAY == 3.5
    machine = ServerTransaction(reliable=False, now=10.0)
    assert machine.expire(13.499) == []
    assert machine.expire(13.5) == [Effect.SEND_TRYING]


@pytest.mark.parametrize("status", [100, 180, 199, 408, 99, 700])
def test_a_status_that_rfc_4320_forbids_is_our_own_fault(status: int) -> None:
    """RFC 4320 §4.1: no provisional response but the 100 of the machine; §4.2: no 408."""
    machine = ServerTransaction(reliable=False, now=0.0)
    with pytest.raises(ValueError, match=str(status)):
        machine.respond(status, 1.0)
    assert machine.state is State.TRYING


def test_an_answer_after_the_client_gave_up_is_not_sent() -> None:
    """RFC 4320 §4.2: "an element that cannot respond before the transaction expires will not send a final response"."""
    machine = ServerTransaction(reliable=False, now=0.0)
    assert machine.expire(32.0) == [Effect.SEND_TRYING]
    assert machine.state is State.TERMINATED
    assert machine.respond(200, 32.1) == []
    assert machine.next_deadline() == math.inf


def test_an_answered_request_is_answered_again_for_64_times_t1() -> None:
    """§17.2.2: "it MUST set Timer J to fire in 64*T1 seconds for unreliable transports"."""
    machine = ServerTransaction(reliable=False, now=0.0)
    machine.respond(200, 1.0)
    assert machine.next_deadline() == 33.0
    assert machine.expire(32.9) == []
    assert machine.receive() == [Effect.SEND]
    machine.expire(33.0)
    assert machine.receive() == []
