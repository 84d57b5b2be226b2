"""What a contact-card NOTIFY carries."""

from __future__ import annotations

from dataclasses import replace

from abserver.domain.view import View
from abserver.events.codings import unpack
from abserver.events.contact_card import PATCH, VCARD, XCARD, Formats, entity
from xcap.core import patch

NS = 'xmlns="urn:ietf:params:xml:ns:vcard-4.0"'


def view(number: str) -> View:
    padding = "".join(f"<note><text>Remark number {each} that stays.</text></note>" for each in range(20))
    content = (
        f"<vcards {NS}><vcard><fn><text>Ann</text></fn>{padding}<tel><uri>tel:{number}</uri></tel></vcard></vcards>"
    )
    return View(content.encode(), f"tag-{number}")


OLD, NEW = view("+1"), view("+2")


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


def test_a_body_goes_packed_to_whom_takes_that() -> None:
    body = entity(NEW, base=None, formats=Formats(XCARD, patches=False, coding="gzip"))
    assert (body.content_type, body.coding) == (XCARD, "gzip")
    assert unpack(body.body, "gzip", 10_000) == NEW.content


def test_a_small_body_goes_as_it_is_unless_that_is_refused() -> None:
    patched = Formats(XCARD, patches=True, coding="deflate")
    assert entity(NEW, base=OLD, formats=patched).coding is None
    body = entity(NEW, base=OLD, formats=replace(patched, always_coded=True))
    assert (body.content_type, body.coding, body.base) == (PATCH, "deflate", OLD.tag)
    assert patch.apply(unpack(body.body, "deflate", 10_000), OLD.content) == NEW.content
