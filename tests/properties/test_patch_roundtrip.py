"""`apply(diff(a, b), a)` is `b` in canonical form with comments, over all that a document can hold (RFC 5261 §3)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from xcap.core import patch
from xcap.core.patch.tree import Comment, Document, Element, ProcessingInstruction

if TYPE_CHECKING:
    from xcap.core.patch.tree import Node

URIS = ["urn:one", "urn:two", "urn:three"]
PREFIXES = ["", "p", "q", "a"]
TEXTS = ["\n  ", " ", "x", "yy", "tel:+1", "<&>\"'", "ü\r\n\t"]


def canonical(content: bytes) -> bytes:
    """Canonical XML 1.0 with comments: the equality of RFC 5261 §3, by libxml2."""
    return etree.tostring(etree.fromstring(content).getroottree(), method="c14n", with_comments=True)


@st.composite
def elements(draw: st.DrawFn, scope: dict[str, str] | None = None, depth: int = 0) -> Element:
    """An element whose names are all bound, with declarations that repeat, hide or end outer ones."""
    outer = {"": ""} if scope is None else scope
    declarations = draw(st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from(URIS), max_size=2))
    if outer[""] and draw(st.integers(0, 9)) == 0:
        declarations[""] = ""
    within = {**outer, **declarations}
    prefix = draw(st.sampled_from(sorted(within)))
    names = [f"{one}:{local}" if one else local for one in within for local in ("id", "k")]
    attributes = draw(st.dictionaries(st.sampled_from([*names, "xml:lang"]), st.sampled_from(["", *TEXTS]), max_size=3))
    local = draw(st.sampled_from(["e", "f", "tel"]))
    element = Element(f"{prefix}:{local}" if prefix else local, declarations, _without_twins(attributes, within))
    if depth < 4:
        element.children = merged(draw(st.lists(nodes(within, depth + 1), max_size=5)))
    return element


def nodes(scope: dict[str, str], depth: int) -> st.SearchStrategy[Node]:
    return st.one_of(elements(scope, depth), st.sampled_from(TEXTS), elements(scope, depth), others())


def others() -> st.SearchStrategy[Comment | ProcessingInstruction]:
    return st.one_of(
        st.builds(Comment, st.sampled_from(["", " a comment ", "c"])),
        st.builds(ProcessingInstruction, st.sampled_from(["go", "stop"]), st.sampled_from(["", "now"])),
    )


def _without_twins(attributes: dict[str, str], scope: dict[str, str]) -> dict[str, str]:
    """No two attributes of one expanded name."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for name, value in attributes.items():
        prefix, _, local = name.rpartition(":")
        seen.setdefault((scope.get(prefix, "") if prefix else "", local), (name, value))
    return dict(seen.values())


def merged(children: list[Node]) -> list[Node]:
    """With neighbouring texts as the one text node that they are."""
    result: list[Node] = []
    for child in children:
        if isinstance(child, str) and result and isinstance(result[-1], str):
            result[-1] += child
        else:
            result.append(child)
    return result


@st.composite
def documents(draw: st.DrawFn) -> Document:
    around = st.lists(others(), max_size=2)
    return Document([*draw(around), draw(elements()), *draw(around)], declared=draw(st.booleans()))


def scrambled(element: Element, chance: random.Random) -> Element:
    """A copy with some edits: content that moves, comes again, goes, or changes; names stay bound."""
    children: list[Node] = [
        scrambled(child, chance) if isinstance(child, Element) else child for child in element.children
    ]
    attributes = {name: value for name, value in element.attributes.items() if chance.random() > 0.1}
    if children and chance.random() < 0.4:
        match chance.randrange(5):
            case 0:
                chance.shuffle(children)
            case 1:
                children.insert(chance.randrange(len(children)), chance.choice(children))
            case 2:
                del children[chance.randrange(len(children))]
            case 3:
                children.insert(chance.randrange(len(children) + 1), chance.choice(TEXTS))
            case _:
                children.append(Comment("new"))
    if attributes and chance.random() < 0.2:
        attributes[chance.choice(list(attributes))] = chance.choice(["", "changed"])
    return Element(element.name, dict(element.declarations), attributes, merged(children))


@settings(max_examples=150, deadline=None)
@given(documents(), documents())
def test_a_patch_makes_any_document_of_any_other(old: Document, new: Document) -> None:
    before, after = patch.serialize(old), patch.serialize(new)
    assert canonical(patch.apply(patch.diff(before, after), before)) == canonical(after)


@settings(max_examples=150, deadline=None)
@given(documents(), st.integers())
def test_a_patch_makes_an_edited_document_of_the_original_and_back(old: Document, seed: int) -> None:
    new = Document([scrambled(old.root, random.Random(seed))])
    before, after = patch.serialize(old), patch.serialize(new)
    assert canonical(patch.apply(patch.diff(before, after), before)) == canonical(after)
    assert canonical(patch.apply(patch.diff(after, before), after)) == canonical(before)


@settings(max_examples=100, deadline=None)
@given(documents())
def test_documents_that_are_equal_in_canonical_form_have_an_empty_patch(document: Document) -> None:
    content = patch.serialize(document)
    assert list(patch.read_patch(patch.diff(content, canonical(content)))) == []
    assert list(patch.read_patch(patch.diff(canonical(content), content))) == []


@settings(max_examples=100, deadline=None)
@given(documents())
def test_reading_gives_back_what_was_written(document: Document) -> None:
    assert patch.parse(patch.serialize(document)) == document
