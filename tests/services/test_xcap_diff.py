"""Users who are told what changes in their documents, as stories: whom, of what, over which accidents.

What RFC 5875 says of it is held by tests/conformance/test_rfc5875_notifier.py.
"""

from __future__ import annotations

import asyncio
import datetime
import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.usages import ADDRESS_BOOK, RELATIONS, SHARED_CARDS, VIEWS
from abserver.domain.usages.shared_cards import name_of
from abserver.events.xcap_diff.package import PACKAGE
from tests.support.diffs import (
    components,
    etags,
    is_same,
    patched,
    path,
    put_raw,
    resource_lists,
    resubscribe,
    said,
    subscribe,
)
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, polite_block, rules
from tests.support.server import SERVERS
from tests.support.world import World, story
from xcap.core.usages import rls_services, xcap_directory
from xcap.core.xcapdiff import AttributeContent, DocumentChange
from xcap.ports import DocumentKey

if TYPE_CHECKING:
    from tests.support.phone import Phone

BOOK, OTHER = (DocumentKey(ADDRESS_BOOK.auid, BOB, "index"), DocumentKey("resource-lists", BOB, "index"))
SHARED = f"{SHARED_CARDS.auid}/users/{BOB}/"
QUIET = PACKAGE.pace + 1


def book(*names: str) -> bytes:
    """An address book with an entry for each name."""
    card = '<vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"><fn><text>{0}</text></fn></vcard>'
    entries = "".join(f'\n<entry id="{n}">{card.format(name)}</entry>' for n, name in enumerate(names))
    return f'<address-book xmlns="{ADDRESS_BOOK.default_namespace}">{entries}</address-book>'.encode()


LISTS = b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>'


def shared(owner: Owner, watcher: Watcher = BOB) -> DocumentKey:
    return DocumentKey(SHARED_CARDS.auid, watcher, name_of(owner))


async def follower(world: World, *owners: Owner) -> Phone:
    """A device of Bob's that follows these owners, who all have a card and allow it."""
    phone = await world.phone(BOB)
    for owner in owners:
        world.put_card(owner, card(f"1-{owner}"))
        world.put_rules(owner, rules(allow(BOB, "friends")))
        await phone.subscribe(owner)
    await world.pass_time()
    return phone


# -- documents of one's own -------------------------------------------------------------------------------------------


@story
async def test_every_device_of_a_user_hears_of_what_one_of_them_writes(world: World) -> None:
    first = await world.put(BOOK, book("Ann"))
    devices = [await world.phone(BOB), await world.phone(BOB)]
    for device in devices:
        assert (await subscribe(device, path(BOOK))).status == 200
    await world.pass_time(QUIET)
    second = await world.put(BOOK, book("Ann", "Dan"))
    await world.pass_time(0.5)
    for device in devices:
        assert [etags(each) for each in device.notifies] == [
            {path(BOOK): (None, first)},
            {path(BOOK): (first, second)},
        ], "the first change after a quiet time is told at once"


@story
async def test_without_a_list_it_is_about_all_documents_of_ones_own(world: World) -> None:
    bob = await world.phone(BOB)
    etag = await world.put(BOOK, book("Ann"))
    await world.put(DocumentKey(ADDRESS_BOOK.auid, CAROL, "index"), book("Dan"))
    await bob.subscribe(Owner(BOB), Event="xcap-diff")
    await world.pass_time()
    assert etags(bob.last)[path(BOOK)] == (None, etag)
    assert all(f"/users/{BOB}/" in each for each in etags(bob.last))


@story
async def test_one_device_may_watch_several_lists_and_has_each_of_them_once(world: World) -> None:
    await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(BOOK))
    first = bob.dialog
    await world.pass_time(QUIET)
    first = bob.dialog
    await subscribe(bob, path(OTHER))
    await world.pass_time(QUIET)
    assert len(world.server.events.document_changes.followers) == 2
    await subscribe(bob, path(BOOK))
    await world.pass_time(QUIET)
    assert len(world.server.events.document_changes.followers) == 2, "it restarted"
    bob.dialog = first
    assert (await resubscribe(bob)).status == 481
    heard = len(bob.notifies)
    await world.put(BOOK, book("Dan"))
    await world.put(OTHER, LISTS)
    await world.pass_time(QUIET)
    assert sorted(list(etags(each)) for each in bob.notifies[heard:]) == [[path(BOOK)], [path(OTHER)]]


