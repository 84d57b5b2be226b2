"""Branches, tags and Call-IDs of our own (RFC 3261 §8.1.1.7, §19.3)."""

from __future__ import annotations

import pytest

from abserver.sip.grammar import is_token
from abserver.sip.identifiers import new_branch, new_call_id, new_tag


@pytest.mark.rfc("3261", "8.1.1.3", "a new tag for each From")
@pytest.mark.rfc("3261", "8.1.1.4", "one Call-ID for a dialog")
@pytest.mark.rfc("3261", "8.1.1.7", "a Via with a branch of its own")
@pytest.mark.rfc("3261", "19.3", "tags cannot be guessed")
def test_identifiers_are_tokens_and_never_the_same() -> None:
    for new in (new_branch, new_tag, new_call_id):
        made = {new() for _ in range(1000)}
        assert len(made) == 1000
        assert all(map(is_token, made))


@pytest.mark.rfc("3261", "8.1.1.7", "a Via with a branch of its own")
def test_a_branch_begins_with_the_magic_cookie() -> None:
    """§8.1.1.7."""
    assert new_branch().startswith("z9hG4bK")
