"""Reading XML safely and writing it in one form."""

from __future__ import annotations

import pytest

from abserver.domain.trees import DEEPEST, InvalidDocument, attribute, canonical, parse, split


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b"\xef\xbb\xbf<?xml version='1.0'?> <!-- <a> --> <?pi?>\n<!DOCTYPE a><a/>",
    ],
)
def test_a_document_type_declaration_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidDocument, match="document type"):
        parse(content)


def test_the_words_of_a_declaration_are_text_elsewhere() -> None:
    assert parse(b"<a><![CDATA[<!DOCTYPE b>]]></a>").text == "<!DOCTYPE b>"


@pytest.mark.parametrize(
    "content", [b"", b"<a>", b"<a>secret</b>", "<a>ä</a>".encode("latin-1"), b"<a>&x;</a>", b"<p:a/>"]
)
def test_what_is_not_well_formed_is_refused_with_its_place_and_without_its_content(content: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"line 1, column \d+$") as refusal:
        parse(content)
    assert "secret" not in str(refusal.value)


def test_a_declared_encoding_does_not_count() -> None:
    assert parse('<?xml version="1.0" encoding="ISO-8859-1"?><a>ä</a>'.encode()).text == "ä"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('<p:a xmlns:p="urn:x"><p:b/></p:a>', '<a xmlns="urn:x"><b></b></a>'),
        ('<a c="1" b="2"/>', "<a  b='2' c='1' ></a>"),
        ("<a><!-- hidden --><b>x</b>\n <?pi?> </a>", "<a><b>x</b></a>"),
        ("<a><![CDATA[<&>]]></a>", "<a>&lt;&amp;&#62;</a>"),
        ("<a>x<!-- y -->z</a>", "<a>xz</a>"),
        ('<a xmlns:p="urn:x" p:b="1"/>', '<a xmlns:q="urn:x" q:b="1" xmlns:r="urn:unused"/>'),
        ('<p:a xmlns:p="urn:x"><b/></p:a>', '<a xmlns="urn:x"><b xmlns=""/></a>'),
    ],
)
def test_documents_with_the_same_content_have_one_canonical_form(one: str, other: str) -> None:
    assert canonical(parse(one.encode())) == canonical(parse(other.encode()))


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("<a> x </a>", "<a> x </a>"),
        ("<a><b> </b></a>", "<a><b> </b></a>"),
        ("<a>one <b>two</b> <i>three</i></a>", "<a>one <b>two</b> <i>three</i></a>"),
        ("<a><b>two</b> <i/> three &amp; four</a>", "<a><b>two</b> <i/> three &amp; four</a>"),
        ("<a>&#13;&lt;</a>", "<a>&#13;&lt;</a>"),
        ('<a b="&#9;&#10;&#13;&quot;&lt;\'"/>', '<a b="&#9;&#10;&#13;&quot;&lt;\'"/>'),
        ('<a xml:lang="de"/>', '<a xml:lang="de"/>'),
        ('<a xmlns:x="urn:x" x:b="1" b="2"/>', '<a b="2" xmlns:a1="urn:x" a1:b="1"/>'),
        ('<a xmlns="urn:&quot;x&quot;"/>', '<a xmlns="urn:&quot;x&quot;"/>'),
    ],
)
def test_canonical_form_keeps_what_a_reader_sees(source: str, written: str) -> None:
    assert canonical(parse(source.encode())) == written
    assert canonical(parse(written.encode())) == written


def test_an_element_in_the_default_namespace_declares_nothing() -> None:
    assert canonical(parse(b'<a xmlns="urn:x"><b/></a>'), "urn:x") == "<a><b/></a>"


def test_nesting_has_a_bound() -> None:
    deepest = "<a>" * (DEEPEST + 1) + "</a>" * (DEEPEST + 1)
    assert canonical(parse(deepest.encode())).count("<a") == DEEPEST + 1
    with pytest.raises(InvalidDocument, match="nested deeper"):
        canonical(parse(f"<a>{deepest}</a>".encode()))


def test_names_fall_apart_into_namespace_and_local_name() -> None:
    assert split("{urn:x}a") == ("urn:x", "a")
    assert split("a") == ("", "a")


def test_attribute_values_stand_between_double_quotes() -> None:
    assert attribute('a"b<c') == "a&quot;b&lt;c"
