"""What a subscriber to `xcap-diff` is told, from one state of the resources to the next, by a client that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.events.xcap_diff.resources import MOST_SHOWN, Resources, resources, shown
from abserver.events.xcap_diff.selections import Component
from abserver.events.xcap_diff.telling import LARGEST, Telling, document
from xcap.core.etag import etag_of
from xcap.core.selector import parse_node_selector
from xcap.core.xcapdiff import (
    AttributeContent,
    Cache,
    DocumentChange,
    ElementContent,
    Processing,
    Version,
    apply,
    read,
)
from xcap.ports import DocumentKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = "http://xcap.example.com/root/"
KEY = DocumentKey("tests", "sip:joe@example.com", "index")


def component(uri: str, node: str) -> Component:
    return Component(uri, KEY, parse_node_selector(node, {}, None))


ELEMENT, ATTRIBUTE = component("index/~~/doc/foo", "doc/foo"), component("index/~~/doc/@id", "doc/@id")


def there(documents: Mapping[str, bytes], content: bytes | None = None) -> Resources:
    """The state with these documents, and the two components of a document with this content."""
    found = [seen for each in (ELEMENT, ATTRIBUTE) if (seen := shown(each, content))]
    return resources("name", {each: etag_of(text) for each, text in documents.items()}, found)


def told(telling: Telling, now: Resources, processing: Processing = Processing.NO_PATCHING) -> list[object]:
    return [*telling.entries(now, {}, processing)]


# -- the state ------------------------------------------------------------------------------------------------------


def test_the_tag_names_what_is_selected_and_what_is_there() -> None:
    base = there({"a": b"1", "b": b"2"}, b'<doc id="1"><foo/></doc>')
    assert base.tag == there({"b": b"2", "a": b"1"}, b'<doc id="1"><foo/><else/></doc>').tag
    others = [
        there({"a": b"1"}, b'<doc id="1"><foo/></doc>'),
        there({"a": b"1", "b": b"3"}, b'<doc id="1"><foo/></doc>'),
        there({"a": b"1", "b": b"2"}, b'<doc id="2"><foo/></doc>'),
        there({"a": b"1", "b": b"2"}, b'<doc id="1"><foo>1</foo></doc>'),
        there({"a": b"1", "b": b"2"}),
        resources("another", base.documents, base.components.values()),
    ]
    assert len({base.tag, *(each.tag for each in others)}) == len(others) + 1


def test_components_that_do_not_exist_are_not_there() -> None:
    assert shown(ELEMENT, None) is None
    assert shown(ELEMENT, b"<doc/>") is None
    assert shown(ATTRIBUTE, b"<doc/>") is None


def test_rfc5875_4_7_elements_beyond_a_bound_are_told_of_without_their_content() -> None:
    """ "the notifier MAY discard the <element> element content. The existence of elements is then indicated with an
    empty <element> element"."""
    large = b"<doc><foo>" + b"x" * MOST_SHOWN + b"</foo></doc>"
    larger = b"<doc><foo>" + b"x" * MOST_SHOWN + b"y</foo></doc>"
    before, after = there({}, large), there({}, larger)
    [found] = before.components.values()
    assert found.content == ElementContent(ELEMENT.selector)
    assert before.tag != after.tag, "a change of what is not shown is a change"
    telling = Telling(before)
    assert told(telling, after) == [ElementContent(ELEMENT.selector)]
    many = resources(
        "",
        {},
        [seen for n in range(9) if (seen := shown(component(f"{n}", "doc/foo"), large[:9_000] + b"</foo></doc>"))],
    )
    assert [
        bool(each.content.content) for each in many.components.values() if isinstance(each.content, ElementContent)
    ] == [True] * 3 + [False] * 6


def test_an_attribute_is_shown_whatever_its_size() -> None:
    long = b'<doc id="' + b"x" * (MOST_SHOWN + 1) + b'"/>'
    [found] = there({}, long).components.values()
    assert isinstance(found.content, AttributeContent)
    assert len(found.content.value) > MOST_SHOWN
    assert found.unshown() is found


# -- the first and the following ------------------------------------------------------------------------------------


