"""Serving documents and their nodes (RFC 4825 §8): authorize, load, edit, validate, save, tell the sink.

Laws:
- What is answered is committed, and an acknowledged edit is in every later version: each save names the etag of the
  version that it was made from, and where that is no longer the stored one the edit is made again from the new one.
- Conditions are judged on the version that the change is made from (§7.11, §8.2.6), so of many requests with one
  If-Match, or with `If-None-Match: *`, exactly one succeeds.

Writers of one document do not wait for each other's commits: the newest version on its way to the store is kept, the
next edit is made from that, and one commit stores both. If the first then fails, so does the etag comparison of those
made from it, and they start again from what is stored. Nobody is answered before the own version is committed.

Values that a usage wants unique among all documents are claimed by the same save, so of two that want one value exactly
one gets it. Computed documents come from their source, and answer 405 to whoever may read them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from xcap.core.edit import delete_node, get_node, put_node
from xcap.core.errors import (
    Conflict,
    Forbidden,
    MethodNotAllowed,
    NoParent,
    NotFound,
    NotUnique,
    UniquenessFailure,
    UnsupportedMediaType,
)
from xcap.core.etag import etag_of
from xcap.core.selector import NodeKind, NodeSelector, parse_node_selector
from xcap.core.usage import ApplicationUsage, Operation, Usages
from xcap.core.xml import parse_document
from xcap.ports import Change, Claimed, EtagMismatch
from xcap.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set

    from xcap.core.etag import Conditions
    from xcap.core.uri import DocumentKey, ResourceUri
    from xcap.ports import ChangeSink, DocumentSource, DocumentStore, InUse

READ_METHODS = ("GET", "HEAD", "OPTIONS")
METHODS = (*READ_METHODS, "PUT", "DELETE")

MAX_ATTEMPTS = 100
"""Times that one request is worked on. Each attempt that fails is another writer's success."""


MAX_REPORTED = 10
"""Values that are named in the report of a conflict."""
MAX_SUGGESTIONS = 3
"""Free values that are named for one that is not."""


class Contended(Exception):
    """Other processes changed the document at every attempt; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Representation:
    """What a GET answers (§8.3)."""

    etag: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class NotModified:
    """The requester has this version already (§7.11)."""

    etag: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What a PUT answers (§8.2.7)."""

    etag: str
    created: bool
    """Whether the document, element or attribute is new."""


@dataclass(frozen=True, slots=True, eq=False)
class _Version:
    """A document as it is stored, or on its way there; no content is no document."""

    content: bytes | None
    etag: str | None
    claims: Sequence[tuple[str, str]] = ()
    """The values that it is to hold alone, if its usage has such values, and where each stands in it."""

    @property
    def values(self) -> frozenset[str]:
        return frozenset(value for value, _ in self.claims)

    @classmethod
    def of(cls, content: bytes | None) -> _Version:
        return cls(content, None if content is None else etag_of(content))

    @classmethod
    def valid(cls, content: bytes, usages: Usages, usage: ApplicationUsage, key: DocumentKey) -> _Version:
        """Raises TooLarge and the Conflicts of a document that may not be stored."""
        document = usages.validate(usage, content, key.user)
        claims = usage.unique.values(document) if usage.unique else ()
        return cls(content, etag_of(content), claims)


_ABSENT = _Version.of(None)


async def _nothing_in_use(uri: str) -> bool:
    return False


