"""Filter-set documents, and how they change the filters of a subscription."""

from __future__ import annotations

from decimal import Decimal

import pytest

from abserver.events.filters import BadFilter, FilterSet, filters_of, read_change
from abserver.events.filters.errors import LONGEST
from abserver.events.filters.filter_set import MOST_CRITERIA, MOST_FILTERS, MOST_OCTETS
from tests.support.filters import ANN, VC, criteria, filter_set, include, one, sets

WHAT = include("//vc:tel")
TRIGGER = "<trigger><added>//vc:tel</added></trigger>"


def refused(body: bytes, *before: bytes) -> str:
    """Why a filter-set is not taken."""
    with pytest.raises(BadFilter) as caught:
        sets(*before, body)
    return caught.value.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no XML",
        b"<filter-set/>",
        b'<filter-set xmlns="urn:ietf:params:xml:ns:simple-winfo-filter"><filter id="1"><what/></filter></filter-set>',
        filter_set(),
        filter_set("<filter/>"),
        filter_set(one("<unknown/>")),
        filter_set(one("", 'id="1" unknown="1"')),
        filter_set(one("<what/><what/>")),
        filter_set(one(TRIGGER + WHAT)),
        filter_set(one('<what><include type="regex">a</include></what>')),
        filter_set(one('<what><exclude>//vc:tel</exclude><include type="xpath">//vc:tel</include></what>')),
        filter_set(one('<trigger><changed by="much">//vc:tel</changed></trigger>')),
        filter_set(one(WHAT, 'id="1" enabled="perhaps"')),
        filter_set(one(WHAT)).replace(b"urn=", b"uri="),
        b'<!DOCTYPE filter-set SYSTEM "http://evil.example/x">' + filter_set(one(WHAT)),
        b'<!DOCTYPE x [<!ENTITY e "//vc:tel">]>' + filter_set(one(include("&e;"))),
        '<?xml version="1.0" encoding="iso-8859-1"?><filter-set/>'.encode("latin-1"),
        filter_set(one(WHAT)).decode().encode("utf-16"),
    ],
)
def test_what_is_not_valid_is_refused_rfc4661_3_and_7(body: bytes) -> None:
    assert "not valid" in refused(body)


def test_a_refusal_says_where_in_one_line() -> None:
    reason = refused(b"<a>\n<b></a>")
    assert "2" in reason
    assert "\n" not in reason
    assert len(BadFilter("x " * 1000).reason) == LONGEST


def test_extensions_are_ignored_rfc4661_4() -> None:
    extended = filter_set(
        one(
            '<what e:x="1"><include e:x="1">//vc:tel</include><e:more xmlns="urn:ietf:params:xml:ns:simple-filter">'
            '<ns-bindings><ns-binding prefix="vc" urn="urn:other"/></ns-bindings></e:more></what>'
            "<e:other><what/></e:other>",
            'id="1" e:x="1" xml:lang="en"',
        ),
        attributes=' xmlns:e="urn:ext" e:x="1"',
    ).replace(b'<what e:x="1">', b"<what>")
    assert sets(extended) == sets(filter_set(one(WHAT)))


def test_ids_are_unique_rfc4661_3_4() -> None:
    assert "same id" in refused(filter_set(one(WHAT), one(WHAT, 'id="1" domain="example.org"')))


def test_uri_and_domain_exclude_each_other_rfc4661_3_4() -> None:
    assert "uri and domain" in refused(filter_set(one(WHAT, 'id="1" uri="sip:ann@example.com" domain="example.com"')))


@pytest.mark.parametrize("prefix", ["", "a:b", "1", "a b"])
def test_a_prefix_is_a_name_rfc4661_3_3(prefix: str) -> None:
    assert "ns-bindings" in refused(filter_set(one("<what/>"), bindings={prefix: "urn:x"}))


def test_a_prefix_is_bound_once_rfc4661_3_3() -> None:
    twice = filter_set(one(WHAT)).replace(b"</ns-bindings>", b'<ns-binding prefix="vc" urn="urn:y"/></ns-bindings>')
    assert "ns-bindings" in refused(twice)
    same = filter_set(one(WHAT)).replace(
        b"</ns-bindings>", f'<ns-binding prefix="vc" urn=" {VC}"/></ns-bindings>'.encode()
    )
    assert sets(same) == sets(filter_set(one(WHAT)))
    assert "ns-bindings" in refused(filter_set(one("<what/>"), bindings={"e": ""}))


def test_an_expression_outside_of_the_grammar_is_refused_rfc4660_5_4() -> None:
    assert "section 5" in refused(filter_set(one(include("//vc:tel[1]"))))
    assert "section 5" in refused(filter_set(one("<what><include/></what>")))


