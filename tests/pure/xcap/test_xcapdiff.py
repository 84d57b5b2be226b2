"""XCAP diff documents: what is told of changes, how it is written and read, and what a client makes of it."""

from __future__ import annotations

import pytest
from lxml import etree

from xcap.core import xcapdiff
from xcap.core.patch import Add, Remove, apply_operations, parse, serialize
from xcap.core.selector import parse_node_selector
from xcap.core.xcapdiff import (
    AttributeContent,
    Cache,
    Component,
    DocumentChange,
    ElementContent,
    InvalidXcapDiff,
    Processing,
    Version,
    XcapDiff,
    changes,
    component_changes,
    since,
)
from xcap.core.xml import load_schema

SCHEMA = load_schema("xcap.core", "schemas/xcap-diff.xsd")
ROOT = "http://xcap.example.com/"
ONE, TWO, THREE = (Version(str(number), b"<list>" + b"<entry/>" * number + b"</list>") for number in (1, 2, 3))
LIST = "lists/users/sip:a@example.com/index"
FULL = Processing.XCAP_PATCHING


def written(*entries: DocumentChange | Component) -> bytes:
    content = xcapdiff.write(XcapDiff(ROOT, entries))
    SCHEMA.assertValid(etree.fromstring(content))
    return content


def reread(*entries: DocumentChange | Component) -> tuple[DocumentChange | Component, ...]:
    diff = xcapdiff.read(written(*entries))
    assert diff.root == ROOT
    return diff.entries


def document(inside: str) -> bytes:
    return f'<xcap-diff xmlns="{xcapdiff.NAMESPACE}" xcap-root="{ROOT}">{inside}</xcap-diff>'.encode()


class TestWhatANotifierTells:
    def test_a_document_that_did_not_change_is_not_told_of(self) -> None:
        for processing in Processing:
            assert changes(LIST, [ONE], processing) == []
            assert changes(LIST, [ONE, ONE], processing) == []
            assert changes(LIST, [None, None], processing) == []

    def test_what_is_missing_or_unreadable_is_omitted_until_it_is_there(self) -> None:
        assert changes(LIST, since([], None), FULL) == []
        assert changes(LIST, since([ONE], None), FULL) == [DocumentChange(LIST, None, "1")]

    def test_a_document_that_went_is_told_by_its_last_etag(self) -> None:
        assert changes(LIST, since([], "2"), FULL) == [DocumentChange(LIST, "2", None)]

    def test_without_patching_only_the_etags_at_both_ends_are_told(self) -> None:
        assert changes(LIST, [ONE, TWO, THREE], Processing.NO_PATCHING) == [DocumentChange(LIST, "1", "3")]

    def test_aggregation_makes_one_patch_of_all_versions(self) -> None:
        [change] = changes(LIST, [ONE, TWO, THREE], Processing.AGGREGATE)
        assert (change.previous, change.new) == ("1", "3")
        assert change.operations is not None
        assert len(change.operations) == 1

    def test_xcap_patching_tells_of_each_version_in_order(self) -> None:
        told = changes(LIST, [ONE, TWO, THREE], FULL)
        assert [(change.previous, change.new) for change in told] == [("1", "2"), ("2", "3")]
        assert all(change.operations for change in told)

    def test_a_return_to_an_old_version_is_history_but_no_change(self) -> None:
        there_and_back = [ONE, TWO, ONE]
        assert [(each.previous, each.new) for each in changes(LIST, there_and_back, FULL)] == [("1", "2"), ("2", "1")]
        assert changes(LIST, there_and_back, Processing.AGGREGATE) == []

    def test_a_removal_on_the_way_is_history_too(self) -> None:
        told = changes(LIST, [ONE, None, TWO], FULL)
        assert told == [DocumentChange(LIST, "1", None), DocumentChange(LIST, None, "2")]
        [change] = changes(LIST, [ONE, None, TWO], Processing.AGGREGATE)
        assert (change.previous, change.new) == ("1", "2")
        assert change.operations

    def test_another_way_to_write_the_same_document_changes_only_its_etag(self) -> None:
        plain, other = Version("a", b"<a b='1' c='2'></a>"), Version("b", b'<?xml version="1.0"?>\n<a c="2" b="1" />')
        assert changes(LIST, [plain, other], Processing.AGGREGATE) == [DocumentChange(LIST, "a", "b", ())]
        assert changes(LIST, [plain, other], Processing.NO_PATCHING) == [DocumentChange(LIST, "a", "b")]

    def test_a_version_that_is_kept_no_longer_is_told_of_without_a_patch(self) -> None:
        versions = since([TWO, THREE], "1")
        assert versions == [Version("1", None), THREE]
        assert changes(LIST, versions, FULL) == [DocumentChange(LIST, "1", "3")]
        assert changes(LIST, [ONE, Version("3", None)], FULL) == [DocumentChange(LIST, "1", "3")]

    def test_history_begins_at_the_last_time_that_the_client_s_version_was_there(self) -> None:
        assert since([ONE, TWO, ONE, THREE], "1") == [ONE, THREE]
        assert since([ONE, TWO, THREE], "2") == [TWO, THREE]
        assert since([ONE, TWO, THREE], None) == [None, THREE]


