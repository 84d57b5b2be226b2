"""The notifier, told as stories: who hears what and when, and who hears nothing."""

from __future__ import annotations

import asyncio
import datetime
import itertools
from typing import TYPE_CHECKING

import pytest

from abserver.domain.identity import Watcher, parse_aor
from abserver.domain.rules import NOTHING
from abserver.domain.view import View, view_of
from abserver.events.contact_card import PACKAGE, PATCH, VCARD, XCARD
from abserver.events.subscription import FIRST_RETRY
from abserver.ports import Departure
from abserver.services import preparing
from abserver.services.preparing import TURN
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, confirm, during, polite_block, rules
from tests.support.network import HOP
from tests.support.phone import BOTH, Phone
from tests.support.world import World, story
from xcap.core import patch

if TYPE_CHECKING:
    from abserver.ports import Record
    from abserver.services.followers import Followed


async def subscribed(world: World, *, accept: str | None = BOTH) -> Phone:
    """Bob's phone, subscribed to Ann, and told whatever there is to tell."""
    bob = await world.phone(BOB)
    assert (await bob.subscribe(ANN, Accept=accept)).status == 200
    await world.pass_time()
    return bob


async def confirmed(world: World, *levels: str, accept: str | None = BOTH) -> Phone:
    """Bob's phone, confirmed with these levels and up to date."""
    world.put_rules(ANN, rules(allow(BOB, *levels)))
    bob = await subscribed(world, accept=accept)
    assert bob.last.state == "active"
    return bob


def holding(phone: Phone) -> bytes:
    """The copy of a device that took every NOTIFY as the package says."""
    copy, tag = b"", None
    for notify in phone.notifies:
        match notify.content_type:
            case "application/vcard+xml":
                copy, tag = notify.body, notify.etag
            case "application/xml-patch+xml":
                assert notify.base == tag
                copy, tag = patch.apply(notify.body, copy), notify.etag
            case _:
                pass
    return copy


# -- a decision -------------------------------------------------------------------------------------------------------


@story
async def test_a_pending_watcher_is_told_so_and_never_gets_a_body_rfc6665_4_2_1_2(world: World) -> None:
    world.put_card(ANN, card())
    bob = await subscribed(world)
    world.put_card(ANN, card("2"))
    await world.pass_time()
    [notify] = bob.notifies
    assert (notify.state, notify.body, notify.content_type, notify.etag) == ("pending", b"", None, None)
    assert notify.told.expires == 3599  # of 3600, some milliseconds are over
    assert notify.event.package == "contact-card"


@story
async def test_a_confirmation_sends_the_full_view_at_once(world: World) -> None:
    world.put_card(ANN, card("1", friends="2", private="3"))
    bob = await subscribed(world)
    world.put_rules(ANN, rules(allow(BOB, "friends")))
    asked_at = world.clock.now()
    await world.pass_time()
    notify = bob.last
    assert (notify.state, notify.content_type, notify.base) == ("active", XCARD, None)
    assert b"tel:1" in notify.body
    assert b"tel:2" in notify.body
    assert b"tel:3" not in notify.body
    commit = world.journal.latency  # that it leaves the standing which the journal knows
    assert notify.at - asked_at == pytest.approx(commit + HOP)
    assert len(bob.notifies) == 2


@story
async def test_narrowing_sends_a_difference_that_removes(world: World) -> None:
    world.put_card(ANN, card("1", friends="2"))
    bob = await confirmed(world, "friends")
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time()
    assert (bob.last.state, bob.last.content_type) == ("active", PATCH)
    assert b"remove" in bob.last.body
    assert b"tel:2" not in holding(bob)
    assert b"tel:1" in holding(bob)


@story
async def test_widening_sends_a_difference_that_adds(world: World) -> None:
    world.put_card(ANN, card("1", friends="2"))
    bob = await confirmed(world)
    world.put_rules(ANN, rules(allow(BOB, "friends")))
    await world.pass_time()
    assert bob.last.content_type == PATCH
    assert b"tel:2" in holding(bob)


@story
async def test_taking_a_confirmation_back_makes_the_watcher_pending_again_without_a_body(world: World) -> None:
    world.put_card(ANN, card())
    bob = await confirmed(world)
    world.put_rules(ANN, rules(confirm(BOB)))
    await world.pass_time()
    assert (bob.last.state, bob.last.body, bob.last.etag) == ("pending", b"", None)