@story
async def test_a_user_has_as_many_subscriptions_as_devices_are_allowed(world: World) -> None:
    await world.kill()
    world.limits = type(world.limits)(devices=2)
    await world.start()
    bob = await world.phone(BOB)
    assert [(await subscribe(bob, f"{n}/")).status for n in range(3)] == [200, 200, 503]


@story
async def test_a_poll_is_told_everything_and_leaves_nothing_behind(world: World) -> None:
    """RFC 5875 A.2: "similar to the PROPFIND method of WebDAV"."""
    etag = await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    response = await subscribe(bob, path(BOOK), Expires="0")
    assert response.headers.get("Expires") == "0"
    await world.pass_time()
    assert (bob.last.state, etags(bob.last)) == ("terminated", {path(BOOK): (None, etag)})
    assert len(world.server.events.document_changes.followers) == 0
    await world.put(BOOK, book("Dan"))
    await world.pass_time(QUIET)
    assert len(bob.notifies) == 1


@story
async def test_who_unsubscribes_takes_the_state_of_now_along(world: World) -> None:
    await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(BOOK))
    await world.pass_time()
    etag = await world.put(BOOK, book("Dan"))
    await bob.refresh(Event="xcap-diff", Expires="0")
    await world.pass_time()
    assert (bob.last.state, etags(bob.last)) == ("terminated", {path(BOOK): (None, etag)})


@story
async def test_bodies_are_packed_for_who_asks_for_it(world: World) -> None:
    for n in range(8):
        await put_raw(world, DocumentKey(ADDRESS_BOOK.auid, BOB, f"book-{n}"), book(f"{n}"))
    bob = await world.phone(BOB)
    await subscribe(bob, f"{ADDRESS_BOOK.auid}/", Accept_Encoding="gzip")
    await world.pass_time()
    assert bob.last.request.headers.get("Content-Encoding") == "gzip"


@story
async def test_a_list_in_gzip_is_read(world: World) -> None:
    etag = await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    body = gzip.compress(resource_lists(path(BOOK)))
    fields = {"Content_Type": "application/resource-lists+xml", "Content_Encoding": "gzip"}
    response = await bob.subscribe(Owner(BOB), body, Event="xcap-diff", **fields)
    assert response.status == 200
    await world.pass_time()
    assert etags(bob.last) == {path(BOOK): (None, etag)}


@story
async def test_who_asked_for_silence_hears_nothing_and_then_everything(world: World) -> None:
    """RFC 5839 §5.2."""
    await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(BOOK))
    await world.pass_time()
    assert (await resubscribe(bob, Suppress_If_Match="*")).status == 204
    heard = len(bob.notifies)
    etag = await world.put(BOOK, book("Dan"))
    await world.pass_time(QUIET)
    assert len(bob.notifies) == heard
    await world.restart()
    await world.pass_time(QUIET)
    assert len(bob.notifies) == heard
    await resubscribe(bob)
    await world.pass_time()
    assert etags(bob.last) == {path(BOOK): (None, etag)}


@story
async def test_users_of_other_domains_have_no_documents_here(world: World) -> None:
    eve = await world.phone(Watcher(Aor("sip:eve@elsewhere.example.com")))
    assert (await eve.subscribe(Owner(Aor("sip:example.com")), Event="xcap-diff")).status == 403


@story
async def test_nothing_is_told_by_a_list_that_was_replaced(world: World) -> None:
    await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(BOOK))
    await world.pass_time(QUIET)
    changes = world.server.events.document_changes
    [followed] = changes._watches
    assert changes.settle(followed)
    followed.terms = replace(followed.terms, body=resource_lists(path(OTHER)))
    assert not changes.settle(followed)
    await changes.ready(followed)
    assert changes.settle(followed)


# -- what is shared with one ------------------------------------------------------------------------------------------


@story
async def test_one_subscription_follows_everybody_with_the_bytes_and_etags_of_their_notifies(world: World) -> None:
    phone = await follower(world, ANN, DAN)
    contents = dict(zip((ANN, DAN), phone.notifies[-2:], strict=True))
    bob = await world.phone(BOB)
    await subscribe(bob, SHARED, processing="aggregate")
    await world.pass_time(QUIET)
    assert etags(bob.last) == {path(shared(owner)): (None, contents[owner].etag) for owner in (ANN, DAN)}
    world.put_card(ANN, card("2", friends="3", private="4"))
    await world.pass_time(QUIET)
    [change] = said(bob.last).entries
    assert isinstance(change, DocumentChange)
    assert (change.selector, change.previous, change.new) == (
        path(shared(ANN)),
        contents[ANN].etag,
        phone.last.etag,
    )
    found = await world.get(BOB, shared(ANN))
    assert found.etag == change.new
    assert is_same(patched(contents[ANN].body, change), found.content)
    assert b"tel:4" not in bob.last.body


