"""RFC 3261 §19.1: the parts of SIP URIs."""

from __future__ import annotations

import pytest

from abserver.sip.errors import SipSyntaxError
from abserver.sip.uri import SipUri, wants_flow


@pytest.mark.rfc("3261", "19.1.1", "unknown parameters are passed over")
def test_a_full_uri_comes_apart_and_together() -> None:
    text = "sips:alice:secret%3f@example.com:5061;transport=tcp;lr;maddr=192.0.2.1?Subject=hello%20there"
    uri = SipUri.parse(text)
    assert uri.scheme == "sips"
    assert uri.userinfo == "alice:secret%3f"
    assert (uri.host, uri.port) == ("example.com", 5061)
    assert dict(uri.params) == {"transport": "tcp", "lr": None, "maddr": "192.0.2.1"}
    assert uri.headers == "Subject=hello%20there"
    assert str(uri) == text


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("sip:example.com", "example.com", None),
        ("SIP:alice@[2001:db8::1]", "[2001:db8::1]", None),
        ("sip:alice@[2001:db8::1]:5070", "[2001:db8::1]", 5070),
        ("sip:192.0.2.4:5060?a=b", "192.0.2.4", 5060),
        ("sip:user;par=u%40example.net@example.com", "example.com", None),
    ],
)
def test_host_and_port_are_found(text: str, host: str, port: int | None) -> None:
    uri = SipUri.parse(text)
    assert (uri.host, uri.port) == (host, port)
    assert SipUri.parse(str(uri)) == uri


def test_what_routing_asks_for() -> None:
    uri = SipUri.parse("sip:p1.example.com;LR;transport=WSS;maddr=192.0.2.9")
    assert uri.loose_router
    assert uri.transport == "wss"
    assert uri.maddr == "192.0.2.9"
    plain = SipUri.parse("sip:p1.example.com")
    assert not plain.loose_router
    assert plain.transport is None
    assert plain.maddr is None


@pytest.mark.rfc("3261", "19.1.1", "what a URI may hold")
@pytest.mark.parametrize(
    "text",
    [
        "sip:",
        "sip:@example.com",
        "sip:a%zz@example.com",
        "sip:alice@",
        "sip:alice@exa mple.com",
        "sip:alice@example.com:",
        "sip:alice@example.com:70000",
        "sip:alice@example.com;",
        "sip:alice@example.com;a=",
        "sip:alice@example.com;a;A",
        "sip:alice@bob@example.com",
        "sip:alice@[::1",
    ],
)
def test_malformed_uris_are_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError) as caught:
        SipUri.parse(text)
    assert caught.value.status_hint == 400


@pytest.mark.parametrize("text", ["tel:+15551234", "http://example.com", "nobodyKnows:this", "alice"])
def test_another_scheme_is_hinted_416(text: str) -> None:
    """§8.2.2.1."""
    with pytest.raises(SipSyntaxError) as caught:
        SipUri.parse(text)
    assert caught.value.status_hint == 416


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:bob@10.0.0.2;ob", True),
        ("sip:bob@10.0.0.2;transport=tcp;OB", True),
        ("sip:bob@10.0.0.2;obi=1", False),
        ("sip:bob;ob@10.0.0.2", False),
        ("tel:1;ob", False),
        ("sip:bob@10.0.0.2", False),
    ],
)
def test_ob_asks_for_requests_on_the_flow_rfc5626_4_3(uri: str, expected: bool) -> None:
    assert wants_flow(uri) is expected
