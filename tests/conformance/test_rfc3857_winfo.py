"""RFC 3857, statement by statement, at the notifier."""

from __future__ import annotations

import datetime
import itertools
from typing import TYPE_CHECKING

import pytest

from abserver.domain.identity import Watcher
from abserver.events.winfo.package import WATCHERINFO
from abserver.sip.message import Request, Response
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, polite_block, rules
from tests.support.server import Limits
from tests.support.winfo import ACTIVE, PENDING, TERMINATED, WAITING, WINFO, Seen, Watchman, watching, watchman
from tests.support.world import World, story

if TYPE_CHECKING:
    from tests.support.phone import Phone

PACE = 5.0
KEPT = datetime.timedelta(days=30)
"""How long requests are kept."""


async def a_watcher(world: World, watcher: Watcher = BOB, **fields: str | None) -> Phone:
    """A device of `watcher` follows Ann."""
    phone = await world.phone(watcher)
    await phone.subscribe(ANN, **fields)
    await world.pass_time(PACE + 1)
    return phone


async def ann_watches(world: World, *rule: bytes) -> Watchman:
    """Ann has these rules and follows her watchers."""
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(*rule))
    return await watching(world, ANN, ANN)


# -- §3.1: the scenario it is for -------------------------------------------------------------------------------------


@story
async def test_3_1_a_request_is_told_and_shown_as_pending(world: World) -> None:
    ann = await ann_watches(world)
    await a_watcher(world)
    notify = ann.phone.last.request
    assert notify.headers.get("Event") == WINFO
    assert notify.headers.get("Content-Type") == WATCHERINFO
    assert ann.phone.last.state == "active"
    assert ann.last == [Seen(BOB, PENDING, "subscribe")]


# -- §4.1, §4.2: name and parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["contact-card.winfo", "contact-card.winfo.winfo", "contact-card.winfo;id=7"])
def test_4_1_the_template_is_applied_to_a_package_and_to_itself(event: str) -> None:
    @story
    async def told(world: World) -> None:
        world.put_card(ANN, card())
        ann = await watchman(world, ANN, ANN, event=event)
        assert (await ann.subscribe()).status == 200
        await world.pass_time()
        assert ann.phone.last.request.headers.get("Event") == event
        assert ann.documents[0].lists[0].package == event.split(";")[0].removesuffix(".winfo")

    told()


@story
async def test_4_1_what_is_no_package_here_has_no_watcher_information(world: World) -> None:
    world.put_card(ANN, card())
    for event in ("presence.winfo", "winfo", "Contact-Card.winfo", "contact-card.WINFO", "winfo.contact-card"):
        other = await watchman(world, ANN, ANN, event=event)
        response = await other.subscribe()
        assert response.status == 489
        assert response.headers.get("Allow-Events") == "contact-card, xcap-diff"  # no templates: RFC 6665 §4.4.4


# -- §4.3: bodies of SUBSCRIBE ----------------------------------------------------------------------------------------


@story
async def test_4_3_without_a_body_every_change_is_told_and_only_the_change(world: World) -> None:
    ann = await ann_watches(world)
    await a_watcher(world)
    await a_watcher(world, CAROL)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(PACE)
    assert [each.full for each in ann.documents] == [True, False, False, False]
    assert [[row.uri for row in each.lists[0].rows] for each in ann.documents] == [[], [BOB], [CAROL], [BOB]]


@story
async def test_4_3_a_notify_that_a_subscribe_triggers_has_full_state(world: World) -> None:
    ann = await ann_watches(world)
    await a_watcher(world)
    await a_watcher(world, CAROL)
    await ann.refresh()
    await world.pass_time()
    assert ann.documents[-1].full
    assert {each.watcher for each in ann.last} == {BOB, CAROL}


@story
async def test_4_3_a_filter_that_is_not_understood_is_refused_and_not_ignored(world: World) -> None:
    world.put_card(ANN, card())
    ann = await world.phone(Watcher(ANN))
    plain = await ann.subscribe(ANN, Event=WINFO)
    assert plain.status == 200
    asked = ann.dialog
    await world.pass_time()
    assert asked is None
    assert ann.dialog is not None
    request = ann.dialog.next_request("SUBSCRIBE")
    for name, value in (
        ("Event", WINFO),
        ("Contact", f"<sip:{ann.address}>"),
        ("P-Asserted-Identity", f"<{ANN}>"),
        ("Content-Type", "application/x-filter"),
    ):
        request.headers.set(name, value)
    response = await ann.send(Request(request.method, request.uri, request.headers, b"pending only"))
    assert response.status == 415