class XcapService:
    """The XCAP server behind its protocol; one per store and process."""

    def __init__(
        self,
        usages: Usages,
        store: DocumentStore,
        sink: ChangeSink,
        *,
        sources: Mapping[str, DocumentSource] | None = None,
        in_use: InUse = _nothing_in_use,
        is_user: InUse | None = None,
        trusted: Collection[str] = (),
    ) -> None:
        """sources: AUID -> where the computed documents of that usage come from.

        in_use: tells of URIs that exist beside the documents, which unique values must not be.
        is_user: tells of XUIs whether the server knows them, so that those of nobody are 404 (§8); None knows all.
        trusted: XUIs of trusted users (§5.7); what they may do is for each usage's policy to say.
        """
        self._usages = usages
        self._reader = Reader(usages, store, sources, trusted=trusted)
        self._store = store
        self._sink = sink
        self._in_use = in_use
        self._is_user = is_user
        self._newest: dict[DocumentKey, _Version] = {}
        """Versions that are being saved, the newest of each document."""

    async def get(self, requester: str, resource: ResourceUri, conditions: Conditions) -> Representation | NotModified:
        """The document or node, unless the requester has it.

        Raises BadRequest, Forbidden, NotFound, PreconditionFailed.
        """
        resource = self._canonical(resource)
        usage = await self._authorized(requester, resource.key, Operation.READ)
        selector = _selector(usage, resource)
        content, etag = await self._stored(resource.key, selector)
        if selector is None:
            found = Representation(etag, content, usage.media_type)
        else:
            node = get_node(content, selector)
            found = Representation(etag, node.content, node.media_type)
        return NotModified(etag) if conditions.not_modified(etag) else found

    async def put(
        self,
        requester: str,
        resource: ResourceUri,
        body: bytes,
        media_type: str,
        conditions: Conditions,
        *,
        agent: str | None = None,
    ) -> Stored:
        """Create or replace the document or node.

        media_type: without parameters, in lower case. agent: see `Change`.
        Raises BadRequest, Forbidden, NotFound, MethodNotAllowed, UnsupportedMediaType, PreconditionFailed, TooLarge,
        a Conflict, Contended.
        """
        resource = self._canonical(resource)
        usage = await self._authorized(requester, resource.key, Operation.WRITE)
        selector = self._writable(usage, resource)
        expected = usage.media_type if selector is None else selector.kind.value
        if media_type != expected:
            raise UnsupportedMediaType(expected)
        created = False

        def edit(base: _Version) -> _Version:
            nonlocal created
            conditions.check(base.etag)
            content, created = _placed(usage, resource.key, base, selector, body)
            return _Version.valid(content, self._usages, usage, resource.key)

        version = await self._change(usage, resource.key, edit, agent)
        return Stored(str(version.etag), created)

    async def delete(
        self, requester: str, resource: ResourceUri, conditions: Conditions, *, agent: str | None = None
    ) -> str | None:
        """Remove the document or node; gives the document's new etag, None when it was the document (§8.4, §8.5).

        agent: see `Change`.
        Raises BadRequest, Forbidden, NotFound, MethodNotAllowed, PreconditionFailed, a Conflict, Contended.
        """
        resource = self._canonical(resource)
        usage = await self._authorized(requester, resource.key, Operation.WRITE)
        selector = self._writable(usage, resource)

        def edit(base: _Version) -> _Version:
            if base.content is None:
                raise NotFound("there is no such document")
            left = _without(base.content, selector, lambda: conditions.check(base.etag))
            if left is None:
                return _Version.of(None)
            return _Version.valid(left, self._usages, usage, resource.key)

        return (await self._change(usage, resource.key, edit, agent)).etag

    def _canonical(self, resource: ResourceUri) -> ResourceUri:
        key = self._usages.canonical(resource.key)
        return resource if key is resource.key else replace(resource, key=key)

    async def _authorized(self, requester: str, key: DocumentKey, operation: Operation) -> ApplicationUsage:
        """The document's usage, if its policy lets the requester do this.

        Raises NotFound, Forbidden, and MethodNotAllowed to whoever may read a computed document and wants to write it.
        """
        usage = self._usages.usage(key.auid)
        computed = self._usages.is_computed(key)
        asked = Operation.READ if computed else operation
        if not self._reader.allows(requester, key, asked):
            if self._is_user and key.user is not None and not await self._is_user(key.user):
                raise NotFound("no such user")
            raise Forbidden(f"{operation.value} access is not granted")
        if computed and operation is not Operation.READ:
            raise MethodNotAllowed(READ_METHODS)
        return usage

    def _writable(self, usage: ApplicationUsage, resource: ResourceUri) -> NodeSelector | None:
        """The node selector of something that can be put or deleted. Raises MethodNotAllowed, BadRequest, NotFound."""
        selector = _selector(usage, resource)
        if selector is not None and selector.kind is NodeKind.NAMESPACES:
            raise MethodNotAllowed(READ_METHODS)
        return selector

    async def _stored(self, key: DocumentKey, node: NodeSelector | None) -> tuple[bytes, str]:
        """The content and etag of a document, made by the server or stored. Raises NotFound.

        Of a computed document it may be no more than what `node` needs.
        """
        document = await self._reader.load(key, node)
        if document is None:
            raise NotFound("there is no such document")
        return document.content, document.etag

    async def _change(
        self, usage: ApplicationUsage, key: DocumentKey, edit: Callable[[_Version], _Version], agent: str | None
    ) -> _Version:
        """Bring a document from its newest version to what `edit` makes of that, durably, and tell the sink.

        `edit` has no effect of its own, and is called again when another process was faster, and when it was found
        out meanwhile that nothing in use has the values that the document is to hold alone.
        """
        free: set[str] = set()
        for _ in range(MAX_ATTEMPTS):
            base = await self._base(key)
            version = edit(base)
            if version.etag == base.etag and key not in self._newest:
                return version
            new = version.values - free - _held(usage, base)
            if new:
                await self._check_unused(usage, version, new)
                free |= new
                continue
            if len(version.claims) > len(version.values):
                raise await self._not_unique(usage, version, ())
            try:
                await self._save(usage, key, base, version)
            except EtagMismatch:
                continue
            except Claimed as claimed:
                raise await self._not_unique(usage, version, claimed.values) from None
            if version.etag != base.etag:
                self._sink.changed(Change(key, base.etag, version.etag, agent))
            return version
        raise Contended

    async def _base(self, key: DocumentKey) -> _Version:
        """What the next edit is made from: the version on its way to the store, else the stored one."""
        if key not in self._newest:
            document = await self._store.load(key)
            if key not in self._newest:  # nobody began to save while it was loaded
                return _ABSENT if document is None else _Version(document.content, document.etag)
        return self._newest[key]

    async def _check_unused(self, usage: ApplicationUsage, version: _Version, values: Collection[str]) -> None:
        """Raises UniquenessFailure for values that are something beside the documents."""
        used = await self._used(values)
        if used:
            raise await self._not_unique(usage, version, used)

    async def _used(self, values: Collection[str]) -> frozenset[str]:
        answers = await asyncio.gather(*(self._in_use(value) for value in values))
        return frozenset(value for value, used in zip(values, answers, strict=True) if used)

    async def _not_unique(
        self, usage: ApplicationUsage, version: _Version, elsewhere: Collection[str]
    ) -> UniquenessFailure:
        """The conflict about values that exist elsewhere or stand in the version twice (§11.1)."""
        places = list(islice(_conflicts(version, elsewhere), MAX_REPORTED))
        return UniquenessFailure(
            [NotUnique(place, await self._free_like(usage, version, value)) for value, place in places]
        )

    async def _free_like(self, usage: ApplicationUsage, version: _Version, value: str) -> tuple[str, ...]:
        """Others that are free at the moment, to suggest."""
        alternatives = usage.unique.alternatives(value) if usage.unique else ()
        candidates = [each for each in alternatives if each not in version.values]
        taken = (await self._store.holders(usage.auid, candidates)).keys() | await self._used(candidates)
        return tuple(islice((each for each in candidates if each not in taken), MAX_SUGGESTIONS))

    async def _save(self, usage: ApplicationUsage, key: DocumentKey, base: _Version, version: _Version) -> None:
        """Called without a pause after `_base`, so that saves reach the store in the order of their versions."""
        claims = version.values if usage.unique else None
        self._newest[key] = version
        try:
            if version.content is not None and version.etag is not None:
                await self._store.save(key, version.content, version.etag, expected=base.etag, claims=claims)
            elif base.etag is not None:
                await self._store.delete(key, expected=base.etag)
        finally:
            if self._newest.get(key) is version:
                del self._newest[key]


