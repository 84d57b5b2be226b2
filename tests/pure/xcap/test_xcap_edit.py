"""Editing nodes: the cases at the edges, each with the bytes that must come out."""

from __future__ import annotations

import pytest

from xcap.core.edit import NodeResult, delete_node, get_node, put_node
from xcap.core.errors import CannotInsert, Conflict, NotFound, NotXmlFragment, SchemaValidationError, TooLarge
from xcap.core.selector import NodeSelector, parse_node_selector
from xcap.core.source import MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH

BINDINGS = {"p": "urn:p", "q": "urn:q"}


def node(text: str, default_namespace: str | None = None) -> NodeSelector:
    return parse_node_selector(text, BINDINGS, default_namespace)


def put(document: bytes, selector: str, body: bytes) -> bytes:
    return put_node(document, node(selector), body)[0]


def test_each_kind_of_node_has_its_media_type() -> None:
    document = b"<a b='1'/>"
    assert get_node(document, node("a")) == NodeResult(document, "application/xcap-el+xml")
    assert get_node(document, node("a/@b")) == NodeResult(b"'1'", "application/xcap-att+xml")
    assert get_node(document, node("a/namespace::*")) == NodeResult(b"<a/>", "application/xcap-ns+xml")


def test_the_prolog_and_what_follows_the_root_survive_its_replacement() -> None:
    document = "\ufeff<?xml version='1.0'?>\r\n<?pi x?><!-- é -->\r\n<a >é</a ><!-- end -->\r\n".encode()
    assert put(document, "a", b"<a/>") == document.replace("<a >é</a >".encode(), b"<a/>")
    assert put(document, "a/b", b"<b/>") == document.replace(b"</a >", b"<b/></a >")


def test_a_root_of_another_name_cannot_be_put_beside_the_root() -> None:
    with pytest.raises(CannotInsert):
        put(b"<a/>", "b", b"<b/>")


def test_the_root_cannot_be_deleted_alone() -> None:
    with pytest.raises(SchemaValidationError):
        delete_node(b"<a/>", node("a"))


@pytest.mark.parametrize(
    ("parent", "opened"),
    [
        (b"<p:x xmlns:p='urn:p'/>", b"<p:x xmlns:p='urn:p'><y/></p:x>"),
        (b"<x a='/>' />", b"<x a='/>' ><y/></x>"),
        (b"<x\n/>", b"<x\n><y/></x>"),
        ("<é/>".encode(), "<é><y/></é>".encode()),
        (b"<x></x>", b"<x><y/></x>"),
        (b"<x>text<!-- c --></x>", b"<x>text<!-- c --><y/></x>"),
    ],
)
def test_a_first_child_opens_an_empty_tag_and_comes_after_text(parent: bytes, opened: bytes) -> None:
    assert put(b"<a>" + parent + b"</a>", "a/*/y", b"<y/>") == b"<a>" + opened + b"</a>"


def test_comments_cdata_and_instructions_with_tags_in_them_mislead_nobody() -> None:
    document = b"<a><!-- <b> --><![CDATA[<b></a>]]><?b <b>?><b>]]&gt;</b></a>"
    assert get_node(document, node("a/b")).content == b"<b>]]&gt;</b>"
    assert put(document, "a/b", b"<b/>") == document.replace(b"<b>]]&gt;</b>", b"<b/>")


def test_white_space_around_a_body_is_dropped() -> None:
    assert put(b"<a/>", "a/b", b"\r\n <b/>\n") == b"<a><b/></a>"
    assert put(b"<a/>", "a/@b", b'"1"\n') == b'<a b="1"/>'


def test_a_fragment_may_use_prefixes_that_its_place_declares() -> None:
    document = b"<a xmlns:p='urn:p'/>"
    assert put(document, "a/p:b", b"<p:b p:c=''/>") == b"<a xmlns:p='urn:p'><p:b p:c=''/></a>"
    with pytest.raises(NotXmlFragment, match="in the document"):
        put(document, "a/q:b", b"<q:b/>")


def test_the_namespace_of_the_place_decides_whether_the_selector_describes_the_fragment() -> None:
    with pytest.raises(CannotInsert):
        put(b"<p:a xmlns:p='urn:p' xmlns='urn:d'/>", "p:a/b", b"<b/>")


def test_a_document_cannot_be_edited_over_its_bounds() -> None:
    deep = b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH
    with pytest.raises(TooLarge, match="within each other"):
        put(deep, "/".join(["a"] * (MAX_DEPTH + 1)), b"<a/>")
    with pytest.raises(TooLarge):
        put(b"<a>" + b" " * (MAX_BYTES - 10) + b"</a>", "a/b", b"<b></b>")
    full = b"<a" + b"".join(b" a%d=''" % number for number in range(MAX_ATTRIBUTES)) + b"/>"
    with pytest.raises(TooLarge, match="attributes"):
        put(full, "a/@b", b"''")


@pytest.mark.parametrize(
    ("document", "result"),
    [
        (b"<a xmlns:p='urn:p'/>", b"<a xmlns:p='urn:p' p:x='1'/>"),
        (b"<a xmlns:r='urn:p'/>", b"<a xmlns:r='urn:p' r:x='1'/>"),
        (b"<a xmlns:p='urn:q' xmlns:r='urn:p'/>", b"<a xmlns:p='urn:q' xmlns:r='urn:p' r:x='1'/>"),
        (b"<a xmlns:r='urn:p' r:x='0'/>", b"<a xmlns:r='urn:p' r:x='1'/>"),
    ],
)
def test_a_prefixed_attribute_is_written_with_a_prefix_of_the_document(document: bytes, result: bytes) -> None:
    assert put(document, "a/@p:x", b"'1'") == result


def test_an_attribute_whose_namespace_has_no_prefix_there_cannot_be_inserted() -> None:
    for document in (b"<a/>", b"<a xmlns:q='urn:q'/>"):
        with pytest.raises(CannotInsert, match="no prefix is declared"):
            put(document, "a/@p:x", b"'1'")
    with pytest.raises(CannotInsert, match="no prefix is declared"):
        put_node(b"<a xmlns='urn:p'/>", node("a/@p:x", "urn:p"), b"'1'")


def test_an_attribute_of_the_xml_namespace_needs_no_declaration() -> None:
    assert put(b"<a/>", "a/@xml:lang", b"'fi'") == b"<a xml:lang='fi'/>"


@pytest.mark.parametrize("document", [b"<a/>", b"<a xmlns=''/>", b"<a xmlns='urn:d'/>"])
@pytest.mark.parametrize("selector", ["a/@xmlns", "*/@xmlns"])
def test_a_namespace_declaration_cannot_be_put_as_an_attribute(document: bytes, selector: str) -> None:
    with pytest.raises(Conflict):
        put(document, selector, b"'urn:p'")


def test_an_equal_value_may_be_written_anew_in_the_attribute_that_selects() -> None:
    assert put(b"<a><b x='1'/></a>", 'a/b[@x="1"]/@x', b'"&#49;"') == b'<a><b x="&#49;"/></a>'


def test_a_missing_attribute_or_element_is_not_found() -> None:
    for selector in ("a/@b", "a/b", "a/b/@c", "b/namespace::*"):
        with pytest.raises(NotFound):
            get_node(b"<a/>", node(selector))
        if "namespace" not in selector:
            with pytest.raises(NotFound):
                delete_node(b"<a/>", node(selector))