@story
async def test_a_block_terminates_with_reason_rejected_and_then_answers_403_rfc6665_4_2_1_3(world: World) -> None:
    world.put_card(ANN, card())
    bob = await confirmed(world)
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time()
    assert (bob.last.state, bob.last.reason, bob.last.body, bob.last.etag) == ("terminated", "rejected", b"", None)
    assert bob.last.told.expires is None
    assert (await bob.refresh()).status == 481
    assert (await bob.subscribe(ANN)).status == 403
    await world.pass_time()
    assert len(bob.notifies) == 2


@story
async def test_a_polite_block_looks_like_the_confirmed_watcher_of_an_empty_card(world: World) -> None:
    world.put_card(ANN, card("1", friends="2"))
    world.put_rules(ANN, rules(polite_block(BOB)))
    world.put_rules(DAN, rules(allow(BOB)))
    await world.add_user(DAN)
    polite, empty = await world.phone(BOB), await world.phone(BOB)
    responses = [await polite.subscribe(ANN, Accept=BOTH), await empty.subscribe(DAN, Accept=BOTH)]
    await world.pass_time()
    assert [response.status for response in responses] == [200, 200]
    [one], [other] = polite.notifies, empty.notifies
    assert one.body == view_of(None, NOTHING, ANN).content
    assert (one.state, one.content_type, one.told) == (other.state, other.content_type, other.told)
    assert one.body.replace(b"ann", b"dan") == other.body
    assert [name for name, _ in one.request.headers] == [name for name, _ in other.request.headers]


@story
async def test_a_polite_block_of_a_confirmed_watcher_takes_everything_away(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    world.put_rules(ANN, rules(polite_block(BOB)))
    await world.pass_time()
    assert bob.last.state == "active"
    assert holding(bob) == view_of(None, NOTHING, ANN).content
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert len(bob.notifies) == 2


@story
async def test_owners_see_their_own_card_whole(world: World) -> None:
    world.put_card(ANN, card("1", private="3"))
    world.put_rules(ANN, rules(block(BOB)))
    ann = await world.phone(BOB)
    ann.watcher = type(BOB)(ANN)
    await ann.subscribe(ANN)
    await world.pass_time()
    assert b"tel:3" in ann.last.body
    assert world.server.relating.of(ANN, ann.watcher) is None


@story
async def test_a_rule_begins_and_ends_by_the_clock_without_an_edit_rfc4745_7_3(world: World) -> None:
    hour = datetime.timedelta(hours=1)
    begins = world.clock.utc() + hour / 4
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(during(allow(BOB), begins, begins + hour / 4)))
    bob = await subscribed(world)
    assert bob.last.state == "pending"
    await world.pass_time(900)
    assert bob.last.state == "active"
    assert (world.clock.utc() - begins).total_seconds() <= 2
    assert b"tel:1" in holding(bob)
    await world.pass_time(900)
    assert bob.last.state == "pending"
    assert len(bob.notifies) == 3


@story
async def test_a_rules_clock_goes_on_after_a_restart_for_whoever_comes_then(world: World) -> None:
    begins = world.clock.utc() + datetime.timedelta(hours=1)
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(during(allow(BOB), begins, begins + datetime.timedelta(days=1))))
    bob = await subscribed(world)
    await bob.unsubscribe()
    await world.pass_time()
    await world.restart()
    bob = await subscribed(world)
    assert bob.last.state == "pending"
    await world.pass_time(3590)
    await bob.refresh()
    await world.pass_time(20)
    assert bob.last.state == "active"


# -- a change ---------------------------------------------------------------------------------------------------------


@story
async def test_a_change_is_told_as_the_difference_to_what_was_acknowledged(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    first = bob.last
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert (bob.last.content_type, bob.last.base) == (PATCH, first.etag)
    assert bob.last.etag != first.etag
    assert len(bob.last.body) < len(first.body)
    assert b"tel:2" in holding(bob)
    assert bob.last.cseq == first.cseq + 1


@story
async def test_a_hidden_edit_sends_nothing(world: World) -> None:
    world.put_card(ANN, card("1", friends="2", private="3"))
    bob = await confirmed(world)
    world.put_card(ANN, card("1", friends="22", private="33"))
    await world.pass_time()
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL, "friends")))
    await world.pass_time(10)
    assert len(bob.notifies) == 1