@pytest.mark.parametrize("name", ["changed", "added", "removed"])
def test_triggers_take_references_only_rfc4661_3_6(name: str) -> None:
    body = filter_set(one(f"<trigger><{name}>//vc:tel[vc:uri='x']</{name}></trigger>"))
    assert "without a condition" in refused(body)


@pytest.mark.parametrize("limits", ['from="a"', 'to="a"', 'from="1" to=""'])
def test_beside_by_there_are_numbers_only_rfc4661_3_6_1_4(limits: str) -> None:
    assert "numbers" in refused(filter_set(one(f'<trigger><changed by="2" {limits}>//vc:pref</changed></trigger>')))
    found = criteria('<trigger><changed by=" +2.50 " from=" 1 " to=".5">//vc:pref</changed></trigger>')
    assert found.triggers[0].changed[0].by == Decimal("2.5")


@pytest.mark.parametrize("inside", ["<what/>", "<trigger/>", "<what/><trigger/><trigger/>"])
def test_empty_elements_count_as_absent_rfc4660_5_4(inside: str) -> None:
    assert sets(filter_set(one(inside))).criteria_for(ANN) is None
    with_more = criteria(inside.replace("<what/>", "") + TRIGGER)
    assert (with_more.what, len(with_more.triggers)) == (None, 1)


# -- changing -------------------------------------------------------------------------------------------------------


def test_filters_stay_until_they_are_removed_by_id_rfc4660_5_2_2() -> None:
    first, second = filter_set(one(WHAT)), filter_set(one(WHAT, 'id="2" domain="example.org"'))
    both = sets(first, second)
    assert [each.id for each in both.filters] == ["1", "2"]
    assert sets(first, second, filter_set(one("", 'id="1" remove="true"'))) == sets(second)
    assert sets(first, filter_set(one("", 'id="1" remove="1"'))) == FilterSet()


def test_removing_what_is_not_there_does_nothing() -> None:
    assert sets(filter_set(one("", 'id="7" remove="true"'))) == FilterSet()


def test_a_filter_with_the_same_id_replaces_rfc4660_5_2_2() -> None:
    old, new = filter_set(one(WHAT)), filter_set(one(TRIGGER))
    assert sets(old, new) == sets(new)


@pytest.mark.parametrize(
    "others",
    [
        ['id="2"'],
        ['id="2" uri="sip:ann@example.com"'],
        ['id="2" uri="SIP:ann@EXAMPLE.com:5060;transport=tcp"'],
        ['id="2" uri="sip:bob@x.org"', 'id="3" uri="sip:bob@X.ORG"'],
        ['id="2" domain="x.org"', 'id="3" domain="X.org."'],
        ['id="2" uri="tel:+1"', 'id="3" uri="tel:+1"'],
    ],
)
def test_two_filters_for_one_resource_or_domain_are_refused_rfc4660_5_2(others: list[str]) -> None:
    filters = [one(WHAT, each) for each in others]
    assert "same resource or domain" in refused(filter_set(one(WHAT), *filters))
    assert "same resource or domain" in refused(filter_set(*filters), filter_set(one(WHAT)))


def test_another_id_may_take_over_when_the_first_is_removed_with_it() -> None:
    old, new = filter_set(one(WHAT)), filter_set(one(TRIGGER, 'id="2"'), one("", 'id="1" remove="true"'))
    assert [each.id for each in sets(old, new).filters] == ["2"]


def test_a_filter_is_switched_off_and_on_without_its_content_rfc4661_3_4() -> None:
    whole = filter_set(one(WHAT, 'id="1" uri="sip:ann@example.com"'))
    off = sets(whole, filter_set(one("", 'id="1" enabled="false"')))
    assert off.criteria_for(ANN) is None
    on = off.amended(read_change(filter_set(one("", 'id="1" enabled="1"'))), ANN)
    assert on == sets(whole)


def test_a_switch_may_name_another_resource() -> None:
    whole = filter_set(one(WHAT, 'id="1" uri="sip:ann@example.com"'))
    moved = sets(whole, filter_set(one("", 'id="1" domain="example.org"')))
    assert (moved.filters[0].uri, moved.filters[0].domain) == (None, "example.org")


def test_a_filter_says_something_when_it_is_first_enabled_rfc4661_3_4() -> None:
    assert "first time" in refused(filter_set(one("")))
    idle = filter_set(one("", 'id="1" enabled="false"'))
    assert sets(idle).criteria_for(ANN) is None
    assert "first time" in refused(filter_set(one("")), idle)
    assert sets(idle, filter_set(one(WHAT))) == sets(filter_set(one(WHAT)))


