"""What may be in a document at all, and where its parts are found."""

from __future__ import annotations

import pytest

from xcap.core import source
from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge
from xcap.core.source import (
    ELEMENT_OCTETS,
    MAX_ATTRIBUTES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    attribute_spans,
    attribute_value,
    in_scope,
    scan,
)


def test_the_offsets_count_bytes_from_the_byte_order_mark_on() -> None:
    content = "\ufeff<?xml version='1.0'?><!-- é --><a é='é>'>é<b/></a >\n".encode()
    root = scan(content)
    assert content[root.start : root.end(content)] == "<a é='é>'>é<b/></a >".encode()
    assert content[root.children[0].start : root.children[0].end(content)] == b"<b/>"
    assert root.tag(content) == "<a é='é>'>".encode()


def test_text_that_looks_like_the_end_of_a_tag_is_not_one() -> None:
    content = b"<a>/></a>"
    assert scan(content).end(content) == len(content)


def test_an_attribute_is_found_with_the_space_before_it_and_declarations_are_skipped() -> None:
    content = b"""<p:a xmlns:p='urn:p' xmlns="urn:d"\n x = "1"  p:y='>' xml:lang="fi"/>"""
    spans = list(attribute_spans(content, [scan(content)]))
    assert [(span.name, content[span.start : span.end], content[span.value : span.end]) for span in spans] == [
        ("x", b'\n x = "1"', b'"1"'),
        ("urn:p\x01y", b"  p:y='>'", b"'>'"),
        ("http://www.w3.org/XML/1998/namespace\x01lang", b' xml:lang="fi"', b'"fi"'),
    ]


def test_the_innermost_declaration_is_in_scope() -> None:
    root = scan(b"<a xmlns='urn:1' xmlns:p='urn:2'><b xmlns='' xmlns:p='urn:3'/></a>")
    assert in_scope([root]) == {None: "urn:1", "p": "urn:2"}
    assert in_scope([root, root.children[0]]) == {"p": "urn:3"}


@pytest.mark.parametrize(
    "doctype",
    [
        b"<!DOCTYPE a>",
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>",
        b"<!DOCTYPE a [<!ENTITY x 'y'>]>",
        b"<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://127.0.0.1/'> %x;]>",
    ],
)
def test_a_document_type_declaration_is_refused(doctype: bytes) -> None:
    with pytest.raises(NotWellFormed, match="document type") as caught:
        scan(b"<?xml version='1.0'?>\n " + doctype + b"<a>&x;</a>")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [(b"<a>\n  <b></c></a>", 2, 8), (b"<a>&x;</a>", 1, 4), (b"", 1, 1), (b"<a><p:b/></a>", 1, 4)],
)
def test_a_fault_is_told_with_its_place(content: bytes, line: int, column: int) -> None:
    with pytest.raises(NotWellFormed) as caught:
        scan(content)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.phrase.startswith(f"line {line}, column {column}: ")


@pytest.mark.parametrize("declared", ["iso-8859-1", "us-ascii", "utf-16", "x-unknown"])
def test_a_document_that_calls_itself_other_than_utf_8_is_refused(declared: str) -> None:
    with pytest.raises(NotUtf8):
        scan(f"<?xml version='1.0' encoding='{declared}'?><a/>".encode())


def test_utf_8_may_be_declared_in_any_case() -> None:
    assert scan(b"<?xml version='1.0' encoding='Utf-8'?><a/>").name == "a"


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


def test_depth_is_bounded() -> None:
    scan(nested(MAX_DEPTH))
    with pytest.raises(TooLarge, match=f"more than {MAX_DEPTH} elements within"):
        scan(nested(MAX_DEPTH + 1))


def test_attributes_and_declarations_are_bounded_together() -> None:
    attributes = "".join(f" a{number}=''" for number in range(MAX_ATTRIBUTES - 1))
    scan(f"<a xmlns:p='urn:p'{attributes}/>".encode())
    with pytest.raises(TooLarge, match=f"more than {MAX_ATTRIBUTES} attributes"):
        scan(f"<a xmlns:p='urn:p' b=''{attributes}/>".encode())


def test_the_number_of_elements_is_bounded() -> None:
    with pytest.raises(TooLarge, match=f"more than {MAX_ELEMENTS} elements"):
        scan(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>")


def test_the_size_is_bounded() -> None:
    scan(b"<a>" + b" " * (MAX_BYTES - 7) + b"</a>")
    with pytest.raises(TooLarge) as caught:
        scan(b"<a>" + b" " * (MAX_BYTES - 6) + b"</a>")
    assert caught.value.limit == MAX_BYTES


def test_a_tag_full_of_white_space_takes_no_longer_than_its_length() -> None:
    """A search that began anew at each space would need 10^11 steps here, and the test run would not end."""
    content = b"<a b='1'" + b" " * (MAX_BYTES - 10) + b"/>"
    assert [span.name for span in attribute_spans(content, [scan(content)])] == ["b"]


def test_a_quoted_value_is_read_as_xml_reads_it() -> None:
    assert attribute_value(b"' a&#10;\n&lt;\"'") == ' a\n <"'


@pytest.mark.parametrize(
    "literal",
    [b"", b"a", b" 'a'", b"'a' ", b"'a' b='c'", b"'a'/><a b='c'", b"'a'></_><!--", b"'a'><b/></_><b c='d'", b"'\x00'"],
)
def test_what_is_not_one_quoted_value_is_refused(literal: bytes) -> None:
    with pytest.raises(NotWellFormed):
        attribute_value(literal)


class TestRemembering:
    """The elements are a function of the bytes, so the last documents need not be scanned again."""

    @pytest.fixture(autouse=True)
    def _little_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(source, "_remembered", source._Remembered(3 * (ELEMENT_OCTETS + len(b"<a/>"))))

    def test_equal_bytes_have_the_same_elements(self) -> None:
        assert scan(b"<a/>") is scan(bytes(bytearray(b"<a/>")))

    def test_those_of_the_documents_used_last_are_kept_while_there_is_room(self) -> None:
        first, second, _ = (scan(content) for content in (b"<a/>", b"<b/>", b"<c/>"))
        assert scan(b"<a/>") is first
        scan(b"<d/>")
        assert scan(b"<a/>") is first
        assert scan(b"<b/>") is not second

    def test_a_document_that_takes_all_the_room_is_scanned_all_the_same(self) -> None:
        small = scan(b"<a/>")
        large = scan(b"<a><b/><c/></a>")
        assert [child.name for child in large.children] == ["b", "c"]
        assert scan(b"<a><b/><c/></a>") is not large
        assert scan(b"<a/>") is not small

    def test_a_fragment_is_no_document(self) -> None:
        scan(b"<p:a/>", namespaces=False)
        with pytest.raises(NotWellFormed):
            scan(b"<p:a/>")
