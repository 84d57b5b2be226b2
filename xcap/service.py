"""Serving documents and their nodes (RFC 4825 §8): authorize, load, edit, validate, save, tell the sink.

Laws:
- What is answered is committed, and an acknowledged edit is in every later version: each save names the etag of the
  version that it was made from, and where that is no longer the stored one the edit is made again from the new one.
- Conditions are judged on the version that the change is made from (§7.11, §8.2.6), so of many requests with one
  If-Match, or with `If-None-Match: *`, exactly one succeeds.

Writers of one document do not wait for each other's commits: the newest version on its way to the store is kept, the
next edit is made from that, and one commit stores both. If the first then fails, so does the etag comparison of those
made from it, and they start again from what is stored. Nobody is answered before the own version is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xcap.core.edit import delete_node, get_node, put_node
from xcap.core.errors import Conflict, Forbidden, MethodNotAllowed, NoParent, NotFound, UnsupportedMediaType
from xcap.core.etag import etag_of
from xcap.core.selector import NodeKind, NodeSelector, parse_node_selector
from xcap.core.usage import ApplicationUsage, Operation, Usages
from xcap.ports import Change, EtagMismatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from xcap.core.etag import Conditions
    from xcap.core.uri import DocumentKey, ResourceUri
    from xcap.ports import ChangeSink, DocumentStore

READ_METHODS = ("GET", "HEAD", "OPTIONS")
METHODS = (*READ_METHODS, "PUT", "DELETE")

MAX_ATTEMPTS = 100
"""Times that one request is worked on. Each attempt that fails is another writer's success."""


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

    @classmethod
    def of(cls, content: bytes | None) -> _Version:
        return cls(content, None if content is None else etag_of(content))


_ABSENT = _Version.of(None)


class XcapService:
    """The XCAP server behind its protocol; one per store and process."""

    def __init__(self, usages: Usages, store: DocumentStore, sink: ChangeSink) -> None:
        self._usages = usages
        self._store = store
        self._sink = sink
        self._newest: dict[DocumentKey, _Version] = {}
        """Versions that are being saved, the newest of each document."""

    async def get(self, requester: str, resource: ResourceUri, conditions: Conditions) -> Representation | NotModified:
        """The document or node, unless the requester has it.

        Raises BadRequest, Forbidden, NotFound, PreconditionFailed.
        """
        usage = self._authorized(requester, resource.key, Operation.READ)
        content, etag = await self._stored(resource.key)
        selector = _selector(usage, resource)
        if selector is None:
            found = Representation(etag, content, usage.media_type)
        else:
            node = get_node(content, selector)
            found = Representation(etag, node.content, node.media_type)
        return NotModified(etag) if conditions.not_modified(etag) else found

    async def put(
        self, requester: str, resource: ResourceUri, body: bytes, media_type: str, conditions: Conditions
    ) -> Stored:
        """Create or replace the document or node.

        media_type: without parameters, in lower case.
        Raises BadRequest, Forbidden, NotFound, MethodNotAllowed, UnsupportedMediaType, PreconditionFailed, TooLarge,
        a Conflict, Contended.
        """
        usage = self._authorized(requester, resource.key, Operation.WRITE)
        selector = self._writable(usage, resource)
        expected = usage.media_type if selector is None else selector.kind.value
        if media_type != expected:
            raise UnsupportedMediaType(expected)
        created = False

        def edit(base: _Version) -> _Version:
            nonlocal created
            conditions.check(base.etag)
            content, created = _placed(usage, resource.key, base, selector, body)
            usage.validate(content)
            return _Version.of(content)

        version = await self._change(resource.key, edit)
        return Stored(str(version.etag), created)

    async def delete(self, requester: str, resource: ResourceUri, conditions: Conditions) -> str | None:
        """Remove the document or node; gives the document's new etag, None when it was the document (§8.4, §8.5).

        Raises BadRequest, Forbidden, NotFound, MethodNotAllowed, PreconditionFailed, a Conflict, Contended.
        """
        usage = self._authorized(requester, resource.key, Operation.WRITE)
        selector = self._writable(usage, resource)

        def edit(base: _Version) -> _Version:
            if base.content is None:
                raise NotFound("there is no such document")
            content = _without(usage, base.content, selector, lambda: conditions.check(base.etag))
            return _Version.of(content)

        return (await self._change(resource.key, edit)).etag

    def _authorized(self, requester: str, key: DocumentKey, operation: Operation) -> ApplicationUsage:
        """The document's usage, if its policy lets the requester do this. Raises NotFound, Forbidden."""
        usage = self._usages.usage(key.auid)
        if not usage.policy(requester, key, operation):
            raise Forbidden(f"{operation.value} access is not granted")
        return usage

    def _writable(self, usage: ApplicationUsage, resource: ResourceUri) -> NodeSelector | None:
        """The node selector of something that can be put or deleted. Raises MethodNotAllowed, BadRequest, NotFound."""
        selector = _selector(usage, resource)
        computed = resource.key in self._usages.provided
        if computed or (selector is not None and selector.kind is NodeKind.NAMESPACES):
            raise MethodNotAllowed(READ_METHODS)
        return selector

    async def _stored(self, key: DocumentKey) -> tuple[bytes, str]:
        """The content and etag of a document, made by the server or stored. Raises NotFound."""
        provided = self._usages.provided.get(key)
        if provided is not None:
            return provided, etag_of(provided)
        document = await self._store.load(key)
        if document is None:
            raise NotFound("there is no such document")
        return document.content, document.etag

    async def _change(self, key: DocumentKey, edit: Callable[[_Version], _Version]) -> _Version:
        """Bring a document from its newest version to what `edit` makes of that, durably, and tell the sink.

        `edit` has no effect of its own, and is called again when another process was faster.
        """
        for _ in range(MAX_ATTEMPTS):
            base = await self._base(key)
            version = edit(base)
            if version.etag == base.etag and key not in self._newest:
                return version
            try:
                await self._save(key, base, version)
            except EtagMismatch:
                continue
            if version.etag != base.etag:
                self._sink.changed(Change(key, base.etag, version.etag))
            return version
        raise Contended

    async def _base(self, key: DocumentKey) -> _Version:
        """What the next edit is made from: the version on its way to the store, else the stored one."""
        if key not in self._newest:
            document = await self._store.load(key)
            if key not in self._newest:  # nobody began to save while it was loaded
                return _ABSENT if document is None else _Version(document.content, document.etag)
        return self._newest[key]

    async def _save(self, key: DocumentKey, base: _Version, version: _Version) -> None:
        """Called without a pause after `_base`, so that saves reach the store in the order of their versions."""
        self._newest[key] = version
        try:
            if version.content is not None and version.etag is not None:
                await self._store.save(key, version.content, version.etag, expected=base.etag)
            elif base.etag is not None:
                await self._store.delete(key, expected=base.etag)
        finally:
            if self._newest.get(key) is version:
                del self._newest[key]


def _selector(usage: ApplicationUsage, resource: ResourceUri) -> NodeSelector | None:
    if resource.node is None:
        return None
    return parse_node_selector(resource.node, resource.bindings, usage.default_namespace)


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


def _without(
    usage: ApplicationUsage, content: bytes, selector: NodeSelector | None, check: Callable[[], None]
) -> bytes | None:
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
    usage.validate(left)
    return left
