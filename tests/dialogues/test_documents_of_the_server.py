"""The server's own documents over HTTP, read by their users with the public client."""

from __future__ import annotations

import contextlib
import datetime
from typing import TYPE_CHECKING

import pytest

from abserver.app.server import Server
from abserver.app.stores import open_stores
from abserver.config import Settings
from abserver.domain.relation import Relation, RelationState
from abserver.domain.rules import Grant
from abserver.domain.usages import ADDRESS_BOOK, CARD_RULES, CONTACT_CARD, RELATIONS, SHARED_CARDS
from abserver.domain.usages.shared_cards import name_of
from abserver.domain.view import view_of
from tests.support.documents import ANN, BOB, CAROL, allow, card, rules
from xcap.client import AsyncXcapClient, Refused, ResourceUri
from xcap.core.xml import parse_document
from xcap.ports import Credential, DocumentKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PASSWORD = "secret"
DIRECTORY = "org.openmobilealliance.xcap-directory"


@pytest.fixture
async def login(tmp_path: Path) -> AsyncIterator[Callable[[str], AsyncXcapClient]]:
    """A running server that Bob asked for Ann's card; gives a client for each user."""
    asked = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    settings = Settings.model_validate(
        {
            "sip": {"udp": ["127.0.0.1:0"], "tcp": ["127.0.0.1:0"]},
            "http": {
                "listen": "127.0.0.1:0",
                "xcap_root_uri": "https://cards.example.com/x",
                "auid_aliases": {"com.example.card": CONTACT_CARD.auid},
            },
            "storage": {"url": f"sqlite:///{tmp_path}/db.sqlite"},
        }
    )
    async with open_stores(settings.storage.url) as stores:
        for user in (ANN, BOB, CAROL):
            await stores.credentials.put(Credential.of(user, "example.com", PASSWORD))
        relation = Relation(ANN, BOB, RelationState.PENDING, frozenset(), None, asked, None, None)
        await stores.journal.write(relation)
    server = Server(settings)
    await server.start()
    scheme, _, place = server.ready[-1].partition(" ")
    root = f"{scheme}://{place}"
    async with contextlib.AsyncExitStack() as clients:

        def client(user: str) -> AsyncXcapClient:
            made = AsyncXcapClient(root, user.removeprefix("sip:"), PASSWORD)
            clients.push_async_callback(made.aclose)
            return made

        yield client
    await server.stop()


async def refused(client: AsyncXcapClient, key: DocumentKey | ResourceUri) -> int:
    with pytest.raises(Refused) as refusal:
        await client.get(key)
    return refusal.value.status


async def test_a_watcher_reads_his_view_of_a_card_and_its_owner_the_relation(
    login: Callable[[str], AsyncXcapClient],
) -> None:
    ann, bob, carol = login(ANN), login(BOB), login(CAROL)
    shared = DocumentKey(SHARED_CARDS.auid, BOB, name_of(ANN))
    content = card("1", friends="2", private="3")
    await ann.put(DocumentKey("com.example.card", ANN, "index"), content, media_type=CONTACT_CARD.media_type)
    assert await refused(bob, shared) == 404

    granted = rules(allow(BOB, "friends"))
    await ann.put(DocumentKey(CARD_RULES.auid, ANN, "index"), granted, media_type=CARD_RULES.media_type)
    view = view_of(content, Grant(frozenset({"public", "friends"}), frozenset(), everything=False), ANN)
    found = await bob.get(shared)
    assert found is not None
    assert (found.content, found.etag, found.media_type) == (view.content, view.tag, CONTACT_CARD.media_type)
    number = await bob.get(ResourceUri(shared, "vcards/vcard/tel[2]/uri"))
    assert number is not None
    assert number.content == b"<uri>tel:2</uri>"
    assert await bob.get(shared, if_none_match=found.etag) is None
    assert await refused(carol, shared) == 403
    with pytest.raises(Refused) as refusal:
        await bob.put(shared, content, media_type=CONTACT_CARD.media_type)
    assert refusal.value.status == 405

    listed = await ann.get(DocumentKey(RELATIONS.auid, ANN, "index"))
    assert listed is not None
    [shown] = RELATIONS.validate(listed.content, ANN)
    assert (shown.get("watcher"), shown.get("state")) == (BOB, "confirmed")
    assert await refused(bob, DocumentKey(RELATIONS.auid, ANN, "index")) == 403


async def test_a_directory_shows_a_watcher_what_there_is_for_him(login: Callable[[str], AsyncXcapClient]) -> None:
    ann, bob = login(ANN), login(BOB)
    await ann.put(DocumentKey(CONTACT_CARD.auid, ANN, "index"), card(), media_type=CONTACT_CARD.media_type)
    await ann.put(DocumentKey(CARD_RULES.auid, ANN, "index"), rules(allow(BOB)), media_type=CARD_RULES.media_type)
    book = f'<address-book xmlns="{ADDRESS_BOOK.default_namespace}"><entry id="1" follows="{ANN}"/></address-book>'
    await bob.put(DocumentKey(ADDRESS_BOOK.auid, BOB, "index"), book.encode(), media_type=ADDRESS_BOOK.media_type)
    found = await bob.get(DocumentKey(DIRECTORY, BOB, "directory.xml"))
    assert found is not None
    assert [entry.get("uri") for entry in parse_document(found.content).iter("{*}entry")] == [
        f"https://cards.example.com/x/{auid}/users/{BOB}/{name}"
        for auid, name in ((ADDRESS_BOOK.auid, "index"), (SHARED_CARDS.auid, ANN), (RELATIONS.auid, "index"))
    ]


async def test_the_address_of_a_user_is_no_name_for_a_service(login: Callable[[str], AsyncXcapClient]) -> None:
    """RFC 4826 §4.4.5."""
    bob = login(BOB)
    services = DocumentKey("rls-services", BOB, "index")

    def service(uri: str) -> bytes:
        document = f'<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="{uri}"><list/></service>'
        return f"{document}</rls-services>".encode()

    with pytest.raises(Refused) as refusal:
        await bob.put(services, service(f"{ANN};user=phone"), media_type="application/rls-services+xml")
    assert (refusal.value.status, refusal.value.condition) == (409, "uniqueness-failure")
    await bob.put(services, service("sip:friends-of-bob@example.com"), media_type="application/rls-services+xml")
