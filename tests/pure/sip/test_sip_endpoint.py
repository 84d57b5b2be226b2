"""The endpoint: what it answers by itself, what it passes up, how it matches, and its one clock (RFC 3261 §17, §18)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TypeVar

import pytest

from abserver.sip import endpoint as endpoint_module
from abserver.sip.codec import parse, serialize
from abserver.sip.effects import (
    Effect,
    RequestReceived,
    ResponseReceived,
    TimedOut,
    TransactionId,
    Transmit,
    TransmitAnew,
    TransportFailed,
)
from abserver.sip.endpoint import Endpoint
from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Headers, Request, Response
from abserver.sip.outgoing import Outgoing
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import make_response

UDP = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("192.0.2.4", 5060))
TCP = replace(UDP, transport=Transport.TCP, connection=7)
FLOWS = pytest.mark.parametrize("flow", [UDP, TCP], ids=["udp", "tcp"])

E = TypeVar("E")


def an_endpoint() -> Endpoint:
    numbers = itertools.count(1)
    return Endpoint(allow=("SUBSCRIBE", "OPTIONS"), branches=lambda: f"z9hG4bK{next(numbers)}")


def wire(method: str = "SUBSCRIBE", branch: str = "z9hG4bKa", **fields: str) -> bytes:
    rows = {
        "Via": f"SIP/2.0/UDP 192.0.2.4;branch={branch}",
        "From": "<sip:bob@example.com>;tag=b1",
        "To": "<sip:alice@example.com>",
        "Call-ID": "c1",
        "CSeq": f"1 {method}",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    return serialize(
        Request(method, "sip:alice@example.com", Headers((name, value) for name, value in rows.items() if value))
    )


def only(kind: type[E], effects: list[Effect]) -> E:
    assert len(effects) == 1, effects
    (effect,) = effects
    assert isinstance(effect, kind), effect
    return effect


def status_of(effects: list[Effect]) -> int:
    message = parse(only(Transmit, effects).data)
    assert isinstance(message, Response)
    return message.status


def received(endpoint: Endpoint, data: bytes, flow: Flow = UDP, now: float = 0.0) -> RequestReceived:
    return only(RequestReceived, endpoint.receive(data, flow, now))


# Requests of peers


@FLOWS
def test_a_request_goes_up_once_and_its_answer_down(flow: Flow) -> None:
    endpoint = an_endpoint()
    up = received(endpoint, wire(), flow)
    assert (up.request.method, up.flow) == ("SUBSCRIBE", flow)
    down = only(Transmit, endpoint.respond(up.transaction_id, make_response(up.request, 200, to_tag="a1"), 1.0))
    assert down.flow == flow
    assert parse(down.data) == make_response(up.request, 200, to_tag="a1")


@pytest.mark.rfc("3261", "8.2.6.2", "a To tag is kept or added")
@pytest.mark.rfc("3261", "17.2.2", "Completed and Terminated")
def test_a_retransmitted_request_gets_the_same_answer_again() -> None:
    """§17.2.2; the transaction user sees it once."""
    endpoint = an_endpoint()
    up = received(endpoint, wire())
    assert endpoint.receive(wire(), UDP, 0.5) == []
    answer = endpoint.respond(up.transaction_id, make_response(up.request, 489), 1.0)
    assert endpoint.receive(wire(), UDP, 1.5) == answer
    assert endpoint.respond(up.transaction_id, make_response(up.request, 200), 1.6) == []
    assert endpoint.expire(33.0) == []
    assert isinstance(endpoint.receive(wire(), UDP, 33.1)[0], RequestReceived)


@pytest.mark.rfc("3261", "17.2.2", "Completed and Terminated")
def test_over_a_connection_the_transaction_ends_with_its_answer() -> None:
    """§17.2.2: timer J is zero."""
    endpoint = an_endpoint()
    up = received(endpoint, wire(), TCP)
    response = make_response(up.request, 200)
    assert endpoint.respond(up.transaction_id, response, 1.0) != []
    assert endpoint.respond(up.transaction_id, response, 1.0) == []


@pytest.mark.rfc("3261", "8.2.6.1", "a 100 has the Timestamp with the delay")
@pytest.mark.rfc("3261", "17.2.2", "Trying and Proceeding")
def test_a_request_that_nobody_answers_gets_a_100_and_is_then_forgotten() -> None:
    """RFC 4320 §4; RFC 3261 §8.2.6.1: the Timestamp has the delay."""
    endpoint = an_endpoint()
    up = received(endpoint, wire(Timestamp="54"))
    assert endpoint.next_deadline() == 3.5
    trying = endpoint.expire(3.5)
    assert status_of(trying) == 100
    assert b"Timestamp: 54 3.5\r\n" in only(Transmit, trying).data
    assert endpoint.receive(wire(), UDP, 4.0) == trying
    assert endpoint.next_deadline() == 32.0
    assert endpoint.expire(32.0) == []
    assert endpoint.respond(up.transaction_id, make_response(up.request, 200), 33.0) == []
    assert endpoint.next_deadline() is None


@pytest.mark.rfc("3261", "8.2.6.2", "a response copies five fields")
@pytest.mark.rfc("3261", "18.2.1", "the source is stamped into the Via")
def test_the_way_back_is_stamped_into_the_via() -> None:
    """§18.2.1, RFC 3581 §4; the Vias of other hops stay as they came."""
    endpoint = an_endpoint()
    data = wire(Via="SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKa, SIP/2.0/UDP b ; x=y")
    up = received(endpoint, data, replace(UDP, remote=Address("192.0.2.1", 9988)))
    assert up.request.headers.get_all("Via") == [
        "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKa;received=192.0.2.1, SIP/2.0/UDP b ; x=y"
    ]
    down = only(Transmit, endpoint.respond(up.transaction_id, make_response(up.request, 200), 1.0))
    assert down.flow.remote == Address("192.0.2.1", 9988)


@pytest.mark.rfc("3261", "17.2.3", "requests are matched by branch, sender and method")
def test_requests_with_one_branch_but_another_sender_or_method_are_others() -> None:
    """§17.2.3."""
    endpoint = an_endpoint()
    received(endpoint, wire(Call_ID="1"))
    received(endpoint, wire(Call_ID="2", Via="SIP/2.0/UDP 192.0.2.4:5061;branch=z9hG4bKa"))
    received(endpoint, wire("OPTIONS", Call_ID="3"))


@pytest.mark.rfc("3261", "17.2.3", "requests as in RFC 2543")
@pytest.mark.parametrize("branch", ["z9hG4bK", "oldstyle"])
def test_without_the_magic_cookie_requests_match_as_in_rfc_2543(branch: str) -> None:
    """§17.2.3, RFC 4475 §3.2.1: Request-URI, tags, Call-ID, CSeq and top Via."""
    endpoint = an_endpoint()
    received(endpoint, wire(branch=branch))
    assert endpoint.receive(wire(branch=branch), UDP, 0.5) == []
    received(endpoint, wire(branch=branch, CSeq="2 SUBSCRIBE"))
    received(endpoint, wire(branch=branch, From="<sip:bob@example.com>;tag=b2"))
    received(endpoint, wire(Via="SIP/2.0/UDP 192.0.2.4", Call_ID="c2", To="<sip:alice@example.com>;tag=a"))


@pytest.mark.rfc("3261", "8.2.2.2", "a merged request is a 482")
def test_a_merged_request_is_a_482() -> None:
    """§8.2.2.2: the same From tag, Call-ID and CSeq by another path, outside of a dialog."""
    endpoint = an_endpoint()
    up = received(endpoint, wire())
    merged = endpoint.receive(wire(branch="z9hG4bKb"), UDP, 0.1)
    assert status_of(merged) == 482
    assert endpoint.receive(wire(branch="z9hG4bKb"), UDP, 0.6) == merged
    endpoint.respond(up.transaction_id, make_response(up.request, 200), 1.0)
    endpoint.expire(40.0)
    received(endpoint, wire(branch="z9hG4bKc"), UDP, 41.0)


@pytest.mark.rfc("3261", "8.2.2.2", "a merged request is a 482")
def test_within_a_dialog_nothing_is_merged() -> None:
    """§8.2.2.2: "If the request has no tag in the To header field"."""
    endpoint = an_endpoint()
    received(endpoint, wire(To="<sip:alice@example.com>;tag=a1"))
    received(endpoint, wire(To="<sip:alice@example.com>;tag=a1", branch="z9hG4bKb"))


@pytest.mark.rfc("3261", "8.2.7", "what is refused without state")
def test_an_ack_is_dropped() -> None:
    endpoint = an_endpoint()
    assert endpoint.receive(wire("ACK"), UDP, 0.0) == []
    assert endpoint.receive(wire("ACK", From="nonsense"), UDP, 0.0) == []


@pytest.mark.rfc("3261", "8.2.2.3", "what CANCEL and ACK require is ignored")
def test_what_a_cancel_requires_is_not_looked_at() -> None:
    """§8.2.2.3: "These header fields MUST be ignored if they are present in these requests"."""
    endpoint = an_endpoint()
    received(endpoint, wire())
    assert status_of(endpoint.receive(wire("CANCEL", Require="foo", Proxy_Require="bar"), UDP, 0.1)) == 200
    assert endpoint.receive(wire("ACK", Require="foo"), UDP, 0.1) == []


def test_an_answer_to_a_cancel_has_the_tag_of_the_one_to_its_request() -> None:
    """§9.2, for answers with a tag of this room's."""
    endpoint = an_endpoint()
    up = received(endpoint, wire())
    cancel = parse(only(Transmit, endpoint.receive(wire("CANCEL"), UDP, 0.1)).data)
    answer = make_response(up.request, 489)
    assert cancel.to.tag == answer.to.tag


