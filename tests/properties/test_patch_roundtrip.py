"""`apply(diff(a, b), a)` is `b` in canonical form with comments, over all that a document can hold (RFC 5261 §3).

Documents grow from a seed and a size, both drawn: a thousand of them cost a second, and a smaller size is a smaller
counterexample.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from xcap.core import patch
from xcap.core.errors import NotWellFormed
from xcap.core.patch.tree import Comment, Document, Element, ProcessingInstruction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xcap.core.patch.tree import Node

URIS = ["urn:one", "urn:two", "urn:three"]
PREFIXES = ["", "p", "q", "a"]
TEXTS = ["\n  ", "\n  ", " ", "x", "yy", "tel:+1", "<&>\"'", "ü\r\n\t"]
SEEDS = st.integers(0, 2**32)
SIZES = st.integers(1, 40)


def canonical(content: bytes) -> bytes:
    """Canonical XML 1.0 with comments, by libxml2."""
    return etree.tostring(etree.fromstring(content).getroottree(), method="c14n", with_comments=True)


@dataclass
class Grower:
    """Grows documents in which all names are bound; declarations repeat, hide and end outer ones."""

    chance: random.Random
    size: int

    def document(self) -> Document:
        before = [self.other() for _ in range(self.chance.choice([0, 0, 1, 2]))]
        after = [self.other() for _ in range(self.chance.choice([0, 0, 1, 2]))]
        return Document([*before, self.element({"": ""}, 0), *after], declared=self.chance.random() < 0.5)

    def element(self, scope: Mapping[str, str], depth: int) -> Element:
        self.size -= 1
        declarations = {
            self.chance.choice(PREFIXES): self.chance.choice(URIS) for _ in range(self.chance.choice([0, 0, 0, 1, 2]))
        }
        if scope[""] and self.chance.random() < 0.1:
            declarations[""] = ""
        within = {**scope, **declarations}
        prefix = self.chance.choice(sorted(within))
        local = self.chance.choice(["e", "f", "tel"])
        element = Element(f"{prefix}:{local}" if prefix else local, declarations, self.attributes(within))
        while self.size > 0 and depth < 8 and self.chance.random() < 0.85:
            element.children.append(self.node(within, depth + 1))
        element.children = merged(element.children)
        return element

    def attributes(self, scope: Mapping[str, str]) -> dict[str, str]:
        """No two of one expanded name."""
        prefixes = {"": "", "xml": "", **{uri: prefix for prefix, uri in scope.items() if prefix}}
        names = [f"{prefix}:{local}" if prefix else local for prefix in prefixes.values() for local in ("id", "k")]
        chosen = self.chance.sample(names, self.chance.choice([0, 0, 1, 2]))
        return {name: self.chance.choice(["", *TEXTS]) for name in chosen}

    def node(self, scope: Mapping[str, str], depth: int) -> Node:
        kind = self.chance.randrange(10)
        if kind < 5:
            return self.element(scope, depth)
        return self.chance.choice(TEXTS) if kind < 9 else self.other()

    def other(self) -> Comment | ProcessingInstruction:
        if self.chance.random() < 0.5:
            return Comment(self.chance.choice(["", " a comment ", "c"]))
        return ProcessingInstruction(self.chance.choice(["go", "stop"]), self.chance.choice(["", "now"]))

    def edited(self, element: Element) -> Element:
        """A copy in which content moves, comes again, goes or changes, and declarations do."""
        children: list[Node] = [
            self.edited(one)
            if isinstance(one, Element)
            else self.chance.choice(TEXTS)
            if self.chance.random() < 0.1
            else one
            for one in element.children
        ]
        attributes = {name: value for name, value in element.attributes.items() if self.chance.random() > 0.1}
        declarations = dict(element.declarations)
        if self.chance.random() < 0.2:
            self.rearrange(children)
        if self.chance.random() < 0.1:
            attributes[self.chance.choice(["id", "new", *attributes])] = self.chance.choice(["", "changed"])
        if self.chance.random() < 0.1:
            declarations[self.chance.choice(PREFIXES)] = self.chance.choice(URIS)
        if declarations and self.chance.random() < 0.1:
            del declarations[self.chance.choice(list(declarations))]
        return Element(element.name, declarations, attributes, merged(children))

    def rearrange(self, children: list[Node]) -> None:
        match self.chance.randrange(6):
            case 0:
                self.chance.shuffle(children)
            case 1 if children:
                children.insert(self.chance.randrange(len(children)), self.chance.choice(children))
            case 2 if children:
                del children[self.chance.randrange(len(children))]
            case 3:
                children.insert(self.chance.randrange(len(children) + 1), self.chance.choice(TEXTS))
            case 4:
                children[:] = [one for one in children if not isinstance(one, str)]
            case _:
                children.insert(self.chance.randrange(len(children) + 1), Comment("new"))


def merged(children: list[Node]) -> list[Node]:
    """With neighbouring texts as the one text node that they are."""
    result: list[Node] = []
    for child in children:
        if isinstance(child, str) and result and isinstance(result[-1], str):
            result[-1] += child
        else:
            result.append(child)
    return result


def grown(seed: int, size: int) -> Document:
    return Grower(random.Random(seed), size).document()


@settings(max_examples=400, deadline=None)
@given(SEEDS, SEEDS, SIZES)
def test_a_patch_makes_any_document_of_any_other(one: int, other: int, size: int) -> None:
    before, after = patch.serialize(grown(one, size)), patch.serialize(grown(other, size))
    assert canonical(patch.apply(patch.diff(before, after), before)) == canonical(after)


@settings(max_examples=800, deadline=None)
@given(SEEDS, SEEDS, SIZES)
def test_a_patch_makes_an_edited_document_of_the_original_and_back(seed: int, edits: int, size: int) -> None:
    old = grown(seed, size)
    new = Document([Grower(random.Random(edits), 0).edited(old.root)])
    before, after = patch.serialize(old), patch.serialize(new)
    try:
        patch.parse(after)
    except NotWellFormed:  # a declaration was taken away that was in use
        assume(False)
    assert canonical(patch.apply(patch.diff(before, after), before)) == canonical(after)
    assert canonical(patch.apply(patch.diff(after, before), after)) == canonical(before)


@settings(max_examples=300, deadline=None)
@given(SEEDS, SIZES)
def test_documents_that_are_equal_in_canonical_form_have_an_empty_patch(seed: int, size: int) -> None:
    content = patch.serialize(grown(seed, size))
    assert list(patch.read_patch(patch.diff(content, canonical(content)))) == []
    assert list(patch.read_patch(patch.diff(canonical(content), content))) == []


@settings(max_examples=300, deadline=None)
@given(SEEDS, SIZES)
def test_reading_gives_back_what_was_written(seed: int, size: int) -> None:
    document = grown(seed, size)
    assert patch.parse(patch.serialize(document)) == document


@settings(max_examples=300, deadline=None)
@given(SEEDS, SEEDS, SIZES)
def test_a_patch_is_hardly_longer_than_the_new_document(one: int, other: int, size: int) -> None:
    """Whatever changed, the document element could have been replaced at once."""
    before, after = patch.serialize(grown(one, size)), patch.serialize(grown(other, size))
    around = sum(len(patch.serialize(Document([node]))) for node in patch.parse(before).children)
    assert len(patch.diff(before, after)) < 2 * len(after) + around + 1000


NAMES = {"o": "urn:one", "t": "urn:two", "h": "urn:three"}


@st.composite
def selectors(draw: st.DrawFn) -> str:
    """Selectors in RFC 7351's grammar, all names with a prefix so that XPath 1.0 means the same."""
    prefix = st.sampled_from(["", *(f"{prefix}:" for prefix in NAMES)])
    local = st.sampled_from(["e", "f", "tel"])
    predicate = st.one_of(
        st.builds(lambda n: f"[{n}]", st.integers(0, 3)),
        st.builds(lambda p, k, v: f"[@{p}{k}='{v}']", prefix, st.sampled_from(["id", "k"]), st.sampled_from(["", "x"])),
        st.builds(lambda p, e, v: f"[{p}{e}='{v}']", prefix, local, st.sampled_from(["", "x", "yy"])),
        st.builds(lambda v: f"[.='{v}']", st.sampled_from(["", "x", "yy"])),
    )
    step = st.builds(
        lambda test, predicates: test + "".join(predicates),
        st.one_of(st.just("*"), st.builds(str.__add__, prefix, local)),
        st.lists(predicate, max_size=2),
    )
    last = st.one_of(
        step,
        st.builds(lambda p, k: f"@{p}{k}", prefix, st.sampled_from(["id", "k"])),
        st.builds(
            lambda test, position: test + position,
            st.sampled_from(["text()", "comment()", "processing-instruction()", "processing-instruction('go')"]),
            st.sampled_from(["", "[1]", "[2]"]),
        ),
    )
    return "/".join([*draw(st.lists(step, min_size=1, max_size=3)), draw(last)])


@settings(max_examples=400, deadline=None)
@given(SEEDS, SIZES, selectors())
def test_a_selector_locates_what_an_xpath_engine_selects(seed: int, size: int, selector: str) -> None:
    """Removing what it selects works exactly when libxml2 finds one node for the same path."""
    content = patch.serialize(grown(seed, size))
    selected = etree.fromstring(content).getroottree().xpath(f"/{selector}", namespaces=NAMES)
    operation = patch.Remove(selector, namespaces=NAMES)
    assert isinstance(selected, list)
    try:
        patch.apply(patch.write_patch([operation]), content)
        condition = ""
    except patch.PatchError as error:
        condition = error.condition
    assert (condition == "unlocated-node") == (len(selected) != 1)