class TestWhatANotifierTellsOfComponents:
    OLD = b'<p:a xmlns:p="urn:p" xmlns:q="urn:q"><p:b c="1"><p:d/>q:x</p:b></p:a>'

    def told(self, node: str, before: bytes | None, after: bytes | None) -> list[Component]:
        selector = parse_node_selector(node, {"p": "urn:p"}, "urn:p")
        return component_changes(f"{LIST}/~~/{node}", selector, before, after)

    def test_a_component_is_shown_when_it_comes_changes_and_goes_only(self) -> None:
        new = self.OLD.replace(b'"1"', b'"2"')
        assert [len(self.told("a/b", *versions)) for versions in [(None, self.OLD), (self.OLD, new)]] == [1, 1]
        assert self.told("a/b", self.OLD, self.OLD) == []
        assert self.told("a/b", self.OLD, self.OLD.replace(b"<p:b c=", b"<p:b  c=")) == []
        for gone in (None, b"<other/>"):
            assert self.told("a/b", self.OLD, gone) == [ElementContent(f"{LIST}/~~/a/b", exists=False)]
            assert self.told("a/b/@c", self.OLD, gone) == [AttributeContent(f"{LIST}/~~/a/b/@c", exists=False)]
        assert self.told("a/b", None, None) == []
        assert self.told("a/e", None, self.OLD) == []
        assert self.told("a/b/@e", None, self.OLD) == []

    def test_what_is_declared_around_an_element_is_declared_around_it_in_the_diff(self) -> None:
        [element] = reread(*self.told("a/b", None, self.OLD))
        assert isinstance(element, ElementContent)
        assert element.content is not None
        assert element.content.declarations == {}
        assert (element.namespaces["p"], element.namespaces["q"]) == ("urn:p", "urn:q")

    def test_an_unprefixed_element_stays_in_the_namespace_that_it_has(self) -> None:
        for declared, uri in ((b' xmlns="urn:p"', "urn:p"), (b"", None)):
            content = b"<a" + declared + b"><b/></a>"
            selector = parse_node_selector("a/b", {}, uri)
            told = component_changes("x", selector, None, content)
            tree = etree.fromstring(written(*told))
            assert tree[0][0].tag == (f"{{{uri}}}b" if uri else "b")

    def test_an_attribute_is_told_by_its_value_not_by_its_spelling(self) -> None:
        [attribute] = self.told("a/b/@c", None, self.OLD.replace(b'"1"', b"'&#49;&lt;'"))
        assert attribute == AttributeContent(f"{LIST}/~~/a/b/@c", value="1<")
        assert reread(attribute) == (attribute,)

    def test_namespace_bindings_are_no_component(self) -> None:
        assert self.told("a/namespace::*", None, self.OLD) == []

    def test_an_element_is_shown_with_the_namespaces_in_scope_even_if_they_are_many(self) -> None:
        declarations = "".join(f' xmlns:n{number}="urn:{number}"' for number in range(120))
        content = f"<a{declarations}><b/></a>".encode()
        [element] = component_changes("x", parse_node_selector("a/b", {}, None), None, content)
        assert reread(element)[0].selector == "x"