@pytest.mark.rfc("3261", "8.1.3.1", "a transport error is a 503")
def test_what_is_told_of_failure_is_told_once_for_each_kind() -> None:
    """§8.1.3.1: silence and transport errors are different things above this room, and each is the end."""
    endpoint = an_endpoint()
    silent, _ = sent(endpoint, TCP)
    assert endpoint.expire(32.0) == [TimedOut(silent)]
    broken, _ = sent(endpoint, TCP, now=32.0)
    assert endpoint.flow_failed(TCP) == [TransportFailed(broken)]
    assert endpoint.flow_failed(TCP) == []
    assert endpoint.expire(100.0) == []


@pytest.mark.rfc("3261", "8.2.1", "a method that is not served is 405 with Allow")
@pytest.mark.rfc("3261", "8.2.7", "what is refused without state")
def test_an_invite_is_a_405_each_time_without_state() -> None:
    """§8.2.1, §8.2.7."""
    endpoint = an_endpoint()
    effects = endpoint.receive(wire("INVITE"), UDP, 0.0)
    assert status_of(effects) == 405
    assert b"Allow: SUBSCRIBE, OPTIONS, CANCEL\r\n" in only(Transmit, effects).data
    assert endpoint.receive(wire("INVITE"), UDP, 0.5) == effects
    assert endpoint.next_deadline() is None


