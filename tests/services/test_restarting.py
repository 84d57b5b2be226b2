"""What survives a kill -9 of the server, and how quietly it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.relation import RelationState
from abserver.events.contact_card import PATCH, XCARD
from abserver.services.collecting import Collector
from abserver.services.followers import CSEQ_BLOCK
from tests.support.documents import ANN, BOB, CAROL, allow, block, card, confirm, rules
from tests.support.network import HOP
from tests.support.phone import BOTH, Phone
from tests.support.world import World, story
from xcap.core import patch

if TYPE_CHECKING:
    from abserver.domain.identity import Watcher


async def followed_by(world: World, watcher: Watcher) -> Phone:
    """A phone that follows Ann and is up to date."""
    phone = await world.phone(watcher)
    await phone.subscribe(ANN, Accept=BOTH)
    await world.pass_time()
    assert len(phone.notifies) == 1
    return phone


@story
async def test_a_restart_says_nothing_to_devices_that_lack_nothing(world: World) -> None:
    world.put_card(ANN, card("1", friends="2"))
    world.put_rules(ANN, rules(allow(BOB, "friends")))
    bob, carol = await followed_by(world, BOB), await followed_by(world, CAROL)
    assert (bob.last.state, carol.last.state) == ("active", "pending")
    await world.restart()
    await world.pass_time(60)
    assert (len(bob.notifies), len(carol.notifies)) == (1, 1)
    assert len(world.server.followers) == 2


@story
async def test_a_restart_writes_nothing_for_devices_that_lack_nothing(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    await followed_by(world, BOB)
    await world.restart()
    written = len(world.journal.writes)
    await world.pass_time(60)
    assert len(world.journal.writes) == written


@story
async def test_an_edit_while_the_server_was_down_is_told_as_a_difference(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    await world.kill()
    world.put_card(ANN, card("2"))
    await world.start()
    await world.pass_time()
    assert (bob.last.content_type, bob.last.base) == (PATCH, bob.notifies[0].etag)
    assert b"tel:2" in patch.apply(bob.last.body, bob.notifies[0].body)


@story
async def test_an_acknowledgement_that_the_crash_swallowed_cannot_hide_that_the_card_went_back(world: World) -> None:
    """The journal says "1" is at Bob's phone, the card says "1", and the phone shows "2"."""
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob, carol = await followed_by(world, BOB), await followed_by(world, CAROL)
    world.journal.latency = 0.5
    world.put_card(ANN, card("2"))
    await world.pass_time(0.5 + 3 * HOP)
    assert b"tel:2" in patch.apply(bob.last.body, bob.notifies[0].body)
    await world.kill()
    world.put_card(ANN, card("1"))
    world.journal.latency = 0.0
    await world.start()
    await world.pass_time()
    assert b"tel:1" in bob.last.body
    assert len(carol.notifies) == 1
    told = len(bob.notifies)
    await world.restart()
    world.put_card(ANN, card("3"))
    await world.pass_time()
    assert (len(bob.notifies), bob.last.content_type) == (told + 1, PATCH)


@story
async def test_a_standing_that_the_crash_swallowed_cannot_hide_that_the_owner_went_back(world: World) -> None:
    """The journal says "active" was told to Bob's phone, the rules say "active", and the phone shows "pending"."""
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    bob, carol = await followed_by(world, BOB), await followed_by(world, CAROL)
    world.journal.latency = 0.5
    world.put_rules(ANN, rules(confirm(BOB), allow(CAROL)))
    await world.pass_time(0.5 + 3 * HOP)
    assert bob.last.state == "pending"
    await world.kill()
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    world.journal.latency = 0.0
    await world.start()
    await world.pass_time()
    assert bob.last.state == "active"
    assert len(carol.notifies) == 1
    told = len(bob.notifies)
    await world.restart()
    await world.pass_time()
    assert len(bob.notifies) == told


