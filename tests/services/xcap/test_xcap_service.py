"""The document service: each request against RFC 4825 §7 and §8, in process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.services.xcap.conftest import ALICE, BOB, NOTES, Server
from xcap.core.errors import (
    BadRequest,
    CannotDelete,
    CannotInsert,
    ConstraintFailure,
    Forbidden,
    MethodNotAllowed,
    NoParent,
    NotFound,
    NotWellFormed,
    PreconditionFailed,
    UnsupportedMediaType,
)
from xcap.core.etag import Conditions, etag_of
from xcap.core.uri import DocumentKey, ResourceUri
from xcap.ports import Change, Document, EtagMismatch
from xcap.service import MAX_ATTEMPTS, Contended, NotModified, Representation, Stored
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = DocumentKey("notes", ALICE, "index")
DOCUMENT = ResourceUri(KEY)
CONTENT = b'<notes xmlns="urn:test:notes">\n <n id="a">1</n>\n <n id="b">2</n>\n</notes>'
ETAG = etag_of(CONTENT)
ALWAYS = Conditions()
ELEMENT = "application/xcap-el+xml"
ATTRIBUTE = "application/xcap-att+xml"


def node(selector: str) -> ResourceUri:
    return ResourceUri(KEY, selector)


def if_match(etag: str) -> Conditions:
    return Conditions.parse(if_match=f'"{etag}"', if_none_match=None)


def if_none_match(etags: str) -> Conditions:
    return Conditions.parse(if_match=None, if_none_match=etags)


async def put(
    server: Server,
    content: bytes = CONTENT,
    *,
    at: ResourceUri = DOCUMENT,
    media_type: str = NOTES.media_type,
    conditions: Conditions = ALWAYS,
) -> Stored:
    return await server.service.put(ALICE, at, content, media_type, conditions)


async def content(server: Server) -> bytes:
    found = await server.service.get(ALICE, DOCUMENT, ALWAYS)
    assert isinstance(found, Representation)
    return found.content


class TestGet:
    """§8.3."""

    @pytest.mark.parametrize(
        ("selector", "expected", "media_type"),
        [
            (None, CONTENT, NOTES.media_type),
            ("notes/n[2]", b'<n id="b">2</n>', ELEMENT),
            ("notes/n[1]/@id", b'"a"', ATTRIBUTE),
            ("notes/namespace::*", b'<notes xmlns="urn:test:notes"/>', "application/xcap-ns+xml"),
        ],
    )
    async def test_a_document_and_its_nodes_share_one_etag(
        self, server: Server, selector: str | None, expected: bytes, media_type: str
    ) -> None:
        """§8.5: "there is a single etag for the entire document"."""
        await put(server)
        found = await server.service.get(ALICE, ResourceUri(KEY, selector), ALWAYS)
        assert found == Representation(ETAG, expected, media_type)

    @pytest.mark.parametrize("selector", [None, "notes/n[1]"])
    async def test_what_is_not_there_is_not_found(self, server: Server, selector: str | None) -> None:
        with pytest.raises(NotFound):
            await server.service.get(ALICE, ResourceUri(KEY, selector), ALWAYS)

    async def test_a_node_that_is_not_there_is_not_found_whatever_the_conditions(self, server: Server) -> None:
        await put(server)
        with pytest.raises(NotFound):
            await server.service.get(ALICE, node("notes/n[3]"), if_none_match(f'"{ETAG}"'))

    async def test_an_unknown_usage_is_not_found(self, server: Server) -> None:
        with pytest.raises(NotFound):
            await server.service.get(ALICE, ResourceUri(DocumentKey("other", ALICE, "index")), ALWAYS)

    async def test_who_has_the_version_gets_no_body(self, server: Server) -> None:
        """§7.11: the server answers 304 if the etag is the same, for nodes too."""
        await put(server)
        for resource in (DOCUMENT, node("notes/n[1]")):
            assert await server.service.get(ALICE, resource, if_none_match(f'"{ETAG}"')) == NotModified(ETAG)
            assert isinstance(await server.service.get(ALICE, resource, if_none_match('"x"')), Representation)

    async def test_the_capabilities_are_there_without_being_stored(self, server: Server) -> None:
        """§12: `xcap-caps/global/index`."""
        found = await server.service.get(ALICE, ResourceUri(DocumentKey("xcap-caps", None, "index")), ALWAYS)
        assert isinstance(found, Representation)
        assert b"<auid>notes</auid>" in found.content
        assert found.etag == etag_of(found.content)


class TestPut:
    """§8.2."""

    async def test_a_document_is_created_then_replaced_and_kept_octet_for_octet(self, server: Server) -> None:
        assert await put(server) == Stored(ETAG, created=True)
        changed = CONTENT + b"\n<!-- the same, \xc3\xbc -->\r\n"
        assert await put(server, changed) == Stored(etag_of(changed), created=False)
        assert await content(server) == changed

    async def test_a_node_is_created_then_replaced(self, server: Server) -> None:
        await put(server)
        created = await put(server, b'<n id="c">3</n>', at=node('notes/n[@id="c"]'), media_type=ELEMENT)
        replaced = await put(server, b'<n id="c">4</n>', at=node('notes/n[@id="c"]'), media_type=ELEMENT)
        assert (created.created, replaced.created) == (True, False)
        assert await content(server) == CONTENT.replace(b"2</n>", b'2</n><n id="c">4</n>')
        assert replaced.etag == etag_of(await content(server))

    async def test_an_attribute_is_put(self, server: Server) -> None:
        await put(server)
        assert (await put(server, b'"x"', at=node("notes/@lang"), media_type=ATTRIBUTE)).created
        assert await content(server) == CONTENT.replace(b'notes">', b'notes" lang="x">')

    @pytest.mark.parametrize(
        ("selector", "media_type", "expected"),
        [
            (None, "application/xml", NOTES.media_type),
            (None, "", NOTES.media_type),
            ("notes/n[1]", NOTES.media_type, ELEMENT),
            ("notes/n[1]/@id", ELEMENT, ATTRIBUTE),
        ],
    )
    async def test_another_media_type_than_the_resource_has_is_refused(
        self, server: Server, selector: str | None, media_type: str, expected: str
    ) -> None:
        """§8.2.2: 415."""
        with pytest.raises(UnsupportedMediaType) as refusal:
            await put(server, b"<n/>", at=ResourceUri(KEY, selector), media_type=media_type)
        assert refusal.value.expected == expected

    async def test_a_node_of_no_document_has_no_parent(self, server: Server) -> None:
        """§8.2.1: 409, not 404."""
        with pytest.raises(NoParent):
            await put(server, b"<n/>", at=node("notes/n"), media_type=ELEMENT)

    async def test_namespace_bindings_cannot_be_put_or_deleted(self, server: Server) -> None:
        """§8.2, §8.4: 405 that names GET."""
        await put(server)
        for attempt in (
            put(server, b"<n/>", at=node("notes/namespace::*"), media_type="application/xcap-ns+xml"),
            server.service.delete(ALICE, node("notes/namespace::*"), ALWAYS),
        ):
            with pytest.raises(MethodNotAllowed) as refusal:
                await attempt
            assert "GET" in refusal.value.allow

    @pytest.mark.parametrize(
        ("selector", "body", "error"),
        [
            (None, b"<notes", NotWellFormed),
            ("notes/n[9]", b"<n/>", CannotInsert),
            ("nothing/n", b"<n/>", NoParent),
            ("p:n", b"<n/>", BadRequest),
        ],
    )
    async def test_a_refused_put_changes_nothing_and_tells_nobody(
        self, server: Server, selector: str | None, body: bytes, error: type[Exception]
    ) -> None:
        await put(server)
        with pytest.raises(error):
            await put(server, body, at=ResourceUri(KEY, selector), media_type=ELEMENT if selector else NOTES.media_type)
        assert await content(server) == CONTENT
        assert len(server.sink.changes) == 1

    async def test_a_document_is_created_under_the_usages_names_only(self, server: Server) -> None:
        with pytest.raises(ConstraintFailure):
            await put(server, at=ResourceUri(DocumentKey("notes", ALICE, "elsewhere")))

    async def test_a_put_that_changes_nothing_keeps_the_etag_and_tells_nobody(self, server: Server) -> None:
        await put(server)
        assert await put(server) == Stored(ETAG, created=False)
        assert len(server.sink.changes) == 1

    async def test_a_put_that_changes_nothing_honours_conditions(self, server: Server) -> None:
        await put(server)
        for conditions in (if_match("other"), if_none_match("*")):
            with pytest.raises(PreconditionFailed):
                await put(server, conditions=conditions)


class TestConditions:
    """§7.11, §8.2.6, §8.5."""

    async def test_if_match_takes_the_current_etag_only(self, server: Server) -> None:
        await put(server)
        with pytest.raises(PreconditionFailed) as refusal:
            await put(server, b"<n>5</n>", at=node("notes/n[1]"), media_type=ELEMENT, conditions=if_match("old"))
        assert refusal.value.current == ETAG
        stored = await put(server, b"<n>5</n>", at=node("notes/n[1]"), media_type=ELEMENT, conditions=if_match(ETAG))
        assert stored.etag != ETAG

    async def test_the_etag_of_an_answer_serves_for_the_next_request_on_any_node(self, server: Server) -> None:
        etag = (await put(server)).etag
        etag = (
            await put(server, b'"z"', at=node("notes/n[1]/@id"), media_type=ATTRIBUTE, conditions=if_match(etag))
        ).etag
        left = await server.service.delete(ALICE, node("notes/n[2]"), if_match(etag))
        assert left is not None
        assert await server.service.delete(ALICE, DOCUMENT, if_match(left)) is None

    async def test_if_none_match_star_creates_documents_only_once(self, server: Server) -> None:
        await put(server, conditions=if_none_match("*"))
        with pytest.raises(PreconditionFailed):
            await put(server, CONTENT + b"\n", conditions=if_none_match("*"))

    async def test_if_none_match_star_on_a_node_always_fails(self, server: Server) -> None:
        """§8.2.6: it sees the document's etag, also when the node is new."""
        await put(server)
        with pytest.raises(PreconditionFailed):
            await put(server, b"<m/>", at=node("notes/m"), media_type=ELEMENT, conditions=if_none_match("*"))

    async def test_if_match_on_a_document_that_is_gone_fails(self, server: Server) -> None:
        with pytest.raises(PreconditionFailed):
            await put(server, conditions=if_match(ETAG))

    async def test_deleting_what_is_not_there_is_not_found_before_any_condition(self, server: Server) -> None:
        """RFC 9110 §13.2.1: conditions count only where the answer would be a success."""
        with pytest.raises(NotFound):
            await server.service.delete(ALICE, DOCUMENT, if_match(ETAG))
        await put(server)
        with pytest.raises(NotFound):
            await server.service.delete(ALICE, node("notes/n[9]"), if_match("old"))

    async def test_a_condition_counts_before_a_conflict(self, server: Server) -> None:
        await put(server)
        with pytest.raises(PreconditionFailed):
            await server.service.delete(ALICE, node("notes/n[1]"), if_match("old"))


