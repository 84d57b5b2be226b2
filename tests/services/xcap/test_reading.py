"""What readers of documents see: the same by key, in a listing, and in the answer to a GET."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xcap.core.errors import Forbidden, NotFound
from xcap.core.etag import Conditions, etag_of
from xcap.core.uri import ResourceUri
from xcap.core.usage import Usages
from xcap.core.usages import STANDARD, resource_lists, rls_services, xcap_caps, xcap_directory
from xcap.ports import Change, DocumentKey
from xcap.reading import Reader
from xcap.service import Representation, XcapService
from xcap.sources import standard_sources
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from xcap.core.uri import DocumentKey as Key

BILL, JOE, SERVER = "sip:bill@example.com", "sip:joe@example.com", "sip:rls@example.com"
LISTS = resource_lists.RESOURCE_LISTS.auid
CONTENT = b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>'


class Documents:
    """A reader and the service over the same documents: some of each kind."""

    def __init__(self) -> None:
        usages, self.store = Usages(STANDARD), MemoryDocumentStore()
        sources = standard_sources(usages, self.store, "/xcap-root")
        self.reader = Reader(usages, self.store, sources, trusted=[SERVER])
        self.service = XcapService(usages, self.store, self, sources=sources, trusted=[SERVER])

    def changed(self, change: Change) -> None:
        """Nobody wants to know (a ChangeSink)."""

    async def put(self, key: Key, content: bytes = CONTENT, expected: str | None = None) -> str:
        await self.store.save(key, content, etag_of(content), expected=expected)
        return etag_of(content)


async def test_a_reader_sees_exactly_what_a_get_would_show() -> None:
    documents = Documents()
    keys = [DocumentKey(LISTS, user, "index") for user in (BILL, JOE)]
    for key in keys:
        await documents.put(key)
    keys += [
        xcap_caps.KEY,
        rls_services.INDEX,
        DocumentKey(xcap_directory.AUID, BILL, xcap_directory.NAME),
        DocumentKey(LISTS, BILL, "nothing"),
        DocumentKey("no.such.usage", BILL, "index"),
    ]
    for requester in (BILL, JOE, SERVER):
        for key in keys:
            try:
                found = await documents.service.get(requester, ResourceUri(key), Conditions())
            except Forbidden:
                assert not documents.reader.may_read(requester, key)
            except NotFound:
                assert not documents.reader.may_read(requester, key) or await documents.reader.load(key) is None
            else:
                read = await documents.reader.load(key)
                assert isinstance(found, Representation)
                assert read is not None
                assert documents.reader.may_read(requester, key)
                assert (read.content, read.etag) == (found.content, found.etag)


async def test_a_listing_has_stored_computed_and_provided_documents_with_their_etags() -> None:
    documents = Documents()
    key = DocumentKey(LISTS, BILL, "index")
    etag = await documents.put(key)
    assert await documents.reader.list(BILL, LISTS, BILL) == [(key, etag)]
    directory = DocumentKey(xcap_directory.AUID, BILL, xcap_directory.NAME)
    for auid, user, computed in ((xcap_directory.AUID, BILL, directory), (xcap_caps.AUID, None, xcap_caps.KEY)):
        found = await documents.reader.load(computed)
        assert found is not None
        assert await documents.reader.list(BILL, auid, user) == [(computed, found.etag)]


async def test_a_listing_leaves_out_what_the_requester_may_not_read() -> None:
    documents = Documents()
    etag = await documents.put(DocumentKey(LISTS, BILL, "index"))
    assert await documents.reader.list(JOE, LISTS, BILL) == []
    assert await documents.reader.list(SERVER, LISTS, BILL) == [(DocumentKey(LISTS, BILL, "index"), etag)]
    assert await documents.reader.list(JOE, rls_services.AUID, None) == []
    assert len(await documents.reader.list(SERVER, rls_services.AUID, None)) == 1
    with pytest.raises(NotFound):
        await documents.reader.list(BILL, "no.such.usage", BILL)


async def test_former_versions_are_those_of_the_store_and_computed_documents_have_none() -> None:
    documents = Documents()
    key = DocumentKey(LISTS, BILL, "index")
    first = await documents.put(key)
    second = await documents.put(key, CONTENT + b"\n", expected=first)
    assert [each.etag for each in await documents.reader.since(key, first)] == [first, second]
    assert await documents.reader.since(xcap_caps.KEY, "any") == ()
