"""RFC 5118, the SIP torture tests for IPv6: what this server does with each message of §4.

The server serves OPTIONS and REGISTER, no INVITE and no BYE: where the RFC wants one of those parsed, the 405 shows
that it was understood. The Content-Length is that of the body: the RFC counts some bodies without CR.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from abserver.sip.codec import parse
from abserver.sip.effects import RequestReceived, Transmit
from abserver.sip.endpoint import Endpoint
from abserver.sip.headers import NameAddr, Via
from abserver.sip.message import Request, Response
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, inspect
from abserver.sip.uri import SipUri

DATA = Path(__file__).parents[1] / "data" / "rfc5118"
UDP = Flow(Transport.UDP, Address("2001:db8::10", 5060), Address("2001:db8::9:77", 5062))
SERVER = Capabilities(("OPTIONS", "REGISTER"), body_types=("application/sdp",))
SERVED = 0

EXPECTED = {
    "4.1 ipv6-good": SERVED,
    "4.2 ipv6-bad": 400,
    "4.3 port-ambiguous": SERVED,
    "4.4 port-unambiguous": SERVED,
    "4.5 via-received-param-with-delim": 405,
    "4.5 via-received-param-no-delim": SERVED,
    "4.6 ipv6-in-sdp": 405,
    "4.7 mult-ip-in-header": 405,
    "4.8 mult-ip-in-sdp": 405,
    "4.9 ipv4-mapped-ipv6": 405,
    "4.10 ipv6-bug-abnf-3-colons": SERVED,
    "4.10 ipv6-correct-abnf-2-colons": SERVED,
}


def data_of(name: str) -> bytes:
    return (DATA / f"{name}.dat").read_bytes()


def request_of(name: str) -> Request:
    message = parse(data_of(name))
    assert isinstance(message, Request)
    return message


def outcome(data: bytes) -> int:
    """The status of the answer; SERVED for a request that is the user's."""
    (effect,) = Endpoint(allow=SERVER.methods).receive(data, UDP, 0.0)
    if isinstance(effect, RequestReceived):
        refusal = inspect(effect.request, SERVER)
        return SERVED if refusal is None else refusal.status
    return answer_in(effect).status


def answer_in(effect: object) -> Response:
    assert isinstance(effect, Transmit)
    response = parse(effect.data)
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize(("case", "expected"), EXPECTED.items(), ids=EXPECTED.keys())
def test_each_message_gets_its_answer(case: str, expected: int) -> None:
    assert outcome(data_of(case.split()[1])) == expected


def test_no_message_is_left_out() -> None:
    assert {case.split()[1] for case in EXPECTED} == {path.stem for path in DATA.glob("*.dat")}


def test_4_1_a_reference_is_read_in_the_request_uri_the_via_and_the_contact() -> None:
    request = request_of("ipv6-good")
    assert SipUri.parse(request.uri).host == "[2001:db8::10]"
    assert (request.via.host, request.via.port) == ("[2001:db8::9:1]", None)
    assert request.contact == NameAddr("sip:caller@[2001:db8::1]", "Caller")


def test_4_3_digits_within_the_brackets_are_part_of_the_address() -> None:
    uri = SipUri.parse(request_of("port-ambiguous").uri)
    assert (uri.host, uri.port) == ("[2001:db8::10:5070]", None)


def test_4_4_digits_after_the_brackets_are_the_port() -> None:
    uri = SipUri.parse(request_of("port-unambiguous").uri)
    assert (uri.host, uri.port) == ("[2001:db8::10]", 5070)


@pytest.mark.parametrize("name", ["via-received-param-with-delim", "via-received-param-no-delim"])
def test_4_5_received_is_read_with_and_without_brackets(name: str) -> None:
    assert (request_of(name).via.received or "").strip("[]") == "2001:db8::9:255"


def test_4_5_received_is_written_without_brackets_and_names_where_the_request_came_from() -> None:
    (effect,) = Endpoint(allow=("OPTIONS",)).receive(data_of("via-received-param-with-delim"), UDP, 0.0)
    assert isinstance(effect, RequestReceived)
    assert effect.request.via.received == "2001:db8::9:77"
    assert ";received=2001:db8::9:77" in str(effect.request.via)


@pytest.mark.parametrize("name", ["ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"])
def test_4_6_4_8_4_9_a_body_is_carried_as_it_is_whatever_addresses_it_has(name: str) -> None:
    assert request_of(name).body == data_of(name).partition(b"\r\n\r\n")[2]


def test_4_7_a_list_of_vias_may_have_addresses_of_both_kinds() -> None:
    vias = [Via.parse(each) for each in request_of("mult-ip-in-header").headers.elements("Via")]
    assert [(each.transport, each.host, each.port) for each in vias] == [
        ("UDP", "[2001:db8::9:1]", 6050),
        ("UDP", "192.0.2.1", None),
        ("TCP", "[2001:db8::9:255]", None),
    ]
    assert vias[2].received == "192.0.2.200"


def test_4_9_an_address_that_is_mapped_to_ipv6_is_read_with_the_port_after_it() -> None:
    request = request_of("ipv4-mapped-ipv6")
    assert (request.via.host, request.via.port) == ("[::ffff:192.0.2.10]", 19823)
    assert request.contact == NameAddr("sip:ted@[::ffff:192.0.2.2]", "T. desk phone")


def test_4_10_a_colon_too_many_is_passed_over() -> None:
    assert SipUri.parse(request_of("ipv6-bug-abnf-3-colons").uri).host == "[2001:db8:::192.0.2.1]"
    assert SipUri.parse(request_of("ipv6-correct-abnf-2-colons").uri).host == "[2001:db8::192.0.2.1]"
