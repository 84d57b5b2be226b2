"""The document server as the services see it: whose card and rules they are, and that they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import Aor, Owner
from abserver.domain.usages import CARD_RULES_AUID, CONTACT_CARD_AUID
from abserver.ports import CLI_AGENT, Ground, StoredDocument
from xcap.core.usages import pidf_manipulation, resource_lists
from xcap.ports import DocumentKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from xcap.ports import Change, DocumentStore

NAME = "index"
"""The one document that a user has in each of our usages."""
HANDS = {CLI_AGENT: "cli"}
"""By which hand a program edits documents; all others are just clients."""
GROUNDS = (pidf_manipulation.AUID, resource_lists.AUID)
"""Usages of documents that rules may rest on."""


class XcapDocuments:
    """`abserver.ports.Documents` over an XCAP document store."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    async def card(self, owner: Owner) -> StoredDocument | None:
        return await self._load(CONTACT_CARD_AUID, owner)

    async def rules(self, owner: Owner) -> StoredDocument | None:
        return await self._load(CARD_RULES_AUID, owner)

    async def ground(self, owner: Owner, ground: Ground) -> StoredDocument | None:
        return await self._load(ground.auid, owner, ground.name)

    async def _load(self, auid: str, owner: Owner, name: str = NAME) -> StoredDocument | None:
        document = await self._store.load(DocumentKey(auid, owner, name))
        return None if document is None else StoredDocument(document.content, document.etag)


class CardChanges:
    """`xcap.ports.ChangeSink`: picks out the changes that concern an owner's watchers."""

    def __init__(
        self,
        publish: Callable[[Owner], None],
        *,
        rests_on: Callable[[Owner, Ground], bool],
        edited: Callable[[Owner, str], None],
    ) -> None:
        """rests_on: whether the owner's rules ask for that document (`Authorizer.rests_on`).

        edited: told by which hand what the rules say was changed (`Relating.edited`).
        """
        self._publish = publish
        self._rests_on = rests_on
        self._edited = edited

    def changed(self, change: Change) -> None:
        key = change.key
        if key.user is None:
            return
        owner = Owner(Aor(key.user))
        decides = key.auid == CARD_RULES_AUID or (
            key.auid in GROUNDS and self._rests_on(owner, Ground(key.auid, key.name))
        )
        if decides:
            self._edited(owner, HANDS.get(change.agent or "", "xcap"))
        if decides or key.auid == CONTACT_CARD_AUID:
            self._publish(owner)
