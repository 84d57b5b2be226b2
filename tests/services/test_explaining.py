"""Explanations told as stories: what the owner is told of each situation, and that no watcher can tell."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from abserver.app.explanations import Explanations, WatchersViews
from abserver.domain.explanation import Explanation, Next
from abserver.domain.identity import Watcher
from abserver.domain.relation import RelationState
from abserver.domain.rules import Handling
from abserver.domain.usages import EXPLANATIONS, VIEWS
from abserver.domain.usages.shared_cards import name_of
from abserver.services.endings import Endings
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, confirm, during, polite_block, rules
from tests.support.world import World, story
from xcap.core.errors import Forbidden, MethodNotAllowed
from xcap.ports import Computed, DocumentKey

if TYPE_CHECKING:
    from abserver.domain.explanation import ExplainedDevice
    from tests.support.phone import Phone


async def explain(world: World) -> Explanation:
    """Ann asks about Bob; what she is told is of its schema."""
    found = await world.server.events.explaining.explain(ANN, BOB)
    document = await Explanations(world.server.events.explaining).load(key_of(EXPLANATIONS.auid), None)
    assert document is not None
    EXPLANATIONS.validate(document.content)
    return found


async def device(world: World) -> ExplainedDevice:
    """What Ann is told of Bob's only device."""
    (found,) = (await explain(world)).devices
    return found


def key_of(auid: str, name: str = name_of(BOB), user: str | None = ANN) -> DocumentKey:
    return DocumentKey(auid, user, name)


async def view(world: World) -> Computed | None:
    return await WatchersViews(world.server.events.explaining).load(key_of(VIEWS.auid), None)


async def following(world: World, *levels: str, **fields: str | None) -> Phone:
    """Bob follows Ann's card, and has been told of it."""
    world.put_card(ANN, card("1", friends="2", private="3"))
    world.put_rules(ANN, rules(allow(BOB, *levels)))
    phone = await world.phone(BOB)
    await phone.subscribe(ANN, **({"Accept": "application/vcard+xml"} | fields))
    await world.pass_time()
    return phone


# -- what is seen ---------------------------------------------------------------------------------------------------


@story
async def test_a_view_is_octet_for_octet_what_its_watcher_is_notified_of(world: World) -> None:
    phone = await following(world, "friends")
    for number in ("4", "5"):
        found = await view(world)
        assert found is not None
        assert (found.content, found.etag) == (phone.last.body, phone.last.etag)
        world.put_card(ANN, card("1", friends=number, private="3"))
        await world.pass_time()


@story
async def test_a_view_can_be_had_before_anybody_asked_and_follows_the_rules_from_their_edit_on(world: World) -> None:
    assert await view(world) is None
    world.put_card(ANN, card())
    for rule, seen in ((confirm(BOB), False), (allow(BOB), True), (polite_block(BOB), True), (block(BOB), False)):
        world.put_rules(ANN, rules(rule))
        assert (await view(world) is not None) is seen


@story
async def test_a_politely_blocked_watcher_is_seen_to_get_an_empty_card(world: World) -> None:
    world.put_card(ANN, card("1", friends="2"))
    world.put_rules(ANN, rules(polite_block(BOB)))
    phone = await world.phone(BOB)
    await phone.subscribe(ANN, Accept="application/vcard+xml")
    await world.pass_time()
    found = await view(world)
    assert found is not None
    assert (found.content, found.etag) == (phone.last.body, phone.last.etag)
    explained = await explain(world)
    assert explained.view == found.etag
    assert not any(item.shown for item in explained.items)


@story
async def test_there_are_no_documents_about_what_is_no_address_and_none_is_listed(world: World) -> None:
    world.put_rules(ANN, rules(allow(BOB)))
    explaining = world.server.events.explaining
    for source in (Explanations(explaining), WatchersViews(explaining)):
        for name, user in (("index", ANN), (name_of(BOB), None), (name_of(BOB), "mailto:ann@example.com")):
            assert await source.load(key_of(VIEWS.auid, name, user), None) is None
        assert await source.load(key_of(VIEWS.auid, "sip:bob@EXAMPLE.COM;transport=tcp"), None) is not None
        assert await source.list(VIEWS.auid, ANN) == []