@story
async def test_new_owners_come_and_those_who_end_it_go(world: World) -> None:
    phone = await follower(world, ANN)
    bob = await world.phone(BOB)
    await subscribe(bob, SHARED)
    await world.pass_time(QUIET)
    world.put_card(DAN, card())
    await phone.subscribe(DAN)
    await world.pass_time(QUIET)
    assert list(etags(bob.last)) == [path(shared(ANN))], "nobody has decided yet"
    for rule, change in (
        (allow(BOB), (None, "there")),
        (polite_block(BOB), ("there", "there")),
        (block(BOB), ("there", None)),
    ):
        world.put_rules(DAN, rules(rule))
        await world.pass_time(QUIET)
        [[former, new]] = etags(bob.last).values()
        assert (former and "there", new and "there") == change
        assert list(etags(bob.last)) == [path(shared(DAN))]
    world.put_rules(DAN, rules(allow(BOB)))
    await phone.subscribe(DAN)
    await world.pass_time(QUIET)
    world.put_card(DAN, card("2"))
    await world.pass_time(QUIET)
    [[former, new]] = etags(bob.last).values()
    assert former
    assert new, "a card is heard that nobody followed when the subscription began"


@story
async def test_a_change_that_is_hidden_from_a_watcher_sends_him_nothing(world: World) -> None:
    phone = await follower(world, ANN)
    bob = await world.phone(BOB)
    await subscribe(
        bob, SHARED, path(shared(ANN)), f"{path(shared(ANN))}/~~/vcards/vcard/fn", processing="xcap-patching"
    )
    await world.pass_time(QUIET)
    heard, told = len(bob.notifies), len(phone.notifies)
    world.put_card(ANN, card(f"1-{ANN}", private="secret"))
    world.put_rules(ANN, rules(allow(BOB, "friends"), allow(CAROL)))
    await world.pass_time(QUIET)
    assert (len(bob.notifies), len(phone.notifies)) == (heard, told)


@pytest.mark.parametrize("ending", ["the decision", "a part of the view"])
def test_the_clock_of_a_rule_is_heard(ending: str) -> None:
    @story
    async def told(world: World) -> None:
        phone = await world.phone(BOB)
        until = world.clock.utc() + datetime.timedelta(hours=1)
        rule = allow(BOB).replace(
            b"</conditions>",
            b"<validity><from>2000-01-01T00:00:00Z</from>"
            + f"<until>{until:%Y-%m-%dT%H:%M:%SZ}</until></validity></conditions>".encode(),
        )
        more = rule.replace(b'id="', b'id="z', 1).replace(
            b"<transformations>",
            b'<transformations><provide-property xmlns="urn:abserver:xml:ns:card-rules" name="tel"/>',
        )
        world.put_card(ANN, card(private="7"))
        world.put_rules(ANN, rules(rule) if ending == "the decision" else rules(allow(BOB), more))
        await phone.subscribe(ANN, Expires="86400")
        bob = await world.phone(BOB)
        await subscribe(bob, SHARED, Expires="86400")
        await world.pass_time(QUIET)
        [[_, before]] = etags(bob.last).values()
        relation = world.server.relating.of(ANN, BOB)
        await world.pass_time(3600)
        [[former, after]] = etags(bob.last).values()
        assert former == before
        assert (after is None) == (ending == "the decision")
        assert (world.server.relating.of(ANN, BOB) is relation) == (ending != "the decision")

    told()


@story
async def test_a_shared_card_is_found_by_any_spelling_of_its_owner(world: World) -> None:
    await follower(world, ANN)
    bob = await world.phone(BOB)
    uri = f"{SHARED_CARDS.auid}/users/{BOB}/sips:ann@EXAMPLE.com"
    await subscribe(bob, uri)
    await world.pass_time(QUIET)
    world.put_card(ANN, card("2"))
    await world.pass_time(QUIET)
    assert [list(etags(each)) for each in bob.notifies] == [[uri], [uri]]


