"""The gate before the endpoint: 503 without state, silence, Retry-After, and the load told to proxies (RFC 7339)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from abserver.sip.codec import parse
from abserver.sip.effects import RequestReceived, Transmit
from abserver.sip.endpoint import Endpoint
from abserver.sip.gate import VALIDITY, Gate, takes_part
from abserver.sip.headers import Via
from abserver.sip.message import Response
from abserver.sip.shedding import Kind, Load, Shedder
from abserver.sip.sources import Sources
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import make_response

UDP = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("192.0.2.4", 5060))
PROXY = replace(UDP, remote=Address("203.0.113.1", 5060))
BOUNDS = Load(0.1, 100, 1000)
IDLE, AWFUL = Load(0.0, 0, 0), Load(10.0, 0, 0)
OC = ';oc;oc-algo="loss,A"'


def a_gate(sources: Sources | None = None, *, overloaded: bool = False) -> Gate:
    chance = random.Random(3).random
    gate = Gate(
        sources,
        Shedder(BOUNDS, chance),
        trusts=lambda flow: flow.remote.host == "203.0.113.1" or "proxy.example.net" in flow.names,
        retry_after=20,
        draw=chance,
        started=1_700_000_000,
    )
    if overloaded:
        overload(gate)
    return gate


def overload(gate: Gate) -> None:
    """Until all that is new is refused: much lies within dialogs, and half of everything is too much."""
    for _ in range(3):
        for kind in [Kind.ONGOING] * 100:
            gate.shedder.refuses(kind)
        gate.shedder.measured(AWFUL, 0.0)


def an_endpoint(gate: Gate) -> Endpoint:
    return Endpoint(allow=("SUBSCRIBE", "OPTIONS"), gate=gate)


def wire(number: int = 1, *, method: str = "SUBSCRIBE", to_tag: str = "", via: str = "", more: str = "") -> bytes:
    top = f"SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK{number}{via}"
    return (
        f"{method} sip:ann@example.com SIP/2.0\r\nVia: {top}\r\nFrom: <sip:bob@example.com>;tag=b\r\n"
        f"To: <sip:ann@example.com>{to_tag}\r\nCall-ID: c{number}\r\nCSeq: 1 {method}\r\n{more}\r\n"
    ).encode()


def answer(endpoint: Endpoint, data: bytes, flow: Flow = UDP) -> Response | None:
    """What the endpoint answers by itself; a request that goes up is answered 200."""
    effects = endpoint.receive(data, flow, 0.0)
    if not effects:
        return None
    (effect,) = effects
    if isinstance(effect, RequestReceived):
        (effect,) = endpoint.respond(effect.transaction_id, make_response(effect.request, 200), 0.0)
    assert isinstance(effect, Transmit)
    response = parse(effect.data)
    assert isinstance(response, Response)
    return response


def status(endpoint: Endpoint, data: bytes, flow: Flow = UDP) -> int | None:
    response = answer(endpoint, data, flow)
    return None if response is None else response.status


def test_without_overload_and_within_its_bucket_a_request_goes_up() -> None:
    assert status(an_endpoint(a_gate(Sources(rate=1, burst=8))), wire()) == 200


def test_an_overloaded_server_refuses_what_is_new_and_serves_what_lies_within_dialogs() -> None:
    endpoint = an_endpoint(a_gate(overloaded=True))
    assert [status(endpoint, wire(number)) for number in range(20)] == [503] * 20
    assert 200 in [status(endpoint, wire(100 + number, to_tag=";tag=a")) for number in range(20)]
    assert status(endpoint, wire(200, to_tag=";tag=a", more="Expires: 0\r\n")) == 200


def test_rfc3261_8_2_7_a_refusal_leaves_no_state_and_says_the_same_again() -> None:
    endpoint = an_endpoint(a_gate(overloaded=True))
    first, second = answer(endpoint, wire()), answer(endpoint, wire())
    assert first is not None
    assert second is not None
    assert first.to.tag == second.to.tag is not None
    assert endpoint.next_deadline() is None


def test_an_invite_is_refused_like_anything_new() -> None:
    assert status(an_endpoint(a_gate(overloaded=True)), wire(method="INVITE")) == 503
    assert status(an_endpoint(a_gate()), wire(method="INVITE")) == 405


def test_a_phone_is_told_when_to_come_back_and_not_all_at_once() -> None:
    endpoint = an_endpoint(a_gate(overloaded=True))
    answers = [answer(endpoint, wire(number)) for number in range(50)]
    seconds = {int((each and each.headers.get("Retry-After")) or "0") for each in answers}
    assert min(seconds) >= 20
    assert max(seconds) < 40
    assert len(seconds) > 10


@pytest.mark.parametrize("flow", [UDP, PROXY], ids=["behind a proxy", "a trusted proxy"])
def test_rfc7339_5_10_2_a_proxy_gets_no_retry_after_and_goes_on_with_the_others(flow: Flow) -> None:
    more = "" if flow is PROXY else "Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKphone\r\n"
    response = answer(an_endpoint(a_gate(overloaded=True)), wire(more=more), flow)
    assert response is not None
    assert response.status == 503
    assert "Retry-After" not in response.headers


# One source


def test_a_source_beyond_its_bucket_is_refused_and_then_ignored() -> None:
    gate = a_gate(Sources(rate=1, burst=8))
    endpoint = an_endpoint(gate)
    answers = [status(endpoint, wire(number)) for number in range(20)]
    assert answers == [200] * 6 + [503] * 8 + [None] * 6
    assert gate.ignores(wire(), UDP, 0.0)
    assert not gate.ignores(wire(to_tag=";tag=a"), UDP, 0.0)
    assert [status(endpoint, wire(100 + number, to_tag=";tag=a")) for number in range(3)] == [200, 200, None]
    assert gate.ignores(wire(to_tag=";tag=a"), UDP, 0.0)


def test_a_trusted_peer_has_no_bucket() -> None:
    endpoint = an_endpoint(a_gate(Sources(rate=1, burst=8)))
    assert {status(endpoint, wire(number), PROXY) for number in range(100)} == {200}
    assert {status(endpoint, b"BROKEN\r\n" + wire(number), PROXY) for number in range(100)} != {None}


def test_without_buckets_nobody_is_ignored() -> None:
    gate = a_gate()
    endpoint = an_endpoint(gate)
    assert {status(endpoint, wire(number)) for number in range(100)} == {200}
    assert {status(endpoint, wire(1)) for _ in range(100)} == {200}
    assert not gate.ignores(wire(to_tag=";tag=a"), UDP, 0.0)


def test_broken_requests_are_counted_and_beyond_the_bucket_they_get_no_answer() -> None:
    endpoint = an_endpoint(a_gate(Sources(rate=1, burst=8)))
    broken = wire().replace(b"CSeq: 1", b"CSeq: x")
    assert [status(endpoint, broken) for _ in range(10)] == [400] * 8 + [None] * 2


def test_retransmissions_are_counted_and_beyond_the_bucket_they_get_no_answer() -> None:
    endpoint = an_endpoint(a_gate(Sources(rate=1, burst=8)))
    assert [status(endpoint, wire()) for _ in range(10)] == [200] * 8 + [None] * 2


# RFC 7339


def top_via(endpoint: Endpoint, data: bytes, flow: Flow = PROXY) -> Via:
    response = answer(endpoint, data, flow)
    assert response is not None
    return response.via


def test_rfc7339_5_1_a_proxy_that_takes_part_is_told_that_there_is_no_overload() -> None:
    params = top_via(an_endpoint(a_gate()), wire(via=OC)).params
    told = (params["oc"], params["oc-algo"], params["oc-validity"])
    assert told == ("0", '"loss"', "0")


def test_rfc7339_5_2_a_proxy_that_takes_part_is_told_the_loss_and_serves_itself() -> None:
    gate = a_gate(overloaded=True)
    endpoint = an_endpoint(gate)
    params = top_via(endpoint, wire(via=OC)).params
    told = (params["oc"], params["oc-algo"], params["oc-validity"])
    assert told == (str(gate.shedder.loss), '"loss"', str(VALIDITY))
    assert 0 < gate.shedder.loss <= 100
    assert {status(endpoint, wire(number, via=OC), PROXY) for number in range(10, 30)} == {200}


def test_by_websocket_a_trusted_address_is_that_of_browsers_and_none_of_them_has_a_way_around() -> None:
    flow = replace(PROXY, transport=Transport.WSS, connection=3)
    response = answer(an_endpoint(a_gate(Sources(rate=1, burst=8), overloaded=True)), wire(via=OC), flow)
    assert response is not None
    assert response.status == 503
    assert "Retry-After" in response.headers
    assert "oc-seq" not in response.via.params


def test_rfc7339_4_4_later_values_have_larger_sequence_numbers() -> None:
    gate = a_gate()
    endpoint = an_endpoint(gate)
    numbers = []
    for number in range(12):
        numbers.append(top_via(endpoint, wire(number, via=OC)).params["oc-seq"] or "")
        gate.shedder.measured(IDLE, 0.0)
    assert numbers == sorted(set(numbers), key=float)
    assert all(len(each.partition(".")[2]) == 5 for each in numbers)
    assert numbers[0].startswith("1700000000.")


def test_rfc7339_5_2_only_trusted_peers_are_told_and_only_their_word_counts() -> None:
    endpoint = an_endpoint(a_gate(overloaded=True))
    response = answer(endpoint, wire(via=OC))
    assert response is not None
    assert response.status == 503
    assert response.via.params["oc"] is None
    assert "oc-seq" not in response.via.params


@pytest.mark.parametrize("via", ["", ";oc", ';oc;oc-algo="rate"', ';oc=7;oc-algo="loss"'])
def test_rfc7339_4_1_who_announces_nothing_usable_takes_no_part(via: str) -> None:
    endpoint = an_endpoint(a_gate(overloaded=True))
    response = answer(endpoint, wire(via=via), PROXY)
    assert response is not None
    assert response.status == 503
    assert "oc-seq" not in response.via.params


def test_rfc7339_9_the_algorithms_are_a_list_in_quotes_of_any_case() -> None:
    assert takes_part(Via.parse('SIP/2.0/UDP a;oc;oc-algo="A, LOSS"'))


def test_a_stamp_for_the_way_back_and_the_load_stand_in_one_via() -> None:
    params = top_via(an_endpoint(a_gate()), wire(via=f";rport{OC}")).params
    assert (params["received"], params["rport"], params["oc"]) == ("203.0.113.1", "5060", "0")


def test_rfc3261_17_2_3_a_retransmission_from_a_proxy_that_takes_part_is_one() -> None:
    for branch in ("z9hG4bK1", "old"):
        endpoint = an_endpoint(a_gate())
        data = wire(via=OC).replace(b"z9hG4bK1", branch.encode())
        first = endpoint.receive(data, PROXY, 0.0)
        assert isinstance(first[0], RequestReceived)
        assert endpoint.receive(data, PROXY, 0.0) == []


def test_who_has_proven_a_trusted_name_is_heard_though_others_from_there_are_ignored() -> None:
    """RFC 5922 §7.4: a proxy behind the NAT of those who send too much."""
    phone = replace(UDP, transport=Transport.TLS, connection=1)
    proxy = replace(phone, connection=2, names=frozenset({"proxy.example.net"}))
    gate = a_gate(Sources(rate=1.0, burst=8))
    endpoint = an_endpoint(gate)
    for number in range(30):
        answer(endpoint, wire(number), phone)
    assert gate.ignores(wire(31), phone, 0.0)
    assert not gate.ignores(wire(32), proxy, 0.0)
    response = answer(endpoint, wire(32), proxy)
    assert response is not None
    assert response.status == 200
