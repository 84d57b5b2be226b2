"""Stores that live as long as the process: for tests, and for servers whose documents are made elsewhere."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from xcap.ports import Credential, Document, DocumentKey, EtagMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryDocumentStore:
    """A DocumentStore without durability."""

    def __init__(self) -> None:
        self._documents: dict[DocumentKey, Document] = {}

    async def load(self, key: DocumentKey) -> Document | None:
        return self._documents.get(key)

    async def save(self, key: DocumentKey, content: bytes, etag: str, *, expected: str | None) -> None:
        self._compare(key, expected)
        self._documents[key] = Document(content, etag, datetime.datetime.now(datetime.UTC))

    async def delete(self, key: DocumentKey, *, expected: str) -> None:
        self._compare(key, expected)
        del self._documents[key]

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        found = (
            (key, document.etag) for key, document in self._documents.items() if (key.auid, key.user) == (auid, user)
        )
        return sorted(found, key=lambda entry: entry[0].name)

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
