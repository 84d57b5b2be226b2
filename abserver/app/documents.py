"""The document server as the services see it: whose card and rules they are, and that they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import Aor, Owner
from abserver.domain.usages import CARD_RULES_AUID, CONTACT_CARD_AUID
from abserver.ports import StoredDocument
from xcap.ports import DocumentKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from xcap.ports import Change, DocumentStore

NAME = "index"
"""The one document that a user has in each of our usages."""


class XcapDocuments:
    """`abserver.ports.Documents` over an XCAP document store."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    async def card(self, owner: Owner) -> StoredDocument | None:
        return await self._load(CONTACT_CARD_AUID, owner)

    async def rules(self, owner: Owner) -> StoredDocument | None:
        return await self._load(CARD_RULES_AUID, owner)

    async def _load(self, auid: str, owner: Owner) -> StoredDocument | None:
        document = await self._store.load(DocumentKey(auid, owner, NAME))
        return None if document is None else StoredDocument(document.content, document.etag)


class CardChanges:
    """`xcap.ports.ChangeSink`: picks out the changes that concern an owner's watchers."""

    def __init__(self, publish: Callable[[Owner], None]) -> None:
        self._publish = publish

    def changed(self, change: Change) -> None:
        if change.key.auid in (CONTACT_CARD_AUID, CARD_RULES_AUID) and change.key.user is not None:
            self._publish(Owner(Aor(change.key.user)))