def _selector(usage: ApplicationUsage, resource: ResourceUri) -> NodeSelector | None:
    if resource.node is None:
        return None
    return parse_node_selector(resource.node, resource.bindings, usage.default_namespace, usage.vocabulary)


def _placed(
    usage: ApplicationUsage, key: DocumentKey, base: _Version, selector: NodeSelector | None, body: bytes
) -> tuple[bytes, bool]:
    """The document's content with the body in its place, and whether that is new."""
    if selector is None:
        if base.content is None:
            usage.check_name(key)
        return body, base.content is None
    if base.content is None:
        raise NoParent
    return put_node(base.content, selector, body)


def _conflicts(version: _Version, elsewhere: Collection[str]) -> Iterator[tuple[str, str]]:
    """The values that exist elsewhere, or before their place in the version, with these places."""
    before: set[str] = set()
    for value, place in version.claims:
        if value in elsewhere or value in before:
            yield value, place
        before.add(value)


def _held(usage: ApplicationUsage, base: _Version) -> Set[str]:
    """The values that a version, perhaps one from the store, holds alone."""
    if usage.unique is None or base.content is None:
        return frozenset()
    held = base.claims or usage.unique.values(parse_document(base.content))
    return {value for value, _ in held}


def _without(content: bytes, selector: NodeSelector | None, check: Callable[[], None]) -> bytes | None:
    """What is left of a document. That there is no such node counts before the conditions, a conflict after them."""
    if selector is None:
        check()
        return None
    try:
        left = delete_node(content, selector)
    except Conflict:
        check()
        raise
    check()
    return left
