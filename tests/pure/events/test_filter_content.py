"""What <what> leaves of a view, and of watcher information."""

from __future__ import annotations

import pytest

from abserver.domain.view import View
from abserver.events.filters import MOST_WORK, WATCHERS, filtered, select
from tests.support.filters import VC, criteria, include, properties, view

FN = "<fn><text>Ann</text></fn>"
N5 = "<surname>Ex</surname><given>Ann</given><given>B</given><additional/><prefix/><suffix/>"
N = f"<n>{N5}<surname2>Am</surname2></n>"
PREF = "<pref><integer>1</integer></pref>"
WORK_PARAMETERS = f"<parameters>{PREF}<type><text>work</text><text>voice</text></type></parameters>"
WORK = f"<tel>{WORK_PARAMETERS}<uri>tel:+1</uri></tel>"
HOME = "<tel><parameters><type><text>home</text></type></parameters><uri>tel:+2</uri></tel>"
NICK = "<nickname><text>A</text><text>B</text></nickname>"
GROUP = '<group name="g"><email><text>a@x</text></email><note><text>hi</text></note></group>'
MINE = '<mine xmlns="urn:mine" a="1">text<b>deep</b>tail</mine>'
ODD = "<odd>text<text>in</text></odd>"
BDAY = "<bday><date>19900101</date></bday>"
ALL = FN + N + WORK + HOME + NICK + GROUP + MINE + ODD + BDAY
VIEW = view(ALL)


def left(inside: str, shown: View = VIEW) -> str:
    """The properties that are left."""
    found = filtered(shown, criteria(inside, {"vc": VC, "m": "urn:mine"}))
    assert found.tag == View.of(found.content).tag
    return properties(found)


def excluding(*expressions: str) -> str:
    return "<what>" + "".join(f"<exclude>{each}</exclude>" for each in expressions) + "</what>"


def test_what_is_included_comes_with_what_it_is_in_rfc4661_3_5_1() -> None:
    assert left(include("//vc:bday")) == FN + BDAY
    assert left(include("//vc:bday/vc:date")) == FN + BDAY
    assert left(include('//vc:email[vc:text="a@x"]')) == FN + '<group name="g"><email><text>a@x</text></email></group>'


def test_several_includes_add_up_rfc4661_3_5() -> None:
    assert left(include("//vc:bday", "//vc:nickname")) == FN + NICK + BDAY
    assert left(include("//vc:nickname", "//vc:bday")) == FN + NICK + BDAY


def test_a_condition_decides_property_by_property_rfc4661_5() -> None:
    assert left(include('//vc:tel[vc:parameters/vc:type/vc:text="work"]')) == FN + WORK
    assert left(include("//vc:tel[vc:parameters/vc:pref/vc:integer&lt;5]")) == FN + WORK


def test_optional_parts_of_a_property_go_unless_they_are_included() -> None:
    assert left(include("//vc:tel/vc:uri")) == FN + "<tel><uri>tel:+1</uri></tel><tel><uri>tel:+2</uri></tel>"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # a property has its value
        ("//vc:pref", "<tel><parameters><pref><integer>1</integer></pref></parameters><uri>tel:+1</uri></tel>"),
        # a list as much of it as was selected, but not nothing
        ('//vc:nickname/vc:text[.="B"]', "<nickname><text>B</text></nickname>"),
        # a compound has its fields, each with all its values; what RFC 9554 added is optional
        ("//vc:additional", f"<n>{N5}</n>"),
        ("//vc:surname2", N),
        # a parameter has values
        ('//vc:type/vc:text[.="voice"]', WORK.replace(PREF, "").replace("<text>work</text>", "")),
        # what the server does not understand is whole
        ("//m:b", MINE),
        ("//m:mine/@a", MINE),
        ("//vc:odd/vc:text", ODD),
        ("//vc:group/@name", '<group name="g"/>'),
        ("//vc:nothing", ""),
    ],
)  # fmt: skip
def test_the_result_is_a_valid_card_rfc4660_5_3_1(expression: str, expected: str) -> None:
    assert left(include(expression)) == FN + expected


