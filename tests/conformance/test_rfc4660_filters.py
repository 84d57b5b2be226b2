"""RFC 4660: what the notifier does with filters, section by section; the examples of §7 for watcher information.

RFC 6665 §8.3.1 took the 202 responses out of it.
"""

from __future__ import annotations

import pytest

from abserver.events import filters
from abserver.events.contact_card import PACKAGE
from abserver.events.filters import WATCHERS, due, filtered, filters_of, is_due, select
from abserver.events.filters.filter_set import MOST_CRITERIA
from abserver.events.terms import Terms
from abserver.events.wish import agreed, read_wish
from abserver.sip.message import Headers, Request, Response
from tests.support.filters import ANN, criteria, filter_set, include, one, properties, view

FN, TEL = "<fn><text>Ann</text></fn>", "<tel><uri>tel:+1</uri></tel>"
EMAIL, NOTE = "<email><text>a@x</text></email>", "<note><text>hi</text></note>"


def answer(body: bytes, held: Terms | None = None, content_type: str = filters.MEDIA_TYPE) -> Terms | Response:
    """What a SUBSCRIBE with this body leads to: terms, or a refusal."""
    fields = [
        ("Via", "SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bKx"),
        ("From", "<sip:bob@example.com>;tag=b"),
        ("To", "<sip:ann@example.com>"),
        ("Call-ID", "c1"),
        ("CSeq", "1 SUBSCRIBE"),
        ("Contact", "<sip:bob@127.0.0.1:5999>"),
        ("Event", "contact-card"),
    ]
    if body:
        fields.append(("Content-Type", content_type))
    request = Request("SUBSCRIBE", "sip:ann@example.com", Headers(fields), body)
    wish = read_wish(request, [PACKAGE])
    return wish if isinstance(wish, Response) else agreed(request, wish, ANN, held)


def terms(body: bytes, held: Terms | None = None) -> Terms:
    found = answer(body, held)
    assert isinstance(found, Terms)
    return found


def shown(properties_: str, held: Terms) -> str:
    """What of a view is delivered under these terms."""
    found = filters_of(held.body).criteria_for(ANN)
    whole = view(properties_)
    return properties(whole if found is None else filtered(whole, found))


def refusal(body: bytes, held: Terms | None = None, content_type: str = filters.MEDIA_TYPE) -> Response:
    found = answer(body, held, content_type)
    assert isinstance(found, Response)
    return found


# -- 3.2, 5.1: the content type -------------------------------------------------------------------------------------


def test_simple_filter_is_supported_rfc4660_5_1() -> None:
    assert shown(FN + TEL + EMAIL, terms(filter_set(one(include("//vc:tel"))))) == FN + TEL


def test_a_body_of_another_type_is_415_with_accept_rfc4660_5_2() -> None:
    response = refusal(b"<x/>", content_type="application/other+xml")
    assert (response.status, response.headers.get("Accept")) == (415, filters.MEDIA_TYPE)


def test_no_body_asks_for_no_filter_rfc4660_3_3() -> None:
    assert shown(FN + TEL, terms(b"")) == FN + TEL


# -- 5.2: several filters -------------------------------------------------------------------------------------------


def test_two_filters_for_one_resource_are_488_rfc4660_5_2() -> None:
    twice = filter_set(one(include("//vc:tel")), one(include("//vc:fn"), 'id="2" uri="sip:ann@example.com"'))
    assert refusal(twice).status == 488
    domains = [one(include("//vc:tel"), f'id="{each}" domain="example.com"') for each in (1, 2)]
    assert refusal(filter_set(*domains)).status == 488


def test_filters_added_later_are_checked_with_those_before_rfc4660_5_2() -> None:
    held = terms(filter_set(one(include("//vc:tel"))))
    assert refusal(filter_set(one(include("//vc:fn"), 'id="2"')), held).status == 488


# -- 5.2.1: whom a filter is for ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "applies"),
    [
        ("", True),
        ('uri="sip:ann@example.com"', True),
        ('uri="sip:bob@example.com"', False),
        ('domain="example.com"', True),
        ('domain="example.org"', False),
    ],
)
def test_a_filter_applies_to_what_it_is_addressed_to_rfc4660_5_2_1(target: str, applies: bool) -> None:
    """A notifier MUST ignore the filter of a domain that is not its own, and MUST apply one of its own."""
    held = terms(filter_set(one(include("//vc:tel"), f'id="1" {target}')))
    assert shown(FN + TEL + EMAIL, held) == (FN + TEL if applies else FN + TEL + EMAIL)


# -- 5.2.2: changing filters ----------------------------------------------------------------------------------------


def test_a_refresh_without_filters_keeps_them_rfc4660_5_2_2() -> None:
    held = terms(filter_set(one(include("//vc:tel"))))
    assert shown(FN + TEL + EMAIL, terms(b"", held)) == FN + TEL


def test_a_filter_is_removed_by_its_id_rfc4660_5_2_2() -> None:
    held = terms(filter_set(one(include("//vc:tel"))))
    rest = terms(filter_set(one("", 'id="1" remove="true"')), held)
    assert shown(FN + TEL + EMAIL, rest) == FN + TEL + EMAIL
    assert rest == terms(b"")


