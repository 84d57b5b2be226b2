"""The selectors of XML patches: the grammar of RFC 7351 Appendix B, and what it refuses."""

from __future__ import annotations

import pytest

from xcap.core.patch.errors import InvalidAttributeValue, InvalidNamespacePrefix, PatchError
from xcap.core.patch.selector import (
    MAX_LENGTH,
    AttributeIs,
    AttributeStep,
    ChildIs,
    CommentStep,
    ElementStep,
    InstructionStep,
    NamespaceStep,
    PositionIs,
    SelfIs,
    TextStep,
    parse_selector,
    parse_type,
)

SCOPE = {"": "urn:default", "a": "urn:a"}


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("*", ElementStep(None)),
        ("bar", ElementStep(("urn:default", "bar"))),
        ("a:bar", ElementStep(("urn:a", "bar"))),
        ("text", ElementStep(("urn:default", "text"))),
        ("id", ElementStep(("urn:default", "id"))),
        ("*[2]", ElementStep(None, (PositionIs(2),))),
        ("*[@id='x']", ElementStep(None, (AttributeIs(("", "id"), "x"),))),
        ('*[@a:id="it\'s"]', ElementStep(None, (AttributeIs(("urn:a", "id"), "it's"),))),
        ("*[@xml:id='x']", ElementStep(None, (AttributeIs(("http://www.w3.org/XML/1998/namespace", "id"), "x"),))),
        ("*[bar='a]b']", ElementStep(None, (ChildIs(("urn:default", "bar"), "a]b"),))),
        ("*[.='']", ElementStep(None, (SelfIs(""),))),
        ("*[.='x'][3]", ElementStep(None, (SelfIs("x"), PositionIs(3)))),
        ("text()", TextStep()),
        ("text()[2]", TextStep(2)),
        ("comment()[1]", CommentStep(1)),
        ("processing-instruction()", InstructionStep()),
        ("processing-instruction('go')[2]", InstructionStep("go", 2)),
        ('processing-instruction("go")', InstructionStep("go")),
        ("@id", AttributeStep(("", "id"), "id")),
        ("@a:id", AttributeStep(("urn:a", "id"), "a:id")),
        ("namespace::a", NamespaceStep("a")),
    ],
)
def test_a_last_step_means_what_the_grammar_says(text: str, step: object) -> None:
    for before, count in (("", 0), ("/", 0), ("*/", 1), (" * / ", 1)):
        selector = parse_selector(before + text, SCOPE)
        assert selector.id is None
        assert selector.steps == (ElementStep(None),) * count + (step,)


@pytest.mark.parametrize("text", ["id('x')", 'id("x")', "/id( 'x' )"])
def test_id_stands_at_the_start(text: str) -> None:
    assert parse_selector(text, SCOPE).id == "x"
    assert parse_selector(f"{text}/*/@a", SCOPE).steps == (ElementStep(None), AttributeStep(("", "a"), "a"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//*",
        "*//*",
        "*/",
        "..",
        ".",
        "*/..",
        "*[",
        "*[]",
        "*[-1]",
        "*[last()]",
        "*[1234567890]",
        "*[@id]",
        "*[@id=x]",
        "*[@id='x]",
        "*[@id!='x']",
        "*['x'=.]",
        "*[text()='x']",
        "*|*",
        "* *",
        "1a",
        ":a",
        "a:",
        "a:*",
        "@*",
        "text()/*",
        "@id/*",
        "namespace::a/*",
        "comment()/text()",
        "text()['x']",
        "comment('x')",
        "processing-instruction(go)",
        "namespace::*",
        "child::*",
        "descendant::a",
        "count(*)",
        "id()",
        "id('x')id('y')",
        "*/id('x')",
        "id('x y')",
        "namespace-uri()",
        "*[local-name()='x']",
    ],
)
def test_what_the_grammar_does_not_have_is_an_invalid_attribute_value(text: str) -> None:
    with pytest.raises(InvalidAttributeValue):
        parse_selector(text, SCOPE)


@pytest.mark.parametrize("text", ["b:x", "*[@b:x='1']", "*[b:x='1']", "*/@b:x"])
def test_a_prefix_without_declaration_is_an_invalid_namespace_prefix(text: str) -> None:
    """§5.1: "within the 'sel' attribute a prefix was used but its declaration is missing"."""
    with pytest.raises(InvalidNamespacePrefix):
        parse_selector(text, SCOPE)


def test_an_unprefixed_name_is_in_no_namespace_without_a_default() -> None:
    assert parse_selector("bar", {}).steps == (ElementStep(("", "bar")),)


def test_a_selector_has_a_bound() -> None:
    text = "*[.='{}']"
    fitting = text.format("x" * (MAX_LENGTH - len(text) + 2))
    assert parse_selector(fitting, {}).steps
    with pytest.raises(InvalidAttributeValue, match=str(MAX_LENGTH)):
        parse_selector(fitting + " ", {})


@pytest.mark.parametrize("text", ["*[" * 4000, "*[.='" * 1600, "a" * 8000 + "(", " " * 8000 + "x(", "[" * 8000])
def test_hostile_selectors_fail_without_backtracking(text: str) -> None:
    with pytest.raises(InvalidAttributeValue):
        parse_selector(text, {})


def test_a_type_names_an_attribute_or_a_namespace() -> None:
    assert parse_type("@user", SCOPE) == AttributeStep(("", "user"), "user")
    assert parse_type("namespace::pref", SCOPE) == NamespaceStep("pref")


@pytest.mark.parametrize(
    "text", ["", "user", "*", "@user ", "@", "@xmlns", "@xmlns:a", "namespace::", "@a/@b", "text()"]
)
def test_another_type_is_invalid(text: str) -> None:
    with pytest.raises(PatchError) as caught:
        parse_type(text, SCOPE)
    assert caught.value.condition in ("invalid-attribute-value", "invalid-namespace-prefix")


def test_a_message_holds_nothing_of_the_selector() -> None:
    with pytest.raises(InvalidAttributeValue) as caught:
        parse_selector("*[.='secret']!", {})
    assert "secret" not in str(caught.value)