@pytest.mark.rfc("3261", "9.2", "the cancelled transaction is found")
@pytest.mark.rfc("3261", "9.2", "it changes nothing here")
def test_a_cancel_of_a_request_is_a_200_and_changes_nothing() -> None:
    """§9.2: "A CANCEL request has no impact on the processing of transactions with any other method"."""
    endpoint = an_endpoint()
    up = received(endpoint, wire())
    cancel = endpoint.receive(wire("CANCEL"), UDP, 0.1)
    assert status_of(cancel) == 200
    assert endpoint.receive(wire("CANCEL"), UDP, 0.6) == cancel
    assert status_of(endpoint.respond(up.transaction_id, make_response(up.request, 200), 1.0)) == 200


@pytest.mark.rfc("3261", "9.2", "without one it is a 481")
def test_a_cancel_of_nothing_is_a_481() -> None:
    """§9.2."""
    endpoint = an_endpoint()
    assert status_of(endpoint.receive(wire("CANCEL"), UDP, 0.0)) == 481
    received(endpoint, wire(branch="old"))
    assert status_of(endpoint.receive(wire("CANCEL", branch="older"), UDP, 0.0)) == 481


@pytest.mark.rfc("3261", "9.2", "the cancelled transaction is found")
def test_a_cancel_of_a_request_as_in_rfc_2543_finds_it() -> None:
    """§9.2: "taking the request method [...] to be anything but CANCEL or ACK" in the matching of §17.2.3."""
    endpoint = an_endpoint()
    received(endpoint, wire(branch="old"))
    assert status_of(endpoint.receive(wire("CANCEL", branch="old"), UDP, 0.0)) == 200