def test_a_filter_with_a_known_id_replaces_rfc4660_5_2_2() -> None:
    held = terms(filter_set(one(include("//vc:tel"))))
    assert shown(FN + TEL + EMAIL, terms(filter_set(one(include("//vc:email"))), held)) == FN + EMAIL


def test_what_a_refused_refresh_asked_for_changes_nothing_rfc4660_5_4() -> None:
    held = terms(filter_set(one(include("//vc:tel"))))
    assert refusal(b"<broken", held).status == 488
    assert shown(FN + TEL + EMAIL, held) == FN + TEL


# -- 5.3: generating NOTIFY -----------------------------------------------------------------------------------------


def test_the_filter_lasts_as_long_as_the_subscription_and_over_restarts_rfc4660_5_3() -> None:
    held = terms(b"", terms(b"", terms(filter_set(one(include("//vc:tel"))))))
    assert shown(FN + TEL + EMAIL, Terms.from_json(held.to_json())) == FN + TEL


ADDED = "<trigger><added>//vc:tel</added></trigger>"


def test_what_alone_limits_content_and_not_time_rfc4660_5_3() -> None:
    only = criteria(include("//vc:tel"))
    assert is_due(view(FN), view(FN + EMAIL), only)
    assert properties(filtered(view(FN + TEL + EMAIL), only)) == FN + TEL


def test_trigger_alone_limits_time_and_not_content_rfc4660_5_3() -> None:
    only = criteria(ADDED)
    assert not is_due(view(FN), view(FN + EMAIL), only)
    assert is_due(view(FN), view(FN + TEL), only)
    assert properties(filtered(view(FN + TEL + EMAIL), only)) == FN + TEL + EMAIL


def test_what_and_trigger_limit_both_rfc4660_5_3() -> None:
    both = criteria(include("//vc:email") + ADDED)
    assert not is_due(view(FN), view(FN + EMAIL), both)
    assert is_due(view(FN), view(FN + TEL), both)
    assert properties(filtered(view(FN + TEL + EMAIL), both)) == FN + EMAIL


def test_a_disabled_filter_is_as_if_it_were_not_there_rfc4660_5_3() -> None:
    held = terms(filter_set(one(include("//vc:tel"))))
    off = terms(filter_set(one("", 'id="1" enabled="false"')), held)
    assert shown(FN + TEL + EMAIL, off) == FN + TEL + EMAIL


@pytest.mark.parametrize("enabled", ['enabled="true"', ""])
def test_an_enabled_filter_is_as_if_it_were_just_placed_rfc4660_5_3(enabled: str) -> None:
    held = terms(filter_set(one(include("//vc:tel"))))
    off = terms(filter_set(one("", 'id="1" enabled="false"')), held)
    assert terms(filter_set(one("", f'id="1" {enabled}')), off) == held


# -- 5.3.1: content -------------------------------------------------------------------------------------------------


def test_the_first_notify_has_the_content_whatever_the_triggers_say_rfc4660_5_3_1() -> None:
    """What follows a SUBSCRIBE is filtered and not asked about: nothing is known of before."""
    both = criteria(include("//vc:email") + ADDED)
    assert is_due(None, view(FN + EMAIL + NOTE), both)
    assert properties(filtered(view(FN + EMAIL + NOTE), both)) == FN + EMAIL


def test_where_nothing_is_selected_what_is_mandatory_is_left_rfc4660_5_3_1() -> None:
    assert properties(filtered(view(FN + TEL), criteria(include("//vc:geo")))) == FN


def test_prefixes_are_expanded_rfc4660_5_3_1() -> None:
    other = criteria(include("//any:tel"), {"any": "urn:ietf:params:xml:ns:vcard-4.0"})
    assert properties(filtered(view(FN + TEL + EMAIL), other)) == FN + TEL
    foreign = criteria(include("//vc:tel"), {"vc": "urn:other"})
    assert properties(filtered(view(FN + TEL + EMAIL), foreign)) == FN


def test_namespaces_of_what_is_selected_come_along_rfc4660_5_3_1() -> None:
    mine = '<mine xmlns="urn:mine">x</mine>'
    found = filtered(view(FN + TEL + mine), criteria(include("//m:mine"), {"m": "urn:mine"}))
    assert properties(found) == FN + mine


def test_parts_of_a_filter_about_what_is_not_shown_are_ignored_rfc4660_5_3_1() -> None:
    """The filter sees the view. So one that names hidden items does as much as one that names none."""
    asked = criteria(include("//vc:tel", "//vc:email"))
    assert properties(filtered(view(FN + EMAIL), asked)) == FN + EMAIL
    assert filtered(view(FN + EMAIL), asked) == filtered(view(FN + EMAIL), criteria(include("//vc:email")))


def test_the_result_is_valid_whatever_the_expression_rfc4660_5_3_1() -> None:
    """All mandatory elements and attributes MUST be included: here the name, and the value of the property."""
    typed = "<tel><parameters><type><text>work</text></type></parameters><uri>tel:+1</uri></tel>"
    assert properties(filtered(view(FN + typed), criteria(include("//vc:type")))) == FN + typed