class TestDelete:
    """§8.4."""

    async def test_a_document_is_deleted_and_the_sink_told(self, server: Server) -> None:
        await put(server)
        assert await server.service.delete(ALICE, DOCUMENT, ALWAYS) is None
        with pytest.raises(NotFound):
            await server.service.get(ALICE, DOCUMENT, ALWAYS)
        assert server.sink.changes == [Change(KEY, None, ETAG), Change(KEY, ETAG, None)]

    async def test_a_node_is_deleted_and_white_space_stays(self, server: Server) -> None:
        await put(server)
        etag = await server.service.delete(ALICE, node('notes/n[@id="a"]'), ALWAYS)
        assert await content(server) == CONTENT.replace(b'<n id="a">1</n>', b"")
        assert etag == etag_of(await content(server))

    async def test_a_delete_after_which_the_uri_selects_another_element_is_refused(self, server: Server) -> None:
        await put(server)
        with pytest.raises(CannotDelete):
            await server.service.delete(ALICE, node("notes/n[1]"), ALWAYS)
        assert await content(server) == CONTENT


class TestAuthorization:
    """§5.7: owners read and write their own tree, everyone reads the global one."""

    async def test_nobody_reaches_into_anothers_tree(self, server: Server) -> None:
        await put(server)
        for attempt in (
            server.service.get(BOB, DOCUMENT, ALWAYS),
            server.service.put(BOB, DOCUMENT, CONTENT, NOTES.media_type, ALWAYS),
            server.service.delete(BOB, DOCUMENT, ALWAYS),
        ):
            with pytest.raises(Forbidden):
                await attempt

    async def test_a_stranger_does_not_learn_whether_a_document_exists(self, server: Server) -> None:
        with pytest.raises(Forbidden):
            await server.service.get(BOB, DOCUMENT, ALWAYS)

    async def test_nobody_writes_in_the_global_tree(self, server: Server) -> None:
        with pytest.raises(Forbidden):
            await put(server, at=ResourceUri(DocumentKey("notes", None, "index")))