@pytest.mark.rfc("3261", "8.2.7", "what is refused without state")
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (wire(From=""), 400),
        (wire(CSeq="1 OPTIONS"), 400),
        (wire("INVITE", To="<sip:a"), 400),
        (wire(Via="SIP/2.0/UDP 192.0.2.15;;,;,,"), 400),
        (wire().replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1), 505),
        (wire().replace(b"\r\n\r\n", b"\r\nX-" + b"x" * 40_000), 513),
    ],
)
def test_a_broken_request_is_refused_without_state(data: bytes, status: int) -> None:
    endpoint = an_endpoint()
    effects = endpoint.receive(data, UDP, 0.0)
    assert status_of(effects) == status
    assert only(Transmit, effects).flow.remote == UDP.remote
    assert endpoint.next_deadline() is None


@pytest.mark.rfc("3261", "18.3", "framing")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"garbage",
        wire(Via=""),
        wire(Via="SIP/2.0/UDP"),
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nContent-Length: 9\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nCSeq: x\r\n\r\n",
    ],
)
def test_bad_responses_and_requests_without_a_way_back_meet_silence(data: bytes) -> None:
    """§18.3, §18.1.2."""
    assert an_endpoint().receive(data, UDP, 0.0) == []


def test_an_error_of_a_framer_is_answered_like_one_of_the_codec() -> None:
    endpoint = an_endpoint()
    request = Request("OPTIONS", "sip:a", Headers([("Via", "SIP/2.0/TCP a")]))
    assert status_of(endpoint.refuse(SipSyntaxError("Missing Content-Length", request=request), TCP)) == 400
    assert endpoint.refuse(SipSyntaxError("Missing Content-Length"), TCP) == []


# Requests of ours


def sent(endpoint: Endpoint, flow: Flow = UDP, now: float = 0.0) -> tuple[TransactionId, Transmit]:
    request = Request("NOTIFY", "sip:bob@192.0.2.4", Headers([("To", "<sip:bob@example.com>"), ("CSeq", "1 NOTIFY")]))
    transaction_id, effects = endpoint.send(request, flow, now)
    return transaction_id, only(Transmit, effects)


def answer(request: Transmit, status: int = 200, via: str | None = None, method: str = "NOTIFY") -> bytes:
    message = parse(request.data)
    headers = Headers([("Via", via or str(message.via)), ("CSeq", f"1 {method}")])
    return serialize(Response(status, "x", headers))


@pytest.mark.rfc("3261", "8.1.1", "a request has what is mandatory")
@pytest.mark.rfc("3261", "8.1.1.7", "a Via with a branch of its own")
@pytest.mark.rfc("3261", "17.1.3", "responses are matched by branch and method")
@pytest.mark.rfc("3261", "18.1.1", "our sent-by is where we are found")
@FLOWS
def test_a_request_leaves_with_our_via_and_its_answer_comes_up_once(flow: Flow) -> None:
    endpoint = an_endpoint()
    transaction_id, request = sent(endpoint, flow)
    assert request.flow == flow
    assert str(parse(request.data).via) == f"SIP/2.0/{flow.transport.value} 192.0.2.10:5060;branch=z9hG4bK1;rport"
    up = only(ResponseReceived, endpoint.receive(answer(request), flow, 0.1))
    assert (up.transaction_id, up.response.status) == (transaction_id, 200)
    assert endpoint.receive(answer(request), flow, 0.2) == []


def test_a_request_that_is_written_already_leaves_like_any_other() -> None:
    request = Request("NOTIFY", "sip:bob@192.0.2.4", Headers([("To", "<sip:bob@example.com>"), ("CSeq", "1 NOTIFY")]))
    assert an_endpoint().send(Outgoing.of(request), UDP, 0.0) == an_endpoint().send(request, UDP, 0.0)


def test_sending_leaves_the_request_as_it_was() -> None:
    request = Request("NOTIFY", "sip:a", Headers([("CSeq", "1 NOTIFY")]))
    an_endpoint().send(request, UDP, 0.0)
    assert list(request.headers) == [("CSeq", "1 NOTIFY")]