def test_rfc5875_4_7_the_first_tells_of_all_documents_and_shows_all_components() -> None:
    """ "the first NOTIFY, which contains URI references to all subscribed, existing documents [...] and typically XCAP
    component(s) of existing content"."""
    now = there({"a": b"1", "b": b"2"}, b'<doc id="7"><foo>bar</foo></doc>')
    entries = told(Telling(), now)
    assert entries[:2] == [DocumentChange("a", None, etag_of(b"1")), DocumentChange("b", None, etag_of(b"2"))]
    assert [type(each) for each in entries[2:]] == [ElementContent, AttributeContent]


def test_what_follows_tells_of_what_changed_and_of_nothing_else() -> None:
    telling = Telling(there({"a": b"1", "b": b"2", "c": b"3"}, b'<doc id="7"><foo>bar</foo></doc>'))
    now = there({"a": b"1", "b": b"4", "d": b"5"}, b'<doc id="8"><foo>bar</foo></doc>')
    assert told(telling, now) == [
        DocumentChange("b", etag_of(b"2"), etag_of(b"4")),
        DocumentChange("d", None, etag_of(b"5")),
        AttributeContent(ATTRIBUTE.selector, value="8"),
        DocumentChange("c", etag_of(b"3"), None),
    ]


def test_rfc5875_4_7_what_was_told_to_exist_is_told_to_be_gone() -> None:
    """ "After the notifier has reported the existence of an XCAP component, it MUST also report its removal
    consistently." """
    telling = Telling(there({"a": b"1"}, b'<doc id="7"><foo/></doc>'))
    assert told(telling, there({})) == [
        DocumentChange("a", etag_of(b"1"), None),
        ElementContent(ELEMENT.selector, exists=False),
        AttributeContent(ATTRIBUTE.selector, exists=False),
    ]


def test_rfc5875_4_7_only_the_latest_state_of_a_component_is_told() -> None:
    """ "Even with rapidly changing resources, the notifier MUST signal only the latest state"."""
    telling = Telling(there({}, b"<doc><foo>1</foo></doc>"))
    entries = told(telling, there({}, b"<doc><foo>3</foo></doc>"))
    assert len(entries) == 1
    assert isinstance(entries[0], ElementContent)
    assert entries[0].content is not None
    assert entries[0].content.children == ["3"]


def test_rfc5875_4_7_after_a_subscribe_all_is_told_again_whatever_is_on_its_way() -> None:
    """ "When the notifier receives a re-subscription, it MUST re-send the current full XML diff content"."""
    first, second = there({"a": b"1", "b": b"2"}), there({"a": b"1"})
    telling = Telling(first)
    telling.sent(second)
    telling.start_over()
    assert telling.last is None
    telling.acknowledged(second)
    assert telling.last is None
    assert told(telling, second) == [DocumentChange("a", None, etag_of(b"1"))]
    assert telling.last == second


def test_a_difference_starts_from_what_was_acknowledged() -> None:
    telling = Telling()
    first, second = there({"a": b"1"}), there({"a": b"2"})
    told(telling, first)
    telling.acknowledged(first)
    assert telling.last is first
    assert told(telling, second) == [DocumentChange("a", etag_of(b"1"), etag_of(b"2"))]


@pytest.mark.parametrize("held", [there({"a": b"1", "x": b"x"}), None])
def test_after_a_failure_all_is_told_again_with_what_may_have_been_told_and_is_gone(held: Resources | None) -> None:
    telling = Telling(held)
    told(telling, there({"a": b"1", "b": b"2"}, b"<doc><foo/></doc>"))
    entries = told(telling, there({"a": b"3"}))
    assert entries[0] == DocumentChange("a", None, etag_of(b"3"))
    left = [] if held is None else [DocumentChange("x", etag_of(b"x"), None)]
    assert entries[1:] == [
        *left,
        DocumentChange("b", etag_of(b"2"), None),
        ElementContent(ELEMENT.selector, exists=False),
    ]


# -- modes ----------------------------------------------------------------------------------------------------------

A, B, C = (b"<a>1</a>", b"<a>2</a>", b"<a>3</a>")
HISTORY = {"a": [Version(etag_of(each), each) for each in (A, B, C)]}


@pytest.mark.parametrize(
    ("processing", "chain"),
    [
        (Processing.NO_PATCHING, [(A, C, False)]),
        (Processing.XCAP_PATCHING, [(A, B, True), (B, C, True)]),
        (Processing.AGGREGATE, [(A, C, True)]),
    ],
)
def test_rfc5875_4_3_each_mode_tells_what_it_says(
    processing: Processing, chain: Sequence[tuple[bytes, bytes, bool]]
) -> None:
    """The note of §4.3: versions "a", "b" and "c"."""
    entries = Telling(there({"a": A})).entries(there({"a": C}), HISTORY, processing)
    found = [
        (each.previous, each.new, each.operations is not None) for each in entries if isinstance(each, DocumentChange)
    ]
    assert found == [(etag_of(before), etag_of(after), patched) for before, after, patched in chain]


