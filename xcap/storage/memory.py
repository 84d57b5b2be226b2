"""Stores that live as long as the process: for tests, and for servers whose documents are made elsewhere."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from xcap.ports import Claimed, Credential, Document, DocumentKey, EtagMismatch, Listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class MemoryDocumentStore:
    """A DocumentStore without durability."""

    def __init__(self) -> None:
        self._documents: dict[DocumentKey, Document] = {}
        self._claims: dict[DocumentKey, frozenset[str]] = {}

    async def load(self, key: DocumentKey) -> Document | None:
        return self._documents.get(key)

    async def save(
        self,
        key: DocumentKey,
        content: bytes,
        etag: str,
        *,
        expected: str | None,
        claims: frozenset[str] | None = None,
    ) -> None:
        self._compare(key, expected)
        if claims is not None:
            taken = claims & self._held(key.auid, but=key)
            if taken:
                raise Claimed(taken)
            self._claims[key] = claims
        self._documents[key] = Document(content, etag, datetime.datetime.now(datetime.UTC))

    async def delete(self, key: DocumentKey, *, expected: str) -> None:
        self._compare(key, expected)
        del self._documents[key]
        self._claims.pop(key, None)

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        found = (
            (key, document.etag) for key, document in self._documents.items() if (key.auid, key.user) == (auid, user)
        )
        return sorted(found, key=lambda entry: entry[0].name)

    async def list_named(self, auid: str, name: str) -> Sequence[tuple[DocumentKey, str]]:
        found = [
            (key.user, key, document.etag)
            for key, document in self._documents.items()
            if (key.auid, key.name) == (auid, name) and key.user is not None
        ]
        return [(key, etag) for _, key, etag in sorted(found)]

    async def list_user(self, user: str) -> Sequence[Listed]:
        found = (
            Listed(key, document.etag, document.modified, len(document.content))
            for key, document in self._documents.items()
            if key.user == user
        )
        return sorted(found, key=lambda listed: (listed.key.auid, listed.key.name))

    async def claimed(self, auid: str, values: Collection[str]) -> frozenset[str]:
        return self._held(auid) & frozenset(values)

    def _held(self, auid: str, but: DocumentKey | None = None) -> frozenset[str]:
        held = (claims for key, claims in self._claims.items() if key.auid == auid and key != but)
        return frozenset().union(*held)

    def _compare(self, key: DocumentKey, expected: str | None) -> None:
        document = self._documents.get(key)
        current = document.etag if document else None
        if current != expected:
            raise EtagMismatch(current)


class MemoryCredentialStore:
    """A CredentialStore without durability."""

    def __init__(self) -> None:
        self._credentials: dict[str, Credential] = {}

    async def credential(self, user: str) -> Credential | None:
        return self._credentials.get(user)

    async def put(self, credential: Credential) -> bool:
        new = credential.user not in self._credentials
        self._credentials[credential.user] = credential
        return new

    async def remove(self, user: str) -> bool:
        return self._credentials.pop(user, None) is not None

    async def users(self) -> Sequence[str]:
        return sorted(self._credentials)
