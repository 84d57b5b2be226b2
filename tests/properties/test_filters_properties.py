"""Filters never widen, whatever they say; expressions select what XPath 1.0 selects; garbage is refused and no more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from xml.etree.ElementTree import fromstring

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from abserver.domain.trees import canonical
from abserver.domain.trees import parse as trees_parse
from abserver.domain.view import View
from abserver.events.filters import WATCHERS, BadFilter, FilterSet, due, filtered, filters_of, is_due, read_change
from abserver.events.filters.documents import Document
from abserver.events.filters.expressions import parse
from tests.support.filters import ANN, VC, filter_set, one, view

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from abserver.events.filters import Criteria

BINDINGS = {"v": VC, "m": "urn:mine"}
NAMES = ["tel", "fn", "text", "uri", "parameters", "group", "type", "adr", "street"]

# -- documents ------------------------------------------------------------------------------------------------------

texts = st.text(st.sampled_from("ab1 .-<&"), max_size=4)


@st.composite
def properties_of_cards(draw: st.DrawFn) -> str:
    """Any XML as a property: views hold what owners write."""
    depth = draw(st.integers(1, 3))
    return draw(elements(depth))


def elements(depth: int) -> st.SearchStrategy[str]:
    inside = st.lists(elements(depth - 1), max_size=3).map("".join) if depth else st.just("")
    return st.builds(
        lambda name, space, attributes, text, within: (
            f"<{name}{space}{attributes}>{_escaped(text) if not within else ''}{within}</{name}>"
        ),
        st.sampled_from(NAMES),
        st.sampled_from(["", "", "", ' xmlns="urn:mine"']),
        st.sampled_from(["", "", ' name="a"', ' name="b" x="1"']),
        texts,
        inside,
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


@st.composite
def views(draw: st.DrawFn) -> View:
    """In canonical form, as views are."""
    inside = "".join(draw(st.lists(properties_of_cards(), max_size=4)))
    return View.of(canonical(trees_parse(view(f"<fn><text>Ann</text></fn>{inside}").content)).encode())


# -- filters --------------------------------------------------------------------------------------------------------

qnames = st.builds(
    lambda prefix, name: f"{prefix}{name}", st.sampled_from(["v:", "v:", "v:", "m:", ""]), st.sampled_from(NAMES)
)
attributes = st.sampled_from(["@name", "@x", "@v:x"])
steps = qnames | st.just("*")
separators = st.sampled_from(["/", "//"])
values = st.sampled_from(['"a"', "'1'", "1", "-0.5", '""', '" 1 "'])
inner_paths = st.builds(
    lambda first, rest: first + "".join(separator + step for separator, step in rest),
    steps,
    st.lists(st.tuples(separators, steps), max_size=1),
)
operands = (
    st.sampled_from([".", ".."])
    | inner_paths
    | attributes
    | st.builds(lambda path, separator, name: path + separator + name, inner_paths, separators, attributes)
)
comparisons = st.builds(lambda *parts: "".join(parts), operands, st.sampled_from("=<>"), values)
conditions = st.builds(
    lambda first, rest: "[" + first + "".join(f" {join} {each}" for join, each in rest) + "]",
    comparisons,
    st.lists(st.tuples(st.sampled_from(["and", "or"]), comparisons), max_size=2),
)


@st.composite
def expressions(draw: st.DrawFn, *, reference: bool = False) -> str:
    """Any expression of the grammar."""
    condition = st.just("") if reference else st.just("") | conditions
    written = "".join(draw(separators) + draw(steps) + draw(condition) for _ in range(draw(st.integers(1, 3))))
    return written + (draw(separators) + draw(attributes) + draw(condition) if draw(st.booleans()) else "")


def _element(name: str) -> st.SearchStrategy[str]:
    spaces = st.sampled_from([VC, "urn:mine", "urn:none"]).map(lambda uri: f'<{name} type="namespace">{uri}</{name}>')
    return expressions().map(lambda text: f"<{name}>{_escaped(text)}</{name}>") | spaces


whats = st.builds(
    lambda includes, excludes: f"<what>{''.join(includes)}{''.join(excludes)}</what>",
    st.lists(_element("include"), max_size=3),
    st.lists(_element("exclude"), max_size=3),
)
triggers = st.builds(
    lambda name, path: f"<trigger><{name}>{path}</{name}></trigger>",
    st.sampled_from(["changed", "added", "removed"]),
    expressions(reference=True),
)


def sets_of(inside: str) -> Criteria | None:
    """What a filter for ann asks for; None if it lets everything pass."""
    return FilterSet().amended(read_change(filter_set(one(inside), bindings=BINDINGS)), ANN).criteria_for(ANN)


# -- laws -----------------------------------------------------------------------------------------------------------


def is_within(part: Element, whole: Element) -> bool:
    """Whether `part` is `whole` after taking attributes and elements away."""
    if part.tag != whole.tag or (part.text or "").strip() != (whole.text or "").strip():
        return False
    if not part.attrib.items() <= whole.attrib.items():
        return False
    rest = iter(whole)
    return all(any(is_within(child, other) for other in rest) for child in part)


@settings(max_examples=150, deadline=None)
@given(views(), whats)
def test_a_filter_never_widens(shown: View, what: str) -> None:
    found = sets_of(what)
    result = shown if found is None else filtered(shown, found)
    assert is_within(fromstring(result.content), fromstring(shown.content))
    assert len(result.content) <= len(shown.content) + 60 * shown.content.count(b"xmlns")
    assert result.tag == View.of(result.content).tag


@settings(max_examples=100, deadline=None)
@given(views(), whats)
def test_equal_filters_on_equal_views_give_equal_octets(shown: View, what: str) -> None:
    first, second = sets_of(what), sets_of(what.replace("><", ">\n<"))
    assert first == second
    if first is not None:
        again = View(bytes(bytearray(shown.content)), shown.tag)
        assert filtered(shown, first) == filtered(again, first)


@settings(max_examples=100, deadline=None)
@given(views(), whats)
def test_the_result_has_a_name_and_every_property_its_value(shown: View, what: str) -> None:
    found = sets_of(what)
    card = fromstring((shown if found is None else filtered(shown, found)).content)[0]
    assert card.tag == f"{{{VC}}}vcard"
    assert card.find(f".//{{{VC}}}fn") is not None
    before = fromstring(shown.content)[0]
    valued = {each.tag for each in before if all(child.tag != f"{{{VC}}}parameters" for child in each) and len(each)}
    empty = {each.tag for each in before if not len(each)}
    for each in card:
        if each.tag in valued - empty and each.tag != f"{{{VC}}}group":
            assert len(each)


@settings(max_examples=300, deadline=None)
@given(views(), expressions())
def test_an_expression_selects_what_xpath_does(shown: View, expression: str) -> None:
    """libxml2 is the oracle: the grammar is a part of XPath 1.0."""
    document = Document(shown.content)
    order = {each: number for number, each in enumerate(document.root.iter())}
    selected = document.select(parse(expression, BINDINGS))
    ours = [(order[each], None if name is None else each.attrib[name]) for each, name in selected]
    tree = etree.fromstring(shown.content)
    places = {each: number for number, each in enumerate(tree.iter())}
    theirs: set[tuple[int, str | None]] = set()
    for each in tree.xpath(expression, namespaces=BINDINGS):
        owner = each if isinstance(each, etree._Element) else each.getparent()
        theirs.add((places[owner], None if each is owner else str(each)))
    assert len(ours) == len(set(ours))
    assert set(ours) == theirs


@settings(max_examples=100, deadline=None)
@given(views(), views(), triggers, triggers)
def test_changes_are_seen_from_both_sides(old: View, new: View, first: str, second: str) -> None:
    both = first + second
    found, alone = sets_of(both), sets_of(second)
    assert found is not None
    assert alone is not None
    assert not is_due(old, old, found)
    assert is_due(old, new, found) >= is_due(old, new, alone)
    turned = sets_of(both.replace("added", "x").replace("removed", "added").replace("x>", "removed>"))
    assert turned is not None
    if "changed" not in both:
        assert is_due(old, new, found) == is_due(new, old, turned)


@settings(max_examples=100, deadline=None)
@given(whats, triggers)
def test_filters_are_kept_as_they_are(what: str, trigger: str) -> None:
    found = FilterSet().amended(read_change(filter_set(one(what + trigger), bindings=BINDINGS)), ANN)
    assert filters_of(found.to_xml()) == found


garbage = st.binary(max_size=60) | st.text(max_size=60).map(str.encode)


@settings(max_examples=150, deadline=None)
@given(garbage | garbage.map(lambda some: filter_set(one("<what/>"))[:-20] + some))
def test_garbage_for_a_filter_set_is_a_bad_filter_or_one(body: bytes) -> None:
    with contextlib.suppress(BadFilter):
        read_change(body)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("/*@.[]=<>\"'() v:tela1-or nd"), max_size=20))
def test_garbage_for_an_expression_is_a_bad_filter_or_xpath(text: str) -> None:
    try:
        path = parse(text, BINDINGS)
    except BadFilter:
        return
    etree.XPath(text, namespaces=BINDINGS)
    prefixes = {uri: prefix for prefix, uri in BINDINGS.items()}
    assert parse(path.text(prefixes), BINDINGS) == path


@settings(max_examples=50, deadline=None)
@given(views(), views(), triggers)
def test_any_two_documents_can_be_compared_by_any_shape(old: View, new: View, trigger: str) -> None:
    found = sets_of(trigger)
    assert found is not None
    assert due(old.content, new.content, found, WATCHERS) in (True, False)
