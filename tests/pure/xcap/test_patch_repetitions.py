"""Declarations that repeat what is in scope anyway are none in canonical form (Canonical XML 1.0 §2.3)."""

from __future__ import annotations

import pytest

from xcap.core.patch.reading import parse
from xcap.core.patch.tree import without_repetitions
from xcap.core.patch.writing import serialize


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
