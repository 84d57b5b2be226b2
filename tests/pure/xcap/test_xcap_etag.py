"""Entity tags and conditional requests (RFC 9110 §13.1, RFC 4825 §8.2.6)."""

from __future__ import annotations

import pytest

from xcap.core.errors import BadRequest, PreconditionFailed
from xcap.core.etag import Conditions, EtagList, etag_of


def conditions(if_match: str | None = None, if_none_match: str | None = None) -> Conditions:
    return Conditions.parse(if_match=if_match, if_none_match=if_none_match)


def test_equal_content_has_equal_etags_and_other_content_another() -> None:
    assert etag_of(b"<a/>") == etag_of(b"<a/>")
    assert etag_of(b"<a/>") != etag_of(b"<a />")
    assert EtagList.parse(f'"{etag_of(b"")}"').strong == {etag_of(b"")}


@pytest.mark.parametrize(
    ("value", "strong", "weak"),
    [
        ('"a"', {"a"}, set()),
        (' "a" , W/"b",,"c,d" ', {"a", "c,d"}, {"b"}),
        (',"",', {""}, set()),
    ],
)
def test_a_list_of_etags(value: str, strong: set[str], weak: set[str]) -> None:
    assert EtagList.parse(value) == EtagList(any=False, strong=frozenset(strong), weak=frozenset(weak))


@pytest.mark.parametrize("value", ["", ",", "a", '"a', '"a" "b"', '"a"x', 'w/"a"', '*, "a"', '"a b"', "T", '"a",T'])
def test_what_is_no_list_of_etags_is_a_bad_request(value: str) -> None:
    with pytest.raises(BadRequest):
        EtagList.parse(value)


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "current", "holds"),
    [
        (None, None, "a", True),
        (None, None, None, True),
        ('"a"', None, "a", True),
        ('"b", "a"', None, "a", True),
        ('"b"', None, "a", False),
        ('W/"a"', None, "a", False),  # If-Match compares strongly (RFC 9110 §13.1.1)
        ("*", None, "a", True),
        ("*", None, None, False),
        ('"a"', None, None, False),
        (None, "*", None, True),
        (None, "*", "a", False),
        (None, '"a"', "a", False),
        (None, 'W/"a"', "a", False),
        (None, '"b"', "a", True),
        (None, '"a"', None, True),
        ('"a"', '"a"', "a", False),
    ],
)
def test_the_condition_of_a_write(
    if_match: str | None, if_none_match: str | None, current: str | None, holds: bool
) -> None:
    if holds:
        conditions(if_match, if_none_match).check(current)
    else:
        with pytest.raises(PreconditionFailed) as caught:
            conditions(if_match, if_none_match).check(current)
        assert caught.value.current == current


def test_a_reader_is_told_when_its_copy_is_current() -> None:
    assert conditions(None, '"a"').not_modified("a")
    assert conditions(None, 'W/"a"').not_modified("a")
    assert conditions(None, "*").not_modified("a")
    assert not conditions(None, '"b"').not_modified("a")
    assert not conditions().not_modified("a")
    with pytest.raises(PreconditionFailed):
        conditions('"b"').not_modified("a")