@story
async def test_only_the_owner_reads_about_watchers_and_nobody_writes(world: World) -> None:
    await following(world)
    for usage in (EXPLANATIONS, VIEWS):
        assert (await world.get(ANN, key_of(usage.auid))).media_type == usage.media_type
        for stranger in (BOB, CAROL):
            with pytest.raises(Forbidden):
                await world.get(stranger, key_of(usage.auid))
        with pytest.raises(MethodNotAllowed):
            await world.put(key_of(usage.auid), b"<explanation/>")


# -- decision and relation ------------------------------------------------------------------------------------------


@story
async def test_a_decision_is_explained_with_its_rules_items_and_history(world: World) -> None:
    await following(world, "friends")
    explained = await explain(world)
    assert explained.decision.handling is Handling.ALLOW
    assert explained.decision.grant.levels == {"public", "friends"}
    assert [(rule.id, rule.decides) for rule in explained.rules.rules] == [(explained.decision.rule, True)]
    assert [item.shown for item in explained.items if item.name == "tel"] == [True, True, False]
    assert explained.relation is not None
    assert explained.relation.state is RelationState.CONFIRMED
    assert [line.by for line in explained.history] == ["standing"]
    assert explained.version == world.server.lists.version(ANN)


@story
async def test_of_a_rule_that_begins_later_its_time_is_said(world: World) -> None:
    utc = world.clock.utc()
    begins = (utc + datetime.timedelta(days=1)).replace(microsecond=0)
    world.put_rules(ANN, rules(during(allow(BOB), begins, begins + datetime.timedelta(days=1))))
    (rule,) = (await explain(world)).rules.rules
    assert rule.failed == f"validity: begins {begins:%Y-%m-%d %H:%M} UTC"
    await world.pass_time(86_500)
    (rule,) = (await explain(world)).rules.rules
    assert rule.failed is None


@story
async def test_owners_see_everything_by_no_rule(world: World) -> None:
    world.put_card(ANN, card(private="1"))
    world.put_rules(ANN, rules(block(BOB)))
    explained = await world.server.events.explaining.explain(ANN, Watcher(ANN))
    assert explained.decision.grant.everything
    assert explained.rules.rules == ()
    assert all(item.shown for item in explained.items)


@story
async def test_of_somebody_who_never_asked_there_is_what_the_rules_say_and_no_more(world: World) -> None:
    explained = await explain(world)
    assert explained.decision.handling is Handling.CONFIRM
    assert (explained.relation, explained.devices, explained.view, list(explained.history)) == (None, [], None, [])


# -- devices --------------------------------------------------------------------------------------------------------


@story
async def test_a_device_that_has_all_is_up_to_date_and_its_last_notify_is_told(world: World) -> None:
    phone = await following(world)
    sent = world.clock.utc() - datetime.timedelta(seconds=1)
    found = await device(world)
    assert (found.next, found.at, found.ended) == (Next.UP_TO_DATE, None, None)
    assert found.device == phone.device(ANN).device
    assert found.current == found.delivered == phone.last.etag
    assert found.version == world.server.lists.version(ANN)
    assert found.acknowledged_at is not None
    assert found.expires_at is not None
    assert abs(found.expires_at - sent - datetime.timedelta(hours=1)) < datetime.timedelta(seconds=2)
    assert found.last is not None
    assert (found.last.call_id, found.last.cseq, found.last.answer) == (
        phone.last.request.call_id,
        phone.last.cseq,
        "200",
    )
    assert abs(found.last.at - sent) < datetime.timedelta(seconds=1)


