"""What every server does with a request, whatever its method (RFC 3261 §8.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Headers, Request, Response
from abserver.sip.uas import REASONS, Capabilities, check, inspect, make_response, stateless_tag

MANDATORY = {
    "Via": "SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1, SIP/2.0/TCP b",
    "From": "<sip:bob@example.com>;tag=1",
    "To": "<sip:alice@example.com>",
    "Call-ID": "c1",
    "CSeq": "1 SUBSCRIBE",
    "Max-Forwards": "70",
}
SERVER = Capabilities(
    methods=("SUBSCRIBE", "OPTIONS"),
    extensions=frozenset({"eventlist"}),
    body_types=("application/simple-filter+xml", "application/resource-lists+xml"),
    hosts=frozenset({"example.com", "::1"}),
)


def a_request(
    method: str = "SUBSCRIBE", uri: str = "sip:alice@example.com", body: bytes = b"", **fields: str
) -> Request:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Request(method, uri, Headers((MANDATORY | {"CSeq": f"1 {method}"} | named).items()), body)


def refusal(request: Request, capabilities: Capabilities = SERVER) -> Response:
    response = inspect(request, capabilities)
    assert response is not None
    return response


@pytest.mark.rfc("3261", "8.2.6.2", "a response copies five fields")
def test_a_response_copies_what_it_must() -> None:
    """§8.2.6.2."""
    request = a_request(Record_Route="<sip:p;lr>", Timestamp="54")
    request.headers.add("Via", "SIP/2.0/UDP c")
    response = make_response(request, 489, headers=[("Allow-Events", "contact-card")], body=b"x", to_tag="9")
    assert (response.status, response.reason, response.body) == (489, "Bad Event", b"x")
    assert list(response.headers) == [
        ("Via", MANDATORY["Via"]),
        ("Via", "SIP/2.0/UDP c"),
        ("From", MANDATORY["From"]),
        ("To", "<sip:alice@example.com>;tag=9"),
        ("Call-ID", "c1"),
        ("CSeq", "1 SUBSCRIBE"),
        ("Allow-Events", "contact-card"),
    ]


def test_a_response_shares_no_rows_with_its_request() -> None:
    request = a_request()
    make_response(request, 200, headers=[("Via", "forged")])
    assert request.headers.get_all("Via") == [MANDATORY["Via"]]


@pytest.mark.rfc("3261", "8.2.6.2", "a To tag is kept or added")
def test_a_to_tag_of_the_request_stays() -> None:
    response = make_response(a_request(To="<sip:alice@example.com>;tag=5"), 200, to_tag="9")
    assert response.to.tag == "5"


@pytest.mark.rfc("3261", "8.2.6.2", "a To tag is kept or added")
def test_a_tag_is_added_to_an_address_without_brackets_too() -> None:
    assert make_response(a_request(To="sip:alice@example.com"), 200, to_tag="9").to.tag == "9"


@pytest.mark.rfc("3261", "8.2.7", "the tag is the same each time")
def test_without_a_tag_of_the_user_the_same_request_gets_the_same_one() -> None:
    """§8.2.7; §9.2: the CANCEL of the request too."""
    tag = make_response(a_request(), 481).to.tag
    assert tag == stateless_tag(a_request()) == stateless_tag(a_request(CSeq="1 CANCEL"))
    assert tag != stateless_tag(a_request(CSeq="2 SUBSCRIBE"))
    assert tag != stateless_tag(a_request(Via="SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK2"))


@pytest.mark.rfc("3261", "8.2.6.1", "a 100 has the Timestamp with the delay")
def test_a_100_copies_the_timestamp_and_needs_no_tag() -> None:
    """§8.2.6.1."""
    response = make_response(a_request(Timestamp="54"), 100)
    assert response.headers.get("Timestamp") == "54"
    assert response.to.tag is None
    assert "Timestamp" not in make_response(a_request(), 100).headers


@pytest.mark.rfc("3261", "12.1.1", "Record-Route comes back")
def test_a_2xx_repeats_the_record_route() -> None:
    """§12.1.1."""
    request = a_request(Record_Route="<sip:p2;lr>, <sip:p1;lr>")
    assert make_response(request, 200).headers.get("Record-Route") == "<sip:p2;lr>, <sip:p1;lr>"
    assert "Record-Route" not in make_response(request, 404).headers


def test_a_reason_of_ones_own_and_an_unknown_status() -> None:
    assert make_response(a_request(), 400, reason="Missing Contact").reason == "Missing Contact"
    assert make_response(a_request(), 699).reason == ""
    assert all(100 <= status <= 699 for status in REASONS)


def test_a_broken_request_is_answered_with_what_it_has() -> None:
    response = make_response(Request("OPTIONS", "?", Headers([("Via", "SIP/2.0/UDP a"), ("To", '"x')])), 400)
    assert list(response.headers) == [("Via", "SIP/2.0/UDP a"), ("To", '"x')]
    assert make_response(Request("OPTIONS", "?", Headers([("To", "<sip:a>")])), 400).to.tag


def test_a_request_with_all_that_is_mandatory_passes() -> None:
    check(a_request())
    check(a_request(From="<sip:bob@example.com>", Max_Forwards="0"))


def test_max_forwards_may_be_missing() -> None:
    request = a_request()
    request.headers.remove("Max-Forwards")
    check(request)


@pytest.mark.rfc("3261", "20", "what is mandatory is needed")
@pytest.mark.rfc("3261", "21.4.1", "a 400 says what is wrong")
@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_missing_mandatory_field_is_a_400(name: str) -> None:
    """§8.1.1."""
    request = a_request()
    request.headers.remove(name)
    with pytest.raises(SipSyntaxError, match=f"Missing {name}") as caught:
        check(request)
    assert (caught.value.status_hint, caught.value.request) == (400, request)


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq", "Max-Forwards"])
def test_a_field_that_must_be_single_and_is_not_is_a_400(name: str) -> None:
    request = a_request()
    request.headers.add(name, MANDATORY[name])
    with pytest.raises(SipSyntaxError, match=f"Several {name}"):
        check(request)


@pytest.mark.rfc("3261", "8.1.1.5", "CSeq has the method and a number of 31 bits")
@pytest.mark.rfc("3261", "20", "what is mandatory is needed")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Via", "SIP/2.0/UDP"),
        ("From", "bob"),
        ("To", "<sip:a"),
        ("Call_ID", ""),
        ("Call_ID", "a b"),
        ("CSeq", "x SUBSCRIBE"),
        ("CSeq", "1 OPTIONS"),
        ("Max_Forwards", "256"),
        ("Max_Forwards", "-1"),
    ],
)
def test_a_malformed_mandatory_field_is_a_400(name: str, value: str) -> None:
    with pytest.raises(SipSyntaxError):
        check(a_request("SUBSCRIBE", "sip:alice@example.com", b"", **{name: value}))


def test_a_request_that_can_be_served_is_not_refused() -> None:
    assert inspect(a_request(Require="EventList"), SERVER) is None
    assert inspect(a_request(uri="sips:alice@EXAMPLE.com:5061;a=b"), SERVER) is None
    assert inspect(a_request(uri="sip:alice@[::1]"), SERVER) is None
    assert inspect(a_request(uri="sip:alice@elsewhere.org"), Capabilities(("SUBSCRIBE",))) is None


@pytest.mark.rfc("3261", "8.2.1", "a method that is not served is 405 with Allow")
@pytest.mark.rfc("3261", "20.5", "Allow names CANCEL too")
@pytest.mark.parametrize(
    ("method", "status"), [("MESSAGE", 405), ("REGISTER", 405), ("subscribe", 501), ("FETCH", 501)]
)
def test_a_method_that_is_not_served_is_a_405_and_one_unheard_of_a_501(method: str, status: int) -> None:
    """§8.2.1, §21.5.2; methods are case-sensitive (§7.1)."""
    response = refusal(a_request(method))
    assert response.status == status
    assert response.headers.get("Allow") == "SUBSCRIBE, OPTIONS, CANCEL"


@pytest.mark.rfc("3261", "8.2.2.1", "another scheme is a 416")
def test_another_scheme_is_a_416_and_a_malformed_uri_a_400() -> None:
    """§8.2.2.1."""
    assert refusal(a_request(uri="tel:+1-201-555-0123")).status == 416
    assert refusal(a_request(uri="sip:alice@example.com;;")).status == 400


def test_a_scheme_that_is_supported_names_no_host() -> None:
    """§8.2.2.1."""
    server = replace(SERVER, schemes=("sip", "sips", "tel"))
    assert inspect(a_request(uri="TEL:+1-201-555-0123"), server) is None
    assert inspect(a_request(uri="sip:alice@elsewhere.org"), server) is not None
    assert inspect(a_request(uri="mailto:alice@example.com"), server) is not None


@pytest.mark.rfc("3261", "8.2.2", "fields that nobody needs are passed over")
def test_fields_that_nobody_needs_are_passed_over_whatever_they_say() -> None:
    """§8.2.2: unknown ones, and malformed ones that are not necessary."""
    request = a_request(
        X_Unheard="of", Date="yesterday", Priority=";;", Warning="none", Alert_Info="<<", Subject="\x7f"
    )
    check(request)
    assert inspect(request, SERVER) is None


@pytest.mark.rfc("3261", "8.2.2.1", "the To may say anything")
@pytest.mark.parametrize("to", ["tel:+1-201-555-0123", "<urn:service:sos>", "<sip:carol@elsewhere.org>"])
def test_the_to_field_may_name_anybody(to: str) -> None:
    """§8.2.2.1: "or if the To header field does not address a known or current user of this UAS"."""
    request = a_request(To=to)
    check(request)
    assert inspect(request, SERVER) is None


@pytest.mark.rfc("3261", "8.2.2.1", "another address is a 404")
@pytest.mark.rfc("3261", "16.3", "the last hop")
def test_a_uri_of_another_host_is_a_404_and_at_its_last_hop_a_483() -> None:
    """§8.2.2.1, §16.3."""
    assert refusal(a_request(uri="sip:alice@elsewhere.org")).status == 404
    assert refusal(a_request(uri="sip:alice@elsewhere.org", Max_Forwards="0")).status == 483
    assert refusal(a_request(uri="sip:alice@elsewhere.org", Max_Forwards="10")).status == 404


@pytest.mark.rfc("3261", "16.3", "the last hop")
def test_an_options_that_can_go_no_further_is_for_whoever_has_it() -> None:
    """§11, §16.3: "If the request was for OPTIONS, the element MAY act as the final recipient and respond"."""
    request = a_request(uri="sip:alice@elsewhere.org", Max_Forwards="0", CSeq="1 OPTIONS")
    request.method = "OPTIONS"
    assert inspect(request, SERVER) is None
    request.headers.set("Max-Forwards", "1")
    assert refusal(request).status == 404


@pytest.mark.rfc("3261", "8.2.2.1", "another scheme is a 416")
def test_without_tls_a_sips_uri_is_a_480_that_says_why() -> None:
    """RFC 5630 §5.1.2: the scheme is known, but is no way to this server."""
    response = refusal(a_request(uri="SIPS:alice@example.com"), replace(SERVER, schemes=("sip", "tel")))
    assert (response.status, response.headers.get("Warning")) == (480, '380 abserver "SIPS Not Allowed"')
    assert inspect(a_request(uri="sips:alice@example.com"), SERVER) is None


def test_what_only_proxies_must_understand_is_not_looked_at() -> None:
    """§20.29: Proxy-Require is for the proxies on the way."""
    assert inspect(a_request(Proxy_Require="foo"), SERVER) is None
    assert inspect(a_request(Max_Forwards="0"), SERVER) is None


@pytest.mark.rfc("3261", "8.2.2.3", "extensions not understood are a 420")
@pytest.mark.rfc("3261", "20.32", "Require is not ignored")
def test_extensions_not_understood_are_a_420_that_names_them() -> None:
    """§8.2.2.3."""
    response = refusal(a_request(Require="eventlist, nothingSupportsThis, norThis"))
    assert response.status == 420
    assert response.headers.get("Unsupported") == "nothingsupportsthis, northis"
    assert refusal(a_request(Require="a b")).status == 400


@pytest.mark.rfc("3261", "8.2.3", "a body that is not understood is a 415")
@pytest.mark.rfc("3261", "20.11", "handling")
def test_a_body_that_is_not_understood_is_a_415_that_says_what_is() -> None:
    """§8.2.3."""
    response = refusal(a_request(body=b"x", Content_Type="text/plain"))
    assert response.status == 415
    assert response.headers.get("Accept") == "application/simple-filter+xml, application/resource-lists+xml"
    encoded = refusal(a_request(body=b"x", Content_Type="application/simple-filter+xml", Content_Encoding="gzip"))
    assert encoded.status == 415
    assert encoded.headers.get("Accept-Encoding") == "identity"
    packers = replace(SERVER, codings=("gzip", "identity"))
    assert inspect(a_request(body=b"x", Content_Type="application/simple-filter+xml", e="GZIP"), packers) is None


@pytest.mark.rfc("3261", "20.15", "a body has a type")
def test_a_body_without_type_or_with_a_malformed_one_is_a_400() -> None:
    """§20.15."""
    assert refusal(a_request(body=b"x")).reason == "Missing Content-Type"
    assert refusal(a_request(body=b"x", Content_Type="text")).status == 400


@pytest.mark.rfc("3261", "8.2.3", "a body that is not understood is a 415")
@pytest.mark.rfc("3261", "20.11", "handling")
def test_a_body_that_is_understood_or_optional_passes() -> None:
    assert inspect(a_request(body=b"x", Content_Type="Application/Simple-Filter+XML"), SERVER) is None
    optional = a_request(body=b"x", Content_Type="text/plain", Content_Disposition="render; Handling = optional")
    assert inspect(optional, SERVER) is None
    required = a_request(body=b"x", Content_Type="text/plain", Content_Disposition="render")
    assert refusal(required).status == 415
