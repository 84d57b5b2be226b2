"""The NOTIFY request: what each notice looks like on the wire (docs/contact-card-event-package.md §7)."""

from __future__ import annotations

from abserver.domain.view import View
from abserver.events.contact_card import PACKAGE, PATCH, VCARD, XCARD, Entity, Formats
from abserver.events.notify import notify_request
from abserver.events.rates import Rates
from abserver.events.subscription import Notice
from abserver.sip.codec import parse
from abserver.sip.dialog import Dialog
from abserver.sip.headers import EventReason, Substate
from abserver.sip.message import Request

VIEW = View(b"<view/>", "tag")
XML = Formats(XCARD, patches=True)


def notify(
    notice: Notice,
    entity: Entity | None = None,
    *,
    id: str | None = None,
    formats: Formats = XML,
    charging: str | None = None,
) -> Request:
    """The request as its receiver reads it."""
    dialog = Dialog("call", "ours", "theirs", "sip:ann@example.com", "sip:bob@example.com", "sip:bob@192.0.2.7")
    outgoing = notify_request(
        dialog,
        notice,
        entity,
        package=PACKAGE,
        event_id=id,
        formats=formats,
        contact="<sip:192.0.2.1>",
        charging=charging,
    )
    request = parse(outgoing.written("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"))
    assert isinstance(request, Request)
    request.headers.remove("Via")
    return request


def test_a_pending_notify_has_neither_body_nor_tag_rfc6665_4_2_1_2() -> None:
    request = notify(Notice(Substate.PENDING, None, 90, None, "old"))
    assert dict(request.headers) == {
        "Max-Forwards": "70",
        "From": "<sip:ann@example.com>;tag=ours",
        "To": "<sip:bob@example.com>;tag=theirs",
        "Call-ID": "call",
        "CSeq": "1 NOTIFY",
        "Event": "contact-card",
        "Subscription-State": "pending;expires=90",
        "Contact": "<sip:192.0.2.1>",
    }
    assert (request.method, request.uri, request.body) == ("NOTIFY", "sip:bob@192.0.2.7", b"")


def test_the_full_view_comes_with_its_tag_and_type_rfc5839_6_1() -> None:
    request = notify(Notice(Substate.ACTIVE, None, 90, VIEW, None), Entity(XCARD, VIEW.content))
    assert request.headers.get("SIP-ETag") == "tag"
    assert request.headers.get("Content-Type") == XCARD
    assert request.headers.get("Event") == "contact-card"
    assert request.body == VIEW.content


def test_a_patch_names_its_base_in_the_event() -> None:
    request = notify(Notice(Substate.ACTIVE, None, 90, VIEW, "old"), Entity(PATCH, b"<patch/>", base="old"), id="7")
    assert request.headers.get("Event") == "contact-card;id=7;base=old"
    assert request.headers.get("Content-Type") == PATCH


def test_an_unchanged_view_is_its_tag_alone_rfc5839_5_3() -> None:
    request = notify(Notice(Substate.ACTIVE, None, 90, VIEW, "tag"))
    assert request.headers.get("SIP-ETag") == "tag"
    assert request.body == b""
    assert "Content-Type" not in request.headers


def test_what_is_withheld_is_its_tag_alone_rfc5839_6_2() -> None:
    request = notify(Notice(Substate.ACTIVE, None, 90, None, "old", withheld="tag"))
    assert request.headers.get("SIP-ETag") == "tag"
    assert request.body == b""


def test_a_charging_vector_goes_along_where_it_may_rfc7315_5_6() -> None:
    notice = Notice(Substate.ACTIVE, None, 90, VIEW, "tag")
    assert notify(notice, charging="icid-value=x").headers.get("P-Charging-Vector") == "icid-value=x"
    assert "P-Charging-Vector" not in notify(notice).headers


def test_agreed_rates_are_told_rfc6446_4_2() -> None:
    request = notify(Notice(Substate.ACTIVE, None, 90, VIEW, "tag", rates=Rates(0.5, 0.05)))
    assert request.headers.get("Subscription-State") == "active;expires=90;max-rate=0.5;min-rate=0.05"


def test_the_text_form_has_a_tag_of_its_own() -> None:
    formats = Formats(VCARD, patches=False)
    request = notify(Notice(Substate.ACTIVE, None, 90, VIEW, None), Entity(VCARD, b"BEGIN:VCARD"), formats=formats)
    assert request.headers.get("SIP-ETag") == "tag-text"


def test_the_last_notify_tells_why_and_no_duration_rfc6665_4_1_3() -> None:
    request = notify(Notice(Substate.TERMINATED, EventReason.REJECTED, None, None, "old"))
    assert request.headers.get("Subscription-State") == "terminated;reason=rejected"


def test_a_packed_body_says_how_and_has_tags_of_its_own_rfc3261_20_12_rfc5839_6_1() -> None:
    request = notify(
        Notice(Substate.ACTIVE, None, 90, VIEW, "old"),
        Entity(PATCH, b"packed", base="old", coding="gzip"),
        formats=Formats(XCARD, patches=True, coding="gzip"),
    )
    assert (request.headers.get("Content-Encoding"), request.body) == ("gzip", b"packed")
    assert request.headers.get("Event") == "contact-card;base=old-gzip"
    assert request.headers.get("SIP-ETag") == "tag-gzip"
