"""What a SUBSCRIBE asks for, and the refusals that need nothing but the request."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from abserver.domain.identity import parse_aor
from abserver.events import filters
from abserver.events.contact_card import PACKAGE, PATCH, VCARD, XCARD
from abserver.events.quirks import Quirks
from abserver.events.rates import NO_RATES, Rates
from abserver.events.terms import Terms
from abserver.events.wish import Wish, agreed, device_of, read_wish
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import NameAddr
from abserver.sip.message import Headers, Request, Response
from tests.support.filters import filter_set, include, one, sets

ANN = parse_aor("sip:ann@example.com")
INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


LISTS = "application/example+xml"
OTHER = replace(PACKAGE, name="xcap-diff", subscribe_types=(LISTS, "application/other+xml"), max_body=100)


def subscribe(body: bytes = b"", **fields: str | None) -> Request:
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
    return Request("SUBSCRIBE", "sip:ann@example.com", headers, body)


def wish(body: bytes = b"", **fields: str | None) -> Wish:
    found = read_wish(subscribe(body, **fields), [PACKAGE, OTHER])
    assert isinstance(found, Wish)
    return found


def refusal(body: bytes = b"", **fields: str | None) -> Response:
    found = read_wish(subscribe(body, **fields), [PACKAGE, OTHER])
    assert isinstance(found, Response)
    return found


def terms(held: Terms | None = None, body: bytes = b"", **fields: str | None) -> Terms:
    request = subscribe(body, **fields)
    found = read_wish(request, [PACKAGE, OTHER])
    assert isinstance(found, Wish)
    result = agreed(request, found, ANN, held)
    assert isinstance(result, Terms)
    return result


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
    assert response.headers.get("Allow-Events") == "contact-card, xcap-diff"


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
    assert response.headers.get("Accept-Encoding") == "gzip, deflate"


def test_a_subscribe_without_contact_makes_no_dialog_rfc3261_12_1_1() -> None:
    assert refusal(Contact=None).status == 400


def test_suppress_if_match_is_carried_along_rfc5839_5_1() -> None:
    assert wish(Suppress_If_Match="abc").suppress == "abc"
    assert not wish(Suppress_If_Match="abc").terms.quenched
    assert wish(Suppress_If_Match="*").terms.quenched


def test_the_parameters_of_event_are_rates_and_what_the_package_makes_of_them_rfc6446_5_1() -> None:
    found = wish(Event="xcap-diff;diff-processing=aggregate;max-rate=0.2")
    assert found.params["diff-processing"] == "aggregate"
    assert found.terms.rates == Rates(max_rate=0.2)
    with pytest.raises(SipSyntaxError):
        wish(Event="contact-card;max-rate=0")


def test_the_user_agent_says_what_it_needs_beside_the_standards() -> None:
    assert Quirks.BODY_ALWAYS in wish(User_Agent="JsSIP 3.13.6").terms.quirks
    assert wish().terms.quirks is Quirks.NONE


def test_a_body_of_a_type_that_the_package_takes_is_carried_along_rfc6665_5_4_3() -> None:
    found = wish(b"<list/>", Event="xcap-diff", Content_Type=f"{LISTS};charset=utf-8")
    assert (found.terms.body_type, found.terms.body) == (LISTS, b"<list/>")


def test_a_body_of_another_type_gets_415_with_what_the_package_takes_rfc3261_8_2_3() -> None:
    response = refusal(b"<list/>", Event="xcap-diff", Content_Type="application/sdp")
    assert response.status == 415
    assert response.headers.get("Accept") == f"{LISTS}, application/other+xml"
    assert refusal(b"<list/>", Content_Type=LISTS).status == 415


def test_a_body_is_unpacked_rfc3261_20_12() -> None:
    packed = gzip.compress(b"<list/>")
    assert wish(packed, Event="xcap-diff", Content_Type=LISTS, Content_Encoding="gzip").terms.body == b"<list/>"


def test_a_body_of_unknown_coding_gets_415_with_those_we_know_rfc3261_8_2_3() -> None:
    response = refusal(b"x", Event="xcap-diff", Content_Type=LISTS, Content_Encoding="br")
    assert response.status == 415
    assert response.headers.get("Accept-Encoding") == "gzip, deflate"


@pytest.mark.parametrize("coding", [None, "gzip"])
def test_a_body_above_the_bound_gets_413_packed_or_not(coding: str | None) -> None:
    body = b"x" * 101
    sent = gzip.compress(body) if coding else body
    assert refusal(sent, Event="xcap-diff", Content_Type=LISTS, Content_Encoding=coding).status == 413


@pytest.mark.parametrize(
    "fields",
    [{"Content_Type": "application/sdp"}, {"Content_Type": LISTS, "Content_Encoding": "br"}, {"Content_Type": None}],
)
def test_an_optional_body_that_is_not_understood_is_ignored_rfc3261_20_11(fields: dict[str, str | None]) -> None:
    found = wish(b"x", Event="xcap-diff", Content_Disposition="render;handling=optional", **fields)
    assert (found.terms.body_type, found.terms.body) == (None, b"")


def test_a_body_without_type_or_broken_is_a_400_rfc3261_20_15() -> None:
    with pytest.raises(SipSyntaxError):
        wish(b"x", Event="xcap-diff")
    with pytest.raises(SipSyntaxError):
        wish(b"x", Event="xcap-diff", Content_Type=LISTS, Content_Encoding="gzip")


def test_a_new_subscription_has_the_terms_of_its_subscribe() -> None:
    found = terms(Accept=VCARD, Accept_Encoding="gzip", Event="contact-card;max-rate=0.5")
    assert (found.formats.full, found.formats.coding) == (VCARD, "gzip")
    assert found.rates == Rates(max_rate=0.5)
    again = terms(Accept=VCARD, Accept_Encoding="gzip", Event="contact-card;max-rate=0.5")
    assert again is found


def test_a_subscribe_without_accept_leaves_the_bodies_as_they_are() -> None:
    held = terms(Accept=f"{XCARD}, {PATCH}", Accept_Encoding="gzip;q=0.5, identity;q=0")
    assert terms(held).formats == held.formats
    assert terms(held, Accept=VCARD).formats == replace(held.formats, full=VCARD, patches=False)
    assert terms(held, Accept_Encoding="").formats == replace(held.formats, coding=None, always_coded=False)


def test_rates_silence_and_user_agent_are_those_of_the_last_subscribe_rfc6446_5_1_rfc5839_5_2() -> None:
    held = terms(Event="contact-card;max-rate=0.5", Suppress_If_Match="*", User_Agent="JsSIP 3")
    found = terms(held)
    assert (found.rates, found.quenched, found.quirks) == (NO_RATES, False, Quirks.NONE)


def test_a_body_stays_until_another_comes_rfc5875_4_4() -> None:
    held = terms(body=b"<old/>", Event="xcap-diff", Content_Type=LISTS)
    kept = terms(held, Event="xcap-diff")
    assert (kept.body_type, kept.body) == (LISTS, b"<old/>")
    assert terms(held, body=b"<new/>", Event="xcap-diff", Content_Type=LISTS).body == b"<new/>"


@pytest.mark.parametrize(
    ("contact", "device"),
    [
        (f'<sip:x@h>;+sip.instance="<{INSTANCE.upper()}>"', INSTANCE),
        (f"<sip:bob@example.com;gr={INSTANCE}>", INSTANCE),
        (f"<sip:bob@example.com;gr={INSTANCE.upper()}/33b1cb098fca81371c1a>", INSTANCE),
        ("<sip:bob@example.com;gr=KJH29/x37>", "kjh29/x37"),
        ("<sip:tgruu.7hs@example.com;gr>", "tgruu.7hs@example.com:5060"),
        ("<sip:bob@127.0.0.1:5999;transport=tcp>", "bob@127.0.0.1:5999"),
        ("<sip:bob@phone.example.com>", "bob@phone.example.com:5060"),
        ("<sip:[::1]:7000>", "@[::1]:7000"),
    ],
)
def test_a_device_is_its_instance_or_else_its_address_rfc5626_4_1_rfc5627_3_1_1(contact: str, device: str) -> None:
    assert device_of(NameAddr.parse(contact)) == device


def test_a_filter_is_read_and_kept_in_one_form_rfc4660_5_2() -> None:
    body = filter_set(one(include("//vc:tel")))
    found = terms(body=body, Content_Type=filters.MEDIA_TYPE)
    assert found.body_type == filters.MEDIA_TYPE
    assert filters.filters_of(found.body) == sets(body)
    spaced = body.replace(b"><", b">\n<")
    assert terms(body=spaced, Content_Type=filters.MEDIA_TYPE) is found


def test_filters_of_a_refresh_change_those_that_are_held_rfc4660_5_2_2() -> None:
    tel, email = filter_set(one(include("//vc:tel"))), filter_set(one(include("//vc:email"), 'id="2" domain="x.org"'))
    held = terms(body=tel, Content_Type=filters.MEDIA_TYPE)
    assert filters.filters_of(terms(held, body=email, Content_Type=filters.MEDIA_TYPE).body) == sets(tel, email)


@pytest.mark.parametrize("body", [b"<broken", filter_set(one("<what/>"), attributes=' package="presence"')])
def test_a_filter_that_is_not_served_is_a_488_that_says_why_rfc4660_5_4(body: bytes) -> None:
    request = subscribe(body, Content_Type=filters.MEDIA_TYPE)
    found = read_wish(request, [PACKAGE])
    assert isinstance(found, Wish)
    response = agreed(request, found, ANN)
    assert isinstance(response, Response)
    assert response.status == 488
    assert (response.headers.get("Warning") or "").startswith('399 abserver "')