@story
async def test_a_device_in_doubt_that_subscribes_anew_gets_the_full_view(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    world.journal.latency = 0.5
    world.put_card(ANN, card("2"))
    await world.pass_time(0.5 + 3 * HOP)
    await world.kill()
    world.put_card(ANN, card("1"))
    await bob.stop()
    await world.start()
    await bob.start()
    await bob.subscribe(ANN, Accept=BOTH)
    await world.pass_time(5)
    assert (bob.last.content_type, b"tel:1" in bob.last.body) == (XCARD, True)


@story
async def test_what_puts_no_record_in_doubt_is_collected(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    await followed_by(world, BOB)
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert len((await world.journal.load()).departures) == 1
    collector = Collector(world.journal, world.server.outbox, world.server.lists, world.clock)
    await collector.collect()
    assert (await world.journal.load()).departures == []
    world.put_card(ANN, card("3"))
    await world.pass_time()
    assert len((await world.journal.load()).departures) == 1


@story
async def test_a_confirmation_while_the_server_was_down_is_told(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await followed_by(world, BOB)
    await world.kill()
    world.put_rules(ANN, rules(allow(BOB)))
    await world.start()
    await world.pass_time()
    assert bob.last.state == "active"
    relation = world.journal.relation(ANN, BOB)
    assert relation is not None
    assert relation.state is RelationState.CONFIRMED


@story
async def test_a_block_while_the_server_was_down_is_told(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    await world.kill()
    world.put_rules(ANN, rules(block(BOB)))
    await world.start()
    await world.pass_time()
    assert (bob.last.state, bob.last.reason) == ("terminated", "rejected")


@story
async def test_what_was_confirmed_and_taken_back_while_the_server_was_down_is_no_news(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    await world.kill()
    world.put_rules(ANN, rules(confirm(BOB)))
    world.put_rules(ANN, rules(allow(BOB)))
    await world.start()
    await world.pass_time()
    assert len(bob.notifies) == 1


@story
async def test_a_notify_that_the_crash_swallowed_is_sent_again(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    response = await bob.subscribe(ANN, Accept=BOTH)
    assert response.status == 200
    await world.kill()
    await world.start()
    await world.pass_time()
    assert bob.last.state == "active"


@story
async def test_cseq_goes_on_above_the_reserved_block_after_every_crash_rfc3261_12_2_1_1(world: World) -> None:
    world.put_card(ANN, card("0"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    for number in range(1, 6):
        world.put_card(ANN, card(str(number)))
        await world.pass_time(HOP if number % 2 else 1)
        await world.restart()
        await world.pass_time(2)
    numbers = [notify.cseq for notify in bob.notifies]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > CSEQ_BLOCK
    assert b"tel:5" in bob.last.body


@story
async def test_more_notifies_than_a_block_are_reserved_as_they_are_needed(world: World) -> None:
    world.put_card(ANN, card("0"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    for number in range(CSEQ_BLOCK + 10):
        world.put_card(ANN, card(f"x{number}"))
        await world.pass_time(1.05)
    assert [notify.cseq for notify in bob.notifies] == list(range(1, CSEQ_BLOCK + 12))
    await world.restart()
    world.put_card(ANN, card("last"))
    await world.pass_time()
    assert bob.last.cseq > CSEQ_BLOCK + 11
    assert b"tel:last" in bob.last.body


@story
async def test_a_reservation_that_fails_is_tried_again(world: World) -> None:
    world.put_card(ANN, card("0"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    await world.restart()
    world.expected_errors = {"records could not be written", "preparation failed", "reconcile failed"}
    world.journal.fault = OSError("disk full")
    world.put_card(ANN, card("1"))
    await world.pass_time()
    world.journal.fault = None
    await world.pass_time(31)
    assert len(bob.notifies) == 2


@story
async def test_a_subscription_that_expired_while_the_server_was_down_ends_with_a_timeout(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    await world.kill()
    await world.pass_time(4000)
    await world.start()
    await world.pass_time()
    assert (bob.last.state, bob.last.reason) == ("terminated", "timeout")
    assert world.journal.subscriptions() == []


@story
async def test_a_restored_subscription_expires_when_it_would_have(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    await world.pass_time(1000)
    await world.restart()
    await world.pass_time(2590)
    assert len(bob.notifies) == 1
    await world.pass_time(10)
    assert bob.last.reason == "timeout"


@story
async def test_a_restored_subscription_can_be_refreshed_and_left(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    await world.restart()
    assert (await bob.refresh(Suppress_If_Match=bob.last.etag)).status in (200, 204)
    await world.pass_time()
    assert (await bob.unsubscribe()).status == 200
    await world.pass_time()
    assert bob.last.state == "terminated"
    assert world.journal.subscriptions() == []


@story
async def test_relations_and_update_lists_are_the_same_after_a_restart(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob, carol = await followed_by(world, BOB), await followed_by(world, CAROL)
    before = world.server.lists.version(ANN), world.server.lists.held(bob.device(ANN))
    relations = [world.server.relating.of(ANN, watcher) for watcher in (BOB, CAROL)]
    await world.restart()
    await world.pass_time()
    assert (world.server.lists.version(ANN), world.server.lists.held(bob.device(ANN))) == before
    assert [world.server.relating.of(ANN, watcher) for watcher in (BOB, CAROL)] == relations
    assert world.server.relating.pending(CAROL) == 1
    assert carol.last.state == "pending"


@story
async def test_the_owners_version_never_goes_back(world: World) -> None:
    world.put_card(ANN, card("0"))
    world.put_rules(ANN, rules(allow(BOB)))
    await followed_by(world, BOB)
    seen = [world.server.lists.version(ANN)]
    for number in range(1, 5):
        world.put_card(ANN, card(str(number)))
        await world.pass_time()
        seen.append(world.server.lists.version(ANN))
        await world.restart()
        await world.pass_time()
        seen.append(world.server.lists.version(ANN))
    assert seen == sorted(seen)
    assert seen[-1] >= seen[0] + 4


@story
async def test_an_older_record_that_was_slow_never_replaces_a_newer_one(world: World) -> None:
    """A request that was answered 200 outlives a crash, whatever else was still on its way to the journal."""
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await followed_by(world, BOB)
    await bob.unsubscribe()
    await world.pass_time()
    world.journal.latency = 0.2
    world.put_card(ANN, card("2"))
    await world.pass_time(0.05)  # now the outbox is busy with the owner's list,
    world.put_rules(ANN, rules())
    await world.pass_time(0.05)  # and the relation that ended has to wait behind that
    assert (await bob.subscribe(ANN)).status == 200
    await world.pass_time(5)
    relation = world.journal.relation(ANN, BOB)
    assert relation is not None
    assert relation.state is RelationState.PENDING
    assert relation == world.server.relating.of(ANN, BOB)


@story
async def test_a_decision_that_the_crash_kept_from_the_relation_list_gets_there_after_the_restart(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Expires="0")
    await world.pass_time()
    await world.kill()
    world.put_rules(ANN, rules(allow(BOB)))
    await world.start()
    await world.pass_time()
    relation = world.journal.relation(ANN, BOB)
    assert relation is not None
    assert relation.state is RelationState.CONFIRMED
