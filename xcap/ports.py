"""What the XCAP service needs from the outside: a document store, a place to announce changes, users' credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from xcap.core.digest import ha1_table
from xcap.core.errors import OverQuota
from xcap.core.uri import DocumentKey

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Mapping, Sequence

    from xcap.core.digest import Algorithm
    from xcap.core.selector import NodeSelector

__all__ = [
    "Change",
    "ChangeSink",
    "Claimed",
    "Computed",
    "Credential",
    "CredentialStore",
    "Document",
    "DocumentKey",
    "DocumentReader",
    "DocumentSource",
    "DocumentStore",
    "EtagMismatch",
    "InUse",
    "Listed",
    "StoreLimits",
    "Use",
]


@dataclass(frozen=True, slots=True)
class Document:
    """One stored version of a document, exactly as it was PUT."""

    content: bytes
    etag: str
    """Strong, without quotes (RFC 4825 §7.11); the same for every node of the document."""
    modified: datetime.datetime
    """When this version was committed, aware UTC."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A stored document as a listing shows it."""

    key: DocumentKey
    etag: str
    modified: datetime.datetime
    """Aware UTC."""
    size: int
    """Octets."""


@dataclass(frozen=True, slots=True)
class Change:
    """A document got a new etag: `previous` None is a creation, `current` None a removal."""

    key: DocumentKey
    previous: str | None
    current: str | None
    agent: str | None = None
    """The program by which it was made, as that names itself; None if it does not."""


class EtagMismatch(Exception):
    """The stored etag is not the expected one; `current` is None when there is no such document."""

    def __init__(self, current: str | None) -> None:
        super().__init__(current)
        self.current = current


class Claimed(Exception):
    """Other documents of the usage hold some of the values that were to be claimed: `values`, never empty."""

    def __init__(self, values: frozenset[str]) -> None:
        super().__init__(f"{len(values)} values")
        self.values = values


@dataclass(frozen=True, slots=True)
class Use:
    """What the documents of one user come to."""

    documents: int = 0
    octets: int = 0

    def changed(self, before: int | None, after: int | None) -> Use:
        """With one document that had `before` octets and has `after`; None is no document."""
        documents = self.documents + (after is not None) - (before is not None)
        return Use(documents, self.octets + (after or 0) - (before or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """What a store keeps of one user, and of the past of one document."""

    documents: int = 200
    """Of one user, in all usages together."""
    octets: int = 16 * 1024 * 1024
    """In all documents of one user together, their former versions not counted."""
    versions: int = 20
    """Former versions of one document, from which differences can be made (RFC 5874)."""
    version_octets: int = 1024 * 1024
    """In all former versions of one document together."""

    def check(self, before: Use, after: Use) -> None:
        """Raises OverQuota, unless it is no more than it was: a limit that was lowered takes nothing away."""
        if after.documents > max(before.documents, self.documents):
            raise OverQuota(self.documents, "documents")
        if after.octets > max(before.octets, self.octets):
            raise OverQuota(self.octets, "bytes")


class DocumentStore(Protocol):
    """Documents by key; a method returns after its effect is durable. One contract suite runs on every store.

    A read sees every write that was acknowledged before, by whichever process.
    """

    async def load(self, key: DocumentKey) -> Document | None: ...

    async def since(self, key: DocumentKey, etag: str) -> Sequence[Document]:
        """The versions from the last with this etag to the newest; none if that one is not known (any more).

        A document's removal ends its past, too.
        """
        ...

    async def save(
        self,
        key: DocumentKey,
        content: bytes,
        etag: str,
        *,
        expected: str | None,
        claims: frozenset[str] | None = None,
    ) -> None:
        """Store a version if the current etag is `expected` (None: if there is no document).

        claims: values that no other document of the usage may hold; from now on this document holds these and no
        others. None where a usage has no such values.
        All is compared inside the transaction that stores. Raises EtagMismatch, Claimed, and OverQuota for what the
        user keeps.
        """
        ...

    async def delete(self, key: DocumentKey, *, expected: str) -> None:
        """Remove the document if its etag is `expected`, with its claims. Raises EtagMismatch."""
        ...

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        """The documents of one user (or of the global tree) in one usage, with their etags, by name."""
        ...

    async def list_named(self, auid: str, name: str) -> Sequence[tuple[str, str]]:
        """(user, etag) of each document of this name in a user's tree of one usage, by user."""
        ...

    async def list_user(self, user: str) -> Sequence[Listed]:
        """All documents of one user, by usage and name."""
        ...

    async def holders(self, auid: str, values: Collection[str]) -> Mapping[str, DocumentKey]:
        """Those of the values that some document of the usage holds, and which."""
        ...


@dataclass(frozen=True, slots=True)
class Computed:
    """A document that the server made itself."""

    content: bytes
    etag: str
    """Strong, without quotes; changes with the content."""


class DocumentSource(Protocol):
    """The computed documents of one usage, made when they are asked for; nobody writes them.

    Who may read them is for the usage's policy to say, as with stored ones.
    """

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        """The document as of now; None if there is none.

        node: what of it is asked for; a source may leave out what cannot change that, but the etag is the document's.
        """
        ...

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        """The computed documents of one user (or of the global tree), with their etags, by name."""
        ...


class DocumentReader(Protocol):
    """All documents of a server, whoever keeps or makes them, as their readers see them."""

    def may_read(self, requester: str, key: DocumentKey) -> bool:
        """Whether a GET by the requester would be answered, if there is such a document."""
        ...

    def is_stored(self, key: DocumentKey) -> bool:
        """Whether somebody writes the document, so that former versions of it are kept. Raises NotFound."""
        ...

    async def load(self, key: DocumentKey) -> Document | Computed | None:
        """The document as of now; None if there is none. Raises NotFound for no such usage."""
        ...

    async def since(self, key: DocumentKey, etag: str) -> Sequence[Document]:
        """The versions from the last with this etag to the newest; none where they are not known (any more)."""
        ...

    async def list(self, requester: str, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        """What the requester may read of one user's tree (None: of the global tree), with its etags."""
        ...


InUse = Callable[[str], Awaitable[bool]]
"""Whether a URI is that of something that exists beside the documents, such as a user (RFC 4826 §4.4.5)."""


class ChangeSink(Protocol):
    """Told of each change after its commit and before the answer leaves. A hint: receivers read the state again."""

    def changed(self, change: Change) -> None: ...


@dataclass(frozen=True, slots=True)
class Credential:
    """What is kept of a user's password: one hash per algorithm, never the password (RFC 7616 §3.4.2)."""

    user: str
    """The address of record, which is the XUI too."""
    realm: str
    ha1: Mapping[tuple[Algorithm, str], str]
    """(algorithm, username as a client may spell it) -> H(username:realm:password) in lower-case hex."""

    @classmethod
    def of(cls, user: str, realm: str, password: str) -> Credential:
        """What to keep of a password, for every algorithm and every spelling of the user's name."""
        return cls(user, realm, ha1_table(user, realm, password))


class CredentialStore(Protocol):
    """Users that may authenticate, shared by HTTP and SIP."""

    async def credential(self, user: str) -> Credential | None: ...

    async def put(self, credential: Credential) -> bool:
        """Add or replace; returns whether the user is new."""
        ...

    async def remove(self, user: str) -> bool:
        """Forget the user; returns whether there was one."""
        ...

    async def users(self) -> Sequence[str]:
        """All users, sorted."""
        ...
