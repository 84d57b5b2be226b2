"""What a usage asks of the service beyond one document: unique values, computed documents, aliases, trust."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from xcap.core.errors import Forbidden, MethodNotAllowed, NotFound, UniquenessFailure
from xcap.core.etag import Conditions
from xcap.core.selector import NodeKind
from xcap.core.uri import ResourceUri
from xcap.core.usage import ApplicationUsage, Unique, Usages, global_tree, servers_read
from xcap.core.usages.xcap_caps import XCAP_CAPS
from xcap.ports import Change, Computed, DocumentKey
from xcap.service import Representation, XcapService
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml import etree

    from xcap.core.selector import NodeSelector

ALICE, BOB, SERVER = "sip:alice@example.com", "sip:bob@example.com", "sip:rls@example.com"
ALWAYS = Conditions()


def _values(document: etree._Element) -> Sequence[tuple[str, str]]:
    return [(str(each.get("name")), f"rooms/room[{n}]/@name") for n, each in enumerate(document, 1)]


ROOMS = ApplicationUsage(
    auid="rooms",
    media_type="application/rooms+xml",
    default_namespace=None,
    namespaces=(),
    unique=Unique(_values, lambda value: (f"{value}-{n}" for n in range(2, 10))),
    computed=global_tree,
    policy=servers_read,
    aliases={"chambers": ""},
)
INDEX = DocumentKey("rooms", None, "index")


class Index:
    """A computed document."""

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        return Computed(b"<index><a/></index>", "tag") if key == INDEX else None

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        return [(INDEX, "tag")] if user is None else []


class Sink:
    def __init__(self) -> None:
        self.changes: list[Change] = []

    def changed(self, change: Change) -> None:
        self.changes.append(change)


class World:
    def __init__(self, usage: ApplicationUsage = ROOMS) -> None:
        self.store = MemoryDocumentStore()
        self.sink = Sink()
        self.used = {"attic", "attic-2"}
        self.service = XcapService(
            Usages([usage, XCAP_CAPS]),
            self.store,
            self.sink,
            sources={"rooms": Index()},
            in_use=self._in_use,
            trusted=[SERVER],
        )

    async def _in_use(self, value: str) -> bool:
        await asyncio.sleep(0)
        return value in self.used

    async def put(self, user: str, *rooms: str, auid: str = "rooms") -> None:
        body = "".join(f"<room name='{room}'/>" for room in rooms)
        resource = ResourceUri(DocumentKey(auid, user, "index"))
        await self.service.put(user, resource, f"<rooms>{body}</rooms>".encode(), ROOMS.media_type, ALWAYS)

    async def add(self, user: str, room: str) -> None:
        resource = ResourceUri(DocumentKey("rooms", user, "index"), f'rooms/room[@name="{room}"]')
        await self.service.put(user, resource, f"<room name='{room}'/>".encode(), NodeKind.ELEMENT.value, ALWAYS)

    async def delete(self, user: str, node: str | None = None) -> None:
        await self.service.delete(user, ResourceUri(DocumentKey("rooms", user, "index"), node), ALWAYS)


@pytest.fixture
def world() -> World:
    return World()


class TestUniqueValues:
    """§5.3, §11.1."""

    async def test_a_value_of_another_document_is_refused_with_its_place_and_free_ones(self, world: World) -> None:
        await world.put(ALICE, "hall", "hall-2", "hall-4")
        with pytest.raises(UniquenessFailure) as refusal:
            await world.put(BOB, "cellar", "hall")
        [field] = refusal.value.fields
        assert (field.field, field.alternatives) == ("rooms/room[2]/@name", ("hall-3", "hall-5", "hall-6"))
        await world.put(BOB, "cellar", field.alternatives[0])

    async def test_a_value_that_is_something_beside_the_documents_is_refused(self, world: World) -> None:
        with pytest.raises(UniquenessFailure) as refusal:
            await world.put(ALICE, "attic")
        assert refusal.value.fields[0].alternatives == ("attic-3", "attic-4", "attic-5")

    async def test_each_value_that_is_not_free_is_named(self, world: World) -> None:
        await world.put(ALICE, "hall", "den")
        with pytest.raises(UniquenessFailure) as refusal:
            await world.put(BOB, "den", "hall", "nook")
        assert [field.field for field in refusal.value.fields] == ["rooms/room[1]/@name", "rooms/room[2]/@name"]

    async def test_a_value_that_stands_twice_in_one_document_is_refused_at_its_second_place(self, world: World) -> None:
        await world.put(BOB, "hall-3")
        with pytest.raises(UniquenessFailure) as refusal:
            await world.put(ALICE, "hall", "hall-2", "hall")
        [field] = refusal.value.fields
        assert (field.field, field.alternatives) == ("rooms/room[3]/@name", ("hall-4", "hall-5", "hall-6"))

    async def test_a_report_names_ten_values_at_most(self, world: World) -> None:
        with pytest.raises(UniquenessFailure) as refusal:
            await world.put(ALICE, *["attic"] * 50)
        assert len(refusal.value.fields) == 10

    async def test_a_usage_that_knows_no_others_suggests_none(self) -> None:
        world = World(replace(ROOMS, unique=Unique(_values, lambda value: ())))
        with pytest.raises(UniquenessFailure) as refusal:
            await world.put(ALICE, "attic")
        assert refusal.value.fields[0].alternatives == ()

    async def test_a_value_is_free_again_when_its_node_or_document_is_gone(self, world: World) -> None:
        await world.put(ALICE, "hall", "den")
        await world.delete(ALICE, 'rooms/room[@name="hall"]')
        await world.put(BOB, "hall")
        await world.delete(ALICE)
        await world.put(BOB, "hall", "den")

    async def test_what_a_document_held_before_is_not_asked_about_again(self, world: World) -> None:
        """A user who came later does not stop the edits of what was there first."""
        await world.put(ALICE, "hall")
        world.used.add("hall")
        await world.add(ALICE, "den")
        assert set(await world.store.holders("rooms", ["hall", "den"])) == {"hall", "den"}

    async def test_of_many_users_who_want_one_value_at_once_exactly_one_gets_it(self, world: World) -> None:
        users = [f"sip:user{n}@example.com" for n in range(20)]
        results = await asyncio.gather(*(world.put(user, "hall") for user in users), return_exceptions=True)
        assert results.count(None) == 1
        assert sum(isinstance(result, UniquenessFailure) for result in results) == 19
        assert len(world.sink.changes) == 1

    async def test_edits_of_one_document_at_once_are_all_in_it(self, world: World) -> None:
        await world.put(ALICE)
        await asyncio.gather(*(world.add(ALICE, f"r{n}") for n in range(20)))
        assert len(await world.store.holders("rooms", [f"r{n}" for n in range(20)])) == 20

    async def test_a_document_made_and_removed_over_and_over_at_once_ends_in_one_state(self, world: World) -> None:
        async def remove() -> None:
            await world.delete(ALICE)

        works = [work for n in range(10) for work in (world.put(ALICE, f"r{n}"), remove())]
        results = await asyncio.gather(*works, return_exceptions=True)
        assert all(result is None or isinstance(result, NotFound) for result in results)
        left = await world.store.load(DocumentKey("rooms", ALICE, "index"))
        held = await world.store.holders("rooms", [f"r{n}" for n in range(10)])
        assert len(held) == (left is not None)


class TestComputedDocuments:
    async def get(self, world: World, requester: str, name: str = "index", node: str | None = None) -> bytes:
        found = await world.service.get(requester, ResourceUri(DocumentKey("rooms", None, name), node), ALWAYS)
        assert isinstance(found, Representation)
        assert found.etag == "tag"
        return found.content

    async def test_they_are_read_with_their_nodes_like_stored_ones(self, world: World) -> None:
        assert await self.get(world, ALICE) == b"<index><a/></index>"
        assert await self.get(world, ALICE, node="index/a") == b"<a/>"
        with pytest.raises(NotFound):
            await self.get(world, ALICE, "other")

    async def test_they_are_written_by_nobody(self, world: World) -> None:
        """405 with Allow, to a trusted user too, and on their nodes."""
        for requester, node in ((ALICE, None), (SERVER, None), (ALICE, "index/a")):
            resource = ResourceUri(INDEX, node)
            for attempt in (
                world.service.put(requester, resource, b"<a/>", ROOMS.media_type, ALWAYS),
                world.service.delete(requester, resource, ALWAYS),
            ):
                with pytest.raises(MethodNotAllowed) as refusal:
                    await attempt
                assert refusal.value.allow == ("GET", "HEAD", "OPTIONS")

    async def test_who_may_not_read_them_is_not_told_more(self) -> None:
        world = World(replace(ROOMS, policy=lambda access: access.trusted))
        with pytest.raises(Forbidden):
            await self.get(world, ALICE)
        with pytest.raises(Forbidden):
            await world.service.delete(ALICE, ResourceUri(INDEX), ALWAYS)
        assert await self.get(world, SERVER) == b"<index><a/></index>"

    async def test_a_computed_document_without_a_source_is_not_there(self) -> None:
        service = XcapService(Usages([ROOMS]), MemoryDocumentStore(), Sink())
        with pytest.raises(NotFound):
            await service.get(ALICE, ResourceUri(INDEX), ALWAYS)

    async def test_capabilities_are_in_the_global_tree_alone(self, world: World) -> None:
        """§12.7."""
        resource = ResourceUri(DocumentKey("xcap-caps", ALICE, "index"))
        with pytest.raises(NotFound):
            await world.service.get(ALICE, resource, ALWAYS)
        with pytest.raises(MethodNotAllowed):
            await world.service.put(ALICE, resource, b"<a/>", XCAP_CAPS.media_type, ALWAYS)


class TestAliasesAndTrust:
    async def test_a_document_is_one_under_all_its_names(self, world: World) -> None:
        await world.put(ALICE, "hall", auid="chambers")
        assert await world.store.load(DocumentKey("rooms", ALICE, "index")) is not None
        assert [change.key.auid for change in world.sink.changes] == ["rooms"]
        for auid in ("rooms", "chambers"):
            found = await world.service.get(ALICE, ResourceUri(DocumentKey(auid, ALICE, "index"), "rooms/room"), ALWAYS)
            assert isinstance(found, Representation)
            assert found.content == b"<room name='hall'/>"

    async def test_a_trusted_server_reads_what_it_acts_upon_and_writes_nobodys_tree(self, world: World) -> None:
        await world.put(ALICE, "hall")
        resource = ResourceUri(DocumentKey("rooms", ALICE, "index"))
        assert isinstance(await world.service.get(SERVER, resource, ALWAYS), Representation)
        with pytest.raises(Forbidden):
            await world.service.delete(SERVER, resource, ALWAYS)
        with pytest.raises(Forbidden):
            await world.service.get(BOB, resource, ALWAYS)
