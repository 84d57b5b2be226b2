"""Filters of watcher information, by the examples of RFC 4660 §7.2 with contact cards in place of presence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import Watcher, parse_aor
from abserver.services import winfo_filtering
from tests.support.documents import ANN, BOB, CAROL, allow, block, card, rules
from tests.support.filters import filter_set, include, one
from tests.support.winfo import ACTIVE, PENDING, TERMINATED, Seen, Watchman, watchman
from tests.support.world import World, story

if TYPE_CHECKING:
    import pytest

PACE = 5.0
DAN, ERIN = (Watcher(parse_aor(f"sip:{name}@example.com")) for name in ("dan", "erin"))
FILTER_TYPE = "application/simple-filter+xml"
WI = {"wi": "urn:ietf:params:xml:ns:watcherinfo"}
ROWS = '/wi:watcherinfo/wi:watcher-list[@package="contact-card"]/wi:watcher'
ACTIVE_ONES = filter_set(one(include(f'{ROWS}[@status="active"]')), bindings=WI)
REJECTED_ONES = filter_set(
    one(
        include(f'{ROWS}[@status="terminated" and @event="rejected"]')
        + '<trigger><changed from="pending" to="terminated">//@status</changed></trigger>'
    ),
    bindings=WI,
)


async def following(world: World, *watchers: Watcher) -> None:
    """A device of each follows Ann."""
    for watcher in watchers:
        await (await world.phone(watcher)).subscribe(ANN)
    await world.pass_time(PACE)


async def filtering(world: World, body: bytes, *, who: Watcher | None = None) -> Watchman:
    """A subscriber of Ann's watcher information with this filter."""
    found = await watchman(world, who or ANN, ANN)
    response = await found.phone.subscribe(ANN, body, **{"Event": found.event, "Content-Type": FILTER_TYPE})
    assert response.status == 200, response
    await world.pass_time(PACE)
    return found


@story
async def test_7_2_1_only_active_watchers_are_told_of_and_those_who_leave_the_selection_are_gone(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await following(world, BOB, CAROL)
    ann = await filtering(world, ACTIVE_ONES)
    assert ann.last == [Seen(BOB, ACTIVE, "subscribe")]
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    await world.pass_time(PACE)
    assert ann.sees == {BOB: ACTIVE, CAROL: ACTIVE}
    world.put_rules(ANN, rules(block(BOB), allow(CAROL)))
    await world.pass_time(PACE)
    assert ann.sees == {CAROL: ACTIVE}
    assert [(each.version, each.full) for each in ann.documents] == [(0, True), (1, True), (2, True)]


@story
async def test_7_2_1_what_the_filter_does_not_select_is_no_reason_for_a_notify(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await following(world, BOB)
    ann = await filtering(world, ACTIVE_ONES)
    count = len(ann.phone.notifies)
    await following(world, CAROL, DAN)
    world.put_rules(ANN, rules(allow(BOB), block(DAN)))
    await world.pass_time(PACE)
    assert len(ann.phone.notifies) == count


@story
async def test_7_2_2_durations_count_when_something_is_told(world: World) -> None:
    world.put_card(ANN, card())
    await following(world, BOB)
    await world.pass_time(500)
    await following(world, CAROL)
    long_ones = filter_set(one(include(f"{ROWS}[@duration-subscribed>500]")), bindings=WI)
    ann = await filtering(world, long_ones)
    assert ann.sees == {BOB: PENDING}
    await world.pass_time(600)
    await ann.refresh()
    await world.pass_time(PACE)
    assert ann.sees == {BOB: PENDING, CAROL: PENDING}


@story
async def test_7_2_3_a_trigger_has_those_told_who_were_rejected_while_they_were_pending(world: World) -> None:
    world.put_card(ANN, card())
    await following(world, BOB, CAROL)
    ann = await filtering(world, REJECTED_ONES)
    assert ann.last == []
    count = len(ann.phone.notifies)
    world.put_rules(ANN, rules(allow(CAROL)))
    await following(world, DAN)
    assert len(ann.phone.notifies) == count
    world.put_rules(ANN, rules(allow(CAROL), block(BOB)))
    await world.pass_time(PACE)
    assert ann.last == [Seen(BOB, TERMINATED, "rejected")]
    count = len(ann.phone.notifies)
    await following(world, ERIN)
    assert len(ann.phone.notifies) == count


@story
async def test_who_left_is_told_until_that_is_acknowledged(world: World) -> None:
    world.put_card(ANN, card())
    await following(world, BOB)
    ann = await filtering(world, REJECTED_ONES)
    ann.phone.answers = [(500, [])]
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(PACE)
    await world.pass_time(60)
    told = [each for each in ann.documents if any(each.lists[0].rows)]
    assert len(told) == 2
    assert ann.last == [Seen(BOB, TERMINATED, "rejected")]


@story
async def test_a_filter_stays_for_the_dialog_and_goes_by_its_name(world: World) -> None:
    """§3.3.3, §5.2: and after a restart."""
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await following(world, BOB, CAROL)
    ann = await filtering(world, ACTIVE_ONES)
    await ann.refresh()
    await world.pass_time(PACE)
    assert ann.sees == {BOB: ACTIVE}
    await world.restart()
    await world.pass_time(PACE)
    assert ann.sees == {BOB: ACTIVE}
    gone = filter_set(one("", 'id="1" remove="true"'))
    response = await ann.phone.refresh(gone, **{"Event": ann.event, "Content-Type": FILTER_TYPE})
    assert response.status == 200
    await world.pass_time(PACE)
    assert ann.sees == {BOB: ACTIVE, CAROL: PENDING}
    await following(world, DAN)
    assert not ann.documents[-1].full
    assert ann.sees == {BOB: ACTIVE, CAROL: PENDING, DAN: PENDING}


@story
async def test_a_filter_shows_a_watcher_no_row_but_his_own(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    await following(world, BOB, CAROL)
    bob = await filtering(world, filter_set(one(include("//wi:watcher")), bindings=WI), who=BOB)
    assert bob.sees == {BOB: ACTIVE}


@story
async def test_a_table_that_is_too_large_for_the_filter_is_told_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§5.3.1: "may be populated with a pre-configured value as authorised to that subscriber"."""
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await following(world, BOB)
    ann = await filtering(world, ACTIVE_ONES)
    monkeypatch.setattr(winfo_filtering, "DEPTH", 100_000)
    await following(world, CAROL)
    assert ann.sees == {BOB: ACTIVE, CAROL: PENDING}
