"""Watcher information: who is told what of an owner's watchers, and that it stays true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abserver.domain.identity import Watcher
from abserver.services import watcher_infos
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, polite_block, rules
from tests.support.winfo import ACTIVE, PENDING, TERMINATED, WAITING, WINFO, Seen, Watchman, watching, watchman
from tests.support.world import World, story

if TYPE_CHECKING:
    from collections.abc import Callable

PACE = 5.0
BACK = "contact-card.winfo.winfo"


async def follow(world: World, watcher: Watcher) -> None:
    """A device of `watcher` follows Ann."""
    phone = await world.phone(watcher)
    await phone.subscribe(ANN)
    await world.pass_time()


@story
async def test_an_owner_sees_requests_come_and_decides_them(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    assert ann.sees == {}
    await follow(world, BOB)
    assert ann.last == [Seen(BOB, PENDING, "subscribe")]
    await world.pass_time(PACE)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time()
    assert ann.last == [Seen(BOB, ACTIVE, "approved")]
    await world.pass_time(PACE)
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time()
    assert ann.last == [Seen(BOB, TERMINATED, "rejected")]
    assert ann.sees == {}
    assert [(each.version, each.full) for each in ann.documents] == [(0, True), (1, False), (2, False), (3, False)]


@story
async def test_an_owner_who_comes_days_later_finds_the_request(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Expires="3600")
    await world.pass_time(3 * 86400)
    ann = await watching(world, ANN, ANN)
    assert ann.last == [Seen(BOB, WAITING, "timeout")]
    [row] = ann.documents[-1].lists[0].rows
    assert row.duration is not None
    assert row.duration >= 3 * 86400
    assert row.expiration is None


@pytest.mark.parametrize(("rule", "status"), [(b"", WAITING), (allow(BOB), TERMINATED)])
@story
async def test_who_expires_is_told_of_at_once_though_his_device_is_silent(
    world: World, rule: bytes, status: str
) -> None:
    """Nor when something else happens: then its time would tell that something did."""
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(rule))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Expires="600")
    row = await watching(world, BOB, ANN)
    bob.answers = [None]
    await world.pass_time(600)
    assert [each.status for each in row.last] == [status]
    assert row.phone.last.at == bob.last.at


@story
async def test_times_are_those_of_the_document(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Expires="3600")
    await world.pass_time(600)
    ann = await watching(world, ANN, ANN)
    [row] = ann.documents[-1].lists[0].rows
    assert (row.duration, row.expiration) == (600, 2999)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(PACE)
    [row] = ann.documents[-1].lists[0].rows
    assert (row.duration, row.expiration) == (None, 2993)


@story
async def test_several_devices_of_a_watcher_are_one_row_until_the_last_is_gone(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    first, second = await world.phone(BOB), await world.phone(BOB)
    await first.subscribe(ANN, Expires="600")
    await second.subscribe(ANN, Expires="3600")
    ann = await watching(world, ANN, ANN)
    [row] = ann.documents[-1].lists[0].rows
    assert row.expiration is not None
    assert row.expiration > 3500
    await first.unsubscribe()
    await world.pass_time(PACE)
    assert len(ann.documents) == 1
    await second.unsubscribe()
    await world.pass_time(PACE)
    assert ann.last == [Seen(BOB, TERMINATED, "timeout")]


@story
async def test_an_owners_devices_are_watchers_too(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    phone = await world.phone(Watcher(ANN))
    await phone.subscribe(ANN)
    await world.pass_time()
    assert ann.last == [Seen(ANN, ACTIVE, "subscribe")]


@story
async def test_a_watcher_sees_his_own_row_and_no_trace_of_others(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await follow(world, BOB)
    bob = await watching(world, BOB, ANN)
    assert bob.last == [Seen(BOB, ACTIVE, "subscribe")]
    await follow(world, CAROL)
    await world.pass_time(PACE)
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    await world.pass_time(PACE)
    assert len(bob.phone.notifies) == 1


@story
async def test_polite_blocking_does_not_show(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await follow(world, BOB)
    bob = await watching(world, BOB, ANN)
    world.put_rules(ANN, rules(polite_block(BOB)))
    await world.pass_time(PACE)
    assert len(bob.phone.notifies) == 1
    assert (await bob.refresh()).status == 200
    await world.pass_time(PACE)
    assert bob.last == [Seen(BOB, ACTIVE, "subscribe")]


@story
async def test_a_watcher_who_awaits_a_decision_learns_of_it(world: World) -> None:
    world.put_card(ANN, card())
    await follow(world, BOB)
    bob = await watching(world, BOB, ANN)
    assert bob.last == [Seen(BOB, PENDING, "subscribe")]
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(PACE)
    assert bob.last == [Seen(BOB, ACTIVE, "approved")]


@story
async def test_a_rejected_watcher_loses_this_subscription_too(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await follow(world, BOB)
    bob = await watching(world, BOB, ANN)
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(PACE)
    assert (bob.phone.last.state, bob.phone.last.reason, bob.phone.last.body) == ("terminated", "rejected", b"")
    assert (await bob.subscribe()).status == 403


@story
async def test_a_watcher_whom_the_rules_forget_loses_it_when_nobody_asks_any_more(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    phone = await world.phone(BOB)
    await phone.subscribe(ANN)
    bob = await watching(world, BOB, ANN)
    await phone.unsubscribe()
    await world.pass_time(PACE)
    assert bob.last == [Seen(BOB, TERMINATED, "timeout")]
    world.put_rules(ANN, rules())
    await world.pass_time(PACE)
    assert (bob.phone.last.state, bob.phone.last.reason) == ("terminated", "giveup")


@story
async def test_strangers_learn_nothing_and_unknown_users_are_not_found(world: World) -> None:
    world.put_card(ANN, card())
    bob = await watchman(world, BOB, ANN)
    assert (await bob.subscribe()).status == 403
    world.put_rules(ANN, rules(allow(BOB)))
    assert (await bob.subscribe()).status == 200
    await world.pass_time()
    assert bob.last == []
    nobody = await watchman(world, BOB, DAN)
    assert (await nobody.subscribe()).status == 404


@story
async def test_a_poll_of_the_card_is_not_shown_unless_it_awaits_a_decision(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    ann = await watching(world, ANN, ANN)
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    await bob.subscribe(ANN, Expires="0")
    await world.pass_time(PACE)
    assert len(ann.phone.notifies) == 1
    await carol.subscribe(ANN, Expires="0")
    await world.pass_time(PACE)
    assert ann.last == [Seen(CAROL, WAITING, "timeout")]
    assert len(ann.documents) == 2
    await carol.subscribe(ANN)
    await world.pass_time(PACE)
    assert ann.last == [Seen(CAROL, PENDING, "subscribe")]


@story
async def test_a_burst_is_one_document_per_pace(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    await follow(world, BOB)
    await follow(world, CAROL)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(PACE)
    times = [each.at for each in ann.phone.notifies]
    assert times[2] - times[1] >= PACE
    assert sorted(ann.last) == [Seen(BOB, ACTIVE, "approved"), Seen(CAROL, PENDING, "subscribe")]
    assert len(ann.documents) == 3


@story
async def test_a_refresh_is_answered_with_everything_and_versions_go_on(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    await follow(world, BOB)
    await follow(world, CAROL)
    await world.pass_time(PACE)
    await ann.refresh()
    await world.pass_time()
    assert (ann.documents[-1].version, ann.documents[-1].full) == (3, True)
    assert ann.sees == {BOB: PENDING, CAROL: PENDING}


@story
async def test_a_notify_that_failed_is_followed_by_everything(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    ann.phone.answers = [(503, [("Retry-After", "10")])]
    await follow(world, BOB)
    await world.pass_time(12.0)
    assert [(each.version, each.full) for each in ann.documents] == [(0, True), (1, False), (2, True)]
    assert ann.sees == {BOB: PENDING}


@story
async def test_versions_go_on_after_a_crash_with_everything(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(CAROL)))
    ann = await watching(world, ANN, ANN)
    await follow(world, BOB)
    await follow(world, CAROL)
    await world.pass_time(PACE)
    for times in (1, 2):
        await world.restart()
        await world.pass_time(PACE)
        versions = [each.version for each in ann.documents]
        assert ann.documents[-1].full
        assert versions[-1] > 256 * times
        assert versions == sorted(set(versions))
        assert ann.sees == {BOB: PENDING, CAROL: ACTIVE}
    told = ann.documents[-1].version
    world.put_rules(ANN, rules(allow(CAROL), allow(BOB)))
    await world.pass_time(PACE)
    assert ann.last == [Seen(BOB, ACTIVE, "approved")]
    assert ann.documents[-1].version == told + 1


@story
async def test_what_led_to_a_status_is_told_after_a_crash_as_well(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(CAROL)))
    await follow(world, CAROL)
    await follow(world, BOB)
    world.put_rules(ANN, rules(allow(CAROL), allow(BOB)))
    await world.pass_time()
    await world.restart()
    ann = await watching(world, ANN, ANN)
    assert sorted(ann.last) == [Seen(BOB, ACTIVE, "approved"), Seen(CAROL, ACTIVE, "subscribe")]


@story
async def test_suppressed_notifies_are_those_that_would_say_nothing_new(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    await follow(world, BOB)
    await world.pass_time(PACE)
    tag = ann.phone.last.etag
    assert (await ann.refresh(Suppress_If_Match=tag)).status == 204
    await follow(world, CAROL)
    await world.pass_time(PACE)
    assert ann.last == [Seen(CAROL, PENDING, "subscribe")]
    assert (await ann.refresh(Suppress_If_Match=tag)).status == 200
    await world.pass_time(PACE)
    assert ann.documents[-1].full
    other = await watchman(world, ANN, ANN)
    await other.subscribe(Suppress_If_Match=ann.phone.last.etag)
    await world.pass_time()
    assert (other.phone.last.body, other.phone.last.etag) == (b"", ann.phone.last.etag)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(PACE)
    assert other.sees == ann.sees == {BOB: ACTIVE, CAROL: PENDING}


@story
async def test_a_subscriber_who_asked_for_silence_is_told_nothing(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watchman(world, ANN, ANN)
    await ann.subscribe(Suppress_If_Match="*")
    await follow(world, BOB)
    await world.pass_time(PACE)
    assert ann.documents == []


@story
async def test_tables_go_when_nobody_looks_at_them(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    await ann.refresh(Expires="0")
    await world.pass_time(PACE)
    assert ann.phone.last.state == "terminated"
    await follow(world, BOB)
    poll = await watchman(world, ANN, ANN)
    await poll.subscribe(Expires="0")
    await world.pass_time()
    assert poll.last == [Seen(BOB, PENDING, "subscribe")]
    assert vars(world.server.events.watcher_infos)["_tables"] == {}
    assert vars(world.server.events.watcher_infos)["_tellings"] == {}
    assert vars(world.server.events.watcher_infos)["_suspects"] == {}


@story
async def test_who_comes_while_a_table_is_made_is_in_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_infos, "TURN", 1)
    world.put_card(ANN, card())
    await follow(world, BOB)
    ann, other = await watchman(world, ANN, ANN), await watchman(world, ANN, ANN)
    await ann.subscribe()
    await other.subscribe()
    await follow(world, CAROL)
    await world.pass_time(PACE)
    assert ann.sees == other.sees == {BOB: PENDING, CAROL: PENDING}


@story
async def test_a_phone_that_needs_a_body_gets_everything_where_others_get_none(world: World) -> None:
    world.put_card(ANN, card())
    event = f"{WINFO};min-rate=0.1"
    plain, needy = await watchman(world, ANN, ANN, event=event), await watchman(world, ANN, ANN, event=event)
    await plain.subscribe()
    await needy.subscribe(User_Agent="JsSIP 3.13")
    await world.pass_time(25.0)
    assert [bool(each.body) for each in plain.phone.notifies] == [True, False, False]
    assert [(each.version, each.full) for each in needy.documents] == [(0, True), (1, True), (2, True)]
    await follow(world, BOB)
    assert needy.last == plain.last == [Seen(BOB, PENDING, "subscribe")]
    assert [each.version for each in plain.documents] == [0, 1]


# -- non-interference -------------------------------------------------------------------------------------------------


def test_what_a_watcher_is_told_of_himself_depends_on_nothing_else() -> None:
    """Neither on who else watches, nor on whether the owner looks, nor on which of two ways he was let in."""
    traces: list[list[tuple[float, str, bytes]]] = []

    def life(*, owner_looks: bool, others: bool, rule: Callable[[Watcher], bytes]) -> None:
        @story
        async def told(world: World) -> None:
            begun = world.clock.now()

            async def at(seconds: float) -> None:
                await world.pass_time(begun + seconds - world.clock.now())

            world.put_card(ANN, card())
            noise = [allow(CAROL)] if others else []
            phone, bob = await world.phone(BOB), Watchman(await world.phone(BOB), ANN, WINFO)
            if owner_looks:
                await (await watchman(world, ANN, ANN)).subscribe()
            await at(2)
            await phone.subscribe(ANN)
            await at(10)
            world.put_rules(ANN, rules(allow(BOB), *noise))
            await at(20)
            world.put_rules(ANN, rules(rule(BOB), *noise))
            await at(30)
            await bob.subscribe()
            await at(40)
            if others:
                await follow(world, CAROL)
            await at(50)
            await phone.unsubscribe()
            await at(60)
            await phone.subscribe(ANN)
            await at(70)
            await bob.refresh()
            await at(80)
            traces.append([(round(each.at - begun, 6), each.state, each.body) for each in bob.phone.notifies])

        told()

    life(owner_looks=False, others=False, rule=allow)
    life(owner_looks=True, others=False, rule=allow)
    life(owner_looks=True, others=True, rule=allow)
    life(owner_looks=True, others=True, rule=polite_block)
    assert len(traces[0]) == 4
    for trace in traces[1:]:
        assert trace == traces[0]


# -- winfo of winfo ---------------------------------------------------------------------------------------------------


@story
async def test_an_owner_sees_who_watches_the_watchers(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    ann = await watching(world, ANN, ANN, event=BACK)
    assert ann.last == []
    assert ann.documents[0].lists[0].package == "contact-card.winfo"
    own, bob = await watching(world, ANN, ANN), await watching(world, BOB, ANN)
    assert ann.sees == {ANN: ACTIVE, BOB: ACTIVE}
    await own.refresh(Expires="0")
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(2 * PACE)
    assert bob.phone.last.state == "terminated"
    assert ann.sees == {}


@story
async def test_a_rejected_watcher_of_watchers_is_told_as_such(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await follow(world, BOB)
    ann = await watching(world, ANN, ANN, event=BACK)
    await watching(world, BOB, ANN)
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(PACE)
    assert ann.last == [Seen(BOB, TERMINATED, "rejected")]


@story
async def test_only_owners_see_it_and_no_deeper(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await follow(world, BOB)
    bob, ann = await watchman(world, BOB, ANN, event=BACK), await watchman(world, ANN, ANN, event=f"{BACK}.winfo")
    assert (await bob.subscribe()).status == 403
    assert (await ann.subscribe()).status == 489