@pytest.mark.rfc("3261", "8.1.3.2", "provisional responses are waited through")
def test_provisional_answers_come_up_and_the_final_one_ends_it() -> None:
    endpoint = an_endpoint()
    _, request = sent(endpoint)
    statuses = [
        only(ResponseReceived, endpoint.receive(answer(request, s), UDP, 0.1)).response.status for s in (100, 100, 489)
    ]
    assert statuses == [100, 100, 489]
    assert endpoint.receive(answer(request, 200), UDP, 0.2) == []


def test_a_silent_peer_is_asked_eleven_times_and_then_timed_out() -> None:
    """§17.1.2.2, over the endpoint's one clock."""
    endpoint = an_endpoint()
    transaction_id, request = sent(endpoint, now=100.0)
    sends: list[float] = []
    effects: list[Effect] = []
    while (deadline := endpoint.next_deadline()) is not None:
        effects = endpoint.expire(deadline)
        if effects == [request]:
            sends.append(deadline - 100)
    assert sends == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert effects == [TimedOut(transaction_id)]
    assert deadline is None
    assert endpoint.receive(answer(request), UDP, 133.0) == []


@pytest.mark.rfc("3261", "17.1.2.2", "Completed and Terminated")
def test_an_answered_request_is_forgotten_and_late_answers_are_dropped() -> None:
    """§17.1.2.2: timer K absorbs retransmitted answers; without a transaction they are strays (§18.1.2)."""
    endpoint = an_endpoint()
    _, request = sent(endpoint)
    assert endpoint.receive(answer(request), UDP, 0.1) != []
    assert endpoint.receive(answer(request), UDP, 0.2) == []
    assert endpoint.flow_failed(UDP) == []
    assert endpoint.expire(0.5) == []
    assert endpoint.next_deadline() is None


@pytest.mark.rfc("3261", "8.1.3.3", "a response with two Vias is for another one")
@pytest.mark.rfc("3261", "17.1.3", "responses are matched by branch and method")
@pytest.mark.rfc("3261", "18.1.2", "a response with the sent-by of another is dropped")
@pytest.mark.parametrize(
    ("via", "method"),
    [
        ("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK2", "NOTIFY"),
        ("SIP/2.0/UDP 192.0.2.10:5060", "NOTIFY"),
        ("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1", "SUBSCRIBE"),
        ("SIP/2.0/UDP 192.0.2.99:5060;branch=z9hG4bK1", "NOTIFY"),
        ("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1, SIP/2.0/UDP b", "NOTIFY"),
        ("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1,", "NOTIFY"),
    ],
)
def test_an_answer_that_is_not_to_this_request_of_ours_is_dropped(via: str, method: str) -> None:
    """§17.1.3 (branch, CSeq method), §18.1.2 (sent-by), §8.1.3.3 (one Via)."""
    endpoint = an_endpoint()
    _, request = sent(endpoint)
    assert endpoint.receive(answer(request, via=via, method=method), UDP, 0.1) == []
    assert endpoint.receive(answer(request), UDP, 0.2) != []


@pytest.mark.rfc("3261", "18.1.2", "a response with the sent-by of another is dropped")
def test_a_plain_answer_with_the_sent_by_of_another_is_dropped() -> None:
    """§18.1.2; and one that spells ours in another way is not."""
    endpoint = an_endpoint()
    flow = replace(UDP, local=Address("2001:db8::a", 5060))
    sent(endpoint, flow)
    fields = "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 NOTIFY\r\nContent-Length: 0\r\n\r\n"
    head = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP [2001:DB8::{}]:5060;branch=z9hG4bK1\r\n{}"
    assert endpoint.receive(head.format("B", fields).encode(), flow, 0.1) == []
    assert endpoint.receive(head.format("A", fields).encode(), flow, 0.1) != []


# Bounds


def test_more_transactions_than_there_is_room_for_are_a_503_without_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """§8.2.7, §21.5.4: a peer that floods us gets an answer and no memory."""
    monkeypatch.setattr(endpoint_module, "MAX_RECEIVED", 2)
    endpoint = an_endpoint()
    for number in (1, 2):
        up = received(endpoint, wire(Call_ID=str(number), branch=f"z9hG4bK{number}"))
        endpoint.respond(up.transaction_id, make_response(up.request, 200), 0.0)
    full = endpoint.receive(wire(Call_ID="3", branch="z9hG4bK3"), UDP, 0.1)
    assert status_of(full) == 503
    assert b"Retry-After: 32\r\n" in only(Transmit, full).data
    assert status_of(endpoint.receive(wire(Call_ID="1", branch="z9hG4bK1"), UDP, 0.2)) == 200
    endpoint.expire(32.0)
    received(endpoint, wire(Call_ID="3", branch="z9hG4bK3"), UDP, 32.1)