# -- §4.4: duration ---------------------------------------------------------------------------------------------------


@story
async def test_4_4_the_default_is_one_hour(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watchman(world, ANN, ANN)
    assert (await ann.subscribe(Expires=None)).expires == 3600


@story
async def test_4_4_another_duration_is_granted(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watchman(world, ANN, ANN)
    assert (await ann.subscribe(Expires="7200")).expires == 7200


# -- §4.5: bodies of NOTIFY -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [None, WATCHERINFO, f"text/plain, {WATCHERINFO};q=0.1", "application/*"])
def test_4_5_notifications_are_watcherinfo(accept: str | None) -> None:
    @story
    async def told(world: World) -> None:
        world.put_card(ANN, card())
        ann = await watchman(world, ANN, ANN)
        assert (await ann.subscribe(Accept=accept)).status == 200
        await world.pass_time()
        assert ann.phone.last.content_type == WATCHERINFO

    told()


@story
async def test_4_5_a_subscriber_that_does_not_list_the_format_gets_none(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watchman(world, ANN, ANN)
    response = await ann.subscribe(Accept="application/pidf+xml")
    assert response.status == 406
    assert response.headers.get("Accept") == WATCHERINFO


# -- §4.6: authentication and authorization ---------------------------------------------------------------------------


@story
async def test_4_6_subscriptions_are_authenticated(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watchman(world, ANN, ANN)
    response = await ann.subscribe(P_Asserted_Identity=None)
    assert response.status == 401
    assert response.headers.get("WWW-Authenticate")
    assert ann.phone.notifies == []


@story
async def test_4_6_a_user_may_follow_his_own_watchers_recursively(world: World) -> None:
    world.put_card(ANN, card())
    for event in (WINFO, f"{WINFO}.winfo"):
        ann = await watchman(world, ANN, ANN, event=event)
        assert (await ann.subscribe()).status == 200


@pytest.mark.parametrize("rule", [allow, polite_block])
def test_4_6_an_authorized_subscriber_is_told_of_himself_alone(rule: object) -> None:
    assert callable(rule)

    @story
    async def told(world: World) -> None:
        world.put_card(ANN, card())
        world.put_rules(ANN, rules(rule(BOB), allow(CAROL)))
        await a_watcher(world)
        await a_watcher(world, CAROL)
        bob = await watching(world, BOB, ANN)
        assert bob.last == [Seen(BOB, ACTIVE, "subscribe")]

    told()


@story
async def test_4_6_whoever_is_not_authorized_is_refused(world: World) -> None:
    await ann_watches(world, block(BOB))
    for watcher in (BOB, CAROL, Watcher(DAN)):
        other = await watchman(world, watcher, ANN)
        assert (await other.subscribe()).status == 403
        assert other.phone.notifies == []


@story
async def test_4_6_only_the_user_follows_the_watchers_of_his_watchers(world: World) -> None:
    await ann_watches(world, allow(BOB))
    await a_watcher(world)
    bob = await watchman(world, BOB, ANN, event=f"{WINFO}.winfo")
    assert (await bob.subscribe()).status == 403


@story
async def test_4_6_deeper_recursions_are_not_served(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watchman(world, ANN, ANN, event=f"{WINFO}.winfo.winfo")
    assert (await ann.subscribe()).status == 489


# -- §4.7: what is watched --------------------------------------------------------------------------------------------


@story
async def test_4_7_all_subscriptions_of_the_parent_package_to_the_resource_are_watched(world: World) -> None:
    world.put_card(DAN, card())
    world.put_rules(DAN, rules(allow(BOB)))
    ann = await ann_watches(world, allow(BOB))
    elsewhere = await world.phone(CAROL)
    await elsewhere.subscribe(DAN)
    bob = await watching(world, BOB, ANN)
    assert bob.phone.last.state == "active"
    await world.pass_time(PACE)
    assert ann.sees == {}
    await a_watcher(world)
    assert ann.sees == {BOB: ACTIVE}


# -- §4.7.1: the machine (all its arrows: tests/pure/events/test_winfo.py) -------------------------------------------


@story
async def test_4_7_1_a_forbidden_subscription_is_never_there(world: World) -> None:
    ann = await ann_watches(world, block(BOB))
    await a_watcher(world)
    assert len(ann.phone.notifies) == 1


@story
async def test_4_7_1_an_authorized_subscription_is_active(world: World) -> None:
    ann = await ann_watches(world, allow(BOB))
    await a_watcher(world)
    assert ann.last == [Seen(BOB, ACTIVE, "subscribe")]


@story
async def test_4_7_1_a_pending_subscription_that_is_approved_is_active(world: World) -> None:
    ann = await ann_watches(world)
    await a_watcher(world)
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(PACE)
    assert ann.last == [Seen(BOB, ACTIVE, "approved")]


@story
async def test_4_7_1_a_pending_subscription_that_is_refused_is_terminated(world: World) -> None:
    ann = await ann_watches(world)
    await a_watcher(world)
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(PACE)
    assert ann.last == [Seen(BOB, TERMINATED, "rejected")]


@story
async def test_4_7_1_a_pending_subscription_that_expires_waits(world: World) -> None:
    ann = await ann_watches(world)
    await a_watcher(world, Expires="60")
    await world.pass_time(100)
    assert ann.last == [Seen(BOB, WAITING, "timeout")]


@pytest.mark.parametrize(("rule", "event"), [(allow, "approved"), (polite_block, "approved"), (block, "rejected")])
def test_4_7_1_a_waiting_subscription_that_is_decided_is_terminated(rule: object, event: str) -> None:
    assert callable(rule)

    @story
    async def told(world: World) -> None:
        ann = await ann_watches(world)
        await a_watcher(world, Expires="60")
        await world.pass_time(100)
        world.put_rules(ANN, rules(rule(BOB)))
        await world.pass_time(PACE)
        assert ann.last == [Seen(BOB, TERMINATED, event)]
        await a_watcher(world, Expires="60")
        assert ann.sees == ({} if event == "rejected" else {BOB: ACTIVE})

    told()


@story
async def test_4_7_1_a_waiting_subscription_that_is_made_again_is_pending(world: World) -> None:
    ann = await ann_watches(world)
    await a_watcher(world, Expires="60")
    await world.pass_time(100)
    await a_watcher(world)
    assert ann.sees == {BOB: PENDING}


@story
async def test_4_7_1_a_fetch_that_needs_authorization_waits(world: World) -> None:
    ann = await ann_watches(world)
    await a_watcher(world, Expires="0")
    assert ann.last == [Seen(BOB, WAITING, "timeout")]
    assert len(ann.phone.notifies) == 2


@pytest.mark.parametrize("expires", ["60", "86400"])
def test_4_7_1_a_request_that_nobody_decides_about_is_given_up(expires: str) -> None:
    @story
    async def told(world: World) -> None:
        world.put_card(ANN, card())
        bob = await a_watcher(world, Expires=expires)
        await world.pass_time(KEPT.total_seconds() - 60)
        if expires != "60":
            await bob.subscribe(ANN, Expires=expires)
        ann, own = await watching(world, ANN, ANN), await watching(world, BOB, ANN)
        assert ann.sees == own.sees == {BOB: WAITING if expires == "60" else PENDING}
        await world.pass_time(600)
        assert ann.last == [Seen(BOB, TERMINATED, "giveup")]
        assert (own.phone.last.state, own.phone.last.reason) == ("terminated", "giveup")

    told()


@story
async def test_4_7_1_an_active_subscription_ends_by_timeout_and_by_rejection(world: World) -> None:
    ann = await ann_watches(world, allow(BOB), allow(CAROL))
    await a_watcher(world, Expires="60")
    await a_watcher(world, CAROL)
    await world.pass_time(100)
    assert ann.last == [Seen(BOB, TERMINATED, "timeout")]
    world.put_rules(ANN, rules(block(CAROL)))
    await world.pass_time(PACE)
    assert ann.last == [Seen(CAROL, TERMINATED, "rejected")]
    assert ann.sees == {}


@story
async def test_4_7_1_a_watcher_may_have_so_many_undecided_subscriptions_and_no_more(world: World) -> None:
    world.limits = Limits(pending=1)
    await world.restart()
    world.put_card(DAN, card())
    ann = await ann_watches(world)
    elsewhere = await world.phone(BOB)
    assert (await elsewhere.subscribe(DAN)).status == 200
    refused = await world.phone(BOB)
    assert (await refused.subscribe(ANN)).status == 503
    await world.pass_time(PACE)
    assert ann.sees == {}


# -- §4.7.2: when it is told ------------------------------------------------------------------------------------------


@story
async def test_4_7_2_a_watcher_is_told_of_no_change_but_his_own(world: World) -> None:
    await ann_watches(world, allow(BOB))
    await a_watcher(world)
    bob = await watching(world, BOB, ANN)
    await a_watcher(world, CAROL)
    world.put_rules(ANN, rules(allow(BOB), block(CAROL)))
    await world.pass_time(PACE)
    assert len(bob.phone.notifies) == 1


@story
async def test_4_7_2_a_watcher_is_told_nothing_that_subscription_state_would_not_tell(world: World) -> None:
    """Polite blocking is as approval: in both, and whatever became of it afterwards."""
    traces = []
    for rule, after in ((allow, polite_block), (polite_block, allow), (polite_block, polite_block)):
        world.put_card(ANN, card())
        world.put_rules(ANN, rules())
        phone = await world.phone(BOB)
        await phone.subscribe(ANN)
        await world.pass_time(PACE)
        bob = await watching(world, BOB, ANN)
        begun = bob.phone.last.at
        world.put_rules(ANN, rules(rule(BOB)))
        await world.pass_time(PACE)
        world.put_rules(ANN, rules(after(BOB)))
        await world.pass_time(PACE)
        await bob.refresh()
        await world.pass_time(PACE)
        traces.append([(round(each.at - begun, 6), each.state, each.body) for each in bob.phone.notifies])
        await bob.refresh(Expires="0")
        await phone.unsubscribe()
        world.put_rules(ANN, rules())
        await world.pass_time(PACE)
    assert traces[0] == traces[1] == traces[2]
    assert len(traces[0]) == 3


@story
async def test_4_7_2_a_fetch_has_the_full_state(world: World) -> None:
    await ann_watches(world, allow(BOB))
    await a_watcher(world)
    await a_watcher(world, CAROL)
    fetch = await watchman(world, ANN, ANN)
    response: Response = await fetch.subscribe(Expires="0")
    await world.pass_time()
    assert response.expires == 0
    assert (fetch.phone.last.state, fetch.documents[0].full) == ("terminated", True)
    assert fetch.sees == {BOB: ACTIVE, CAROL: PENDING}


@story
async def test_4_7_2_transient_states_are_not_told(world: World) -> None:
    ann = await ann_watches(world, allow(BOB))
    await a_watcher(world, Expires="0")
    assert len(ann.phone.notifies) == 1


# -- §4.9: forking: each SUBSCRIBE makes one dialog here ---------------------------------------------------------------


@story
async def test_4_9_each_dialog_has_versions_of_its_own(world: World) -> None:
    one = await ann_watches(world)
    await a_watcher(world)
    other = await watching(world, ANN, ANN)
    await a_watcher(world, CAROL)
    assert [each.version for each in one.documents] == [0, 1, 2]
    assert [each.version for each in other.documents] == [0, 1]
    assert one.sees == other.sees


# -- §4.10: rate ------------------------------------------------------------------------------------------------------


@story
async def test_4_10_there_is_one_notification_in_5_seconds(world: World) -> None:
    ann = await ann_watches(world)
    phones = [await world.phone(Watcher(who)) for who in (BOB, CAROL, DAN)]
    for phone in phones:
        await phone.subscribe(ANN)
        await world.pass_time()
    await world.pass_time(2 * PACE)
    times = [each.at for each in ann.phone.notifies]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= PACE
    assert ann.sees == {BOB: PENDING, CAROL: PENDING, DAN: PENDING}
    assert [len(each.lists[0].rows) for each in ann.documents] == [0, 1, 2]


@story
async def test_4_10_nobody_gets_more_by_asking(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watchman(world, ANN, ANN, event=f"{WINFO};max-rate=9")
    await ann.subscribe()
    for watcher in (BOB, CAROL):
        phone = await world.phone(watcher)
        await phone.subscribe(ANN)
        await world.pass_time()
    await world.pass_time(2 * PACE)
    times = [each.at for each in ann.phone.notifies]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= PACE


# -- §6: security -----------------------------------------------------------------------------------------------------


@story
async def test_6_1_whoever_is_not_authenticated_makes_no_state_and_no_notification(world: World) -> None:
    ann = await ann_watches(world)
    stranger = await world.phone(BOB)
    assert (await stranger.subscribe(ANN, P_Asserted_Identity=None)).status == 401
    await world.pass_time(PACE)
    assert len(ann.phone.notifies) == 1
    assert world.server.relating.all_of(ANN) == ()


@story
async def test_6_1_a_request_that_comes_and_goes_is_told_no_more_often_than_the_rate_allows(world: World) -> None:
    ann = await ann_watches(world, allow(BOB))
    for _ in range(20):
        phone = await world.phone(BOB)
        await phone.subscribe(ANN)
        await world.pass_time(0.25)
        await phone.unsubscribe()
        await world.pass_time(0.25)
    assert len(ann.phone.notifies) <= 4