@story
async def test_a_device_of_a_pending_watcher_waits_for_the_decision(world: World) -> None:
    world.put_card(ANN, card())
    phone = await world.phone(BOB)
    await phone.subscribe(ANN)
    await world.pass_time()
    found = await device(world)
    assert (found.next, found.current, found.delivered) == (Next.UNDECIDED, None, None)


@story
async def test_a_notify_that_is_not_answered_is_in_flight(world: World) -> None:
    phone = await following(world)
    phone.answers = [None] * 20
    world.put_card(ANN, card("9"))
    await world.pass_time()
    found = await device(world)
    assert found.next is Next.IN_FLIGHT
    assert found.last is not None
    assert (found.last.cseq, found.last.answer, found.last.at) == (phone.last.cseq, None, found.at)
    assert found.current != found.delivered


@story
async def test_a_change_that_was_made_just_now_is_being_carried_out(world: World) -> None:
    await following(world)
    world.put_card(ANN, card("9"))
    found = await world.server.events.explaining.explain(ANN, BOB)
    (found_device,) = found.devices
    assert found_device.next in (Next.RECONCILING, Next.IN_FLIGHT, Next.WRITING)
    await world.pass_time()
    assert (await device(world)).next is Next.UP_TO_DATE


@story
async def test_a_device_that_is_paced_is_told_the_time(world: World) -> None:
    await following(world, Event="contact-card;max-rate=0.01")
    world.put_card(ANN, card("9"))
    await world.pass_time()
    found = await device(world)
    assert found.next is Next.PACED
    assert found.last is not None
    assert found.at is not None
    assert abs(found.at - found.last.at - datetime.timedelta(seconds=100)) < datetime.timedelta(seconds=1)


@story
async def test_a_device_that_answered_with_a_failure_is_tried_again(world: World) -> None:
    phone = await following(world)
    phone.answers = [(503, [("Retry-After", "77")])]
    world.put_card(ANN, card("9"))
    await world.pass_time()
    found = await device(world)
    assert found.next is Next.RETRY
    assert found.at is not None
    assert abs(found.at - world.clock.utc() - datetime.timedelta(seconds=76)) < datetime.timedelta(seconds=2)
    assert found.last is not None
    assert found.last.answer == "503"


@story
async def test_a_device_that_asked_for_silence_has_it(world: World) -> None:
    phone = await following(world)
    await phone.refresh(Suppress_If_Match="*")
    await world.pass_time()
    assert (await device(world)).next is Next.UP_TO_DATE
    world.put_card(ANN, card("9"))
    await world.pass_time()
    found = await device(world)
    assert found.next is Next.SILENCED
    assert found.current != found.delivered


FILTER = """<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings>
<ns-binding prefix="c" urn="urn:ietf:params:xml:ns:vcard-4.0"/></ns-bindings>
<filter id="1" uri="sip:ann@example.com"><what><include type="xpath">/c:vcards/c:vcard/c:tel</include></what>
<trigger><added>/c:vcards/c:vcard/c:tel</added></trigger></filter></filter-set>"""


@story
async def test_a_device_whose_filter_holds_a_change_back_is_said_to_have_a_filter(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB, "friends")))
    phone = await world.phone(BOB)
    accept = {"Accept": "application/vcard+xml", "Content-Type": "application/simple-filter+xml"}
    await phone.subscribe(ANN, FILTER.encode(), **accept)
    await world.pass_time()
    found, whole = await device(world), await view(world)
    assert whole is not None
    assert (found.next, found.has_filter, found.current) == (Next.UP_TO_DATE, True, phone.last.etag)
    assert found.current != whole.etag
    world.put_card(ANN, card("9"))
    await world.pass_time()
    found = await device(world)
    assert found.next is Next.FILTERED
    assert found.current != found.delivered
    world.put_card(ANN, card("9", friends="7"))
    await world.pass_time()
    assert (await device(world)).next is Next.UP_TO_DATE


