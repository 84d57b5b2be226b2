"""Documents and patches as trees: what is read, what is refused, and what writing gives back."""

from __future__ import annotations

import pytest

from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge, XcapError
from xcap.core.patch.reading import OF_PATCH, parse
from xcap.core.patch.tree import Comment, Document, Element, ProcessingInstruction
from xcap.core.patch.writing import serialize
from xcap.core.source import MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, scan


def test_a_tree_says_what_its_text_says() -> None:
    content = b'<?go now?><a:x xmlns:a="urn:a" xmlns="urn:b" a:k="1" k="2">t<y xmlns=""/><!--c--></a:x><?stop?>'
    assert parse(content) == Document(
        [
            ProcessingInstruction("go", "now"),
            Element(
                "a:x",
                {"a": "urn:a", "": "urn:b"},
                {"a:k": "1", "k": "2"},
                ["t", Element("y", {"": ""}), Comment("c")],
            ),
            ProcessingInstruction("stop", ""),
        ]
    )


def test_cdata_and_references_are_text_and_merge_with_it() -> None:
    assert parse(b"<a>x&lt;<![CDATA[<&]]>&#121;</a>").root.children == ["x<<&y"]


def test_a_long_text_is_one_node() -> None:
    text = "a line\n" * 10_000
    assert parse(f"<a>{text}</a>".encode()).root.children == [text]


def test_no_two_elements_share_their_declarations() -> None:
    root = parse(b"<a><b/></a>").root
    child = root.children[0]
    assert isinstance(child, Element)
    root.declarations["p"] = "urn:p"
    assert child.declarations == {}


def test_a_declaration_of_the_xml_prefix_is_no_difference() -> None:
    """Canonical form never shows it."""
    assert parse(b'<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>') == parse(b"<a/>")


@pytest.mark.parametrize(
    "content",
    [
        b"<a>&lt;&amp;&gt;&#13;\t\n</a>",
        b'<a k="&lt;&amp;>&quot;&#9;&#10;&#13;\'"/>',
        b'<a xmlns:p="urn:&amp;"><p:b/></a>',
        "<a>ü€😀</a>".encode(),
        b'<?xml version="1.0" encoding="UTF-8"?>\n<!--c-->\n<a/>\n<?go?>',
    ],
)
def test_canonical_text_comes_back_byte_for_byte(content: bytes) -> None:
    assert serialize(parse(content)) == content


DOCUMENTS = [
    b"<a/>",
    b"\xef\xbb\xbf<a/>",
    b'<?xml version="1.0" encoding="utf-8"?><a/>',
    b'<?xml version="1.0" encoding="iso-8859-1"?><a/>',
    b'<?xml version="1.0" encoding="utf-16"?><a/>',
    "<a/>".encode("utf-16"),
    b"<a>\xff</a>",
    b"",
    b"<a>",
    b"<a/><b/>",
    b"<a>&nbsp;</a>",
    b"<p:a/>",
    b'<a p:k=""/>',
    b'<a xmlns:p="u" xmlns:q="u" p:k="" q:k=""/>',
    b'<a xmlns:p=""/>',
    b"<!DOCTYPE a><a/>",
    b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
    b'<!DOCTYPE a SYSTEM "http://example.com/a.dtd"><a/>',
    b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH,
    b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
    b"<a " + b" ".join(b'k%d=""' % index for index in range(MAX_ATTRIBUTES)) + b"/>",
    b'<a xmlns="u" ' + b" ".join(b'k%d=""' % index for index in range(MAX_ATTRIBUTES)) + b"/>",
    b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>",
    b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
    b"<a>" + b" " * (MAX_BYTES - 7) + b"</a>",
    b"<a>" + b" " * (MAX_BYTES - 6) + b"</a>",
]


def refusal(read: object, content: bytes) -> type[XcapError] | None:
    assert callable(read)
    try:
        read(content)
    except XcapError as error:
        return type(error)
    return None


@pytest.mark.parametrize("content", DOCUMENTS, ids=lambda content: content[:40])
def test_the_same_documents_pass_as_at_the_gate_of_the_store(content: bytes) -> None:
    """A document that could be PUT can be compared and patched, and no other."""
    assert refusal(parse, content) is refusal(scan, content)


def test_a_fault_has_its_place() -> None:
    with pytest.raises(NotWellFormed) as caught:
        parse(b"<a>\n <b></c></a>")
    assert (caught.value.line, caught.value.column) == (2, 7)
    with pytest.raises(NotWellFormed, match="line 2, column 1"):
        parse(b"\n<!DOCTYPE a><a/>")


def test_other_encodings_are_named_as_such() -> None:
    for content in (b'<?xml version="1.0" encoding="iso-8859-1"?><a/>', b"<a>\xff</a>"):
        with pytest.raises(NotUtf8):
            parse(content)


def test_a_patch_may_hold_the_largest_document() -> None:
    document = b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>"
    deep = b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH
    for content in (document, deep):
        assert parse(b"<p><o>" + content + b"</o></p>", OF_PATCH).root.name == "p"
    with pytest.raises(TooLarge):
        parse(b"<a>" + b" " * OF_PATCH.size + b"</a>", OF_PATCH)
