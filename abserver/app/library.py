"""The documents of the server, put together: what is stored, and what is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.domain.identity import NO_ALIASES
from abserver.domain.usages import shared_cards
from abserver.events.xcap_diff.selections import Catalog
from xcap.reading import Reader
from xcap.sources import standard_sources

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from abserver.domain.identity import Identities
    from abserver.events.xcap_diff.selections import Root
    from xcap.core.uri import DocumentKey
    from xcap.core.usage import Usages
    from xcap.ports import DocumentSource, DocumentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The document server as it is known to the services; whatever reads its documents has the same sources."""

    store: DocumentStore
    usages: Usages
    root: Root
    """The XCAP root as clients know it."""
    listed_root: str
    """What the URIs in a user's directory begin with: the same, or its path alone."""
    identities: Identities = NO_ALIASES
    trusted: Collection[str] = ()
    """XUIs of trusted users (RFC 4825 §5.7)."""

    def sources(self, computed: Mapping[str, DocumentSource]) -> Mapping[str, DocumentSource]:
        """AUID -> where its computed documents come from. computed: those that the server makes of what it knows."""
        return standard_sources(self.usages, self.store, self.listed_root, computed)

    def reader(self, sources: Mapping[str, DocumentSource]) -> Reader:
        """All documents, as their readers see them."""
        return Reader(self.usages, self.store, sources, trusted=self.trusted)

    def catalog(self) -> Catalog:
        """What URIs can name."""
        return Catalog(self.usages, self._canonical, self.root)

    def _canonical(self, key: DocumentKey) -> DocumentKey:
        return shared_cards.canonical(self.usages.canonical(key), self.identities)
