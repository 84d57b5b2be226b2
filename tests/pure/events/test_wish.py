"""What a SUBSCRIBE asks for, and the refusals that need nothing but the request."""

from __future__ import annotations

import pytest

from abserver.events.contact_card import PACKAGE, XCARD
from abserver.events.wish import Wish, device_of, read_wish
from abserver.sip.headers import NameAddr
from abserver.sip.message import Headers, Request, Response

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def subscribe(**fields: str | None) -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bKx"),
            ("From", "<sip:bob@example.com>;tag=b"),
            ("To", "<sip:ann@example.com>"),
            ("Call-ID", "c1"),
            ("CSeq", "1 SUBSCRIBE"),
            ("Contact", f'<sip:bob@127.0.0.1:5999>;+sip.instance="<{INSTANCE}>"'),
            ("Event", "contact-card"),
        ]
    )
    for name, value in fields.items():
        headers.remove(name.replace("_", "-"))
        if value is not None:
            headers.set(name.replace("_", "-"), value)
    return Request("SUBSCRIBE", "sip:ann@example.com", headers)


def wish(**fields: str | None) -> Wish:
    found = read_wish(subscribe(**fields), [PACKAGE])
    assert isinstance(found, Wish)
    return found


def refusal(**fields: str | None) -> Response:
    found = read_wish(subscribe(**fields), [PACKAGE])
    assert isinstance(found, Response)
    return found


def test_a_plain_subscribe_gets_the_defaults_of_the_package_rfc6665_5_4() -> None:
    found = wish()
    assert (found.package, found.event_id, found.expires, found.suppress) == (PACKAGE, None, 3600, None)
    assert found.formats.full == XCARD
    assert found.device == INSTANCE


def test_the_event_id_is_part_of_the_subscription_rfc6665_4_5_2() -> None:
    assert wish(Event="contact-card;id=7").event_id == "7"


@pytest.mark.parametrize("event", [None, "presence", "Contact-Card", "contact-card.winfo"])
def test_an_event_we_do_not_serve_gets_489_rfc6665_4_2_1_1(event: str | None) -> None:
    response = refusal(Event=event)
    assert response.status == 489
    assert response.headers.get("Allow-Events") == "contact-card"


@pytest.mark.parametrize("expires", ["1", "59"])
def test_a_brief_subscription_gets_423_rfc6665_4_2_1_1(expires: str) -> None:
    response = refusal(Expires=expires)
    assert response.status == 423
    assert response.headers.get("Min-Expires") == "60"


@pytest.mark.parametrize(("wanted", "granted"), [("0", 0), ("60", 60), ("86400", 86400), ("99999999", 86400)])
def test_a_duration_may_be_shortened_and_zero_is_never_423_rfc6665_4_2_1_1(wanted: str, granted: int) -> None:
    assert wish(Expires=wanted).expires == granted


def test_a_body_type_we_cannot_make_gets_406_rfc6665_4_1_2_1() -> None:
    response = refusal(Accept="application/pidf+xml")
    assert response.status == 406
    assert XCARD in (response.headers.get("Accept") or "")


def test_a_subscribe_without_contact_makes_no_dialog_rfc3261_12_1_1() -> None:
    assert refusal(Contact=None).status == 400


def test_suppress_if_match_is_carried_along_rfc5839_5_1() -> None:
    assert wish(Suppress_If_Match="abc").suppress == "abc"


@pytest.mark.parametrize(
    ("contact", "device"),
    [
        (f'<sip:x@h>;+sip.instance="<{INSTANCE.upper()}>"', INSTANCE),
        ("<sip:bob@127.0.0.1:5999;transport=tcp>", "bob@127.0.0.1:5999"),
        ("<sip:bob@phone.example.com>", "bob@phone.example.com:5060"),
        ("<sip:[::1]:7000>", "@[::1]:7000"),
    ],
)
def test_a_device_is_its_instance_or_else_its_address_rfc5626_4_1(contact: str, device: str) -> None:
    assert device_of(NameAddr.parse(contact)) == device
