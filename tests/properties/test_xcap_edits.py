"""Random documents, as people and programs really write XML, under random selectors and edits (RFC 4825 §7, §8).

lxml's XPath is the oracle for selection, since a node selector is a valid XPath (§6.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.support.xml_texts import BINDINGS, bodies, documents, place, selectors, undone
from xcap.core import edit, uri
from xcap.core.errors import CannotDelete, Conflict, NotFound, XcapError
from xcap.core.etag import Conditions
from xcap.core.selector import locate, parse_node_selector
from xcap.core.source import scan
from xcap.core.xml import parse_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xcap.core.selector import NodeSelector
    from xcap.core.source import Element

bounded = settings(max_examples=100, deadline=None)


def preorder(element: Element) -> Iterator[Element]:
    yield element
    for child in element.children:
        yield from preorder(child)


def clark(name: str) -> str:
    namespace, separator, local = name.rpartition("\x01")
    return f"{{{namespace}}}{local}" if separator else local


@bounded
@given(documents())
def test_every_element_is_found_at_its_bytes_with_the_name_and_attributes_that_lxml_sees(document: bytes) -> None:
    found = list(preorder(scan(document)))
    expected = list(parse_document(document).iter(etree.Element))
    assert [clark(element.name) for element in found] == [element.tag for element in expected]
    assert [{clark(key): value for key, value in element.attributes.items()} for element in found] == [
        dict(element.attrib) for element in expected
    ]
    for element in found:
        alone = document[element.start : element.end(document)]
        copy = scan(alone, namespaces=False)
        assert (copy.start, copy.end(alone)) == (0, len(alone))


@bounded
@given(st.data())
def test_a_selector_selects_what_xpath_selects_step_by_step(data: st.DataObject) -> None:
    document = data.draw(documents())
    text = data.draw(selectors(document, terminal=False))
    selector = parse_node_selector(text, BINDINGS, None)
    expected = xpath_path(parse_document(document), selector)
    found = [element.start for element in preorder(scan(document))]
    assert [found.index(element.start) for element in locate(scan(document), selector.steps)] == expected


def xpath_path(root: etree._Element, selector: NodeSelector) -> list[int]:
    """The numbers in document order of the elements that XPath finds, until a step does not find exactly one."""
    order = list(root.iter(etree.Element))
    context, axis, path = root, "/", []
    for step in selector.steps:
        test, at, _ = step.text.partition("[@")
        name, value = step.attribute or ("", "")  # XPath has no references in its literals, so a variable
        chosen = context.xpath(
            f"{axis}{test}" + (f"{at}{name}=$value]" if at else ""), namespaces=BINDINGS, value=value
        )
        assert isinstance(chosen, list)
        if len(chosen) != 1:
            break
        context, axis = chosen[0], "./"
        path.append(order.index(context))
    return path


@bounded
@given(st.data())
def test_what_was_put_is_what_is_got_and_nothing_else_moved(data: st.DataObject) -> None:
    document = data.draw(documents())
    selector = parse_node_selector(data.draw(selectors(document)), BINDINGS, None)
    body = data.draw(bodies(selector))
    try:
        before: bytes | None = edit.get_node(document, selector).content
    except NotFound:
        before = None
    try:
        edited, created = edit.put_node(document, selector, body)
    except Conflict:
        return
    assert edit.get_node(edited, selector).content == body
    assert created == (before is None)
    assert edit.put_node(edited, selector, body) == (edited, False)
    start = place(edited, selector)
    if before is not None:
        assert edited[:start] + before + edited[start + len(body) :] == document
    elif selector.attribute is None:
        assert undone(document, edited, start, body)
    else:
        assert edit.delete_node(edited, selector) == document


@bounded
@given(st.data())
def test_what_was_deleted_is_gone_and_nothing_else_moved(data: st.DataObject) -> None:
    document = data.draw(documents())
    selector = parse_node_selector(data.draw(selectors(document)), BINDINGS, None)
    try:
        node = edit.get_node(document, selector).content
        start = place(document, selector)
        edited = edit.delete_node(document, selector)
    except (NotFound, Conflict):
        return
    try:
        edit.get_node(edited, selector)
    except NotFound:
        pass
    else:
        raise AssertionError("the deleted node is still there")
    assert edited.endswith(document[start + len(node) :])
    kept = document[:start] if selector.attribute is None else edited[: len(edited) - len(document) + start + len(node)]
    assert edited == kept + document[start + len(node) :]
    assert document.startswith(kept)


@bounded
@given(st.data())
def test_only_a_deletion_that_would_uncover_another_match_is_refused(data: st.DataObject) -> None:
    document = data.draw(documents())
    selector = parse_node_selector(data.draw(selectors(document, terminal=False)), BINDINGS, None)
    path = locate(scan(document), selector.steps)
    if not 1 < len(path) == len(selector.steps):
        return
    siblings = [sibling for sibling in path[-2].children if sibling is not path[-1]]
    next_match = selector.steps[-1].select(siblings)
    try:
        edit.delete_node(document, selector)
    except CannotDelete:
        assert len(next_match) == 1
    else:
        assert len(next_match) != 1


@bounded
@given(st.binary(max_size=200), st.binary(max_size=60), st.text(max_size=30), st.binary(max_size=30))
def test_garbage_is_refused_by_name(document: bytes, body: bytes, selector: str, query: bytes) -> None:
    for attempt in (
        lambda: parse_document(document),
        lambda: uri.parse(body, query, ""),
        lambda: uri.parse(b"/a/global/index/~~/" + body, b"", ""),
        lambda: parse_node_selector(selector, {}, None),
        lambda: Conditions.parse(if_match=selector, if_none_match=None),
        lambda: edit.put_node(b"<a b=''/>", parse_node_selector("a/b", {}, None), body),
        lambda: edit.put_node(b"<a b=''/>", parse_node_selector("a/@b", {}, None), body),
        lambda: edit.get_node(document, parse_node_selector("a", {}, None)),
    ):
        try:
            attempt()
        except XcapError:
            continue


@bounded
@given(documents(), st.integers(0), st.binary(min_size=1, max_size=2))
def test_a_damaged_document_is_refused_by_name_or_still_consistent(document: bytes, at: int, damage: bytes) -> None:
    at %= len(document)
    damaged = document[:at] + damage + document[at + len(damage) :]
    try:
        root = scan(damaged)
    except XcapError:
        return
    assert edit.get_node(damaged, parse_node_selector("*", {}, None)).content == damaged[root.start : root.end(damaged)]


@bounded
@given(
    st.text(st.characters(min_codepoint=33, exclude_categories=["Cs", "Cc"]), min_size=1).filter(
        lambda segment: segment not in (".", "..", "~~") and "/" not in segment
    ),
    st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["urn:x", "u(^)", "é", "%25"]), max_size=2),
)
def test_a_path_that_was_made_is_read_the_same(
    name: str, user: str | None, node: str | None, bindings: dict[str, str]
) -> None:
    key = uri.DocumentKey("usage", None if user is None else uri.normal_xui(user), name)
    resource = uri.ResourceUri(key, node, bindings if node else {})
    path, _, query = resource.to_path("/root").encode().partition(b"?")
    assert uri.parse(path, query, "/root") == resource