# -- 5.3.2: triggers ------------------------------------------------------------------------------------------------


def test_any_of_several_triggers_is_enough_rfc4660_5_3_2() -> None:
    either = criteria(ADDED + "<trigger><removed>//vc:email</removed></trigger>")
    assert is_due(view(FN), view(FN + TEL), either)
    assert is_due(view(FN + EMAIL), view(FN), either)
    assert not is_due(view(FN), view(FN + NOTE), either)


def test_triggers_see_what_the_watcher_may_see_rfc4660_5_3_2() -> None:
    hidden = criteria("<trigger><changed>//vc:tel</changed></trigger>")
    assert not is_due(view(FN + NOTE), view(FN + NOTE), hidden)


def test_a_trigger_fires_though_its_change_is_not_delivered_rfc4661_3_6_2() -> None:
    both = criteria(include("//vc:email") + ADDED)
    before, after = view(FN), view(FN + TEL)
    assert is_due(before, after, both)
    assert filtered(before, both) == filtered(after, both)


# -- 5.4: abnormal cases --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"<broken",
        b"<filter-set/>",
        filter_set(one("<what/><what/>")),
        filter_set(one(include("//vc:tel[1]"))),
        filter_set(one(include("//unbound:tel"))),
        filter_set(one("")),
        filter_set(one(include("//vc:tel")), attributes=' package="presence"'),
    ],
)
def test_an_invalid_filter_is_488_with_a_warning_rfc4660_5_4(body: bytes) -> None:
    response = refusal(body)
    assert response.status == 488
    warning = response.headers.get("Warning") or ""
    assert warning.startswith('399 abserver "')
    assert warning.endswith('"')


def test_a_filter_for_this_package_is_taken_rfc4661_3_2() -> None:
    assert terms(filter_set(one(include("//vc:tel")), attributes=' package="contact-card"')).body


def test_empty_elements_are_as_if_they_were_not_there_rfc4660_5_4() -> None:
    assert shown(FN + TEL, terms(filter_set(one("<what/><trigger/>")))) == FN + TEL


# -- 7.2: watcher information ---------------------------------------------------------------------------------------

WI = {"wi": "urn:ietf:params:xml:ns:watcherinfo"}


def watcherinfo(*watchers: str) -> bytes:
    return (
        f'<watcherinfo xmlns="{WI["wi"]}" state="full" version="0"><watcher-list package="presence" '
        f'resource="sip:presentity@example.com">{"".join(watchers)}</watcher-list></watcherinfo>'
    ).encode()


def watcher(who: str, status: str, duration: int, expiration: int, event: str) -> str:
    """A row; ids are told apart, as RFC 3858 §4.2.2 wants, and unlike in the example."""
    return (
        f'<watcher duration-subscribed="{duration}" event="{event}" expiration="{expiration}" id="sr8fdsj{who}" '
        f'status="{status}">sip:watcher{who}@example.com</watcher>'
    )


A, B = watcher("A", "active", 509, 20, "approved"), watcher("B", "pending", 501, 100, "subscribe")
C, D = watcher("C", "terminated", 500, 0, "rejected"), watcher("D", "active", 20, 30, "approved")
LIST = '/wi:watcherinfo/wi:watcher-list[@package="presence"]/\n           wi:watcher'


def test_all_active_watchers_rfc4660_7_2_1() -> None:
    found = select(watcherinfo(A, B, C, D), criteria(include(f'{LIST}[@status="active"]'), WI), WATCHERS)
    assert found == watcherinfo(A, D)


def test_watchers_by_the_duration_of_their_subscription_rfc4660_7_2_2() -> None:
    found = select(watcherinfo(A, B, C, D), criteria(include(f"{LIST}[@duration-subscribed>500]"), WI), WATCHERS)
    assert found == watcherinfo(A, B)


def test_watchers_that_were_rejected_when_a_pending_one_is_rfc4660_7_2_3() -> None:
    asked = criteria(
        include(f'{LIST}[@status="terminated" and @event="rejected"]')
        + '<trigger><changed from="pending" to="terminated"> //@status </changed></trigger>',
        WI,
    )
    before = watcherinfo(A, B, C, D)
    gone = watcher("B", "terminated", 501, 100, "rejected")
    assert due(before, watcherinfo(A, gone, C, D), asked, WATCHERS)
    assert select(watcherinfo(A, gone, C, D), asked, WATCHERS) == watcherinfo(gone, C)
    assert not due(before, watcherinfo(A, B, C), asked, WATCHERS)
    assert not due(before, watcherinfo(A, watcher("B", "active", 501, 100, "approved"), C, D), asked, WATCHERS)


# -- 8: security ----------------------------------------------------------------------------------------------------


def test_criteria_are_limited_to_forty_rfc4660_8() -> None:
    assert MOST_CRITERIA == 40
    assert refusal(filter_set(one(include(*["//vc:tel"] * 41)))).status == 488


def test_a_large_body_is_413_rfc4660_8() -> None:
    assert refusal(filter_set(one("<what/>")) + b" " * PACKAGE.max_body).status == 413
