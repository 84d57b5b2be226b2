"""RFC 3263 §4 and RFC 2782, walked without a DNS: what is asked, and what comes of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abserver.sip.locating import MAX_HOPS, Hop, Kind, Naptr, Question, Srv, Unlocatable, by_priority, locate
from abserver.sip.transport import Transport
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from abserver.sip.locating import Records

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
ALL = (UDP, TCP, TLS)
HOST = {(Kind.A, "a.example.com"): ("192.0.2.1",), (Kind.AAAA, "a.example.com"): ("2001:db8::1",)}
ZONE: Mapping[tuple[Kind, str], Records] = {
    **HOST,
    (Kind.NAPTR, "example.com"): (
        Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
        Naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
        Naptr(90, 40, "S", "sip+d2u", "_sip._udp.example.com"),
        Naptr(10, 10, "s", "SIP+D2S", "_sip._sctp.example.com"),
        Naptr(10, 10, "u", "SIP+D2U", "elsewhere"),
    ),
    (Kind.SRV, "_sips._tcp.example.com"): (Srv(0, 1, 5081, "a.example.com"),),
    (Kind.SRV, "_sip._tcp.example.com"): (Srv(0, 1, 5070, "a.example.com"),),
    (Kind.SRV, "_sip._udp.example.com"): (Srv(0, 1, 5071, "a.example.com"),),
}


def hops_of(
    uri: str, zone: Mapping[tuple[Kind, str], Records] = ZONE, ours: Collection[Transport] = ALL
) -> tuple[list[tuple[Transport, str, int]], list[Question]]:
    """The hops, and all that was asked."""
    asked: list[Question] = []
    hops: list[Hop] = []
    locating = locate(SipUri.parse(uri), ours, lambda most: most)
    try:
        questions = next(locating)
        while True:
            asked += questions
            questions = locating.send(tuple(zone.get((each.kind, each.name), ()) for each in questions))
    except StopIteration as found:
        hops = found.value
    return [(hop.transport, hop.address.host, hop.address.port) for hop in hops], asked


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:192.0.2.9", (UDP, "192.0.2.9", 5060)),
        ("sips:192.0.2.9", (TLS, "192.0.2.9", 5061)),
        ("sip:192.0.2.9:5090;transport=tcp", (TCP, "192.0.2.9", 5090)),
        ("sips:192.0.2.9;transport=tcp", (TLS, "192.0.2.9", 5061)),
        ("sip:[2001:db8::9];transport=tls", (TLS, "2001:db8::9", 5061)),
        ("sip:example.com;maddr=192.0.2.9", (UDP, "192.0.2.9", 5060)),
    ],
)
def test_4_2_a_numeric_target_is_itself_and_nothing_is_asked(uri: str, hop: tuple[Transport, str, int]) -> None:
    assert hops_of(uri) == ([hop], [])


def test_4_1_a_port_means_the_default_transport_and_addresses_only() -> None:
    hops, asked = hops_of("sip:a.example.com:5099")
    assert hops == [(UDP, "192.0.2.1", 5099), (UDP, "2001:db8::1", 5099)]
    assert {each.kind for each in asked} == {Kind.A, Kind.AAAA}


def test_4_1_the_first_order_of_naptr_that_has_a_service_for_us_is_used() -> None:
    assert [hop[::2] for hop in hops_of("sip:Example.com.")[0]] == [(TLS, 5081)] * 2
    without_tls, asked = hops_of("sip:example.com", ours=(UDP, TCP))
    assert [hop[::2] for hop in without_tls] == [(UDP, 5071)] * 2 + [(TCP, 5070)] * 2
    assert Question(Kind.SRV, "_sip._sctp.example.com") not in asked


@pytest.mark.rfc("3261", "8.1.2", "a SIPS resource is reached by TLS only")
def test_4_1_a_sips_uri_discards_services_that_are_not_secure() -> None:
    assert {hop[0] for hop in hops_of("sips:example.com")[0]} == {TLS}
    with pytest.raises(Unlocatable):
        hops_of("sips:example.com", ours=(UDP, TCP))


def test_4_1_without_naptr_srv_is_asked_for_each_transport_of_ours() -> None:
    zone = {key: records for key, records in ZONE.items() if key[0] is not Kind.NAPTR}
    assert [hop[0] for hop in hops_of("sip:example.com", zone)[0]] == [UDP, UDP, TCP, TCP, TLS, TLS]


def test_4_1_a_transport_parameter_leaves_naptr_out() -> None:
    hops, asked = hops_of("sip:example.com;transport=tcp")
    assert {hop[::2] for hop in hops} == {(TCP, 5070)}
    assert Kind.NAPTR not in {each.kind for each in asked}


def test_4_2_without_srv_it_is_the_name_itself_with_the_default_port() -> None:
    assert hops_of("sip:a.example.com", HOST)[0][0] == (UDP, "192.0.2.1", 5060)
    assert hops_of("sips:a.example.com", HOST)[0][0] == (TLS, "192.0.2.1", 5061)
    assert hops_of("sip:a.example.com", HOST, ours=(TCP,))[0] == []


def test_a_name_of_one_label_is_asked_for_as_a_host_only() -> None:
    assert {each.kind for each in hops_of("sip:proxy")[1]} == {Kind.A, Kind.AAAA}


def test_a_numeric_target_by_a_transport_that_we_lack_has_no_hop() -> None:
    assert hops_of("sip:192.0.2.9", ours=(TCP,)) == ([], [])


@pytest.mark.rfc("3261", "19.1.1", "SIPS is reliable")
@pytest.mark.parametrize("uri", ["sip:a.example.com;transport=sctp", "sips:a.example.com;transport=udp"])
def test_a_transport_that_cannot_be_has_no_hop(uri: str) -> None:
    with pytest.raises(Unlocatable):
        hops_of(uri)


def test_rfc_2782_a_single_dot_says_that_there_is_no_such_service() -> None:
    zone: Mapping[tuple[Kind, str], Records] = {**HOST, (Kind.SRV, "_sip._udp.a.example.com"): (Srv(0, 0, 0, "."),)}
    assert hops_of("sip:a.example.com;transport=udp", zone)[0] == []


def test_rfc_2782_lower_priorities_come_first_and_weights_share_the_lot() -> None:
    light, heavy, spare = Srv(1, 1, 1, "l"), Srv(1, 9, 1, "h"), Srv(2, 99, 1, "s")
    assert by_priority([spare, heavy, light], lambda most: 0) == [light, heavy, spare]
    assert by_priority([spare, heavy, light], lambda most: most) == [heavy, light, spare]
    lots = iter([number for lot in range(1, 11) for number in (lot, 0)])
    first = [by_priority([light, heavy], lambda most: next(lots))[0] for _ in range(10)]
    assert first.count(heavy) == 9


def test_a_zone_with_any_number_of_servers_gives_a_bounded_number_of_hops() -> None:
    many = tuple(Srv(0, 0, port, "a.example.com") for port in range(1, 100))
    zone: Mapping[tuple[Kind, str], Records] = {**HOST, (Kind.SRV, "_sip._udp.a.example.com"): many}
    assert len(hops_of("sip:a.example.com;transport=udp", zone)[0]) == MAX_HOPS


@pytest.mark.parametrize(
    "uri", ["sip:df7jal23ls0d.invalid", "sip:x.INVALID.;transport=tcp", "sip:invalid:5070", "sip:a.com;maddr=x.invalid"]
)
def test_no_name_server_is_asked_for_the_host_of_a_web_page(uri: str) -> None:
    """RFC 7118 §B.1, RFC 6761 §6.4."""
    with pytest.raises(Unlocatable):
        next(locate(SipUri.parse(uri), ALL, lambda most: most))


def test_nobody_is_connected_to_by_websocket() -> None:
    """RFC 7118 §5.5 has NAPTR services for those who open such connections; servers don't."""
    with pytest.raises(Unlocatable):
        next(locate(SipUri.parse("sip:example.com;transport=ws"), ALL, lambda most: most))


def test_a_host_may_end_in_the_letters_of_invalid() -> None:
    assert hops_of("sip:notinvalid", {(Kind.A, "notinvalid"): ("192.0.2.1",)})[0] == [(UDP, "192.0.2.1", 5060)]