class TestTheDocument:
    def test_patches_are_written_so_that_they_mean_the_same(self) -> None:
        """Prefixes and default namespaces of the patch do not mix with those of the diff document."""
        old = b'<a xmlns="urn:d" xmlns:p="urn:p"><b/></a>'
        for new in (
            b'<a xmlns="urn:d" xmlns:p="urn:p"><b/><p:c p:d="1"/></a>',
            b'<a xmlns="urn:d" xmlns:p="urn:p"><b xmlns=""/></a>',
            b"<a/>",
        ):
            told = changes(LIST, [Version("1", old), Version("2", new)], Processing.AGGREGATE)
            [change] = reread(*told)
            assert isinstance(change, DocumentChange)
            assert change.operations
            tree = parse(old)
            apply_operations(tree, change.operations)
            assert canonical(serialize(tree)) == canonical(new)

    def test_each_kind_of_change_is_read_as_it_was_written(self) -> None:
        entries = (
            DocumentChange(LIST, None, "1"),
            DocumentChange(LIST, "1", "2", ()),
            DocumentChange(LIST, "2", "3"),
            DocumentChange(LIST, "3", None),
            ElementContent("a"),
            ElementContent("b", exists=False),
            AttributeContent("c", value=""),
            AttributeContent("d", value=' <"&\n'),
            AttributeContent("e", exists=False),
        )
        assert reread(*entries) == entries

    def test_a_diff_too_large_to_send_still_tells_what_changed(self) -> None:
        told = changes(LIST, [ONE, TWO], Processing.AGGREGATE)
        same = DocumentChange(LIST, "2", "3", ())
        element = component_changes("a", parse_node_selector("list", {}, None), None, ONE.content)
        gone = AttributeContent("c", exists=False)
        short = XcapDiff(ROOT, (*told, same, *element, gone)).without_contents()
        assert short.entries == (DocumentChange(LIST, "1", "2"), same, ElementContent("a"), gone)

    @pytest.mark.parametrize("value", ["true", "1", " 1 "])
    def test_existence_can_be_told(self, value: str) -> None:
        assert xcapdiff.read(document(f'<element sel="a" exists="{value}"/>')).entries == (ElementContent("a"),)

    @pytest.mark.parametrize("value", ["false", "0"])
    def test_what_is_said_to_be_gone_has_no_content(self, value: str) -> None:
        content = f'<element sel="a" exists="{value}"><x/></element><attribute sel="b" exists="{value}">x</attribute>'
        assert xcapdiff.read(document(content)).entries == (ElementContent("a", False), AttributeContent("b", False))

    def test_extensions_are_ignored(self) -> None:
        """RFC 5874 §3."""
        content = (
            '<document xmlns:x="urn:x" sel="a" previous-etag="1" new-etag="2" x:y="z"><x:new/>'
            '<remove x:y="z" sel="*/b"/><x:new/></document>'
            '<document xmlns:x="urn:x" sel="a" new-etag="2"><x:new/></document><new xmlns="urn:x"/>'
        )
        change, other = xcapdiff.read(document(content)).entries
        assert isinstance(change, DocumentChange)
        assert isinstance(change.operations, tuple)
        [operation] = change.operations
        assert isinstance(operation, Remove)
        assert operation.selector == "*/b"
        assert other == DocumentChange("a", None, "2")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"<xcap-diff",
            b"\xff",
            b"<!DOCTYPE a><a/>",
            b"<xcap-diff xcap-root=''/>",
            b'<diff xmlns="urn:ietf:params:xml:ns:xcap-diff" xcap-root="x"/>',
            b'<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff"/>',
            b" " * (xcapdiff.reading.BOUNDS.size + 1),
            document("<a>" * 70 + "</a>" * 70),
            document("<document new-etag='1'/>"),
            document("<document sel='a'/>"),
            document("<document sel='a' new-etag='1'><body-not-changed/></document>"),
            document("<document sel='a' previous-etag='1'><remove sel='*/b'/></document>"),
            document("<document sel='a' previous-etag='1' new-etag='2'><remove/></document>"),
            document("<document sel='a' previous-etag='1' new-etag='2'><move sel='b'/></document>"),
            document(
                "<document sel='a' previous-etag='1' new-etag='2'><body-not-changed/><body-not-changed/></document>"
            ),
            document("<element/>"),
            document("<element sel='a'><x/><x/></element>"),
            document("<element sel='a' exists='maybe'/>"),
            document("<attribute sel='a'><x/></attribute>"),
            document("<attribute>x</attribute>"),
            document("<resource sel='a'/>"),
        ],
    )
    def test_what_is_no_xcap_diff_document_is_refused(self, content: bytes) -> None:
        with pytest.raises(InvalidXcapDiff):
            xcapdiff.read(content)