@story
async def test_nobody_looks_at_documents_that_nobody_subscribed_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follower(world, ANN)
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    await subscribe(bob, path(BOOK))
    await subscribe(carol, f"{SHARED_CARDS.auid}/users/{CAROL}/")
    await world.pass_time(QUIET)
    changes, looked = world.server.events.document_changes, list[Owner]()
    monkeypatch.setattr(world.server.events.reconciler, "hint", lambda server, owner: looked.append(owner))
    changes.changed(shared(ANN))
    world.server.events.computed_changes.card_changed(ANN)
    changes.changed(DocumentKey(ADDRESS_BOOK.auid, DAN, "index"))
    assert looked == []


# -- what else the server computes ------------------------------------------------------------------------------------


@story
async def test_owners_hear_of_their_relations(world: World) -> None:
    world.put_card(ANN, card())
    ann = await world.phone(Watcher(ANN))
    relations = DocumentKey(RELATIONS.auid, ANN, "index")
    await subscribe(ann, path(relations), f"{path(relations)}/~~/relations/relation%5B@watcher='{BOB}'%5D/@state")
    await world.pass_time(QUIET)
    assert components(ann.last) == {}
    bob = await world.phone(BOB)
    await bob.subscribe(ANN)
    await world.pass_time(QUIET)
    [state] = components(ann.last).values()
    assert isinstance(state, AttributeContent)
    assert state.value == "pending"
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(QUIET)
    [state] = components(ann.last).values()
    assert isinstance(state, AttributeContent)
    assert state.value == "confirmed"
    assert etags(ann.last)[path(relations)][1] == (await world.get(ANN, relations)).etag


@story
async def test_owners_hear_of_what_a_watcher_sees(world: World) -> None:
    """The documents of `org.abserver.views`, which are in no listing."""
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    ann = await world.phone(Watcher(ANN))
    seen = DocumentKey(VIEWS.auid, ANN, BOB)
    await subscribe(ann, path(seen), f"{VIEWS.auid}/")
    await world.pass_time(QUIET)
    [[_, before]] = etags(ann.last).values()
    world.put_card(ANN, card("1", private="2"))
    await world.pass_time(QUIET)
    assert len(ann.notifies) == 1
    world.put_card(ANN, card("3"))
    await world.pass_time(QUIET)
    assert etags(ann.last) == {path(seen): (before, (await world.get(ANN, seen)).etag)}


@story
async def test_a_directory_changes_with_what_it_lists(world: World) -> None:
    directory = DocumentKey(xcap_directory.AUID, BOB, xcap_directory.NAME)
    bob = await world.phone(BOB)
    await subscribe(bob, path(directory))
    await world.pass_time(QUIET)
    await world.put(BOOK, book("Ann"))
    await world.pass_time(QUIET)
    assert etags(bob.last)[path(directory)][1] == (await world.get(BOB, directory)).etag
    assert len(bob.notifies) == 2


@story
async def test_a_server_of_the_domain_hears_of_the_lists_of_users(world: World) -> None:
    """RFC 4826 §4.4.9, §4.5: a resource list server is a trusted user."""
    rls = await world.phone(Watcher(Aor(SERVERS[0])))
    bob = await world.phone(BOB)
    index = DocumentKey(rls_services.AUID, None, "index")
    service = f"{path(index)}/~~/rls-services/service/@uri"
    for phone in (rls, bob):
        await subscribe(phone, path(index), service, f"resource-lists/users/{CAROL}/", f"resource-lists/users/{BOB}/")
    await world.pass_time(QUIET)
    hers = DocumentKey("resource-lists", CAROL, "index")
    await world.put(hers, LISTS)
    services = (
        '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="sip:x@example.com"><list/></service>'
    )
    await world.put(DocumentKey(rls_services.AUID, CAROL, "index"), f"{services}</rls-services>".encode())
    await world.pass_time(2 * QUIET)
    told = {selector for notify in rls.notifies[1:] for selector in etags(notify)}
    assert told == {path(index), path(hers)}
    assert components(rls.last) == {service: AttributeContent(service, value="sip:x@example.com")}
    assert len(bob.notifies) == 1


# -- accidents --------------------------------------------------------------------------------------------------------


@story
async def test_who_has_the_state_of_now_hears_nothing_of_a_restart(world: World) -> None:
    first = await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(BOOK), processing="aggregate")
    await world.pass_time(QUIET)
    await world.restart()
    await world.pass_time(QUIET)
    assert len(bob.notifies) == 1
    second = await world.put(BOOK, book("Ann", "Dan"))
    await world.pass_time(QUIET)
    [change] = said(bob.last).entries
    assert isinstance(change, DocumentChange)
    assert (change.previous, change.new) == (first, second)
    assert change.operations, "with its list and its mode"
    assert bob.last.cseq > bob.notifies[0].cseq


