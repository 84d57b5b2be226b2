"""RFC 4475, the SIP torture tests: what this server does with each of its 49 messages, read from the RFC's own archive.

The server serves OPTIONS and a few more, no INVITE: where the RFC wants an INVITE accepted, the 405 shows that it was
understood. `REQUEST` means that it went up to its user, and 405, 415, 416, 420 or 501 what §8.2's inspection then said.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from abserver.sip.codec import parse
from abserver.sip.effects import RequestReceived, Transmit
from abserver.sip.endpoint import Endpoint
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import NameAddr
from abserver.sip.message import Message, Request, Response
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, inspect
from abserver.sip.uri import SipUri

DATA = Path(__file__).parents[1] / "data" / "rfc4475"
UDP = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("192.0.2.77", 5062))
SERVER = Capabilities(("OPTIONS", "REGISTER", "MESSAGE"), body_types=("application/sdp",))
REQUEST, SILENCE = 0, -1

EXPECTED = {
    "3.1.1.1 wsinv": 405,
    "3.1.1.2 intmeth": 501,
    "3.1.1.3 esc01": 405,
    "3.1.1.4 escnull": REQUEST,
    "3.1.1.5 esc02": 501,
    "3.1.1.6 lwsdisp": REQUEST,
    "3.1.1.7 longreq": 405,
    "3.1.1.8 dblreq": REQUEST,
    "3.1.1.9 semiuri": REQUEST,
    "3.1.1.10 transports": REQUEST,
    "3.1.1.11 mpart01": 415,
    "3.1.1.12 unreason": SILENCE,  # responses: well-formed, and to nothing that we sent
    "3.1.1.13 noreason": SILENCE,
    "3.1.2.1 badinv01": 400,
    "3.1.2.2 clerr": 400,
    "3.1.2.3 ncl": 400,
    "3.1.2.4 scalar02": 400,
    "3.1.2.5 scalarlg": SILENCE,
    "3.1.2.6 quotbal": 400,
    "3.1.2.7 ltgtruri": 400,
    "3.1.2.8 lwsruri": 400,
    "3.1.2.9 lwsstart": 400,
    "3.1.2.10 trws": 400,
    "3.1.2.11 escruri": 405,
    "3.1.2.12 baddate": 405,  # nobody here reads a Date
    "3.1.2.13 regbadct": REQUEST,  # the Contact is malformed: the user's 400, see below
    "3.1.2.14 badaspec": 400,
    "3.1.2.15 baddn": 400,
    "3.1.2.16 badvers": 505,
    "3.1.2.17 mismatch01": 400,
    "3.1.2.18 mismatch02": 400,
    "3.1.2.19 bigcode": SILENCE,
    "3.2.1 badbranch": REQUEST,
    "3.3.1 insuf": 400,
    "3.3.2 unkscm": 416,
    "3.3.3 novelsc": 416,
    "3.3.4 unksm2": REQUEST,
    "3.3.5 bext01": 420,
    "3.3.6 invut": 405,
    "3.3.7 regaut01": REQUEST,
    "3.3.8 multi01": 400,
    "3.3.9 mcl01": 400,
    "3.3.10 bcast": SILENCE,
    "3.3.11 zeromf": REQUEST,
    "3.3.12 cparam01": REQUEST,
    "3.3.13 cparam02": REQUEST,
    "3.3.14 regescrt": REQUEST,
    "3.3.15 sdp01": 405,
    "3.4.1 inv2543": 405,
}


def data_of(name: str) -> bytes:
    return (DATA / f"{name}.dat").read_bytes()


def message_of(name: str) -> Message:
    return parse(data_of(name))


def outcome(data: bytes) -> int:
    """The status of the answer; REQUEST for a request that is fine so far; SILENCE."""
    effects = Endpoint(allow=SERVER.methods).receive(data, UDP, 0.0)
    if not effects:
        return SILENCE
    (effect,) = effects
    if isinstance(effect, RequestReceived):
        refusal = inspect(effect.request, SERVER)
        return REQUEST if refusal is None else refusal.status
    assert isinstance(effect, Transmit)
    response = parse(effect.data)
    assert isinstance(response, Response)
    return response.status


@pytest.mark.rfc("3261", "7.1", "a Request-URI is bare")
@pytest.mark.parametrize(("case", "expected"), EXPECTED.items(), ids=EXPECTED.keys())
def test_each_torture_message_gets_its_answer(case: str, expected: int) -> None:
    assert outcome(data_of(case.split()[1])) == expected


def test_no_torture_message_is_left_out() -> None:
    assert {case.split()[1] for case in EXPECTED} == {path.stem for path in DATA.glob("*.dat")}


def test_3_1_1_1_a_short_tortuous_invite_reads_as_it_should() -> None:
    message = message_of("wsinv")
    assert message.to == NameAddr("sip:vivekg@chair-dnrc.example.com", params={"tag": "1918181833n"})
    assert message.from_ == NameAddr("sip:jdrosen@example.com", 'J Rosenberg \\"', {"tag": "98asjd8"})
    assert message.cseq.number == 9
    assert message.headers.get("Max-Forwards") == "0068"
    assert (message.via.protocol, message.via.host, message.via.branch) == ("SIP/2.0", "192.0.2.2", "390skdjuw")
    assert [NameAddr.parse(element).uri for element in message.headers.elements("Route")] == [
        "sip:services.example.com;lr;unknownwith=value;unknown-no-value"
    ]
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"


def test_3_1_1_2_every_character_that_a_token_may_hold() -> None:
    message = message_of("intmeth")
    assert isinstance(message, Request)
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert (
        SipUri.parse(message.uri).userinfo
        == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    )
    assert message.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"


def test_3_1_1_8_extra_octets_after_the_body_are_not_part_of_it() -> None:
    assert message_of("dblreq").body == b""


def test_3_1_1_9_semicolons_in_the_user_are_not_parameters() -> None:
    message = message_of("semiuri")
    assert isinstance(message, Request)
    uri = SipUri.parse(message.uri)
    assert (uri.userinfo, uri.host, dict(uri.params)) == ("user;par=u%40example.net", "example.com", {})


def test_3_1_1_12_a_reason_in_any_script() -> None:
    message = message_of("unreason")
    assert isinstance(message, Response)
    assert message.reason.startswith("= 2**3 * 5**2 но сто девяносто девять")


def test_3_1_1_13_an_empty_reason() -> None:
    message = message_of("noreason")
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (100, "")


@pytest.mark.rfc("3261", "20", "a URI with a comma is in brackets")
def test_3_1_2_13_a_contact_that_needs_brackets_is_refused_when_it_is_read() -> None:
    with pytest.raises(SipSyntaxError):
        _ = message_of("regbadct").contact


def test_3_1_2_5_overlarge_scalars_of_a_response_are_refused_when_they_are_read() -> None:
    message = message_of("scalarlg")
    with pytest.raises(SipSyntaxError):
        _ = message.cseq
    assert len(message.headers.get("Warning") or "") > 0


def test_3_1_2_15_a_display_name_with_a_comma_is_refused() -> None:
    data = data_of("baddn") + b"\r\n"
    with pytest.raises(SipSyntaxError, match="Display Name"):
        _ = parse(data).from_
    assert outcome(data) == 400


def test_3_3_7_an_unknown_authorization_scheme_is_carried_as_text() -> None:
    assert (message_of("regaut01").headers.get("Authorization") or "").startswith("NoOneKnowsThisScheme ")
