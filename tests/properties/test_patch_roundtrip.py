"""`apply(diff(a, b), a)` is `b` in canonical form with comments, over all that a document can hold (RFC 5261 §3).

Documents grow from a seed and a size, both drawn: a thousand of them cost a second, and a smaller size is a smaller
counterexample.
"""

from __future__ import annotations

import random

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.support.growing import Grower, canonical, grown
from xcap.core import patch
from xcap.core.errors import NotWellFormed
from xcap.core.patch.tree import Document

SEEDS = st.integers(0, 2**32)
SIZES = st.integers(1, 40)


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