def test_a_card_without_what_was_asked_for_is_a_name() -> None:
    assert left(include("//vc:geo")) == FN


def test_what_is_excluded_goes_with_what_is_in_it_rfc4661_3_5_2() -> None:
    assert left(excluding("//vc:tel", "//vc:group", "//m:mine", "//vc:odd")) == FN + N + NICK + BDAY
    assert left(excluding("//vc:parameters", '//vc:nickname/vc:text[.="A"]')) == ALL.replace(
        WORK_PARAMETERS, ""
    ).replace("<parameters><type><text>home</text></type></parameters>", "").replace("<text>A</text><text>B", "<text>B")


@pytest.mark.parametrize(
    "expression",
    ["//vc:fn", "//vc:fn/vc:text", "/vc:vcards", "//vc:uri", "//vc:given", "//m:b", "//m:mine/@a", "//vc:group/@name",
     "//vc:nickname/vc:text", "//vc:integer", "//vc:odd/vc:text"],
)  # fmt: skip
def test_excluding_what_makes_it_invalid_is_reversed_rfc4661_3_5_2(expression: str) -> None:
    assert left(excluding(expression)) == ALL


def test_an_exclude_that_is_reversed_brings_back_what_was_there_before_it() -> None:
    named = "<fn><parameters><language><language-tag>en</language-tag></language></parameters><text>Ann</text></fn>"
    shown = view(named + BDAY)
    assert left(excluding("//vc:fn"), shown) == named + BDAY
    assert left(excluding("//vc:language", "//vc:fn"), shown) == "<fn><parameters/><text>Ann</text></fn>" + BDAY


def test_of_several_names_one_has_to_stay() -> None:
    two = "<fn><text>Ann</text></fn><fn><text>Anna</text></fn>"
    assert left(excluding('//vc:fn[vc:text="Ann"]'), view(two)) == "<fn><text>Anna</text></fn>"
    assert left(excluding('//vc:fn[vc:text="Ann"]', "//vc:fn"), view(two)) == "<fn><text>Anna</text></fn>"
    assert left(excluding("//vc:fn"), view(two)) == two
    assert left(include("//vc:geo"), view(two)) == two


def test_a_name_in_a_group_is_a_name() -> None:
    grouped = f'<group name="g">{FN}</group>'
    assert left(include("//vc:geo"), view(grouped + BDAY)) == grouped


def test_excludes_are_exceptions_to_includes_rfc4661_3_5_2() -> None:
    only = include("//vc:tel").replace("</what>", '<exclude>//vc:tel[vc:uri="tel:+2"]</exclude></what>')
    assert left(only) == FN + WORK


def test_a_namespace_is_its_elements_and_no_others_rfc4661_3_5_3() -> None:
    cards = f'<what><include type="namespace">{VC}</include></what>'
    assert left(cards) == ALL.replace(MINE, "")
    assert left('<what><include type="namespace">urn:mine</include></what>') == FN + MINE
    assert left('<what><exclude type="namespace">urn:mine</exclude></what>') == ALL.replace(MINE, "")
    assert left(f'<what><exclude type="namespace">{VC}</exclude></what>') == ALL
    assert left('<what><include type="namespace">urn:none</include></what>') == FN


@pytest.mark.parametrize("inside", [include("/vc:vcards"), include("//*"), excluding("//vc:geo")])
def test_a_filter_that_takes_nothing_away_leaves_the_view_itself(inside: str) -> None:
    assert filtered(VIEW, criteria(inside)) is VIEW


def test_triggers_take_nothing_away_rfc4660_5_3() -> None:
    assert filtered(VIEW, criteria("<trigger><added>//vc:tel</added></trigger>")) is VIEW


