"""Dialogs at both ends (RFC 3261 §12, RFC 6665 §4.4.1)."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from abserver.sip.dialog import Dialog, DialogId
from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Headers, Request, Response


def subscribe(**fields: str) -> Request:
    rows = {
        "From": '"Bob" <sip:bob@example.com>;tag=b1',
        "To": "<sip:alice@example.com>",
        "Call-ID": "c1",
        "CSeq": "17 SUBSCRIBE",
        "Contact": "<sip:bob@192.0.2.4:5062;ob>",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    return Request("SUBSCRIBE", "sip:alice@example.com", Headers(rows.items()))


def notify(number: int = 1, **fields: str) -> Request:
    rows = {
        "From": "<sip:alice@example.com>;tag=a1",
        "To": "<sip:bob@example.com>;tag=b1",
        "Call-ID": "c1",
        "CSeq": f"{number} NOTIFY",
        "Contact": "<sip:192.0.2.10>",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    return Request("NOTIFY", "sip:bob@192.0.2.4", Headers(rows.items()))


@pytest.mark.rfc("3261", "12.1", "a dialog has its ID")
@pytest.mark.rfc("3261", "12.1.1", "the state of the dialog")
def test_the_notifiers_end_comes_from_the_subscribe() -> None:
    """§12.1.1: route set in the order of the Record-Route, no local number yet."""
    dialog = Dialog.notifier(subscribe(Record_Route="<sip:p2;lr>;x=y, <sip:p1;lr>"), "a1")
    assert asdict(dialog) == {
        "call_id": "c1",
        "local_tag": "a1",
        "remote_tag": "b1",
        "local_uri": "sip:alice@example.com",
        "remote_uri": "sip:bob@example.com",
        "remote_target": "sip:bob@192.0.2.4:5062;ob",
        "route_set": ("sip:p2;lr", "sip:p1;lr"),
        "local_cseq": None,
        "remote_cseq": 17,
    }
    assert dialog.id == DialogId("c1", "a1", "b1")


@pytest.mark.rfc("3261", "12.1", "a dialog has its ID")
def test_the_subscribers_end_comes_from_the_notify() -> None:
    """RFC 6665 §4.4.1: the NOTIFY creates the dialog, and its Record-Route is the route set."""
    dialog = Dialog.subscriber(subscribe(), notify(5, Record_Route="<sip:p1;lr>, <sip:p2;lr>"))
    assert dialog.id == DialogId("c1", "b1", "a1")
    assert (dialog.local_uri, dialog.remote_uri) == ("sip:bob@example.com", "sip:alice@example.com")
    assert dialog.remote_target == "sip:192.0.2.10"
    assert dialog.route_set == ("sip:p1;lr", "sip:p2;lr")
    assert (dialog.local_cseq, dialog.remote_cseq) == (17, 5)


def test_both_ends_understand_each_other() -> None:
    notifier = Dialog.notifier(subscribe(), "a1")
    first = notifier.next_request("NOTIFY")
    first.headers.add("Contact", "<sip:192.0.2.10>")
    subscriber = Dialog.subscriber(subscribe(), first)
    assert DialogId.of_request(first) == subscriber.id
    refresh = subscriber.next_request("SUBSCRIBE")
    assert DialogId.of_request(refresh) == notifier.id
    assert notifier.receive(refresh)
    assert refresh.cseq.number == 18


@pytest.mark.parametrize("contact", ["*", "bob"])
def test_without_a_contact_there_is_no_dialog(contact: str) -> None:
    with pytest.raises(SipSyntaxError):
        Dialog.notifier(subscribe(Contact=contact), "a1")


def test_a_request_to_a_sips_uri_makes_a_dialog_with_sips_targets_only() -> None:
    """RFC 5630 §5.1.2: URIs that are used inconsistently are a 400."""
    request = subscribe(Contact="<sips:bob@192.0.2.4>")
    request.uri = "SIPS:alice@example.com"
    assert Dialog.notifier(request, "a1").remote_target == "sips:bob@192.0.2.4"
    request = subscribe()
    request.uri = "sips:alice@example.com"
    with pytest.raises(SipSyntaxError, match="Contact Is No SIPS URI") as refused:
        Dialog.notifier(request, "a1")
    assert refused.value.status_hint == 400


def test_a_request_without_to_tag_is_outside_of_any_dialog() -> None:
    """§12.2.2."""
    assert DialogId.of_request(subscribe()) is None


@pytest.mark.rfc("3261", "12.1.1", "a From without tag")
@pytest.mark.rfc("3261", "12.2.1.1", "a tag that is null is left out")
def test_a_peer_without_tag_is_told_without_tag() -> None:
    """§12.1.1: "A UAS MUST be prepared to receive a request without a tag in the From field"; §12.2.1.1."""
    dialog = Dialog.notifier(subscribe(From="sip:bob@example.com"), "a1")
    request = dialog.next_request("NOTIFY")
    assert request.headers.get("To") == "<sip:bob@example.com>"
    assert DialogId.of_request(subscribe(From="sip:bob@example.com", To="<sip:a>;tag=a1")) == dialog.id
    assert Dialog.subscriber(subscribe(From="sip:bob@example.com"), notify()).local_tag == ""
    assert Dialog.subscriber(subscribe(), notify(From="<sip:alice@example.com>")).remote_tag == ""


@pytest.mark.rfc("3261", "7.3.1", "what proxies need comes first")
@pytest.mark.rfc("3261", "8.1.1", "a request has what is mandatory")
@pytest.mark.rfc("3261", "8.1.1.6", "Max-Forwards is 70")
@pytest.mark.rfc("3261", "12.2.1.1", "To, From and Call-ID are those of the dialog")
def test_a_request_within_the_dialog() -> None:
    """§12.2.1.1: numbers increase by one; To and From as the dialog says; no Route without a route set."""
    dialog = Dialog.notifier(subscribe(), "a1")
    request = dialog.next_request("NOTIFY")
    assert (request.method, request.uri) == ("NOTIFY", "sip:bob@192.0.2.4:5062;ob")
    assert list(request.headers) == [
        ("Max-Forwards", "70"),
        ("From", "<sip:alice@example.com>;tag=a1"),
        ("To", "<sip:bob@example.com>;tag=b1"),
        ("Call-ID", "c1"),
        ("CSeq", "1 NOTIFY"),
    ]
    assert dialog.next_request("NOTIFY").cseq.number == 2


@pytest.mark.rfc("3261", "12.2.1.1", "loose routing")
def test_a_loose_router_is_a_route() -> None:
    """§12.2.1.1."""
    dialog = Dialog.notifier(subscribe(Record_Route="<sip:p2.example.com;lr>, <sip:p1.example.com>"), "a1")
    request = dialog.next_request("NOTIFY")
    assert request.uri == "sip:bob@192.0.2.4:5062;ob"
    assert request.headers.get_all("Route") == ["<sip:p2.example.com;lr>", "<sip:p1.example.com>"]


@pytest.mark.rfc("3261", "12.2.1.1", "strict routing")
def test_a_strict_router_takes_the_request_uri() -> None:
    """§12.2.1.1 and its example."""
    dialog = Dialog.notifier(
        subscribe(
            Contact="<sip:user@remoteua>",
            Record_Route="<sip:proxy1>, <sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4>",
        ),
        "a1",
    )
    request = dialog.next_request("NOTIFY")
    assert request.uri == "sip:proxy1"
    routes = ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"]
    assert request.headers.get_all("Route") == routes


@pytest.mark.rfc("3261", "12.2.1.1", "strict routing")
@pytest.mark.rfc("3261", "19.1.1", "unknown parameters are passed over")
def test_a_strict_router_loses_what_a_request_uri_may_not_hold() -> None:
    """§12.2.1.1, §19.1.1 Table 1: headers and the method parameter."""
    dialog = Dialog.notifier(subscribe(Record_Route="<sip:p1:5070;method=NOTIFY;a=b?Subject=x>"), "a1")
    assert dialog.next_request("NOTIFY").uri == "sip:p1:5070;a=b"


def test_a_route_that_is_no_sip_uri_does_not_stop_us() -> None:
    dialog = Dialog.notifier(subscribe(Record_Route="<proxy:one>"), "a1")
    assert dialog.next_request("NOTIFY").headers.get("Route") == "<proxy:one>"


@pytest.mark.rfc("3261", "12.2.2", "the order of the peer's numbers")
def test_numbers_from_the_peer_may_skip_but_not_go_back() -> None:
    """§12.2.2."""
    dialog = Dialog.notifier(subscribe(), "a1")
    assert dialog.receive(subscribe(CSeq="20 SUBSCRIBE"))
    assert not dialog.receive(subscribe(CSeq="19 SUBSCRIBE"))
    assert dialog.remote_cseq == 20
    dialog.remote_cseq = None
    assert dialog.receive(subscribe(CSeq="3 SUBSCRIBE"))
    assert dialog.remote_cseq == 3


@pytest.mark.rfc("3261", "12.2.1.2", "a 2xx moves the target")
def test_an_accepted_request_or_a_2xx_moves_the_target_but_not_the_route() -> None:
    """§12.2.1.2, §12.2.2; RFC 6665 §3.1: SUBSCRIBE and NOTIFY are target refresh requests."""
    dialog = Dialog.notifier(subscribe(Record_Route="<sip:p1;lr>"), "a1")
    dialog.refresh(subscribe(Contact="<sip:bob@198.51.100.7>", Record_Route="<sip:p9;lr>"))
    assert dialog.remote_target == "sip:bob@198.51.100.7"
    assert dialog.route_set == ("sip:p1;lr",)
    dialog.refresh(Response(200, "OK", Headers([("Contact", "<sip:bob@198.51.100.8>")])))
    assert dialog.remote_target == "sip:bob@198.51.100.8"
    dialog.refresh(Response(200, "OK"))
    assert dialog.remote_target == "sip:bob@198.51.100.8"


def test_a_dialog_that_is_ahead_differs_in_our_number_only() -> None:
    """What the journal keeps, so that no number is used twice."""
    dialog = Dialog.notifier(subscribe(Record_Route="<sip:p1;lr>"), "a1")
    assert dialog.ahead(256) == replace(dialog, local_cseq=256)
    dialog.next_request("NOTIFY")
    assert dialog.ahead(256) == replace(dialog, local_cseq=257)


@pytest.mark.rfc("3261", "12.1.1", "the state of the dialog")
def test_a_dialog_goes_on_where_its_stored_fields_say() -> None:
    dialog = Dialog.notifier(subscribe(Record_Route="<sip:p1;lr>"), "a1")
    dialog.next_request("NOTIFY")
    restored = Dialog(**asdict(dialog))
    assert restored == dialog
    assert restored.next_request("NOTIFY").cseq.number == 2
