"""`rls-services/global/index`: the services of all users in one document (RFC 4826 §4.4.7, §4.4.8).

"Requests made against the global document MUST generate responses that reflect the most recent state": each one asks
the store which versions there are, and reads those that it has not seen. A resource list server asks for one service
by its URI (§4.5); then only the document that holds this URI is read.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from xcap.core.sipuri import canonical
from xcap.core.source import expanded
from xcap.core.usages.rls_services import AUID, INDEX, NAMESPACE, global_index, services_of
from xcap.ports import Computed, DocumentKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xcap.core.selector import NodeSelector
    from xcap.ports import DocumentStore

_SERVICE = expanded(NAMESPACE, "service")


class RlsIndex:
    """The DocumentSource of `rls-services`."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._parts: dict[str, Computed] = {}
        """The services of each user, with the document's etag, as of the last request for all."""

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        if key != INDEX:
            return None
        uri = _service_uri(node)
        if uri is None:
            return await self._whole()
        return Computed(await self._with(uri), _etag(await self._listed()))

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        return [(INDEX, _etag(await self._listed()))] if user is None else []

    async def _listed(self) -> Sequence[tuple[str, str]]:
        return await self._store.list_named(AUID, INDEX.name)

    async def _whole(self) -> Computed:
        listed = await self._listed()
        parts = {user: part for user, etag in listed if (part := self._parts.get(user)) and part.etag == etag}
        new = [DocumentKey(AUID, user, INDEX.name) for user, _ in listed if user not in parts]
        for key, document in zip(new, await asyncio.gather(*map(self._store.load, new)), strict=True):
            if document is not None:  # else it went away meanwhile
                parts[str(key.user)] = Computed(services_of(document.content), document.etag)
        self._parts = {user: parts[user] for user, _ in listed if user in parts}
        etag = _etag([(user, part.etag) for user, part in self._parts.items()])
        return Computed(global_index(part.content for part in self._parts.values()), etag)

    async def _with(self, uri: str) -> bytes:
        """An index of the services of that user who has this one."""
        key = (await self._store.holders(AUID, [canonical(uri)])).get(canonical(uri))
        document = await self._store.load(key) if key is not None and key.name == INDEX.name else None
        return global_index([] if document is None else [services_of(document.content)])


def _service_uri(node: NodeSelector | None) -> str | None:
    """The URI by which the node's service is chosen, if it is by that alone."""
    if node is None or len(node.steps) < 2:
        return None
    step = node.steps[1]
    if step.name != _SERVICE or step.position is not None or step.attribute is None or step.attribute[0] != "uri":
        return None
    return step.attribute[1]


def _etag(listed: Sequence[tuple[str, str]]) -> str:
    """Changes when any user's document does."""
    return hashlib.sha256("\n".join([part for entry in listed for part in entry]).encode()).hexdigest()[:32]