@story
async def test_a_device_in_line_is_said_to_stand_there(world: World) -> None:
    phone = await following(world)
    (followed,) = world.server.followers.by(ANN, BOB)
    windows = world.server.events.windows
    while windows.has_room(followed.destination):
        assert windows.enter(followed.destination, followed)
    world.put_card(ANN, card("9"))
    await world.pass_time()
    assert (await device(world)).next is Next.WINDOW
    notified = len(phone.notifies)
    windows.leave(followed.destination)
    assert windows.next(followed.destination) is followed
    world.server.events.notifier.pump(followed)
    await world.pass_time()
    assert (len(phone.notifies), (await device(world)).next) == (notified + 1, Next.UP_TO_DATE)


@story
async def test_a_device_that_waits_for_the_journal_is_said_to(world: World) -> None:
    world.expected_errors |= {"preparation failed", "records could not be written"}
    phone = await following(world, Accept="application/vcard+xml, application/xml-patch+xml")
    notified = len(phone.notifies)
    world.journal.fault = OSError("the disk is full")
    world.put_card(ANN, card("9"))
    await world.pass_time()
    world.journal.fault = None
    assert ((await device(world)).next, len(phone.notifies)) == (Next.WRITING, notified)
    await world.pass_time(60)
    assert ((await device(world)).next, len(phone.notifies)) == (Next.UP_TO_DATE, notified + 1)


# -- devices that are gone ------------------------------------------------------------------------------------------


@story
async def test_a_device_that_unsubscribed_is_offline_with_its_end_and_its_last_notify(world: World) -> None:
    phone = await following(world)
    acknowledged = phone.last.etag
    await phone.unsubscribe()
    await world.pass_time()
    found = await device(world)
    assert (found.next, found.ended, found.current, found.expires_at) == (Next.OFFLINE, "timeout", None, None)
    assert found.delivered == acknowledged
    assert found.at is not None
    assert abs(found.at - world.clock.utc()) < datetime.timedelta(seconds=2)
    assert found.last is not None
    assert (found.last.cseq, found.last.answer) == (phone.last.cseq, "200")


@story
async def test_an_unsubscription_that_gets_204_is_an_end_by_the_watcher(world: World) -> None:
    phone = await following(world)
    response = await phone.refresh(Expires="0", Suppress_If_Match=phone.last.etag)
    assert response.status == 204
    await world.pass_time()
    assert (await device(world)).ended == "timeout"


@story
async def test_a_device_that_is_silent_is_offline_since_its_last_notify_timed_out(world: World) -> None:
    phone = await following(world)
    phone.answers = [None] * 20
    world.put_card(ANN, card("9"))
    await world.pass_time(60)
    found = await device(world)
    assert (found.next, found.ended) == (Next.OFFLINE, "silent")
    assert found.last is not None
    assert found.last.answer == "timeout"


@story
async def test_a_device_that_refuses_a_notify_is_offline_by_its_own_answer(world: World) -> None:
    phone = await following(world)
    phone.answers = [(481, [])]
    world.put_card(ANN, card("9"))
    await world.pass_time()
    found = await device(world)
    assert (found.next, found.ended) == (Next.OFFLINE, "refused")
    assert found.last is not None
    assert found.last.answer == "481"


@story
async def test_a_blocked_device_is_said_to_be_blocked(world: World) -> None:
    await following(world)
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time()
    found = await device(world)
    assert (found.next, found.ended) == (Next.BLOCKED, "rejected")
    explained = await explain(world)
    assert explained.relation is not None
    assert (explained.relation.state, explained.view) == (RelationState.REJECTED, None)


@story
async def test_a_device_that_is_back_is_not_said_to_be_gone(world: World) -> None:
    phone = await following(world)
    await phone.subscribe(ANN)
    await world.pass_time()
    found = await device(world)
    assert (found.next, found.ended) == (Next.UP_TO_DATE, None)
    await phone.unsubscribe()
    await world.pass_time()
    await phone.subscribe(ANN)
    await world.pass_time()
    assert (await device(world)).ended is None


