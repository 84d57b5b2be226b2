"""What owners are told of their watchers, as documents: `xcap.ports.DocumentSource` over `services/explaining.py`.

Anybody can be asked about, so nothing is listed, and who reads a directory learns nothing of who was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import NO_ALIASES, InvalidAor, Owner, Watcher, parse_aor
from abserver.domain.usages import shared_cards
from abserver.domain.usages.explanations import explanation_document
from xcap.core.etag import etag_of
from xcap.ports import Computed, DocumentKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abserver.domain.identity import Identities
    from abserver.services.explaining import Explaining
    from xcap.core.selector import NodeSelector


class Explanations:
    """The documents of `org.abserver.explanations`, named by an address of the watcher."""

    def __init__(self, explaining: Explaining, identities: Identities = NO_ALIASES) -> None:
        self._explaining = explaining
        self._identities = identities

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        pair = _pair(key, self._identities)
        if pair is None:
            return None
        content = explanation_document(await self._explaining.explain(*pair))
        return Computed(content, etag_of(content))

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        return []


class WatchersViews:
    """The documents of `org.abserver.views`, named by an address of the watcher."""

    def __init__(self, explaining: Explaining, identities: Identities = NO_ALIASES) -> None:
        self._explaining = explaining
        self._identities = identities

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        pair = _pair(key, self._identities)
        view = None if pair is None else await self._explaining.view(*pair)
        return None if view is None else Computed(view.content, view.tag)

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        return []


def _pair(key: DocumentKey, identities: Identities) -> tuple[Owner, Watcher] | None:
    """Whose card, and as whom; None where one of the two is no address."""
    watcher = shared_cards.address_of(key.name, identities)
    try:
        owner = None if key.user is None else parse_aor(key.user)
    except InvalidAor:
        return None
    return None if owner is None or watcher is None else (Owner(owner), Watcher(watcher))