def test_equal_results_have_equal_tags_whatever_they_are_made_from() -> None:
    one = filtered(view(FN + BDAY + WORK), criteria(include("//vc:bday")))
    other = filtered(view(FN + HOME + BDAY), criteria(excluding("//vc:tel")))
    assert one == other == view(FN + BDAY)


def test_an_attribute_that_is_not_included_goes() -> None:
    shown = view(FN + '<note lang="en" x="1"><text>hi</text></note>')
    assert left(include("//vc:note/@x"), shown) == FN + '<note x="1"><text>hi</text></note>'
    assert left(excluding("//@lang"), shown) == FN + '<note x="1"><text>hi</text></note>'


@pytest.mark.parametrize(
    ("expression", "parameters"),
    [
        ("//vc:pref", "a<type><text>x</text></type><pref><integer>1</integer></pref>"),
        ("//vc:pref", "<type><text>x</text></type>a<pref><integer>1</integer></pref>"),
        ('//vc:text[.="x"]', "<type>a<text>x</text><text>y</text></type>"),
        ("//vc:y", "<type><x><y>1</y><z>2</z></x></type>"),
    ],
)
def test_parameters_that_are_not_understood_stay_whole(expression: str, parameters: str) -> None:
    note = f"<note><parameters>{parameters}</parameters><text>hi</text></note>"
    assert left(include(expression), view(FN + note)) == FN + note


def test_a_value_that_is_not_understood_stays_whole() -> None:
    note = "<note><text><b>hi</b><i>ho</i></text></note>"
    assert left(include("//vc:b"), view(FN + note)) == FN + note


def test_a_filter_that_costs_too_much_is_not_applied_rfc4660_5_3_1() -> None:
    heavy = criteria(include(*["//vc:tel//vc:uri"] * 40))
    shown = view(FN + HOME * 2000)
    assert MOST_WORK < 120 * (2000 * (3 + 4 + 5 + 6 + 4))
    assert filtered(shown, heavy) is shown
    assert filtered(view(FN + HOME * 20), heavy) != view(FN + HOME * 20)


# -- watcher information (RFC 4660 §7.2) -----------------------------------------------------------------------------

WI = "urn:ietf:params:xml:ns:watcherinfo"


def watchers(*rows: str) -> bytes:
    return (
        f'<watcherinfo xmlns="{WI}" state="full" version="0"><watcher-list package="contact-card" '
        f'resource="sip:ann@example.com">{"".join(rows)}</watcher-list></watcherinfo>'
    ).encode()


def watcher(id: str, status: str, *, duration: int = 5) -> str:
    return (
        f'<watcher duration-subscribed="{duration}" event="subscribe" id="{id}" status="{status}">sip:{id}@x</watcher>'
    )


def test_watchers_are_selected_and_the_list_stays_rfc4660_7_2() -> None:
    some = watchers(watcher("a", "active"), watcher("b", "pending"))
    chosen = criteria(
        include('/wi:watcherinfo/wi:watcher-list[@package="contact-card"]/wi:watcher[@status="active"]'), {"wi": WI}
    )
    assert select(some, chosen, WATCHERS) == watchers(watcher("a", "active"))
    assert select(watchers(watcher("b", "pending")), chosen, WATCHERS) == watchers().replace(b"></watcher-list>", b"/>")
    assert select(watchers(watcher("a", "active")), chosen, WATCHERS) == watchers(watcher("a", "active"))


def test_watchers_keep_the_attributes_they_must_have() -> None:
    short = criteria("<what><exclude>//@*</exclude></what>".replace("@*", "@duration-subscribed"), {"wi": WI})
    row = watcher("a", "active")
    assert select(watchers(row), short, WATCHERS) == watchers(row.replace('duration-subscribed="5" ', ""))
    bare = criteria(include("//wi:watcher/@duration-subscribed"), {"wi": WI})
    assert select(watchers(row), bare, WATCHERS) == watchers(row)
    assert select(watchers(row), criteria("<what><exclude>//@id</exclude></what>"), WATCHERS) == watchers(row)
