"""RFC 3261 §17.2.2, Figure 8, with RFC 4320: every state of the non-INVITE server transaction against every event."""

from __future__ import annotations

import enum
import itertools
import math

import pytest

from abserver.sip.server_transaction import TRYING_DELAY, Effect, ServerTransaction, State
from abserver.sip.transport import Transport


class Event(enum.Enum):
    """All that can happen to the machine."""

    RETRANSMISSION = "a retransmitted request"
    FINAL = "a 200 to 699 from the user"
    TRANSPORT_ERROR = "a transport error"
    TIMER_TRYING = "the timer of the 100"
    TIMER_GIVE_UP = "the timer that gives up"
    TIMER_J = "timer J"


WHEN = {Event.TIMER_TRYING: 3.5, Event.TIMER_GIVE_UP: 32.0, Event.TIMER_J: 33.0}
"""When each timer fires for a request that came at 0 and, if it was, was answered at 1."""
NOT_RUNNING = "the timer does not run in this state"

UNRELIABLE = {
    (State.TRYING, Event.RETRANSMISSION): ([], State.TRYING),
    (State.TRYING, Event.FINAL): ([Effect.SEND], State.COMPLETED),
    (State.TRYING, Event.TRANSPORT_ERROR): ([], State.TRYING),
    (State.TRYING, Event.TIMER_TRYING): ([Effect.SEND_TRYING], State.PROCEEDING),
    (State.TRYING, Event.TIMER_GIVE_UP): NOT_RUNNING,  # the 100 comes before: there is no way to it from Trying
    (State.TRYING, Event.TIMER_J): NOT_RUNNING,
    (State.PROCEEDING, Event.RETRANSMISSION): ([Effect.SEND], State.PROCEEDING),
    (State.PROCEEDING, Event.FINAL): ([Effect.SEND], State.COMPLETED),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): ([Effect.FAILED], State.TERMINATED),
    (State.PROCEEDING, Event.TIMER_TRYING): NOT_RUNNING,
    (State.PROCEEDING, Event.TIMER_GIVE_UP): ([], State.TERMINATED),
    (State.PROCEEDING, Event.TIMER_J): NOT_RUNNING,
    (State.COMPLETED, Event.RETRANSMISSION): ([Effect.SEND], State.COMPLETED),
    (State.COMPLETED, Event.FINAL): ([], State.COMPLETED),
    (State.COMPLETED, Event.TRANSPORT_ERROR): ([Effect.FAILED], State.TERMINATED),
    (State.COMPLETED, Event.TIMER_TRYING): NOT_RUNNING,
    (State.COMPLETED, Event.TIMER_GIVE_UP): NOT_RUNNING,
    (State.COMPLETED, Event.TIMER_J): ([], State.TERMINATED),
    (State.TERMINATED, Event.RETRANSMISSION): ([], State.TERMINATED),
    (State.TERMINATED, Event.FINAL): ([], State.TERMINATED),
    (State.TERMINATED, Event.TRANSPORT_ERROR): ([], State.TERMINATED),
    (State.TERMINATED, Event.TIMER_TRYING): NOT_RUNNING,
    (State.TERMINATED, Event.TIMER_GIVE_UP): NOT_RUNNING,
    (State.TERMINATED, Event.TIMER_J): NOT_RUNNING,
}
# Over a reliable transport timer J is zero: there is no Completed.
RELIABLE = UNRELIABLE | {
    (State.TRYING, Event.FINAL): ([Effect.SEND], State.TERMINATED),
    (State.PROCEEDING, Event.FINAL): ([Effect.SEND], State.TERMINATED),
}
UNREACHABLE = {(transport, State.COMPLETED) for transport in Transport if transport.reliable}
"""Where no way leads, as `test_no_way_leads_to_what_the_tables_leave_out` shows."""
CASES = [case for case in itertools.product(Transport, State, Event) if case[:2] not in UNREACHABLE]


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


@pytest.mark.rfc("3261", "17.2.2", "Trying and Proceeding")
@pytest.mark.rfc("3261", "17.2.2", "Completed and Terminated")
@pytest.mark.rfc("3261", "17.2.4", "a response that cannot be sent is told")
@pytest.mark.parametrize(("transport", "state", "event"), CASES)
def test_every_event_in_every_state_does_what_figure_8_says(transport: Transport, state: State, event: Event) -> None:
    reliable = transport.reliable
    expected = (RELIABLE if reliable else UNRELIABLE)[state, event]
    machine = machine_in(state, reliable=reliable)
    if isinstance(expected, str):
        assert machine.next_deadline() != WHEN[event]
        return
    match event:
        case Event.RETRANSMISSION:
            effects = machine.receive()
        case Event.FINAL:
            effects = machine.respond(404, 4.0)
        case Event.TRANSPORT_ERROR:
            effects = machine.transport_failed()
        case timer:
            assert machine.next_deadline() == WHEN[timer]
            effects = machine.expire(WHEN[timer])
    assert (effects, machine.state) == expected


def test_the_tables_leave_no_pair_out() -> None:
    assert set(UNRELIABLE) == set(RELIABLE) == set(itertools.product(State, Event))


@pytest.mark.parametrize("transport", Transport)
def test_no_way_leads_to_what_the_tables_leave_out(transport: Transport) -> None:
    """All ways of four events from Trying."""
    seen = {(transport, State.TRYING)}
    for way in itertools.product(("again", "final", "error", "time"), repeat=4):
        machine = ServerTransaction(reliable=transport.reliable, now=0.0)
        for event in way:
            match event:
                case "again":
                    machine.receive()
                case "final":
                    machine.respond(200, 0.1)
                case "error":
                    machine.transport_failed()
                case _:
                    machine.expire(machine.next_deadline())
            seen.add((transport, machine.state))
    assert seen == {(transport, state) for state in State} - UNREACHABLE


@pytest.mark.rfc("3261", "8.2.6.1", "no provisional response but a late 100")
@pytest.mark.rfc("3261", "17.1", "requests are answered at once")
def test_the_100_waits_until_timer_e_of_the_client_has_grown_to_t2() -> None:
    """RFC 4320 §4.1: timer E is reset to T2 when it fires at 0.5 + 1 + 2 seconds."""
    assert TRYING_DELAY == 3.5
    machine = ServerTransaction(reliable=False, now=10.0)
    assert machine.expire(13.499) == []
    assert machine.expire(13.5) == [Effect.SEND_TRYING]


@pytest.mark.rfc("3261", "8.2.6.1", "no provisional response but a late 100")
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


@pytest.mark.rfc("3261", "17.2.2", "Completed and Terminated")
def test_an_answered_request_is_answered_again_for_64_times_t1() -> None:
    """§17.2.2: "it MUST set Timer J to fire in 64*T1 seconds for unreliable transports"."""
    machine = ServerTransaction(reliable=False, now=0.0)
    machine.respond(200, 1.0)
    assert machine.next_deadline() == 33.0
    assert machine.expire(32.9) == []
    assert machine.receive() == [Effect.SEND]
    machine.expire(33.0)
    assert machine.receive() == []