def canonical(content: bytes) -> bytes:
    return etree.tostring(etree.fromstring(content), method="c14n", with_comments=True)


class TestWhatAClientMakesOfIt:
    def after(self, known: Version | None, *told: DocumentChange) -> Version | None:
        cache = Cache({} if known is None else {LIST: known})
        applied = xcapdiff.apply(XcapDiff(ROOT, told), cache)
        assert not applied.unpatchable
        return applied.cache.documents.get(LIST)

    @pytest.mark.parametrize(
        ("known", "change", "expected"),
        [
            (TWO, DocumentChange(LIST, "2", "3"), Version("3", None)),
            (TWO, DocumentChange(LIST, "2", "3", ()), Version("3", TWO.content)),
            (Version("2", None), DocumentChange(LIST, "2", "3", ()), Version("3", None)),
            (None, DocumentChange(LIST, None, "1"), Version("1", None)),
            (TWO, DocumentChange(LIST, None, "2"), TWO),
            (TWO, DocumentChange(LIST, None, "3"), Version("3", None)),
            (TWO, DocumentChange(LIST, "2", None), None),
            (None, DocumentChange(LIST, "2", None), None),
        ],
    )
    def test_each_line_of_figure_1(
        self, known: Version | None, change: DocumentChange, expected: Version | None
    ) -> None:
        assert self.after(known, change) == expected

    def test_a_patch_makes_the_new_version(self) -> None:
        assert self.after(ONE, *changes(LIST, [ONE, THREE], FULL)) == Version(
            "3", b"<list><entry/><entry/><entry/></list>"
        )

    def test_changes_before_the_client_s_version_are_passed_over(self) -> None:
        """RFC 5875 §4.8: it had fetched a newer version than the notifier knew of."""
        told = changes(LIST, [ONE, TWO, THREE], FULL)
        assert self.after(TWO, *told) == Version("3", b"<list><entry/><entry/><entry/></list>")
        assert self.after(THREE, *told) == THREE

    @pytest.mark.parametrize("known", [Version("2+", b"<list/>"), Version("2+", None), None])
    def test_a_change_of_another_version_than_the_client_s_is_not_made(self, known: Version | None) -> None:
        """RFC 5874 §6: only if the etags match, octet by octet."""
        assert self.after(known, DocumentChange(LIST, "2", "3", (Remove("*/entry"),))) == Version("3", None)

    def test_a_removal_of_another_version_than_the_client_s_leaves_it_to_be_fetched(self) -> None:
        assert self.after(TWO, DocumentChange(LIST, "1", None)) == Version("2", None)

    @pytest.mark.parametrize("content", [b"<list><entry/></list>", b"no document"])
    def test_a_patch_that_does_not_fit_is_reported_and_the_document_to_be_fetched(self, content: bytes) -> None:
        other = "lists/users/sip:a@example.com/other"
        told = (DocumentChange(LIST, "1", "2", (Add("*/nothing", ("x",)),)), DocumentChange(other, None, "1"))
        cache = Cache({LIST: Version("1", content)})
        applied = xcapdiff.apply(XcapDiff(ROOT, told), cache)
        assert applied.unpatchable == {LIST}
        assert applied.cache.documents == {LIST: Version("2", None), other: Version("1", None)}
        assert cache.documents == {LIST: Version("1", content)}

    def test_components_come_change_and_go(self) -> None:
        cache = xcapdiff.apply(XcapDiff(ROOT, (ElementContent("a"), AttributeContent("b", value="1"))), Cache()).cache
        told = (ElementContent("a", exists=False), AttributeContent("b", value="2"), ElementContent("c", exists=False))
        cache = xcapdiff.apply(XcapDiff(ROOT, told), cache).cache
        assert cache.components == {"b": AttributeContent("b", value="2")}
