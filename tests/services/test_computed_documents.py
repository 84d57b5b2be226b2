"""Shared cards and relation lists, told as stories: what a watcher can read, and when, beside what he is notified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.app.computed import RelationLists, SharedCards
from abserver.domain.usages import RELATIONS, SHARED_CARDS
from abserver.domain.usages.shared_cards import name_of
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, confirm, polite_block, rules
from tests.support.world import World, story
from xcap.core.xml import parse_document
from xcap.ports import Computed, DocumentKey

if TYPE_CHECKING:
    from abserver.domain.identity import Owner, Watcher


def shared(world: World) -> SharedCards:
    return SharedCards(world.server.authorizer, world.server.relating, world.clock)


def lists(world: World) -> RelationLists:
    server = world.server
    return RelationLists(server.authorizer, server.relating, server.outbox, server.journal, world.clock)


def key_of(watcher: Watcher, owner: Owner) -> DocumentKey:
    return DocumentKey(SHARED_CARDS.auid, watcher, name_of(owner))


async def read(world: World, watcher: Watcher = BOB, owner: Owner = ANN) -> Computed | None:
    return await shared(world).load(key_of(watcher, owner), None)


async def states(world: World, owner: Owner = ANN) -> dict[str | None, str | None]:
    document = await lists(world).load(DocumentKey(RELATIONS.auid, owner, "index"), None)
    assert document is not None
    RELATIONS.validate(document.content, owner)
    return {each.get("watcher"): each.get("state") for each in parse_document(document.content)}


@story
async def test_what_is_read_is_what_was_notified_octet_for_octet_and_tag_for_tag(world: World) -> None:
    world.put_card(ANN, card("1", friends="2", private="3"))
    world.put_rules(ANN, rules(allow(BOB, "friends")))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Accept="application/vcard+xml")
    await world.pass_time()
    for number in ("2", "4"):
        document = await read(world)
        assert document is not None
        assert (document.content, document.etag) == (bob.last.body, bob.last.etag)
        assert b"tel:3" not in document.content
        world.put_card(ANN, card("1", friends=number, private="5"))
        await world.pass_time()


@story
async def test_nothing_is_read_before_the_confirmation_or_after_its_end(world: World) -> None:
    world.put_card(ANN, card())
    assert await read(world) is None
    bob = await world.phone(BOB)
    await bob.subscribe(ANN)
    await world.pass_time()
    assert await read(world) is None
    for rule, readable in ((allow(BOB), True), (confirm(BOB), False), (allow(BOB), True), (block(BOB), False)):
        world.put_rules(ANN, rules(rule))
        assert (await read(world) is not None) is readable, "the rules count from the moment of their edit on"
        await world.pass_time()
        assert (await read(world) is not None) is readable


@story
async def test_who_never_asked_reads_nothing_whatever_the_rules_would_allow(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN)
    await world.pass_time()
    assert await read(world, BOB) is not None
    assert await read(world, CAROL) is None
    assert await read(world, BOB, DAN) is None


@story
async def test_a_politely_blocked_watcher_reads_an_empty_card_as_he_is_notified(world: World) -> None:
    world.put_card(ANN, card("1", friends="2"))
    world.put_rules(ANN, rules(polite_block(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Accept="application/vcard+xml")
    await world.pass_time()
    document = await read(world)
    assert document is not None
    assert (document.content, document.etag) == (bob.last.body, bob.last.etag)


@story
async def test_a_relation_outlasts_its_subscription_and_so_does_the_shared_card(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN)
    await world.pass_time(100_000)
    assert not world.server.followers.by(ANN, BOB)
    world.put_card(ANN, card("9"))
    document = await read(world)
    assert document is not None
    assert b"tel:9" in document.content


@story
async def test_a_change_that_a_watcher_may_not_see_changes_nothing_that_he_can_read(world: World) -> None:
    world.put_card(ANN, card("1", private="2"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN)
    await world.pass_time()
    before = await read(world), await shared(world).list(SHARED_CARDS.auid, BOB)
    world.put_card(ANN, card("1", private="3"))
    world.put_rules(ANN, rules(allow(BOB), block(CAROL)))
    await world.pass_time()
    assert (await read(world), await shared(world).list(SHARED_CARDS.auid, BOB)) == before


@story
async def test_a_collection_lists_whoever_shows_something_and_no_others(world: World) -> None:
    bob = await world.phone(BOB)
    for owner in (DAN, ANN):
        world.put_card(owner, card())
        await bob.subscribe(owner)
    await world.pass_time()
    assert await shared(world).list(SHARED_CARDS.auid, BOB) == []
    world.put_rules(DAN, rules(allow(BOB)))
    [(key, etag)] = await shared(world).list(SHARED_CARDS.auid, BOB)
    assert key == key_of(BOB, DAN)
    document = await read(world, BOB, DAN)
    assert document is not None
    assert document.etag == etag
    world.put_rules(ANN, rules(allow(BOB)))
    assert [key for key, _ in await shared(world).list(SHARED_CARDS.auid, BOB)] == [key_of(BOB, ANN), key_of(BOB, DAN)]
    assert await shared(world).list(SHARED_CARDS.auid, CAROL) == []


@story
async def test_an_owner_is_found_in_any_spelling(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN)
    await world.pass_time()
    spelt = DocumentKey(SHARED_CARDS.auid, BOB, "sip:ann@EXAMPLE.COM;transport=tcp")
    assert await shared(world).load(spelt, None) == await read(world)


@story
async def test_the_relation_list_follows_the_rules_from_the_moment_of_their_edit_on(world: World) -> None:
    world.put_card(ANN, card())
    assert await states(world) == {}
    for watcher in (BOB, CAROL):
        phone = await world.phone(watcher)
        await phone.subscribe(ANN)
    await world.pass_time()
    assert await states(world) == {BOB: "pending", CAROL: "pending"}
    world.put_rules(ANN, rules(allow(BOB), block(CAROL)))
    assert await states(world) == {BOB: "confirmed", CAROL: "rejected"}
    await world.pass_time()
    stored = {each.watcher: each.state.value for each in (await world.journal.load()).relations}
    assert stored == {BOB: "confirmed", CAROL: "rejected"}
    assert await states(world, DAN) == {}


@story
async def test_a_relation_list_tells_the_history_of_the_decisions(world: World) -> None:
    world.put_card(ANN, card())
    phone = await world.phone(BOB)
    await phone.subscribe(ANN)
    await world.pass_time()
    document = None
    for rule in (allow(BOB, "friends"), block(BOB)):
        world.put_rules(ANN, rules(rule))
        document = await lists(world).load(DocumentKey(RELATIONS.auid, ANN, "index"), None)
    assert document is not None
    [relation] = RELATIONS.validate(document.content, ANN)
    [first, second] = relation
    assert [dict(each.attrib) | {"at": None} for each in (first, second)] == [
        {"state": state, "at": None, "by": "xcap", "rule": "w-bob_40example.com"} for state in ("confirmed", "rejected")
    ]
    assert second.get("at") == relation.get("decided-at")


@story
async def test_a_relation_list_that_did_not_change_keeps_its_tag(world: World) -> None:
    world.put_card(ANN, card())
    phone = await world.phone(BOB)
    await phone.subscribe(ANN)
    await world.pass_time()
    source = lists(world)
    [(key, etag)] = await source.list(RELATIONS.auid, ANN)
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert await source.list(RELATIONS.auid, ANN) == [(key, etag)]
    world.put_rules(ANN, rules(allow(BOB)))
    assert await source.list(RELATIONS.auid, ANN) != [(key, etag)]


@story
async def test_there_are_no_documents_of_other_names_trees_or_users(world: World) -> None:
    for user, name in ((BOB, "index"), (None, name_of(ANN)), ("mailto:ann@example.com", name_of(ANN))):
        assert await shared(world).load(DocumentKey(SHARED_CARDS.auid, user, name), None) is None
    for user, name in ((ANN, "other"), (None, "index"), ("mailto:ann@example.com", "index")):
        assert await lists(world).load(DocumentKey(RELATIONS.auid, user, name), None) is None
    for user in (None, "mailto:ann@example.com"):
        assert await shared(world).list(SHARED_CARDS.auid, user) == []
        assert await lists(world).list(RELATIONS.auid, user) == []
