"""What the XCAP service needs from the outside: a document store, a place to announce changes, users' credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from xcap.core.digest import ha1_table
from xcap.core.uri import DocumentKey

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from xcap.core.digest import Algorithm

__all__ = [
    "Change",
    "ChangeSink",
    "Credential",
    "CredentialStore",
    "Document",
    "DocumentKey",
    "DocumentStore",
    "EtagMismatch",
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
class Change:
    """A document got a new etag: `previous` None is a creation, `current` None a removal."""

    key: DocumentKey
    previous: str | None
    current: str | None


class EtagMismatch(Exception):
    """The stored etag is not the expected one; `current` is None when there is no such document."""

    def __init__(self, current: str | None) -> None:
        super().__init__(current)
        self.current = current


class DocumentStore(Protocol):
    """Documents by key; a method returns after its effect is durable. One contract suite runs on every store."""

    async def load(self, key: DocumentKey) -> Document | None: ...

    async def save(self, key: DocumentKey, content: bytes, etag: str, *, expected: str | None) -> None:
        """Store a version if the current etag is `expected` (None: if there is no document).

        The comparison is inside the transaction that stores. Raises EtagMismatch.
        """
        ...

    async def delete(self, key: DocumentKey, *, expected: str) -> None:
        """Remove the document if its etag is `expected`. Raises EtagMismatch."""
        ...

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        """The documents of one user (or of the global tree) in one usage, with their etags, by name."""
        ...


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
