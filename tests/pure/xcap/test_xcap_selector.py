"""Node selectors, beyond what the RFC 4825 suite and the properties show."""

from __future__ import annotations

import pytest

from xcap.core.errors import BadRequest, UnknownSelector
from xcap.core.selector import MAX_SELECTOR_LENGTH, NodeKind, Step, parse_node_selector


def test_a_selector_is_read_into_steps_with_expanded_names() -> None:
    selector = parse_node_selector("a/p:b[2][@p:c='1']/@d", {"p": "urn:p"}, "urn:d")
    assert selector.kind is NodeKind.ATTRIBUTE
    assert selector.steps == (
        Step("urn:d\x01a", None, None, "a"),
        Step("urn:p\x01b", 2, ("urn:p\x01c", "1"), "p:b[2][@p:c='1']"),
    )
    assert selector.attribute is not None
    assert (selector.attribute.name, selector.attribute.text) == ("d", "d")


def test_the_prefix_xml_is_bound_everywhere() -> None:
    selector = parse_node_selector("a/@xml:lang", {}, None)
    assert selector.attribute is not None
    assert selector.attribute.name == "http://www.w3.org/XML/1998/namespace\x01lang"


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('"a&amp;b"', "a&b"),
        ("'&#x41;&#66;\"'", 'AB"'),
        ('"a/b]["', "a/b]["),
        ('"a\tb"', "a b"),
        ('"\u30a2"', "\u30a2"),
        ('""', ""),
    ],
)
def test_a_value_is_an_att_value_with_its_references_replaced(literal: str, value: str) -> None:
    assert parse_node_selector(f"a[@b={literal}]/c", {}, None).steps[0].attribute == ("b", value)


@pytest.mark.parametrize("text", ["", "/", "a/", "/a", "a//b", "a/@b/"])
def test_an_empty_step_is_a_bad_request(text: str) -> None:
    with pytest.raises((BadRequest, UnknownSelector)):
        parse_node_selector(text, {}, None)


@pytest.mark.parametrize(
    "text",
    [
        "a[@b='<']",
        "a[@b='&']",
        "a[@b='&other;']",
        "a[@b=1]",
        "a[@b]",
        "a['b']",
        "a[-1]",
        "a[\u0661]",
        "a[1][2]",
        "a b",
        "1a",
        "a:b:c",
        "a\n",
        "@a/b",
        "a/@b/c",
        "a/namespace::*/b",
        "a/@*",
        "..",
    ],
)
def test_what_is_outside_the_grammar_is_an_unknown_extension(text: str) -> None:
    with pytest.raises(UnknownSelector):
        parse_node_selector(text, {"a": "urn:a"}, None)


def test_a_selector_is_bounded() -> None:
    with pytest.raises(BadRequest):
        parse_node_selector("a" * (MAX_SELECTOR_LENGTH + 1), {}, None)
    assert parse_node_selector(f"a[{'9' * (MAX_SELECTOR_LENGTH - 3)}]", {}, None).steps[0].position


def test_the_first_steps_can_be_written_as_a_relative_uri() -> None:
    selector = parse_node_selector('p:a[@b="c d"]/x', {"p": "urn:p"}, None)
    assert selector.prefix(1) == "p:a%5B@b=%22c%20d%22%5D?xmlns(p=urn:p)"
    assert selector.prefix(0) is None