@story
async def test_after_a_restart_the_device_and_what_it_holds_are_known_and_its_last_notify_is_not(world: World) -> None:
    phone = await following(world)
    before = await device(world)
    await world.restart()
    await world.pass_time()
    found = await device(world)
    assert (found.next, found.last) == (Next.UP_TO_DATE, None)
    assert (found.delivered, found.version, found.acknowledged_at) == (
        before.delivered,
        before.version,
        before.acknowledged_at,
    )
    assert phone.last.etag == found.current


@story
async def test_devices_of_others_are_not_mixed_in(world: World) -> None:
    await following(world)
    other = await world.phone(CAROL)
    await other.subscribe(ANN)
    await world.pass_time()
    await other.unsubscribe()
    await world.pass_time()
    assert len((await explain(world)).devices) == 1
    assert len((await world.server.events.explaining.explain(ANN, CAROL)).devices) == 1
    assert (await world.server.events.explaining.explain(DAN, BOB)).devices == []


# -- nothing shows --------------------------------------------------------------------------------------------------


async def _life(world: World, phone: Phone, *, explained: bool) -> None:
    """What happens between Ann and Bob, explained at every step or not."""

    async def step() -> None:
        for _ in range(2):
            if explained:
                await explain(world)
                await view(world)
            await world.pass_time(0.5)

    world.put_card(ANN, card("1", friends="2"))
    await step()
    await phone.subscribe(ANN)
    await step()
    for rule in (allow(BOB, "friends"), polite_block(BOB), allow(BOB)):
        world.put_rules(ANN, rules(rule))
        await step()
    world.put_card(ANN, card("1", friends="3"))
    await step()
    world.put_card(ANN, card("2", friends="3"))
    await step()
    await phone.refresh(Suppress_If_Match="*")
    await step()
    world.put_rules(ANN, rules(block(BOB)))
    await step()


def test_a_watcher_cannot_tell_whether_he_was_explained() -> None:
    def told(*, explained: bool) -> list[tuple[str, str | None, bytes, int]]:
        heard: list[tuple[str, str | None, bytes, int]] = []

        @story
        async def play(world: World) -> None:
            phone = await world.phone(BOB)
            await _life(world, phone, explained=explained)
            heard.extend((each.state, each.etag, each.body, each.cseq) for each in phone.notifies)

        play()
        return heard

    quiet = told(explained=False)
    assert len(quiet) >= 5
    assert told(explained=True) == quiet


@story
async def test_nothing_of_an_explanation_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await following(world)
    caplog.clear()
    caplog.set_level(0)
    await explain(world)
    await view(world)
    assert caplog.records == []


# -- what is remembered of endings ----------------------------------------------------------------------------------


@story
async def test_endings_are_remembered_for_so_many_devices_and_no_more(world: World) -> None:
    endings = Endings(world.clock, kept=2)
    world.server.followers.listen(endings.note)
    world.put_card(ANN, card())
    phones = [await world.phone(BOB) for _ in range(3)]
    for phone in (*phones, phones[0]):
        await phone.subscribe(ANN)
        await world.pass_time()
        assert len(endings.of(ANN, BOB)) < 3
        await phone.unsubscribe()
        await world.pass_time()
    assert [key for key, _ in endings.of(ANN, BOB)] == [phones[2].device(ANN), phones[0].device(ANN)]
    assert endings.of(ANN, CAROL) == endings.of(DAN, BOB) == []


@story
async def test_a_subscription_that_a_newer_one_replaced_was_replaced(world: World) -> None:
    endings = Endings(world.clock)
    phone = await following(world)
    world.server.followers.listen(endings.note)
    await phone.subscribe(ANN)
    await world.pass_time()
    ((_, ending),) = endings.of(ANN, BOB)
    assert ending.why == "replaced"
