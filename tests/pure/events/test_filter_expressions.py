"""The expressions of RFC 4661 §5: what is one, and what it selects."""

from __future__ import annotations

import pytest

from abserver.events.filters.criteria import Namespace
from abserver.events.filters.documents import Document
from abserver.events.filters.errors import BadFilter
from abserver.events.filters.expressions import Path, parse

BINDINGS = {"p": "urn:pidf", "r": "urn:rpid", "xml": "http://www.w3.org/XML/1998/namespace"}
PREFIXES = {uri: prefix for prefix, uri in BINDINGS.items()}

DOCUMENT = Document(
    b"""<presence xmlns="urn:pidf" xmlns:r="urn:rpid" entity="sip:a@b">
    <tuple id="one"><status><basic>open</basic></status><r:class>IM</r:class>
    <note xml:lang="en" r:rank="7">5</note></tuple>
    <tuple id="two"><status><basic>closed</basic></status><r:class>voice</r:class><note>12</note></tuple>
    <other xmlns="">plain</other></presence>"""
)


def selected(text: str) -> list[str]:
    """Short names of what is selected: `basic:open`, `tuple@id=one`."""
    found = []
    for element, attribute in DOCUMENT.select(parse(text, BINDINGS)):
        name = element.tag.rpartition("}")[2]
        if attribute is None:
            found.append(f"{name}:{DOCUMENT.text(element).strip()}" if not len(element) else name)
        else:
            found.append(f"{name}@{attribute.rpartition('}')[2]}={element.attrib[attribute]}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/p:presence", ["presence"]),
        ("/p:presence/p:tuple/p:status/p:basic", ["basic:open", "basic:closed"]),
        ("//p:basic", ["basic:open", "basic:closed"]),
        ("//p:presence", ["presence"]),
        ("//p:tuple//p:basic", ["basic:open", "basic:closed"]),
        ("//*//p:basic", ["basic:open", "basic:closed"]),
        ("/*/p:tuple", ["tuple", "tuple"]),
        ("/*/*/r:class", ["class:IM", "class:voice"]),
        ("/p:tuple", []),
        ("/presence", []),
        ("//other", ["other:plain"]),
        ("//p:other", []),
        ("//p:tuple/@id", ["tuple@id=one", "tuple@id=two"]),
        ("//@id", ["tuple@id=one", "tuple@id=two"]),
        ("//*//@id", ["tuple@id=one", "tuple@id=two"]),
        ("/*//@id", ["tuple@id=one", "tuple@id=two"]),
        ("/@id", []),
        ("//p:tuple/@name", []),
        ("//@r:rank", ["note@rank=7"]),
        ("//@xml:lang", ["note@lang=en"]),
        # conditions
        ('//p:tuple[r:class="IM"]/p:status/p:basic', ["basic:open"]),
        ('//p:tuple[r:class="IM" or r:class="voice"]/p:status', ["status", "status"]),
        ('//p:tuple[p:status/p:basic="closed" and r:class="voice"]/@id', ["tuple@id=two"]),
        ('//p:tuple[p:status/p:basic="closed" and r:class="IM"]/@id', []),
        ('//*[p:basic="open"]', ["status"]),
        ('/p:presence/p:tuple[*/p:basic="open"]/@id', ["tuple@id=one"]),
        ('//p:tuple[p:status//p:basic="open"]/@id', ["tuple@id=one"]),
        ("//p:tuple[p:note>5]/@id", ["tuple@id=two"]),
        ("//p:tuple[p:note<12]/@id", ["tuple@id=one"]),
        ("//p:tuple[p:note=5.0]/@id", ["tuple@id=one"]),
        ('//p:tuple[p:note="5.0"]/@id', []),
        ("//p:tuple[p:note>'5']/@id", ["tuple@id=two"]),
        ("//p:tuple[p:note>-1]/@id", ["tuple@id=one", "tuple@id=two"]),
        ("//p:tuple[p:note>.5]/@id", ["tuple@id=one", "tuple@id=two"]),
        ("//p:tuple[r:class<5]/@id", []),
        ('//p:tuple[@id="two"]/@id', ["tuple@id=two"]),
        ('//p:tuple[p:note/@xml:lang="en"]/@id', ["tuple@id=one"]),
        ('//p:tuple[p:status//@x="en"]/@id', []),
        ('//p:tuple[*//@xml:lang="en"]/@id', ["tuple@id=one"]),
        ('//p:basic[.="open"]', ["basic:open"]),
        ('//p:basic[..="closed"]', ["basic:closed"]),
        ('//p:presence[..=""]', []),
        ('//@id[.="two"]', ["tuple@id=two"]),
        ('//p:note/@r:rank[..="5"]', ["note@rank=7"]),
        ('//@id[x="two"]', []),
        # `and` binds closer than `or`, and both may be names
        ('//p:tuple[@id="x" and @id="y" or @id="two"]/@id', ["tuple@id=two"]),
        ('//p:tuple[@id="two" or @id="x" and @id="y"]/@id', ["tuple@id=two"]),
        ('//and[or="and"]', []),
        # white space between all parts
        (
            ' //  p:tuple [ r:class = "IM"\n or r:class="voice" ] / p:status\n / p:basic ',
            ["basic:open", "basic:closed"],
        ),
    ],
)
def test_an_expression_selects_rfc4661_5(text: str, expected: list[str]) -> None:
    assert selected(text) == expected


