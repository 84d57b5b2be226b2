"""Which bodies a subscriber gets, of those that a package makes: Accept and Accept-Encoding."""

from __future__ import annotations

import pytest

from abserver.events.contact_card import PACKAGE, PATCH, TEXT_SUFFIX, VCARD, XCARD, Formats
from abserver.events.formats import negotiate
from abserver.events.package import EventPackage
from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Headers, Request

WINFO = EventPackage(
    name="contact-card.winfo",
    default_expires=3600,
    min_expires=60,
    max_expires=86400,
    body_types=("application/watcherinfo+xml",),
)


def formats(*fields: tuple[str, str], package: EventPackage = PACKAGE) -> Formats | None:
    return negotiate(Request("SUBSCRIBE", "sip:ann@example.com", Headers(fields)), package)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (XCARD, Formats(XCARD, patches=False)),
        (f"{XCARD};q=0.001", Formats(XCARD, patches=False)),
        ("*/*", Formats(XCARD, patches=False)),
        ("application/*", Formats(XCARD, patches=False)),
        (f"{XCARD}, {PATCH}", Formats(XCARD, patches=True)),
        (f"{PATCH}, */*;q=0.5", Formats(XCARD, patches=True)),
        (f"{XCARD}, {PATCH};q=0", Formats(XCARD, patches=False)),
        (VCARD, Formats(VCARD, patches=False)),
        ("text/*", Formats(VCARD, patches=False)),
        (f"{XCARD};q=0.5, {VCARD}", Formats(VCARD, patches=False)),
        (f"{XCARD};q=0.5, {PATCH}, {VCARD};q=0.4", Formats(XCARD, patches=True)),
        (f"{XCARD};q=0.5, {PATCH}, {VCARD}", Formats(VCARD, patches=False)),
        (f"*/*, {XCARD};q=0", Formats(VCARD, patches=False)),
        (f"{VCARD};version=4.0", Formats(VCARD, patches=False)),
        (f'{XCARD};charset="UTF-8"', Formats(XCARD, patches=False)),
        (f"{XCARD};q=0.4, {VCARD};version=3.0, {VCARD};q=0.3", Formats(XCARD, patches=False)),
        (f"{XCARD};q=0.4, {VCARD};q=0.3, {VCARD};version=4.0;q=0.9", Formats(VCARD, patches=False)),
    ],
)
def test_accept_chooses_the_bodies_rfc3261_20_1(accept: str, expected: Formats) -> None:
    assert formats(("Accept", accept)) == expected


def test_without_accept_the_default_is_the_full_form_rfc6665_4_1_2_1() -> None:
    assert formats() == Formats(XCARD, patches=False)
    assert formats(package=WINFO) == Formats("application/watcherinfo+xml", patches=False)


def test_a_package_without_patches_has_none_whatever_is_accepted() -> None:
    chosen = formats(("Accept", f"application/*, {PATCH}"), package=WINFO)
    assert chosen == Formats("application/watcherinfo+xml", patches=False)


@pytest.mark.parametrize(
    "accept",
    ["", "application/pidf+xml", PATCH, "*/*;q=0", f"{XCARD};q=0, {VCARD};q=0", f"{VCARD};version=3.0"],
)
def test_an_accept_without_a_full_form_is_not_acceptable(accept: str) -> None:
    assert formats(("Accept", accept)) is None


def test_accept_language_says_nothing_about_cards() -> None:
    assert formats(("Accept-Language", "tlh;q=1, *;q=0")) == Formats(XCARD, patches=False)


@pytest.mark.parametrize(
    ("accept", "coding", "always"),
    [
        ("", None, False),
        ("identity", None, False),
        ("gzip", "gzip", False),
        ("GZip ; q=0.2", "gzip", False),
        ("x-gzip", "gzip", False),
        ("deflate", "deflate", False),
        ("deflate, gzip", "gzip", False),
        ("gzip;q=0.4, deflate;q=0.5", "deflate", False),
        ("gzip, deflate;q=0.5, identity;q=0", "gzip", True),
        ("gzip;q=0.5, identity", None, False),
        ("gzip;q=0.5, identity;q=0.5", "gzip", False),
        ("gzip;q=0", None, False),
        ("br", None, False),
        ("br, *", "gzip", False),
        ("*;q=0, gzip;q=0.3", "gzip", True),
        ("*;q=0.3, identity", None, False),
        ("gzip;q=0, *;q=0.3", "deflate", False),
        ("gzip;level=9;q=1.000", "gzip", False),
    ],
)
def test_accept_encoding_chooses_the_coding_rfc3261_20_2(accept: str, coding: str | None, always: bool) -> None:
    expected = Formats(XCARD, patches=False, coding=coding, always_coded=always)
    assert formats(("Accept-Encoding", accept)) == expected


@pytest.mark.parametrize("accept", ["identity;q=0", "*;q=0", "br, identity;q=0.000", "gzip;q=0, *;q=0"])
def test_no_coding_that_is_left_is_not_acceptable(accept: str) -> None:
    assert formats(("Accept-Encoding", accept)) is None


@pytest.mark.parametrize("accept", ["gzip;q=2", "gzip;q", "gzip;;", "g zip", "gzip,"])
def test_a_malformed_accept_encoding_is_a_400(accept: str) -> None:
    with pytest.raises(SipSyntaxError):
        formats(("Accept-Encoding", accept))


def test_each_presentation_has_its_own_tag_rfc5839_6_1() -> None:
    xml, text = Formats(XCARD, patches=False), Formats(VCARD, patches=False)
    assert xml.entity_tag("abc") == "abc"
    assert text.entity_tag("abc") == "abc" + TEXT_SUFFIX
    assert text.view_tag("abc" + TEXT_SUFFIX) == "abc"
    assert text.view_tag("abc") is None
    assert xml.view_tag("abc") == "abc"


@pytest.mark.parametrize("full", [XCARD, VCARD])
def test_a_tag_names_the_coding_too_rfc5839_6_1(full: str) -> None:
    each = [Formats(full, patches=False, coding=coding) for coding in (None, "gzip", "deflate")]
    tags = [form.entity_tag("abc") for form in each]
    assert len(set(tags)) == 3
    for form, tag in zip(each, tags, strict=True):
        assert form.view_tag(tag) == "abc"
        assert all(form.view_tag(other) != "abc" for other in tags if other != tag)


def test_tags_name_the_same_in_forms_that_are_written_alike() -> None:
    """A promise to keep a copy changes no presentation (RFC 5839 §6.1); another full form or coding does."""
    plain = Formats(full=XCARD, patches=False)
    assert plain.is_like(Formats(full=XCARD, patches=True))
    assert not plain.is_like(Formats(full=VCARD, patches=False))
    assert not plain.is_like(Formats(full=XCARD, patches=False, coding="gzip"))
