"""Requests that leave as text: the same bytes as those that leave as values (RFC 3261 §8.1, §12.2.1.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from abserver.sip.codec import parse, write_fields
from abserver.sip.dialog import Dialog
from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Headers, Request
from abserver.sip.outgoing import Outgoing

VIA = "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1;rport"
FIELDS = {"Event": "contact-card", "Contact": "<sip:192.0.2.10>"}


def a_dialog(*route_set: str) -> Dialog:
    return Dialog("c1", "a1", "b1", "sip:ann@example.com", "sip:bob@example.com", "sip:bob@192.0.2.4:5062", route_set)


@pytest.mark.rfc("3261", "7.3.1", "what proxies need comes first")
@pytest.mark.parametrize(
    "dialog",
    [
        a_dialog(),
        a_dialog("sip:p2;lr", "sip:p1;lr"),
        a_dialog("sip:p2;method=NOTIFY?a=b", "sip:p1;lr"),
        replace(a_dialog(), remote_tag="", local_cseq=16),
    ],
)
def test_a_request_of_a_dialog_is_the_same_as_text_and_as_value(dialog: Dialog) -> None:
    """§12.2.1.1."""
    request = replace(dialog).next_request("NOTIFY")
    for name, value in FIELDS.items():
        request.headers.add(name, value)
    as_value = Outgoing.of(Request(request.method, request.uri, request.headers, b"card"))
    as_text = dialog.next_outgoing("NOTIFY", write_fields(FIELDS.items()), b"card")
    assert parse(as_text.written(VIA)) == parse(as_value.written(VIA))


@pytest.mark.rfc("3261", "12.2.1.1", "numbers grow by one")
def test_the_next_request_of_a_dialog_has_the_next_number() -> None:
    dialog = a_dialog()
    for number in (1, 2):
        assert f"\r\nCSeq: {number} NOTIFY\r\n" in dialog.next_outgoing("NOTIFY", "").fields
    assert dialog.local_cseq == 2


@pytest.mark.rfc("3261", "8.1.2", "behind a strict router the Request-URI counts")
@pytest.mark.parametrize(
    ("route_set", "next_hop"),
    [
        ((), "sip:bob@192.0.2.4:5062"),
        (("sip:p2;lr", "sip:p1"), "sip:p2;lr"),
        (("sip:p2;method=NOTIFY", "sip:p1;lr"), "sip:p2"),
        (("proxy:two",), "proxy:two"),
    ],
)
def test_a_dialog_knows_its_next_hop(route_set: tuple[str, ...], next_hop: str) -> None:
    """§8.1.2: the topmost Route, or the Request-URI if the first element of the route set is a strict router."""
    assert a_dialog(*route_set).next_outgoing("NOTIFY", "").next_hop == next_hop


@pytest.mark.rfc("3261", "8.1.2", "otherwise the first Route")
@pytest.mark.parametrize(
    ("routes", "next_hop"),
    [
        ([], "sip:a"),
        (["<sip:p2;lr>, <sip:p1;lr>"], "sip:p2;lr"),
        (["<sip:p2>", "<sip:a>"], "sip:a"),
        (["<proxy:two>"], "proxy:two"),
    ],
)
def test_the_next_hop_of_a_request_is_its_first_route(routes: list[str], next_hop: str) -> None:
    """§8.1.2; a strict router has put its own URI in the Request-URI, whatever the Route says."""
    request = Request("OPTIONS", "sip:a", Headers(("Route", route) for route in routes))
    assert Outgoing.of(request).next_hop == next_hop


def test_a_route_that_is_none_is_refused() -> None:
    with pytest.raises(SipSyntaxError):
        Outgoing.of(Request("OPTIONS", "sip:a", Headers([("Route", "nonsense")])))


@pytest.mark.parametrize("value", ["a\r\nVia: forged", "a\nb", "a\rb"])
def test_a_line_break_never_leaves_within_a_field(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        write_fields([("Event", value)])
    with pytest.raises(ValueError, match="line break"):
        Outgoing.of(Request("OPTIONS", "sip:a", Headers([("Subject", value)])))
    with pytest.raises(ValueError, match="line break"):
        Outgoing("OPTIONS", value, "sip:a", "").written(VIA)
    with pytest.raises(ValueError, match="line break"):
        replace(a_dialog(), call_id=value).next_outgoing("NOTIFY", "")