@FLOWS
def test_answers_are_kept_within_a_bound_and_freed_with_their_transactions(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "MAX_KEPT", 1000)
    endpoint = an_endpoint()
    for round_ in range(3):
        for number in range(20):
            effects = endpoint.receive(
                wire(Call_ID=f"{round_}-{number}", branch=f"z9hG4bK{number}"), flow, 40.0 * round_
            )
            if isinstance(effects[0], Transmit):
                break
            up = only(RequestReceived, effects)
            endpoint.expire(40.0 * round_ + 3.5)  # a 100 is kept as well, in its place the answer
            endpoint.respond(up.transaction_id, make_response(up.request, 200), 40.0 * round_ + 4)
        assert number == (19 if flow is TCP else 5)
        endpoint.expire(40.0 * round_ + 39)


# Failures and the clock


@pytest.mark.rfc("3261", "17.1.4", "a transport failure is told")
def test_a_lost_connection_fails_what_was_sent_on_it_and_nothing_else() -> None:
    """§17.1.4, §18.4."""
    endpoint = an_endpoint()
    one, _ = sent(endpoint, TCP)
    two, _ = sent(endpoint, TCP)
    other_flow = replace(TCP, connection=8)
    other, request = sent(endpoint, other_flow)
    answered, to_answer = sent(endpoint, TCP)
    assert endpoint.receive(answer(to_answer), TCP, 0.1) != []
    assert set(endpoint.flow_failed(TCP)) == {TransportFailed(one), TransportFailed(two)}
    assert endpoint.flow_failed(TCP) == []
    assert only(ResponseReceived, endpoint.receive(answer(request), other_flow, 0.2)).transaction_id == other
    assert answered not in (one, two)


@pytest.mark.rfc("3261", "17.1.4", "a transport failure is told")
def test_an_unreachable_address_fails_what_was_sent_there() -> None:
    endpoint = an_endpoint()
    failed, _ = sent(endpoint)
    _, lives = sent(endpoint, replace(UDP, remote=Address("192.0.2.5", 5060)))
    assert endpoint.flow_failed(UDP) == [TransportFailed(failed)]
    assert endpoint.receive(answer(lives), UDP, 0.1) != []


@FLOWS
def test_a_request_that_is_still_unanswered_survives_its_flow(flow: Flow) -> None:
    """Figure 8 has no transport error in Trying; the answer may go by a new connection (§18.2.2)."""
    endpoint = an_endpoint()
    up = received(endpoint, wire(), flow)
    assert endpoint.flow_failed(flow) == []
    assert endpoint.respond(up.transaction_id, make_response(up.request, 200), 0.2) != []


@pytest.mark.rfc("3261", "17.2.4", "a response that cannot be sent is told")
def test_an_answer_that_could_not_be_sent_is_told() -> None:
    """§17.2.4."""
    endpoint = an_endpoint()
    up = received(endpoint, wire())
    endpoint.expire(3.5)
    assert endpoint.flow_failed(UDP) == [TransportFailed(up.transaction_id)]
    assert endpoint.flow_failed(UDP) == []


