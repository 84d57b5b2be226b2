"""Branches, tags and Call-IDs of our own (RFC 3261 §8.1.1.7, §19.3)."""

from __future__ import annotations

from abserver.sip.grammar import is_token
from abserver.sip.identifiers import new_branch, new_call_id, new_tag


def test_identifiers_are_tokens_and_never_the_same() -> None:
    for new in (new_branch, new_tag, new_call_id):
        made = {new() for _ in range(1000)}
        assert len(made) == 1000
        assert all(map(is_token, made))


def test_a_branch_begins_with_the_magic_cookie() -> None:
    """§8.1.1.7."""
    assert new_branch().startswith("z9hG4bK")