def test_the_parent_is_compared_by_all_its_text() -> None:
    document = Document(b"<a><b>1</b><c x='3'>2</c></a>")
    assert [each.tag for each, _ in document.select(parse('//*[..="12"]', {}))] == ["a", "b", "c"]
    assert document.select(parse('//@x[..="3"]', {})) == []


def test_a_namespace_selects_its_elements_with_their_attributes_rfc4661_3_5_3() -> None:
    found = DOCUMENT.select(Namespace("urn:rpid"))
    assert [(each.tag, name) for each, name in found] == [
        ("{urn:rpid}class", None),
        ("{urn:pidf}note", "{urn:rpid}rank"),
        ("{urn:rpid}class", None),
    ]
    pidf = [name for each, name in DOCUMENT.select(Namespace("urn:pidf")) if name is not None]
    assert pidf == ["entity", "id", "id"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "p:presence",
        "/p:presence/",
        "/p:presence//",
        "///p:presence",
        "/.",
        "/p:tuple/..",
        "/p:tuple[1]",
        "/p:tuple[r:class]",
        "/p:tuple[]",
        '/p:tuple["a"="a"]',
        '/p:tuple[r:class="a"',
        '/p:tuple[r:class="a" or]',
        '/p:tuple[r:class="a" xor r:class="b"]',
        '/p:tuple[r:class="a"][r:class="b"]',
        '/p:tuple[r:class!="a"]',
        '/p:tuple[r:class>="a"]',
        '/p:tuple[r:class="a]',
        "/p:tuple[r:class=open]",
        '/p:tuple[r:class[@x="1"]="a"]',
        '/p:tuple[not(r:class="a")]',
        '/p:tuple[../r:class="a"]',
        '/p:tuple[@id/r:class="a"]',
        "/p:tuple/@*",
        "/p:*",
        "/p:tuple/@id/p:x",
        "/p:tuple/text()",
        "/child::p:tuple",
        "/p :tuple",
        "/p:tuple | /p:other",
        "/5",
        "/p:tuple[@id=]",
        "/p:tuple]",
        "/\x00",
    ],
)
def test_what_is_not_of_the_grammar_is_refused_rfc4661_5(text: str) -> None:
    with pytest.raises(BadFilter, match="RFC 4661 section 5"):
        parse(text, BINDINGS)


def test_a_prefix_must_be_bound_rfc4661_3_3() -> None:
    with pytest.raises(BadFilter, match="ns-binding"):
        parse("/q:presence", BINDINGS)


@pytest.mark.parametrize(
    "text",
    [
        "/p:presence/p:tuple/@id",
        "//*//@id",
        """//p:tuple[r:class="IM" and @id='"' or .=-0.5]/p:status[..<5]/*""",
        '//p:tuple[*//r:class/@r:rank="7"]',
        "/plain",
    ],
)
def test_an_expression_is_written_as_it_was_read(text: str) -> None:
    path = parse(text, BINDINGS)
    assert path.text(PREFIXES) == text
    assert parse(path.text(PREFIXES), BINDINGS) == path


def test_its_weight_counts_all_steps_and_comparisons() -> None:
    assert parse("/p:presence/p:tuple", BINDINGS).weight == 2
    assert parse('//p:tuple[r:class="IM" and p:status/p:basic="open"]', BINDINGS).weight == 1 + 3 + 2


def test_a_path_knows_its_namespaces_and_whether_it_is_a_reference() -> None:
    path = parse('/p:presence/plain[r:class="IM"]', BINDINGS)
    assert path.namespaces() == {"urn:pidf", "urn:rpid"}
    assert not path.is_reference
    assert Path(path.steps[:1]).is_reference


def test_the_weight_of_a_document_is_the_sum_of_its_depths() -> None:
    assert Document(b"<a><b><c/></b><d/></a>").weight == 1 + 2 + 3 + 2