def test_rfc5875_4_7_of_a_document_without_known_versions_only_the_change_is_told() -> None:
    """ "if the notifier has to temporarily disable diff generation"."""
    for processing in Processing:
        [entry] = Telling(there({"a": A})).entries(there({"a": C}), {}, processing)
        assert entry == DocumentChange("a", etag_of(A), etag_of(C))


def test_rfc5875_4_7_what_would_be_impractically_large_goes_without_contents() -> None:
    small = document(ROOT, [DocumentChange("a", "1", "2", ())])
    assert b"body-not-changed" in small
    texts = [b"<a>" + fill * LARGEST + b"</a>" for fill in (b"x", b"y")]
    versions = {"a": [Version(etag_of(each), each) for each in texts]}
    telling = Telling(there({"a": texts[0]}, b"<doc/>"))
    entries = telling.entries(there({"a": texts[1]}, b"<doc><foo/></doc>"), versions, Processing.AGGREGATE)
    content = document(ROOT, entries)
    assert len(content) < 1_000
    diff = read(content)
    assert diff.root == ROOT
    assert diff.entries == (
        DocumentChange("a", etag_of(texts[0]), etag_of(texts[1])),
        ElementContent(
            ELEMENT.selector,
            namespaces=diff.entries[1].namespaces if isinstance(diff.entries[1], ElementContent) else {},
        ),
    )


# -- a client that follows ------------------------------------------------------------------------------------------

CONTENTS = st.sampled_from([None, A, B, C, b"<a><b/></a>", b'<a x="1"/>'])
STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), CONTENTS),
        st.sampled_from(["", "<foo/>", "<foo>1</foo>"]),
        st.sampled_from(["taken", "lost", "taken but not acknowledged", "subscribe"]),
    ),
    max_size=12,
)


class Documents:
    """The documents of a server, their versions, and a client's copies."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Version]] = {}
        self.inner = ""
        self.cache = Cache()

    def now(self) -> Resources:
        content = f'<doc id="1">{self.inner}</doc>'.encode() if self.inner else None
        return there({each: versions[-1].content or b"" for each, versions in self.versions.items()}, content)

    def put(self, name: str, content: bytes | None) -> None:
        if content is None:
            self.versions.pop(name, None)
        elif name not in self.versions or self.versions[name][-1].content != content:
            self.versions.setdefault(name, []).append(Version(etag_of(content), content))

    def histories(self, since: Resources | None) -> dict[str, Sequence[Version]]:
        found: dict[str, Sequence[Version]] = {}
        for name, versions in self.versions.items():
            etag = since.documents.get(name) if since else None
            places = [n for n, version in enumerate(versions) if version.etag == etag]
            if places:
                found[name] = versions[places[-1] :]
        return found

    def fetch(self) -> None:
        """GET what is not at hand."""
        got = {
            name: self.versions[name][-1] if version.content is None and name in self.versions else version
            for name, version in self.cache.documents.items()
        }
        self.cache = Cache(got, self.cache.components)


@given(STEPS, st.sampled_from(Processing))
@settings(max_examples=150, deadline=None)
def test_a_client_has_what_the_server_has_whatever_was_lost(
    steps: list[tuple[dict[str, bytes | None], str, str]], processing: Processing
) -> None:
    server, telling = Documents(), Telling()
    for edits, inner, fate in [*steps, ({}, "", "taken")]:
        for name, content in edits.items():
            server.put(name, content)
        server.inner = inner
        if fate == "subscribe":
            telling.start_over()
            server.cache = Cache()
        now = server.now()
        diff = read(document(ROOT, telling.entries(now, server.histories(telling.last), processing)))
        if fate != "lost":
            server.cache = apply(diff, server.cache).cache
        if fate in ("taken", "subscribe"):
            telling.acknowledged(now)
            server.fetch()
            assert {name: version.content for name, version in server.cache.documents.items()} == {
                name: versions[-1].content for name, versions in server.versions.items()
            }
            assert server.cache.components.keys() == now.components.keys()
