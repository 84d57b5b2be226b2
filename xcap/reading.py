"""Documents as their readers see them: provided, computed or stored, and who may read which.

One place for all who show documents: the service that answers a GET, and a notifier of changes, which "MUST obey the
XCAP authorization rules" (RFC 5875 §7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xcap.core.errors import NotFound
from xcap.core.etag import etag_of
from xcap.core.usage import Access, Operation
from xcap.ports import Computed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from xcap.core.selector import NodeSelector
    from xcap.core.uri import DocumentKey
    from xcap.core.usage import Usages
    from xcap.ports import Document, DocumentSource, DocumentStore


class Reader:
    """All documents of one server (a `DocumentReader`). Keys are canonical (`Usages.canonical`)."""

    def __init__(
        self,
        usages: Usages,
        store: DocumentStore,
        sources: Mapping[str, DocumentSource] | None = None,
        *,
        trusted: Collection[str] = (),
    ) -> None:
        """sources: AUID -> where the computed documents of that usage come from.

        trusted: XUIs of trusted users (§5.7 of RFC 4825); what they may do is for each usage's policy to say.
        """
        self.usages = usages
        self._store = store
        self._sources = dict(sources or {})
        self._trusted = frozenset(trusted)

    def allows(self, requester: str, key: DocumentKey, operation: Operation) -> bool:
        """Whether the usage's policy lets the requester do this. Raises NotFound for no such usage."""
        return self.usages.usage(key.auid).policy(Access(requester, key, operation, requester in self._trusted))

    def may_read(self, requester: str, key: DocumentKey) -> bool:
        """Whether a GET by the requester would be answered, if there is such a document."""
        try:
            return self.allows(requester, key, Operation.READ)
        except NotFound:
            return False

    def is_stored(self, key: DocumentKey) -> bool:
        """Whether somebody writes the document, so that former versions of it are kept. Raises NotFound."""
        return not self.usages.is_computed(key)

    async def load(self, key: DocumentKey, node: NodeSelector | None = None) -> Document | Computed | None:
        """The document as of now; None if there is none. Raises NotFound for no such usage.

        node: what of it is asked for; of a computed document there may be no more than what that needs.
        """
        provided = self.usages.provided.get(key)
        if provided is not None:
            return Computed(provided, etag_of(provided))
        if self.is_stored(key):
            return await self._store.load(key)
        source = self._sources.get(key.auid)
        return None if source is None else await source.load(key, node)

    async def since(self, key: DocumentKey, etag: str) -> Sequence[Document]:
        """The stored versions from the last with this etag to the newest, as far as they are kept; none of a document
        that is not stored. Raises NotFound for no such usage."""
        return await self._store.since(key, etag) if self.is_stored(key) else ()

    async def list(self, requester: str, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        """What the requester may read of one user's tree (None: of the global tree) in one usage, with its etags.

        Raises NotFound for no such usage.
        """
        policy, trusted = self.usages.usage(auid).policy, requester in self._trusted
        found = [(key, etag_of(content)) for key, content in self.usages.provided.items()]
        found = [(key, etag) for key, etag in found if (key.auid, key.user) == (auid, user)]
        source = self._sources.get(auid)
        if source is not None:
            found.extend(await source.list(auid, user))
        stored = await self._store.list(auid, user)
        found.extend((key, etag) for key, etag in stored if self.is_stored(key))
        return [(key, etag) for key, etag in found if policy(Access(requester, key, Operation.READ, trusted))]
