"""Stores that live as long as the process: for tests, and for servers whose documents are made elsewhere."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from xcap.ports import Claimed, Credential, Document, DocumentKey, EtagMismatch, Listed, StoreLimits, Use

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class MemoryDocumentStore:
    """A DocumentStore without durability."""

    def __init__(self, limits: StoreLimits | None = None) -> None:
        self._limits = limits or StoreLimits()
        self._versions: dict[DocumentKey, list[Document]] = {}
        """Of each document, the newest last."""
        self._use: dict[str | None, Use] = {}
        self._claims: dict[DocumentKey, frozenset[str]] = {}

    async def load(self, key: DocumentKey) -> Document | None:
        return self._newest(key)

    async def since(self, key: DocumentKey, etag: str) -> Sequence[Document]:
        versions = self._versions.get(key, [])
        last = next((n for n in reversed(range(len(versions))) if versions[n].etag == etag), len(versions))
        return versions[last:]

    async def save(
        self,
        key: DocumentKey,
        content: bytes,
        etag: str,
        *,
        expected: str | None,
        claims: frozenset[str] | None = None,
    ) -> None:
        before = self._expected(key, expected)
        if etag == expected:
            return
        held = await self.holders(key.auid, claims or ())
        taken = frozenset(value for value, holder in held.items() if holder != key)
        if taken:
            raise Claimed(taken)
        self._count(key, before, content)
        if claims is not None:
            self._claims[key] = claims
        versions = self._versions.setdefault(key, [])
        versions.append(Document(content, etag, datetime.datetime.now(datetime.UTC)))
        former = [len(version.content) for version in versions[:-1]]
        while len(former) > self._limits.versions or sum(former) > self._limits.version_octets:
            del versions[0], former[0]

    async def delete(self, key: DocumentKey, *, expected: str) -> None:
        self._count(key, self._expected(key, expected), None)
        del self._versions[key]
        self._claims.pop(key, None)

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        found = (
            (key, versions[-1].etag) for key, versions in self._versions.items() if (key.auid, key.user) == (auid, user)
        )
        return sorted(found, key=lambda entry: entry[0].name)

    async def list_named(self, auid: str, name: str) -> Sequence[tuple[str, str]]:
        return sorted(
            (key.user, versions[-1].etag)
            for key, versions in self._versions.items()
            if (key.auid, key.name) == (auid, name) and key.user is not None
        )

    async def list_user(self, user: str) -> Sequence[Listed]:
        found = (
            Listed(key, versions[-1].etag, versions[-1].modified, len(versions[-1].content))
            for key, versions in self._versions.items()
            if key.user == user
        )
        return sorted(found, key=lambda listed: (listed.key.auid, listed.key.name))

    async def holders(self, auid: str, values: Collection[str]) -> Mapping[str, DocumentKey]:
        held = {value: key for key, claims in self._claims.items() if key.auid == auid for value in claims}
        return {value: held[value] for value in values if value in held}

    def _newest(self, key: DocumentKey) -> Document | None:
        return self._versions[key][-1] if key in self._versions else None

    def _expected(self, key: DocumentKey, expected: str | None) -> Document | None:
        """The newest version. Raises EtagMismatch."""
        newest = self._newest(key)
        current = newest.etag if newest else None
        if current != expected:
            raise EtagMismatch(current)
        return newest

    def _count(self, key: DocumentKey, before: Document | None, content: bytes | None) -> None:
        """Raises OverQuota."""
        use = self._use.get(key.user, Use())
        changed = use.changed(len(before.content) if before else None, None if content is None else len(content))
        if key.user is not None:
            self._limits.check(use, changed)
        self._use[key.user] = changed


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
