"""What a contact-card NOTIFY carries."""

from __future__ import annotations

import pytest

from abserver.domain.view import View
from abserver.events.contact_card import PATCH, TEXT_SUFFIX, VCARD, XCARD, Formats, entity, negotiate
from abserver.sip.headers import MediaType
from xcap.core import patch

NS = 'xmlns="urn:ietf:params:xml:ns:vcard-4.0"'


def view(number: str) -> View:
    padding = "".join(f"<note><text>Remark number {each} that stays.</text></note>" for each in range(20))
    content = (
        f"<vcards {NS}><vcard><fn><text>Ann</text></fn>{padding}<tel><uri>tel:{number}</uri></tel></vcard></vcards>"
    )
    return View(content.encode(), f"tag-{number}")


OLD, NEW = view("+1"), view("+2")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (XCARD, Formats(XCARD, patches=False)),
        ("*/*", Formats(XCARD, patches=False)),
        ("application/*", Formats(XCARD, patches=False)),
        (f"{XCARD}, {PATCH}", Formats(XCARD, patches=True)),
        (f"{PATCH}, */*;q=0.5", Formats(XCARD, patches=True)),
        (f"{XCARD}, {PATCH};q=0", Formats(XCARD, patches=False)),
        (VCARD, Formats(VCARD, patches=False)),
        ("text/*", Formats(VCARD, patches=False)),
        (f"{XCARD};q=0.5, {VCARD}", Formats(VCARD, patches=False)),
        (f"{XCARD};q=0.5, {PATCH}, {VCARD};q=0.4", Formats(XCARD, patches=True)),
    ],
)
def test_accept_chooses_the_bodies_rfc3261_20_1(accept: str, expected: Formats) -> None:
    assert negotiate(MediaType.parse_list(accept)) == expected


def test_without_accept_the_default_is_the_full_xcard_rfc6665_4_1_2_1() -> None:
    assert negotiate(None) == Formats(XCARD, patches=False)


@pytest.mark.parametrize("accept", ["", "application/pidf+xml", PATCH, "*/*;q=0", f"{XCARD};q=0, {VCARD};q=0"])
def test_an_accept_without_a_full_form_is_not_acceptable(accept: str) -> None:
    assert negotiate(MediaType.parse_list(accept)) is None


def test_the_first_body_is_the_full_view() -> None:
    body = entity(NEW, base=None, formats=Formats(XCARD, patches=True))
    assert (body.content_type, body.body, body.base) == (XCARD, NEW.content, None)


def test_a_subscriber_with_a_copy_gets_the_difference() -> None:
    body = entity(NEW, base=OLD, formats=Formats(XCARD, patches=True))
    assert (body.content_type, body.base) == (PATCH, OLD.tag)
    assert patch.apply(body.body, OLD.content) == NEW.content
    assert len(body.body) < len(NEW.content) / 3


def test_a_subscriber_that_takes_no_patches_gets_the_full_view() -> None:
    assert entity(NEW, base=OLD, formats=Formats(XCARD, patches=False)).content_type == XCARD


def test_a_difference_larger_than_the_view_is_not_worth_sending() -> None:
    small = View(f"<vcards {NS}><vcard><fn><text>Ann</text></fn></vcard></vcards>".encode(), "small")
    assert entity(small, base=NEW, formats=Formats(XCARD, patches=True)).body == small.content


def test_vcard_text_is_always_whole() -> None:
    body = entity(NEW, base=OLD, formats=Formats(VCARD, patches=False))
    assert body.content_type == VCARD
    assert body.body.startswith(b"BEGIN:VCARD\r\nVERSION:4.0\r\n")


def test_each_presentation_has_its_own_tag_rfc5839_6_1() -> None:
    xml, text = Formats(XCARD, patches=False), Formats(VCARD, patches=False)
    assert xml.entity_tag("abc") == "abc"
    assert text.entity_tag("abc") == "abc" + TEXT_SUFFIX
    assert text.view_tag("abc" + TEXT_SUFFIX) == "abc"
    assert text.view_tag("abc") is None
    assert xml.view_tag("abc") == "abc"