# -- which one applies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "applies"),
    [
        ("", True),
        (' uri="sip:ann@example.com"', True),
        (' uri="sips:ann@example.com;user=phone"', True),
        (' uri="sip:bob@example.com"', False),
        (' uri="mailto:ann@example.com"', False),
        (' domain="Example.COM"', True),
        (' domain="example.org"', False),
        (' enabled="false"', False),
    ],
)
def test_a_filter_applies_to_its_resource_rfc4660_5_2_1(attributes: str, applies: bool) -> None:
    found = sets(filter_set(one(WHAT, f'id="1"{attributes}')))
    assert (found.criteria_for(ANN) is not None) is applies


def test_a_filter_for_the_resource_comes_before_one_for_the_domain_rfc4660_3_3_2() -> None:
    domain, mine = one(WHAT, 'id="1" domain="example.com"'), one(TRIGGER, 'id="2"')
    both = sets(filter_set(domain, mine))
    assert both.criteria_for(ANN) == criteria(TRIGGER)
    off = both.amended(read_change(filter_set(one("", 'id="2" enabled="false"'))), ANN)
    assert off.criteria_for(ANN) == criteria(WHAT)


# -- bounds ---------------------------------------------------------------------------------------------------------


def test_criteria_are_bounded_rfc4660_8() -> None:
    most = include(*["//vc:tel"] * MOST_CRITERIA)
    assert criteria(most).count == MOST_CRITERIA
    other = filter_set(one(TRIGGER, 'id="2" domain="x.org"'))
    assert "criteria" in refused(other, filter_set(one(most)))


def test_filters_are_bounded() -> None:
    many = [one("<what/>", f'id="{each}" domain="d{each}.example"') for each in range(MOST_FILTERS + 1)]
    assert len(sets(filter_set(*many[:-1])).filters) == MOST_FILTERS
    assert "filters" in refused(filter_set(*many))
    assert "filters" in refused(filter_set(many[-1]), filter_set(*many[:-1]))


def test_documents_are_bounded_alone_and_together() -> None:
    long = ["//" + "a" * (MOST_OCTETS // 2) for _ in range(2)]
    assert "octets" in refused(filter_set(one(include(*long))))
    second = filter_set(one(include(long[0]), 'id="2" domain="x.org"'))
    assert "octets" in refused(second, filter_set(one(include(long[0]))))


# -- the document that is kept --------------------------------------------------------------------------------------

RICH = filter_set(
    one(
        "<what><include>//vc:tel[vc:uri='\"' or e:x&lt;5]/@e:y</include>"
        '<include type="namespace"> urn:a&amp;b </include><exclude>//plain</exclude></what>'
        '<trigger><changed from="a&quot;" to="b">//vc:fn</changed>'
        "<added>//vc:tel</added><removed>//*</removed></trigger>"
        '<trigger><changed by="2.50">//vc:pref</changed></trigger>',
        'id="&lt;1&gt;" uri="sip:ann@example.com"',
    ),
    one("<what/>", 'id="2" domain="x.org" enabled="false"'),
    one("", 'id="3" uri="sip:x@y" enabled="0"'),
    bindings={"vc": VC, "e": "urn:ext"},
)


def test_filters_are_kept_as_a_document() -> None:
    found = sets(RICH)
    assert filters_of(found.to_xml()) == found
    assert filters_of(found.to_xml()).to_xml() == found.to_xml()
    assert filters_of(b"") == FilterSet()
    assert FilterSet().to_xml() == b""


def test_equal_filters_are_kept_as_equal_documents() -> None:
    other = RICH.replace(b"vc:", b"card:").replace(b'"vc"', b'"card"').replace(b"<what>", b"<what>\n  ")
    assert other != RICH
    assert sets(other).to_xml() == sets(RICH).to_xml()


def test_criteria_are_the_same_whatever_the_filter_is_called_and_whomever_it_is_for() -> None:
    mine = criteria(WHAT)
    named = sets(filter_set(one(WHAT, 'id="x" domain="example.com"'))).criteria_for(ANN)
    assert named == mine
    assert named is not None
    assert named.tag == mine.tag


@pytest.mark.parametrize(
    ("inside", "bindings"),
    [
        (include("//vc:email"), {"vc": VC}),
        (include("//vc:tel"), {"vc": "urn:other"}),
        (include("//tel"), {}),
        ("<what><exclude>//vc:tel</exclude></what>", {"vc": VC}),
        (TRIGGER, {"vc": VC}),
    ],
)
def test_criteria_that_differ_have_other_tags(inside: str, bindings: dict[str, str]) -> None:
    assert criteria(inside, bindings).tag != criteria(WHAT).tag