@pytest.mark.rfc("3261", "18.2.2", "or by a new one")
@pytest.mark.parametrize(
    ("transport", "via", "host", "port"),
    [
        (Transport.TCP, "SIP/2.0/TCP 192.0.2.4:5070", "192.0.2.4", 5070),
        (Transport.TCP, "SIP/2.0/TCP phone.example.com", "phone.example.com", 5060),
        (Transport.TCP, "SIP/2.0/TCP 10.1.1.1:5070;maddr=224.2.0.1;rport", "10.1.1.1", 5070),
        (Transport.TLS, "SIP/2.0/TLS phone.example.com", "phone.example.com", 5061),
    ],
)
@pytest.mark.parametrize("trying", [False, True])
def test_an_answer_whose_connection_is_gone_goes_by_another_one(
    transport: Transport, via: str, host: str, port: int, trying: bool
) -> None:
    """§18.2.2: "a connection to the IP address in the "received" parameter, if present, using the port in the "sent-by"
    value, or the default port for that transport"."""
    endpoint, flow = an_endpoint(), replace(TCP, transport=transport, remote=Address("192.0.2.4", 40001))
    up = received(endpoint, wire(Via=f"{via};branch=z9hG4bKa"), flow)
    if trying:
        assert status_of(endpoint.expire(3.5)) == 100
    assert endpoint.flow_failed(flow) == []
    response = make_response(up.request, 200)
    assert endpoint.respond(up.transaction_id, response, 4.0) == [
        TransmitAnew(transport, Address("192.0.2.4", port), host, serialize(response))
    ]
    assert endpoint.flow_failed(flow) == []


def test_an_answer_whose_connection_is_gone_follows_no_100_and_no_websocket() -> None:
    """No connection is opened for a 100; to a browser none can be."""
    endpoint, flow = an_endpoint(), replace(TCP, transport=Transport.WSS)
    up = received(endpoint, wire(), TCP)
    endpoint.flow_failed(TCP)
    assert endpoint.expire(3.5) == []
    assert endpoint.expire(32.0) == []
    assert endpoint.respond(up.transaction_id, make_response(up.request, 200), 33.0) == []
    up = received(endpoint, wire(branch="z9hG4bKb"), flow)
    endpoint.flow_failed(flow)
    assert endpoint.respond(up.transaction_id, make_response(up.request, 200), 34.0) == []


def test_the_agenda_does_not_grow_with_finished_transactions() -> None:
    """Over connections a transaction ends with its answer, long before its first deadline of 32 s."""
    endpoint = an_endpoint()
    for number in range(5000):
        _, request = sent(endpoint, TCP, now=number / 1000)
        endpoint.receive(answer(request), TCP, number / 1000)
    reminders = 0
    while (deadline := endpoint.next_deadline()) is not None:
        assert endpoint.expire(deadline) == []
        reminders += 1
    assert reminders < 1500


def test_a_deadline_that_was_met_is_no_event() -> None:
    endpoint = an_endpoint()
    assert endpoint.next_deadline() is None
    assert endpoint.expire(1e9) == []
    _, request = sent(endpoint, TCP)
    endpoint.receive(answer(request), TCP, 0.1)
    assert endpoint.next_deadline() == 32.0
    assert endpoint.expire(32.0) == []
    assert endpoint.next_deadline() is None


def test_two_endpoints_understand_each_other() -> None:
    """With branches of their own making."""
    client, server = Endpoint(allow=("NOTIFY",)), Endpoint(allow=("SUBSCRIBE",))
    back = Flow(Transport.UDP, UDP.remote, UDP.local)
    headers = Headers([("From", "<sip:b>;tag=1"), ("To", "<sip:a>"), ("Call-ID", "c"), ("CSeq", "1 SUBSCRIBE")])
    transaction_id, effects = client.send(Request("SUBSCRIBE", "sip:alice@example.com", headers), UDP, 0.0)
    up = received(server, only(Transmit, effects).data, back)
    down = only(Transmit, server.respond(up.transaction_id, make_response(up.request, 202), 0.1))
    assert down.flow == back
    outcome = only(ResponseReceived, client.receive(down.data, UDP, 0.2))
    assert (outcome.transaction_id, outcome.response.status) == (transaction_id, 202)


@pytest.mark.parametrize("transport", [Transport.WS, Transport.WSS])
def test_a_via_stays_as_it_came_by_websocket_rfc7118_5_3(transport: Transport) -> None:
    """No `received`, which would tell of HTTP proxies; the response needs its connection only."""
    endpoint, flow = an_endpoint(), replace(TCP, transport=transport)
    via = f"SIP/2.0/{transport.value} df7jal23ls0d.invalid;branch=z9hG4bKa;rport"
    request = only(RequestReceived, endpoint.receive(wire(Via=via), flow, 0.0))
    assert request.request.headers.get("Via") == via
    answer = make_response(request.request, 200)
    sent = only(Transmit, endpoint.respond(request.transaction_id, answer, 0.0))
    assert (sent.flow, parse(sent.data).headers.get("Via")) == (flow, via)
