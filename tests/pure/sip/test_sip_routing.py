"""Where answers go (RFC 3261 §18.2, RFC 3581) and whose they are (§18.1.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from abserver.sip.headers import Via
from abserver.sip.outgoing import Outgoing
from abserver.sip.routing import hop_of, is_large, names_us, response_flow, stamp, via_of
from abserver.sip.transport import Address, Flow, Transport

UDP = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("192.0.2.1", 9988))
TCP = replace(UDP, transport=Transport.TCP, connection=7)


def answered_to(via: str, flow: Flow = UDP) -> Address:
    return response_flow(stamp(Via.parse(via), flow.remote), flow).remote


@pytest.mark.rfc("3261", "18.2.1", "the source is stamped into the Via")
def test_a_via_with_a_name_gets_the_source_address() -> None:
    """§18.2.1."""
    stamped = stamp(Via.parse("SIP/2.0/UDP bobspc.biloxi.com:5060;branch=a"), UDP.remote)
    assert str(stamped) == "SIP/2.0/UDP bobspc.biloxi.com:5060;branch=a;received=192.0.2.1"


@pytest.mark.rfc("3261", "18.2.1", "the source is stamped into the Via")
def test_a_via_with_the_source_address_stays_as_it_is() -> None:
    via = Via.parse("SIP/2.0/UDP 192.0.2.1:9988;branch=a")
    assert stamp(via, UDP.remote) == via
    six = Via.parse("SIP/2.0/UDP [2001:db8:0::1]:5060")
    assert stamp(six, Address("2001:db8::1", 5060)) == six


@pytest.mark.rfc("3261", "18.2.1", "the source is stamped into the Via")
def test_rport_asks_for_both_source_address_and_port() -> None:
    """RFC 3581 §4 and its example in §6; `received` even where it equals the sent-by."""
    stamped = stamp(Via.parse("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff"), UDP.remote)
    assert (stamped.received, stamped.rport) == ("192.0.2.1", 9988)
    assert stamp(Via.parse("SIP/2.0/UDP 192.0.2.1:9988;rport"), UDP.remote).received == "192.0.2.1"


@pytest.mark.rfc("3261", "18.2.2", "maddr, then received")
def test_what_the_peer_says_about_where_it_is_seen_is_not_believed() -> None:
    via = "SIP/2.0/UDP 192.0.2.1;received=198.51.100.66;rport=53"
    assert answered_to(via) == UDP.remote
    assert answered_to("SIP/2.0/UDP 192.0.2.1:9988;received=198.51.100.66") == UDP.remote


@pytest.mark.rfc("3261", "18.2.2", "maddr, then received")
@pytest.mark.parametrize(
    ("via", "expected"),
    [
        ("SIP/2.0/UDP 10.1.1.1:4540;rport", Address("192.0.2.1", 9988)),
        ("SIP/2.0/UDP 10.1.1.1:4540", Address("192.0.2.1", 4540)),
        ("SIP/2.0/UDP host.example.com", Address("192.0.2.1", 5060)),
        ("SIP/2.0/UDP 192.0.2.1:5070", Address("192.0.2.1", 5070)),
        ("SIP/2.0/UDP 10.1.1.1:4540;maddr=224.2.0.1;rport", Address("224.2.0.1", 4540)),
        ("SIP/2.0/UDP 10.1.1.1;maddr=224.2.0.1", Address("224.2.0.1", 5060)),
        ("SIP/2.0/UDP 10.1.1.1;maddr=[2001:db8::5]", Address("2001:db8::5", 5060)),
        ("SIP/2.0/UDP 10.1.1.1:4540;maddr=host.example.com;rport", Address("192.0.2.1", 9988)),
    ],
)
def test_over_udp_the_answer_follows_maddr_then_rport_then_received(via: str, expected: Address) -> None:
    """§18.2.2, RFC 3581 §4: "between bullets two and three"."""
    assert answered_to(via) == expected


@pytest.mark.rfc("3261", "18.2.2", "a response goes back on its connection")
def test_over_a_connection_the_answer_goes_back_on_it() -> None:
    """§18.2.2: whatever the Via says."""
    via = Via.parse("SIP/2.0/TCP 10.1.1.1:4540;maddr=224.2.0.1")
    assert response_flow(stamp(via, TCP.remote), TCP) == TCP


def test_our_via_asks_for_symmetric_answers() -> None:
    via = via_of(hop_of(UDP.transport, UDP.local), "z9hG4bKx", UDP)
    assert via == "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKx;rport"
    six = Flow(Transport.WSS, Address("2001:db8::1", 443), Address("2001:db8::2", 50000), 1)
    via = via_of(hop_of(six.transport, six.local), "z9hG4bKx", six)
    assert via == "SIP/2.0/WSS [2001:db8::1]:443;branch=z9hG4bKx;rport"
    assert names_us(Via.parse(via), six)


@pytest.mark.parametrize(
    ("transport", "opened", "offered"),
    [(Transport.TLS, True, True), (Transport.TLS, False, False), (Transport.TCP, True, False)],
)
def test_5923_8_1_our_via_offers_connections_over_tls_that_we_opened_for_both_directions(
    transport: Transport, opened: bool, offered: bool
) -> None:
    flow = Flow(transport, Address("192.0.2.10", 5061), Address("192.0.2.4", 5061), 1, opened=opened)
    via = Via.parse(via_of(hop_of(flow.transport, flow.local), "z9hG4bKx", flow))
    assert ("alias" in via.params) is offered
    assert names_us(via, flow)


@pytest.mark.rfc("3261", "18.1.2", "a response with the sent-by of another is dropped")
@pytest.mark.parametrize("sent_by", ["192.0.2.11:5060", "192.0.2.10:5061", "192.0.2.10", "example.com:5060"])
def test_a_response_with_the_sent_by_of_another_is_not_ours(sent_by: str) -> None:
    """§18.1.2."""
    assert not names_us(Via.parse(f"SIP/2.0/UDP {sent_by}"), UDP)


@pytest.mark.rfc("3261", "18.1.1", "large requests go by TCP")
def test_a_request_over_1300_bytes_is_large() -> None:
    """§18.1.1, counting the Via that it will have."""
    assert is_large(Outgoing("NOTIFY", "sip:a@b", "sip:a@b", "", b"x" * 1200))
    assert not is_large(Outgoing("NOTIFY", "sip:a@b", "sip:a@b", "", b"x" * 1000))
