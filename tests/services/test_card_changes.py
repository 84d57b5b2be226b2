"""Which changes of documents concern an owner's watchers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abserver.app.documents import CardChanges, XcapDocuments
from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from abserver.ports import Ground, StoredDocument
from tests.support.documents import ANN, DAN
from xcap.core.usages import STANDARD
from xcap.ports import Change, DocumentKey
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from abserver.domain.identity import Owner

LISTS, PRESENCE = Ground("resource-lists", "friends"), Ground("pidf-manipulation", "index")


def heard(key: DocumentKey, agent: str | None = None) -> tuple[list[Owner], list[tuple[Owner, str]]]:
    """Whose watchers are concerned, and which hand is known to have decided something."""
    published: list[Owner] = []
    edited: list[tuple[Owner, str]] = []
    changes = CardChanges(
        published.append,
        rests_on=lambda owner, ground: (owner, ground) in {(ANN, LISTS), (ANN, PRESENCE)},
        edited=lambda owner, hand: edited.append((owner, hand)),
    )
    changes.changed(Change(key, "1", "2", agent))
    return published, edited


def test_an_edit_of_the_card_concerns_its_watchers_and_decides_nothing() -> None:
    assert heard(DocumentKey(CONTACT_CARD.auid, ANN, "index")) == ([ANN], [])


@pytest.mark.parametrize(
    ("auid", "name"), [(CARD_RULES.auid, "index"), (LISTS.auid, LISTS.name), (PRESENCE.auid, PRESENCE.name)]
)
def test_an_edit_of_the_rules_or_of_what_they_rest_on_has_a_hand(auid: str, name: str) -> None:
    assert heard(DocumentKey(auid, ANN, name)) == ([ANN], [(ANN, "xcap")])


@pytest.mark.parametrize(("agent", "hand"), [("abserver-cli", "cli"), ("Blink", "xcap"), (None, "xcap")])
def test_the_hand_is_known_by_the_program(agent: str | None, hand: str) -> None:
    assert heard(DocumentKey(CARD_RULES.auid, ANN, "index"), agent)[1] == [(ANN, hand)]


@pytest.mark.parametrize(
    "key",
    [
        DocumentKey(LISTS.auid, DAN, LISTS.name),
        DocumentKey(LISTS.auid, ANN, "index"),
        DocumentKey(LISTS.auid, None, LISTS.name),
        DocumentKey("rls-services", ANN, "index"),
    ],
)
def test_what_no_rule_rests_on_concerns_nobody(key: DocumentKey) -> None:
    assert heard(key) == ([], [])


async def test_grounds_are_read_where_clients_put_them() -> None:
    """By the AUIDs and names of RFC 4826 and RFC 4827."""
    assert {LISTS.auid, PRESENCE.auid} <= {usage.auid for usage in STANDARD}
    store = MemoryDocumentStore()
    await store.save(DocumentKey(LISTS.auid, ANN, LISTS.name), b"<lists/>", "e", expected=None)
    documents = XcapDocuments(store)
    assert await documents.ground(ANN, LISTS) == StoredDocument(b"<lists/>", "e")
    assert await documents.ground(ANN, PRESENCE) is None
    assert await documents.ground(DAN, LISTS) is None