class TestWriters:
    """Many at once, on each store."""

    async def test_every_acknowledged_edit_is_in_the_final_document(self, any_server: Server) -> None:
        await put(any_server, b'<notes xmlns="urn:test:notes"/>')
        names = [f"w{n}" for n in range(60)]
        await asyncio.gather(
            *(
                put(any_server, f'<n id="{name}"/>'.encode(), at=node(f'notes/n[@id="{name}"]'), media_type=ELEMENT)
                for name in names
            )
        )
        final = await content(any_server)
        assert all(f'id="{name}"'.encode() in final for name in names)
        assert len(any_server.sink.changes) == 61
        assert any_server.sink.changes[-1].current == etag_of(final)

    async def test_of_many_puts_with_one_if_match_exactly_one_wins(self, any_server: Server) -> None:
        etag = (await put(any_server)).etag
        results = await asyncio.gather(
            *(put(any_server, CONTENT + b"\n" * n, conditions=if_match(etag)) for n in range(1, 31)),
            return_exceptions=True,
        )
        self._one_won(results)

    async def test_of_many_creations_exactly_one_wins(self, any_server: Server) -> None:
        results = await asyncio.gather(
            *(put(any_server, CONTENT + b"\n" * n, conditions=if_none_match("*")) for n in range(30)),
            return_exceptions=True,
        )
        self._one_won(results)

    async def test_of_many_deletions_exactly_one_wins(self, any_server: Server) -> None:
        await put(any_server)
        results = await asyncio.gather(
            *(any_server.service.delete(ALICE, DOCUMENT, ALWAYS) for _ in range(10)), return_exceptions=True
        )
        assert results.count(None) == 1
        assert sum(isinstance(result, NotFound) for result in results) == 9

    @staticmethod
    def _one_won(results: Sequence[Stored | BaseException]) -> None:
        assert sum(isinstance(result, Stored) for result in results) == 1
        assert sum(isinstance(result, PreconditionFailed) for result in results) == len(results) - 1


