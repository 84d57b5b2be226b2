"""Declarations that repeat what is in scope anyway are none in canonical form (Canonical XML 1.0 §2.3)."""

from __future__ import annotations

import pytest

from xcap.core.patch.reading import parse
from xcap.core.patch.tree import without_repetitions
from xcap.core.patch.writing import serialize
from xcap.core.xcapdiff import Cache, Processing, Version, XcapDiff, apply, changes


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (b'<d xmlns="u" xmlns:a="v"><e xmlns="u" xmlns:a="v"/></d>', b'<d xmlns="u" xmlns:a="v"><e/></d>'),
        (b'<d xmlns:a="v"><e><f xmlns:a="v"/></e>text</d>', b'<d xmlns:a="v"><e><f/></e>text</d>'),
        (
            b'<d xmlns:a="v"><e xmlns:a="w"><f xmlns:a="v"/></e></d>',
            b'<d xmlns:a="v"><e xmlns:a="w"><f xmlns:a="v"/></e></d>',
        ),
        (b'<d xmlns="u"><e xmlns=""><f xmlns=""/></e></d>', b'<d xmlns="u"><e xmlns=""><f/></e></d>'),
        (b'<d xmlns=""/>', b"<d/>"),
    ],
)
def test_only_what_repeats_goes(content: bytes, left: bytes) -> None:
    assert serialize(without_repetitions(parse(content))) == serialize(parse(left))


@pytest.mark.parametrize("held", [b'<d xmlns:a="u"><e xmlns:a="u"/></d>', b'<d xmlns:a="u"><e/></d>'])
@pytest.mark.parametrize("known", [b'<d xmlns:a="u"><e xmlns:a="u"/></d>', b'<d xmlns:a="u"><e/></d>'])
def test_a_change_is_followed_whether_or_not_a_copy_has_what_repeats(held: bytes, known: bytes) -> None:
    """The notifier makes the difference from `known`, the client has `held`: equal in canonical form."""
    newest = Version("2", b'<d xmlns:a="w"><e/></d>')
    told = changes("doc", [Version("1", known), newest], Processing.XCAP_PATCHING)
    applied = apply(XcapDiff("http://x/", tuple(told)), Cache({"doc": Version("1", held)}))
    assert not applied.unpatchable
    assert serialize(parse(applied.cache.documents["doc"].content or b"")) == serialize(parse(newest.content or b""))