@pytest.mark.parametrize("when", ["while the server was down", "just before, and nobody was told"])
def test_who_lacks_something_after_a_restart_is_asked_to_subscribe_again(when: str) -> None:
    @story
    async def told(world: World) -> None:
        await world.put(BOOK, book("Ann"))
        bob = await world.phone(BOB)
        await subscribe(bob, path(BOOK))
        await world.pass_time(QUIET)
        if when.startswith("while"):
            await world.kill()
            current = await world.store.load(BOOK)
            assert current is not None
            await world.store.delete(BOOK, expected=current.etag)
        else:
            bob.answers = [None] * 9
            await world.delete(BOOK)
            await world.pass_time(0.1)
            await world.put(BOOK, book("Ann"))
            world.kill_now()
        await world.start()
        await world.pass_time(40)
        bob.answers.clear()
        assert (bob.last.state, bob.last.reason) == ("terminated", "deactivated")
        assert len(world.server.events.document_changes.followers) == 0
        assert (await subscribe(bob, path(BOOK))).status == 200

    told()


@story
async def test_who_was_answered_and_never_notified_before_a_crash_is_asked_to_subscribe_again(world: World) -> None:
    bob = await world.phone(BOB)
    bob.answers = [None] * 9
    await subscribe(bob, path(BOOK))
    world.kill_now()
    bob.answers.clear()
    await world.start()
    await world.pass_time(QUIET)
    assert (bob.last.state, bob.last.reason) == ("terminated", "deactivated")


@story
async def test_after_a_failed_notify_nothing_is_missing(world: World) -> None:
    await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    await subscribe(bob, f"{ADDRESS_BOOK.auid}/", "resource-lists/", processing="aggregate")
    await world.pass_time(QUIET)
    bob.answers = [(503, [("Retry-After", "20")])]
    lists = await world.put(OTHER, LISTS)
    await world.pass_time(QUIET)
    assert etags(bob.last) == {path(OTHER): (None, lists)}
    await world.delete(OTHER)
    etag = await world.put(BOOK, book("Dan"))
    await world.pass_time(40)
    assert etags(bob.last) == {path(BOOK): (None, etag), path(OTHER): (lists, None)}


@story
async def test_documents_that_cannot_be_read_for_a_while_are_told_of_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(BOOK))
    await world.pass_time(QUIET)
    world.expected_errors.add("reconcile failed")
    second = await world.put(BOOK, book("Dan"))
    with monkeypatch.context() as broken:
        broken.setattr(world.store, "load", fail)
        await world.pass_time(QUIET)
    assert len(bob.notifies) == 1
    await world.pass_time(40)
    assert etags(bob.last) == {path(BOOK): (first, second)}


async def fail(key: DocumentKey) -> None:
    raise OSError("no database")


@story
async def test_changes_while_documents_are_read_are_not_missed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading takes time, and what was read first is another by the end of it."""
    await world.put(BOOK, book("Ann"))
    await world.put(OTHER, LISTS)
    load = world.store.load

    async def slowly(key: DocumentKey) -> object:
        document = await load(key)
        await asyncio.sleep(0.3)
        return document

    monkeypatch.setattr(world.store, "load", slowly)
    bob = await world.phone(BOB)
    subscribing = asyncio.create_task(subscribe(bob, path(BOOK), path(OTHER)))
    await world.pass_time(0.4)
    second = await world.put(BOOK, book("Dan"))
    await subscribing
    await world.pass_time(QUIET)
    [*_, last] = [etags(each)[path(BOOK)][1] for each in bob.notifies if path(BOOK) in etags(each)]
    assert last == second


@story
async def test_a_subscription_that_ends_is_forgotten(world: World) -> None:
    bob = await world.phone(BOB)
    await subscribe(bob, SHARED, path(BOOK), Expires="60")
    await world.pass_time(QUIET)
    assert world.server.events.document_changes._interested
    await world.pass_time(100)
    assert (bob.last.state, bob.last.reason) == ("terminated", "timeout")
    changes = world.server.events.document_changes
    assert not changes._interested
    assert not changes._watches
    assert not world.server.events.computed_changes._interesting