class Meddled(MemoryDocumentStore):
    """Another process is faster than the next `times` saves."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def save(
        self,
        key: DocumentKey,
        content: bytes,
        etag: str,
        *,
        expected: str | None,
        claims: frozenset[str] | None = None,
    ) -> None:
        if self.times and expected is not None:
            self.times -= 1
            other = f'<notes xmlns="urn:test:notes"><meddled by="{self.times}"/></notes>'.encode()
            await super().save(key, other, etag_of(other), expected=expected)
        await super().save(key, content, etag, expected=expected, claims=claims)


class TestOtherProcesses:
    async def test_an_edit_is_made_again_from_what_another_process_stored(self) -> None:
        server = Server(Meddled(2))
        await put(server)
        await put(server, b"<m/>", at=node("notes/m"), media_type=ELEMENT)
        assert await content(server) == b'<notes xmlns="urn:test:notes"><meddled by="0"/><m/></notes>'

    async def test_a_condition_is_judged_again(self) -> None:
        server = Server(Meddled(1))
        etag = (await put(server)).etag
        with pytest.raises(PreconditionFailed):
            await put(server, CONTENT + b"\n", conditions=if_match(etag))

    async def test_after_many_attempts_the_request_gives_up(self) -> None:
        server = Server(Meddled(MAX_ATTEMPTS + 1))
        await put(server)
        with pytest.raises(Contended):
            await put(server, CONTENT + b"\n")


class Breaking(MemoryDocumentStore):
    """Holds saves back until told, and lets one of them fail."""

    def __init__(self) -> None:
        super().__init__()
        self.release = asyncio.Event()
        self.broken = b"<broken/>"

    async def save(
        self,
        key: DocumentKey,
        content: bytes,
        etag: str,
        *,
        expected: str | None,
        claims: frozenset[str] | None = None,
    ) -> None:
        await self.release.wait()
        if self.broken in content:
            self.broken = b"<none/>"
            raise OSError("no space left")
        await super().save(key, content, etag, expected=expected, claims=claims)


class TestFailingStore:
    async def test_an_edit_made_from_a_version_that_was_never_stored_is_made_again_without_it(self) -> None:
        store = Breaking()
        server = Server(store)
        store.release.set()
        await put(server, b'<notes xmlns="urn:test:notes"/>')
        store.release.clear()
        first = asyncio.ensure_future(put(server, b"<broken/>", at=node("notes/broken"), media_type=ELEMENT))
        second = asyncio.ensure_future(put(server, b"<whole/>", at=node("notes/whole"), media_type=ELEMENT))
        await asyncio.sleep(0)
        store.release.set()
        with pytest.raises(OSError, match="no space"):
            await first
        assert (await second).created
        assert await content(server) == b'<notes xmlns="urn:test:notes"><whole/></notes>'
        assert len(server.sink.changes) == 2

    async def test_nobody_reads_what_is_not_committed(self) -> None:
        store = Breaking()
        server = Server(store)
        pending = asyncio.ensure_future(put(server))
        await asyncio.sleep(0)
        with pytest.raises(NotFound):
            await server.service.get(ALICE, DOCUMENT, ALWAYS)
        store.release.set()
        await pending
        assert await content(server) == CONTENT

    async def test_a_document_that_is_being_removed_can_be_made_again(self) -> None:
        server = Server()
        await put(server)
        _, again = await asyncio.gather(
            server.service.delete(ALICE, DOCUMENT, ALWAYS), put(server, CONTENT + b"\n", conditions=if_none_match("*"))
        )
        assert again.created
        document = await server.store.load(KEY)
        assert isinstance(document, Document)
        assert document.etag == again.etag


def test_etag_mismatch_says_what_is_stored() -> None:
    assert EtagMismatch("e").current == "e"
