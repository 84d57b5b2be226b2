"""A client that hears of changes in XCAP diff documents keeps the notifier's versions, whatever it had and missed.

RFC 5874 §6: each report leads from the version that the client was told of last to a newer one; RFC 5875 §4.8: what the
client has may have come from a GET in between.
"""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.support.growing import Grower, canonical, grown
from xcap.core import patch, xcapdiff
from xcap.core.errors import NotWellFormed
from xcap.core.patch import Document
from xcap.core.selector import parse_node_selector
from xcap.core.xcapdiff import Cache, ElementContent, Processing, Version, XcapDiff, changes, component_changes, since
from xcap.core.xml import load_schema

SCHEMA = load_schema("xcap.core", "schemas/xcap-diff.xsd")
SEEDS = st.integers(0, 2**32)


def lived(seed: int, length: int) -> list[Version]:
    """A document's versions; most are edits of the one before."""
    chance = random.Random(seed)
    documents = [grown(seed, 15)]
    while len(documents) < length:
        document = Document([Grower(chance, 0).edited(documents[-1].root)])
        try:
            patch.parse(patch.serialize(document))
        except NotWellFormed:  # a declaration was taken away that was in use
            document = grown(chance.getrandbits(32), 15)
        documents.append(document)
    return [Version(str(number), patch.serialize(document)) for number, document in enumerate(documents)]


@settings(max_examples=150, deadline=None)
@given(
    SEEDS,
    st.sampled_from([Processing.XCAP_PATCHING, Processing.AGGREGATE]),
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.integers(0, 2),
)
@example(9914, Processing.XCAP_PATCHING, [1, 1, 1, 3], 0)  # a declaration that repeats another one goes with it
def test_a_client_that_has_a_known_version_is_patched_to_the_newest(
    seed: int, processing: Processing, steps: list[int], ahead: int
) -> None:
    versions = lived(seed, 1 + sum(steps))
    known = min(ahead, steps[0]) if processing is Processing.XCAP_PATCHING else 0
    cache = Cache({"doc": versions[known]})
    told = "0"
    for at in (sum(steps[: count + 1]) for count in range(len(steps))):
        sent = xcapdiff.write(XcapDiff("http://x/", tuple(changes("doc", since(versions[: at + 1], told), processing))))
        SCHEMA.assertValid(etree.fromstring(sent))
        applied = xcapdiff.apply(xcapdiff.read(sent), cache)
        assert not applied.unpatchable
        cache, told = applied.cache, str(at)
    newest, content = versions[-1], cache.documents["doc"].content
    assert cache.documents["doc"].etag == newest.etag
    assert content is not None
    assert newest.content is not None
    assert canonical(content) == canonical(newest.content)


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from(Processing), st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(1, 4))
def test_a_client_knows_the_newest_etag_and_never_has_another_content_with_it(
    seed: int, processing: Processing, existing: list[int], kept: int
) -> None:
    """Versions come and go, the notifier keeps only some, and the client fetches now and then."""
    chance = random.Random(seed)
    versions = lived(seed, 6)
    history: list[Version] = []
    cache, told = Cache(), None
    for number in existing:
        history = [*history, versions[number]][-kept:] if number else []
        entries = tuple(changes("doc", since(history, told), processing))
        applied = xcapdiff.apply(xcapdiff.read(xcapdiff.write(XcapDiff("http://x/", entries))), cache)
        assert not applied.unpatchable
        cache, told = applied.cache, history[-1].etag if history else None
        held = cache.documents.get("doc")
        assert (held.etag if held else None) == told
        if held is None or not history:
            continue
        if held.content is not None:
            assert canonical(held.content) == canonical(history[-1].content or b"")
        elif chance.random() < 0.5:
            cache = Cache({"doc": history[-1]})


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_an_element_in_a_diff_is_the_element_of_the_document(seed: int) -> None:
    content = patch.serialize(grown(seed, 20))
    root = etree.fromstring(content)
    element = random.Random(seed).choice(list(root.iter(etree.Element)))
    steps = []
    for one in [element, *element.iterancestors()]:
        before = list(one.itersiblings(etree.Element, preceding=True)) if one is not root else []
        steps.append(f"*[{len(before) + 1}]")
    told = component_changes("x", parse_node_selector("/".join(reversed(steps)), {}, None), None, content)
    sent = etree.fromstring(xcapdiff.write(XcapDiff("http://x/", tuple(told))))
    SCHEMA.assertValid(sent)
    shown = sent[0][0]
    shown.tail = element.tail = None
    assert etree.tostring(shown, method="c14n", exclusive=True) == etree.tostring(
        element, method="c14n", exclusive=True
    )
    [again] = xcapdiff.read(etree.tostring(sent)).entries
    assert isinstance(again, ElementContent)
    assert isinstance(told[0], ElementContent)
    assert again.content == told[0].content


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(0), st.binary(min_size=1, max_size=3))
def test_a_damaged_diff_is_refused_by_name_or_means_something(seed: int, at: int, damage: bytes) -> None:
    versions = lived(seed, 3)
    entries = tuple(changes("doc", [None, *versions, None], Processing.XCAP_PATCHING))
    sent = xcapdiff.write(XcapDiff("http://x/", entries))
    at %= len(sent)
    try:
        diff = xcapdiff.read(sent[:at] + damage + sent[at + len(damage) :])
    except xcapdiff.InvalidXcapDiff:
        return
    for version in versions:
        xcapdiff.apply(diff, Cache({"doc": version}))