@story
async def test_a_watcher_without_patches_gets_the_full_view_of_a_change(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world, accept=None)
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert (bob.last.content_type, bob.last.base) == (XCARD, None)
    assert b"tel:2" in bob.last.body


@story
async def test_a_simple_client_gets_vcard_text_under_a_tag_of_its_own_rfc5839_6_1(world: World) -> None:
    world.put_card(ANN, card("1"))
    text, xml = await confirmed(world, accept=VCARD), await confirmed(world)
    assert text.last.content_type == VCARD
    assert text.last.body.startswith(b"BEGIN:VCARD")
    assert text.last.etag == f"{xml.last.etag}-text"


@story
async def test_the_event_id_of_a_subscribe_is_repeated_in_every_notify_rfc6665_4_5_2(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Event="contact-card;id=7")
    await world.pass_time()
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time()
    assert [notify.event.id for notify in bob.notifies] == ["7", "7"]


@story
async def test_a_removed_card_is_an_empty_view(world: World) -> None:
    world.put_card(ANN, card("1"))
    await world.add_user(ANN)
    bob = await confirmed(world)
    world.put_card(ANN, None)
    await world.pass_time()
    assert holding(bob) == view_of(None, NOTHING, ANN).content


@story
async def test_one_notify_is_in_flight_and_a_burst_of_edits_becomes_one_difference(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    world.network.fate = lambda packet: (2.0,)
    for number in range(2, 12):
        world.put_card(ANN, card(str(number)))
        await world.pass_time(0.1)
    world.network.fate = lambda packet: (HOP,)
    await world.pass_time(10)
    first, second, third = bob.notifies
    assert (second.base, third.base) == (first.etag, second.etag)
    assert b"tel:11" in holding(bob)


@story
async def test_edits_that_cancel_each_other_while_a_notify_is_in_flight_are_healed(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    world.put_card(ANN, card("2"))
    await world.pass_time(HOP / 2)
    world.put_card(ANN, card("1"))
    await world.pass_time(2 * PACKAGE.pace)
    assert [notify.base is not None for notify in bob.notifies] == [False, True, True]
    assert bob.notifies[0].etag == bob.notifies[2].etag
    assert b"tel:1<" in holding(bob)


# -- what becomes of a NOTIFY -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [(500, []), (481, []), None])
@story
async def test_only_a_2xx_moves_the_devices_update_list(
    world: World, answer: tuple[int, list[tuple[str, str]]] | None
) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    before = world.journal.device(bob.device(ANN))
    assert before is not None
    assert before.tag == bob.last.etag
    bob.answers = [answer]
    world.put_card(ANN, card("2"))
    await world.pass_time(FIRST_RETRY - 1)
    assert len(bob.notifies) == 2
    assert world.journal.device(bob.device(ANN)) == before


@story
async def test_the_update_lists_tell_version_and_time_of_what_was_changed_and_acknowledged(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    owner = world.journal.owner(ANN)
    assert owner is not None
    await world.pass_time(60)
    world.put_card(ANN, card("2"))
    edited_at = world.clock.utc()
    await world.pass_time()
    later, device = world.journal.owner(ANN), world.journal.device(bob.device(ANN))
    assert later is not None
    assert device is not None
    assert later.version == owner.version + 1
    assert later.modified_at == edited_at
    assert (device.tag, device.version) == (bob.last.etag, later.version)
    assert 0 < (device.at - edited_at).total_seconds() < 1


@story
async def test_a_devices_version_is_that_of_the_view_it_acknowledged_not_of_a_later_edit(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    version = world.server.lists.version(ANN)
    bob.answers = [(200, []), None]
    world.put_card(ANN, card("2"))
    await world.pass_time(HOP / 2)
    world.put_card(ANN, card("3"))
    await world.pass_time()
    device = world.journal.device(bob.device(ANN))
    assert device is not None
    assert (device.tag, device.version) == (bob.notifies[1].etag, version + 1)


@pytest.mark.parametrize("status", [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])
@story
async def test_the_answers_of_the_must_list_end_the_subscription_not_the_relation_rfc6665_4_2_2(
    world: World, status: int
) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    bob.answers = [(status, [])]
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert len(world.server.followers) == 0
    assert world.journal.subscriptions() == []
    relation = world.journal.relation(ANN, BOB)
    assert relation is not None
    assert relation.state.value == "confirmed"
    assert (await bob.refresh()).status == 481


@pytest.mark.rfc("3261", "8.1.3.1", "silence is a 408")
@pytest.mark.rfc("3261", "12.2.1.2", "481, 408 and silence end it")
@story
async def test_silence_ends_the_subscription_after_timer_f_rfc6665_4_2_2(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    await bob.stop()
    world.put_card(ANN, card("2"))
    await world.pass_time(31)
    assert len(world.server.followers) == 1
    await world.pass_time(2)
    assert len(world.server.followers) == 0
    assert world.journal.subscriptions() == []


@story
async def test_another_failure_is_repeated_with_the_full_view_after_retry_after(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    bob.answers = [(503, [("Retry-After", "7 (restarting);duration=60")])]
    world.put_card(ANN, card("2"))
    await world.pass_time()
    refused = bob.last
    world.put_card(ANN, card("3"))
    await world.pass_time(10)
    assert len(bob.notifies) == 3
    assert 7 <= bob.last.at - refused.at < 7.1
    assert (bob.last.content_type, bob.last.base) == (XCARD, None)
    assert b"tel:3" in bob.last.body


@pytest.mark.rfc("3261", "8.1.3.5", "a repeated request has the next number")
@pytest.mark.parametrize(
    ("status", "field"),
    [
        (301, ("Contact", "<sip:eve@203.0.113.66>")),
        (302, ("Contact", "<sip:eve@203.0.113.66>")),
        (305, ("Contact", "<sip:203.0.113.66;lr>")),
        (401, ("WWW-Authenticate", 'Digest realm="phone", nonce="1"')),
        (407, ("Proxy-Authenticate", 'Digest realm="proxy", nonce="1"')),
        (420, ("Unsupported", "eventlist")),
        (421, ("Require", "path")),
        (423, ("Min-Expires", "7200")),
        (500, ("Retry-After", "32")),
        (503, ("Server", "proxy")),
    ],
)
@story
async def test_what_an_answer_asks_for_beside_time_is_not_done_rfc3261_8_1_3(
    world: World, status: int, field: tuple[str, str]
) -> None:
    """No redirection within a dialog is followed, since its target is the subscriber's to say (RFC 5057 §5.1), and
    there are no credentials to send: the same NOTIFY is tried again, in the same way, and the subscription stays."""
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    bob.answers = [(status, [field])]
    world.put_card(ANN, card("2"))
    await world.pass_time(FIRST_RETRY - 1)
    refused = bob.last
    assert len(bob.notifies) == 2
    await world.pass_time(2)
    assert len(bob.notifies) == 3
    assert bob.last.request.uri == refused.request.uri
    assert bob.last.request.cseq.number == refused.request.cseq.number + 1
    assert {name for name, _ in bob.last.request.headers} == {name for name, _ in refused.request.headers}
    assert len(world.server.followers) == 1
    assert b"tel:2" in bob.last.body


@story
async def test_a_malformed_retry_after_is_no_retry_after(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    bob.answers = [(500, [("Retry-After", "soon")])]
    world.put_card(ANN, card("2"))
    await world.pass_time(FIRST_RETRY - 1)
    assert len(bob.notifies) == 2
    await world.pass_time(2)
    assert len(bob.notifies) == 3


# -- time -------------------------------------------------------------------------------------------------------------


@story
async def test_a_subscription_that_is_not_refreshed_expires_rfc6665_4_4_1(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    await world.pass_time(3598)
    assert len(bob.notifies) == 1
    await world.pass_time(2)
    assert (bob.last.state, bob.last.reason, bob.last.body) == ("terminated", "timeout", b"")
    assert len(world.server.followers) == 0
    assert world.journal.subscriptions() == []
    relation = world.journal.relation(ANN, BOB)
    assert relation is not None
    assert relation.state.value == "confirmed"


@story
async def test_a_refresh_prolongs(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    await world.pass_time(3000)
    assert (await bob.refresh()).status == 200
    await world.pass_time(3000)
    assert bob.last.state == "active"
    assert len(world.server.followers) == 1


@story
async def test_a_refresh_can_shorten(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    await bob.refresh(Expires="60")
    await world.pass_time(61)
    assert (bob.last.state, bob.last.reason) == ("terminated", "timeout")


@story
async def test_a_pending_request_waits_for_the_owner_when_its_subscription_is_over_rfc3857_4_7_1(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await subscribed(world)
    await bob.stop()
    await world.pass_time(3700)
    relation = world.journal.relation(ANN, BOB)
    assert relation is not None
    assert relation.state.value == "waiting"


@story
async def test_the_fault_of_one_owner_silences_no_other_and_is_healed(world: World) -> None:
    world.expected_errors = {"reconcile failed"}
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    world.put_rules(DAN, rules(allow(BOB)))
    world.put_card(DAN, card("1"))
    other = await world.phone(BOB)
    await other.subscribe(DAN)
    await world.pass_time()
    world.put_card(DAN, b"<broken/>")
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert len(bob.notifies) == 2
    assert len(other.notifies) == 1
    world.documents.put_silently(DAN, card("2"))
    await world.pass_time(31)
    assert b"tel:2" in other.last.body


@story
async def test_the_notify_of_a_subscribe_stays_owed_when_the_card_cannot_be_read(world: World) -> None:
    world.expected_errors = {"request failed", "reconcile failed"}
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    world.put_card(ANN, b"<broken/>")
    await world.pass_time()
    await bob.refresh()
    await world.pass_time()
    assert len(bob.notifies) == 1
    world.documents.put_silently(ANN, card("2"))
    await world.pass_time(31)
    assert b"tel:2" in holding(bob)


@story
async def test_the_notify_of_a_subscribe_goes_whole_when_what_the_device_holds_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(tag: str) -> View | None:
        raise OSError

    world.expected_errors = {"request failed"}
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    await bob.unsubscribe()
    await world.pass_time()
    world.put_card(ANN, card("2"))
    await world.restart()
    await world.pass_time()
    monkeypatch.setattr(world.server.journal, "view", broken)
    await bob.subscribe(ANN, Accept=BOTH, Suppress_If_Match=bob.last.etag)
    await world.pass_time()
    assert bob.last.content_type == XCARD
    assert b"tel:2" in bob.last.body


@story
async def test_a_change_reaches_more_watchers_than_are_served_in_one_turn(world: World) -> None:
    watchers = [Watcher(parse_aor(f"sip:w{number}@example.com")) for number in range(TURN + 10)]
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(*map(allow, watchers)))
    phones = [await world.phone(watcher) for watcher in watchers]
    await asyncio.gather(*(phone.subscribe(ANN, Accept=BOTH) for phone in phones))
    await world.pass_time()
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert all(b"tel:2" in holding(phone) for phone in phones)
    assert len({notify.body for phone in phones for notify in phone.notifies}) == 2


@story
async def test_departures_of_many_are_written_in_groups_and_each_group_is_told_before_the_next_is_durable(
    world: World,
) -> None:
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(preparing, "GROUP", 20)
        watchers = [Watcher(parse_aor(f"sip:w{number}@example.com")) for number in range(50)]
        world.put_card(ANN, card("1"))
        world.put_rules(ANN, rules(*map(allow, watchers)))
        phones = [await world.phone(watcher) for watcher in watchers]
        await asyncio.gather(*(phone.subscribe(ANN, Accept=BOTH) for phone in phones))
        await world.pass_time()
        left: list[int] = []
        told: list[int] = []
        write = world.server.journal.write

        def writing(*records: Record) -> asyncio.Future[None]:
            if departures := sum(isinstance(each, Departure) for each in records):
                left.append(departures)
                told.append(sum(b"tel:2" in phone.last.body for phone in phones))
            return write(*records)

        patching.setattr(world.server.journal, "write", writing)
        world.put_card(ANN, card("2"))
        await world.pass_time()
    assert all(b"tel:2" in holding(phone) for phone in phones)
    assert left == [20, 20, 10]
    assert told[-1] < 50


# -- whom a change does not concern ------------------------------------------------------------------------------------


@story
async def test_followers_whose_view_stays_are_not_even_looked_at(world: World) -> None:
    world.put_card(ANN, card("1", friends="2"))
    world.put_rules(ANN, rules(allow(BOB, "friends"), allow(CAROL)))
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    await bob.subscribe(ANN, Accept=BOTH)
    await carol.subscribe(ANN, Accept=BOTH)
    await world.pass_time()
    looked_at: list[str] = []
    server = world.server.events.contact_cards
    settle = server.settle

    def settling(followed: Followed) -> bool:
        looked_at.append(followed.key.watcher)
        return settle(followed)

    server.settle = settling  # type: ignore[method-assign]
    world.put_card(ANN, card("1", friends="3"))
    await world.pass_time()
    assert set(looked_at) == {BOB}
    assert b"tel:3" in bob.last.body


@story
async def test_a_change_and_its_reversal_reach_those_who_were_told_of_the_change(world: World) -> None:
    """Also where only some of those with the same view were told before it was taken back."""
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    await bob.subscribe(ANN, Accept=XCARD)
    await carol.subscribe(ANN, Accept=XCARD)
    await world.pass_time()
    world.documents.put_silently(ANN, card("2"))
    world.server.authorizer.forget(ANN)
    await bob.refresh()
    await world.pass_time(HOP * 3)
    assert b"tel:2" in bob.last.body
    world.put_card(ANN, card("1"))
    await world.pass_time(2.0)
    assert b"tel:1" in bob.last.body
    assert b"tel:1" in carol.last.body


# -- pace (RFC 6665 §5.4.10), rates (RFC 6446), silence (RFC 5839) -----------------------------------------------------


@story
async def test_the_first_change_goes_at_once_and_a_burst_after_it_is_one_notify(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    await world.pass_time(10)
    began_at = world.clock.now()
    for number in range(2, 8):
        world.put_card(ANN, card(str(number)))
        await world.pass_time(0.1)
    await world.pass_time(5)
    _, first, merged = bob.notifies
    assert first.at - began_at < 0.1
    assert merged.at - first.at == pytest.approx(PACKAGE.pace, abs=0.1)
    assert b"tel:7" in holding(bob)


@story
async def test_a_change_that_waits_for_its_pace_is_not_lost_when_its_time_comes_in_the_middle_of_an_edit(
    world: World,
) -> None:
    """The policy is being read at that moment, and nothing in it is news of itself to whoever waited."""
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    world.documents.latency = 0.05
    world.put_card(ANN, card("2"))
    await world.pass_time(0.5)
    world.put_card(ANN, card("3"))
    await world.pass_time(bob.last.at - HOP + PACKAGE.pace - 0.01 - world.clock.now())
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    await world.pass_time()
    assert b"tel:3" in holding(bob)


@story
async def test_a_confirmation_does_not_wait_for_the_pace_rfc6446_5_2(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await subscribed(world)
    decided_at = world.clock.now()
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(0.2)
    assert bob.last.state == "active"
    assert bob.last.at - decided_at < 0.1


@story
async def test_a_max_rate_is_kept_and_told_and_an_answer_may_change_it_rfc6446_4_1(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Accept=BOTH, Event="contact-card;max-rate=0.1")
    await world.pass_time()
    assert bob.last.told.params == {"max-rate": "0.1"}
    for number in range(2, 30):
        world.put_card(ANN, card(str(number)))
        await world.pass_time(1)
    times = [notify.at for notify in bob.notifies]
    assert len(times) == 3
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 9.99
    bob.answers.append((200, [("Event", "contact-card;max-rate=1")]))
    await world.pass_time(10)
    for number in range(2, 12):
        world.put_card(ANN, card(str(number)))
        await world.pass_time(1)
    assert len(bob.notifies) >= 12
    assert bob.last.told.params == {"max-rate": "1"}


@story
async def test_whoever_asks_for_silence_hears_of_its_standing_only_rfc5839_5_2(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await confirmed(world)
    assert (await bob.refresh(Suppress_If_Match="*")).status == 204
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    await world.restart()
    world.put_card(ANN, card("3"))
    await world.pass_time(5)
    assert len(bob.notifies) == 1
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(5)
    assert (bob.last.state, bob.last.body) == ("terminated", b"")


# -- filters (RFC 4660) ------------------------------------------------------------------------------------------------

FILTER = b"""<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter">
  <ns-bindings><ns-binding prefix="v" urn="urn:ietf:params:xml:ns:vcard-4.0"/></ns-bindings>
  <filter id="1" uri="sip:ann@example.com">%s</filter></filter-set>"""
ONLY_FN = FILTER % b"<what><include>//v:fn</include></what>"
WHEN_TEL_COMES = FILTER % b"<trigger><added>//v:tel</added></trigger>"


async def filtering(world: World, body: bytes) -> Phone:
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    assert (await bob.subscribe(ANN, body, Accept=BOTH, Content_Type="application/simple-filter+xml")).status == 200
    await world.pass_time()
    return bob


@story
async def test_a_filter_leaves_a_part_of_the_view_for_the_life_of_the_dialog_rfc4660_5(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await filtering(world, ONLY_FN)
    assert b"<fn>" in bob.last.body
    assert b"tel:" not in bob.last.body
    world.put_card(ANN, card("2"))
    await bob.refresh(Accept=BOTH)
    await world.pass_time(5)
    await world.restart()
    world.put_card(ANN, card("3"))
    await world.pass_time(5)
    assert all(b"tel:" not in notify.body for notify in bob.notifies)
    assert len(bob.notifies) == 2


@story
async def test_a_change_that_no_trigger_asks_for_is_kept_back_until_one_does_rfc4660_5_3_1(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob = await filtering(world, WHEN_TEL_COMES)
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    assert len(bob.notifies) == 1
    world.put_card(
        ANN,
        card("2").replace(
            b"</vcard>",
            b"<tel><parameters><x-level><text>public</text></x-level></parameters><uri>tel:99</uri></tel></vcard>",
        ),
    )
    await world.pass_time(5)
    assert b"tel:99" in holding(bob)
    assert b"tel:2" in holding(bob)


@story
async def test_a_trigger_tells_nothing_where_the_selected_part_stays_as_it_was_rfc4660_5_3_2(world: World) -> None:
    """A NOTIFY is a SHOULD there; a subscriber of differences has no use for one without any."""
    world.put_card(ANN, card("1"))
    what_and_trigger = b"<what><include>//v:fn</include></what><trigger><changed>//v:tel/v:uri</changed></trigger>"
    bob = await filtering(world, FILTER % what_and_trigger)
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    assert len(bob.notifies) == 1
    world.put_card(ANN, card("3").replace(b"<fn><text>", b"<fn><text>Dr. "))
    await world.pass_time(5)
    assert b"Dr. " in holding(bob)


@story
async def test_a_refresh_brings_what_was_kept_back_though_it_names_what_was_told_last_rfc5839_5_2(world: World) -> None:
    """The condition is about the state of now, and a SUBSCRIBE asks for that whatever the triggers say."""
    world.put_card(ANN, card("1"))
    bob = await filtering(world, WHEN_TEL_COMES)
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    assert (await bob.refresh(Accept=BOTH, Suppress_If_Match=bob.last.etag)).status == 200
    await world.pass_time(5)
    assert b"tel:2" in holding(bob)
    assert (await bob.refresh(Accept=BOTH, Suppress_If_Match=bob.last.etag)).status == 204


@story
async def test_a_notify_that_leaves_for_another_reason_tells_what_was_kept_back(world: World) -> None:
    """What was sent before may never have arrived, and may show what the owner took back since."""
    world.put_card(ANN, card("1"))
    bob = await filtering(world, WHEN_TEL_COMES)
    world.put_card(ANN, card("1").replace(b"</vcard>", b"<tel><uri>tel:9</uri></tel></vcard>"))
    await world.pass_time(5)
    public = b"<parameters><x-level><text>public</text></x-level></parameters>"
    bob.answers.append((500, []))
    world.put_card(ANN, card("1").replace(b"</vcard>", b"<tel>%s<uri>tel:99</uri></tel></vcard>" % public))
    await world.pass_time(5)
    assert b"tel:99" in bob.last.body
    world.put_card(ANN, card("2"))
    await world.pass_time(100)
    assert b"tel:99" not in bob.last.body
    assert b"tel:2" in bob.last.body
    world.put_card(ANN, card("3"))
    await world.pass_time(5)
    assert b"tel:3" not in bob.last.body
