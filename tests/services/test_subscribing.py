"""SUBSCRIBE at the notifier: what is granted, what is refused and with which words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from abserver.domain.identity import Aor, Owner, Watcher, parse_aor
from abserver.events.contact_card import PATCH, VCARD, XCARD
from abserver.sip.message import Headers, Request
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, confirm, rules
from tests.support.network import HOP
from tests.support.phone import BOTH, Phone
from tests.support.server import ADDRESS, Limits
from tests.support.world import World, story
from xcap.core import patch

if TYPE_CHECKING:
    from abserver.services.watching import Watching


async def confirmed(world: World, *, accept: str | None = BOTH, **fields: str | None) -> Phone:
    """Bob's phone, following Ann, up to date."""
    world.put_card(ANN, card("1", friends="f"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Accept=accept, **fields)
    await world.pass_time()
    assert bob.last.state == "active"
    return bob


# -- granted ----------------------------------------------------------------------------------------------------------


@pytest.mark.rfc("3261", "12.1.1", "a Contact at which we are found")
@story
async def test_a_200_has_tag_contact_and_the_granted_duration_rfc6665_4_2_1_1(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    response = await bob.subscribe(ANN, Expires="999999")
    assert response.status == 200  # never 202 (§8.3.1)
    assert response.expires == 86400
    assert response.headers.get("Contact") == f"<sip:ann@{ADDRESS};gr=example.com>"
    assert response.to.tag


@pytest.mark.rfc("3261", "8.1.1.8", "a Contact of our own, secure where it has to be")
@pytest.mark.rfc("3261", "12.1.1", "a secure Contact")
@pytest.mark.rfc("3261", "12.2.1.1", "each NOTIFY has our Contact")
@pytest.mark.parametrize(
    ("uri", "fields", "scheme"),
    [
        ("sips:ann@example.com", {"Contact": "<sips:bob@10.9.0.1:5060>"}, "sips"),
        ("sip:ann@example.com", {"Contact": "<sips:bob@10.9.0.1:5060>"}, "sips"),
        ("sip:ann@example.com", {"Record_Route": "<sips:10.9.0.1:5060;lr>"}, "sips"),
        ("sip:ann@example.com", {"Record_Route": "<sip:10.9.0.1:5060;lr>", "Contact": "<sips:bob@10.9.0.1>"}, "sip"),
        ("sip:ann@example.com", {"Record_Route": "<sip:10.9.0.1:5060;lr>, <sips:10.9.0.9;lr>"}, "sip"),
    ],
)
@story
async def test_our_contact_is_as_secure_as_the_dialog_rfc3261_12_1_1(
    world: World, uri: str, fields: dict[str, str], scheme: str
) -> None:
    """A SIPS URI in the Request-URI, in the top Record-Route, or without one in the Contact: in the 200 and in the
    NOTIFY, and after a restart too."""
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    assert str(bob.address) == "10.9.0.1:5060"
    response = await bob.subscribe(Owner(Aor(uri)), **fields)
    contact = f"<{scheme}:ann@{ADDRESS};gr=example.com>"
    assert (response.status, response.headers.get("Contact")) == (200, contact)
    await world.pass_time()
    await world.restart()
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time()
    assert [each.request.headers.get("Contact") for each in bob.notifies] == [contact] * 2


@story
async def test_a_request_to_a_sips_uri_with_another_contact_is_a_400_rfc5630_5_1_2(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    response = await bob.subscribe(Owner(Aor("sips:ann@example.com")))
    assert (response.status, response.reason) == (400, "Contact Is No SIPS URI")
    assert world.journal.subscriptions() == []


@pytest.mark.rfc("3261", "8.2", "what is rejected changes nothing")
@story
async def test_a_200_leaves_after_relation_and_subscription_are_durable(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    await bob.subscribe(ANN)
    await world.kill()
    assert world.journal.relation(ANN, BOB) is not None
    assert len(world.journal.subscriptions()) == 1


@story
async def test_a_request_that_could_not_be_made_durable_gets_500_and_counts_when_it_is_repeated(world: World) -> None:
    world.expected_errors = {"request failed", "records could not be written"}
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    world.journal.fault = OSError("disk full")
    assert (await bob.subscribe(ANN)).status == 500
    world.journal.fault = None
    assert (await bob.subscribe(ANN)).status == 200
    assert world.journal.relation(ANN, BOB) is not None


@story
async def test_a_refresh_keeps_the_dialog_and_is_followed_by_a_notify_rfc6665_4_2_1_2(world: World) -> None:
    bob = await confirmed(world)
    response = await bob.refresh(Expires="600")
    await world.pass_time()
    assert (response.status, response.expires) == (200, 600)
    assert len(bob.notifies) == 2
    assert bob.last.told.expires == 599  # of 600, some milliseconds are over
    assert bob.last.request.call_id == bob.notifies[0].request.call_id


@pytest.mark.parametrize("suppress", [False, True])
@story
async def test_no_notify_goes_before_the_answer_to_a_refresh_rfc6665_4_2_1_2(world: World, suppress: bool) -> None:
    bob = await confirmed(world)
    world.journal.latency = 0.1
    heard = []
    world.network.sent = lambda packet: heard.append(packet.data[:11]) if packet.destination == bob.address else None
    condition = {"Suppress_If_Match": bob.last.etag} if suppress else {}
    refresh = asyncio.create_task(bob.refresh(Accept=BOTH, **condition))
    await world.pass_time(0.05)
    world.put_rules(ANN, rules(block(BOB)))
    await refresh
    await world.pass_time(5)
    assert heard == [b"SIP/2.0 204" if suppress else b"SIP/2.0 200", b"NOTIFY sip:"]
    assert (bob.last.state, bob.last.reason) == ("terminated", "rejected")


@story
async def test_a_refresh_of_a_device_with_a_copy_tells_the_tag_alone_rfc5839_5_3(world: World) -> None:
    bob = await confirmed(world)
    await bob.refresh()
    await world.pass_time()
    assert (bob.last.body, bob.last.etag, bob.last.content_type) == (b"", bob.notifies[0].etag, None)


@story
async def test_a_refresh_of_a_device_without_a_copy_gets_the_full_view_rfc6665_4_2_1_2(world: World) -> None:
    bob = await confirmed(world, accept=XCARD)
    await bob.refresh(Accept=XCARD)
    await world.pass_time()
    assert bob.last.body == bob.notifies[0].body


@pytest.mark.rfc("3261", "12.2.2", "a request moves the target")
@story
async def test_a_refresh_moves_the_target_rfc6665_4_2_1(world: World) -> None:
    bob = await confirmed(world)
    other = await world.phone(BOB)
    await bob.refresh(Contact=f"<sip:{other.address}>")
    await world.pass_time()
    assert len(bob.notifies) == 1
    assert len(other.notifies) == 1


@story
async def test_a_refresh_may_change_the_accepted_bodies(world: World) -> None:
    bob = await confirmed(world)
    await bob.refresh(Accept=VCARD)
    await world.pass_time()
    assert bob.last.content_type == VCARD


@story
async def test_a_confirmation_during_the_journals_write_is_told(world: World) -> None:
    world.put_card(ANN, card())
    world.journal.latency = 0.1
    bob = await world.phone(BOB)
    task = asyncio.create_task(bob.subscribe(ANN))
    await world.pass_time(0.05)
    world.put_rules(ANN, rules(allow(BOB)))
    await task
    await world.pass_time(5)
    assert bob.last.state == "active"
    relation = world.journal.relation(ANN, BOB)
    assert relation is not None
    assert relation.state.value == "confirmed"


@story
async def test_a_block_during_the_journals_write_shows_nothing(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    world.journal.latency = 0.1
    bob = await world.phone(BOB)
    task = asyncio.create_task(bob.subscribe(ANN))
    await world.pass_time(0.05)
    world.put_rules(ANN, rules(block(BOB)))
    await task
    await world.pass_time(5)
    assert [(notify.state, notify.body) for notify in bob.notifies] == [("terminated", b"")]


# -- ends, and polls --------------------------------------------------------------------------------------------------


@story
async def test_an_unsubscription_gets_a_last_notify_with_the_state_of_now_rfc6665_4_4_1(world: World) -> None:
    bob = await confirmed(world)
    response = await bob.unsubscribe()
    await world.pass_time()
    assert (response.status, response.expires) == (200, 0)
    assert (bob.last.state, bob.last.reason, bob.last.etag) == ("terminated", "timeout", bob.notifies[0].etag)
    assert world.journal.subscriptions() == []
    assert (await bob.refresh()).status == 481


@story
async def test_the_last_notify_of_an_unsubscription_brings_what_was_missing(world: World) -> None:
    bob = await confirmed(world)
    bob.answers = [(500, [])]
    world.put_card(ANN, card("2"))
    await world.pass_time()
    await bob.unsubscribe()
    await world.pass_time()
    assert (bob.last.state, bob.last.content_type) == ("terminated", XCARD)  # all, since its copy is in doubt
    assert b"tel:2" in bob.last.body


@story
async def test_a_poll_gets_the_view_of_now_and_leaves_nothing_behind_rfc6665_4_4_3(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    response = await bob.subscribe(ANN, Expires="0")
    await world.pass_time()
    assert (response.status, response.expires) == (200, 0)
    [notify] = bob.notifies
    assert (notify.state, notify.content_type) == ("terminated", XCARD)
    assert len(world.server.followers) == 0
    assert world.journal.subscriptions() == []


@story
async def test_a_poll_gets_the_view_however_long_it_takes_to_read_it(world: World) -> None:
    world.documents.latency = 0.5
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await world.add_user(ANN)
    bob = await world.phone(BOB)
    world.journal.latency = 0.1

    def edit_meanwhile() -> None:
        world.put_card(ANN, card("2"))

    world.loop.call_later(1.05, edit_meanwhile)
    await bob.subscribe(ANN, Expires="0")
    await world.pass_time(5)
    [notify] = bob.notifies
    assert (notify.state, notify.content_type) == ("terminated", XCARD)
    assert b"tel:2" in notify.body
    assert len(world.server.followers) == 0


@story
async def test_a_poll_of_a_pending_watcher_is_a_request_that_waits(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Expires="0")
    await world.pass_time()
    [notify] = bob.notifies
    assert (notify.state, notify.body) == ("terminated", b"")
    relation = world.journal.relation(ANN, BOB)
    assert relation is not None
    assert relation.state.value == "waiting"


@story
async def test_a_poll_beside_a_subscription_leaves_that_alone(world: World) -> None:
    bob = await confirmed(world)
    dialog = bob.dialog
    await bob.subscribe(ANN, Expires="0", Accept=BOTH)
    await world.pass_time()
    assert bob.last.state == "terminated"
    bob.dialog = dialog
    assert (await bob.refresh()).status == 200


# -- devices that come back -------------------------------------------------------------------------------------------


@story
async def test_a_device_that_comes_back_to_an_unchanged_view_gets_the_tag_alone(world: World) -> None:
    bob = await confirmed(world)
    await bob.unsubscribe()
    world.put_card(ANN, card("1", friends="changed"))
    await world.pass_time(30 * 86400)
    await bob.subscribe(ANN, Accept=BOTH)
    await world.pass_time()
    assert (bob.last.state, bob.last.body, bob.last.etag) == ("active", b"", bob.notifies[0].etag)


@story
async def test_a_device_that_comes_back_gets_all_it_missed_as_one_difference(world: World) -> None:
    bob = await confirmed(world)
    await bob.unsubscribe()
    await world.pass_time()
    for number in ("2", "3", "4"):
        world.put_card(ANN, card(number))
        await world.pass_time()
    await world.restart()
    await bob.subscribe(ANN, Accept=BOTH)
    await world.pass_time()
    assert (bob.last.content_type, bob.last.base) == (PATCH, bob.notifies[0].etag)
    assert b"tel:4" in patch.apply(bob.last.body, bob.notifies[0].body)


@story
async def test_a_device_that_lost_its_copy_says_so_and_gets_the_full_view(world: World) -> None:
    bob = await confirmed(world)
    await bob.subscribe(ANN, Accept=BOTH, Suppress_If_Match="none")
    await world.pass_time()
    assert (bob.last.content_type, bob.last.body) == (XCARD, bob.notifies[0].body)


@pytest.mark.parametrize("words", [{"Accept": BOTH, "Accept_Encoding": "gzip"}, {"Accept": VCARD}])
@story
async def test_it_can_say_so_in_every_form(world: World, words: dict[str, str]) -> None:
    """A tag of no form or of another one names nothing that the device has: it is not as if it had named none."""
    bob = await confirmed(world)
    await bob.subscribe(ANN, **words, Suppress_If_Match="none")
    await world.pass_time()
    whole = bob.last.body
    assert whole
    for tag in ("none", bob.notifies[0].etag):
        await bob.refresh(**words, Suppress_If_Match=tag)
        await world.pass_time()
        assert bob.last.body == whole
        await bob.subscribe(ANN, **words, Suppress_If_Match=tag)
        await world.pass_time()
        assert bob.last.body == whole


@story
async def test_a_device_that_wants_another_form_gets_the_view_whole_rfc5839_6_1(world: World) -> None:
    """What it has is named by a tag of the form that it had it in, so nothing in the new form can refer to it."""
    bob = await confirmed(world)
    await bob.refresh(Accept=BOTH, Accept_Encoding="gzip")
    await world.pass_time()
    assert (bob.last.content_type, bob.last.base) == (XCARD, None)
    await bob.refresh(Accept=BOTH)
    await world.pass_time()
    assert bob.last.body == b""


@story
async def test_a_device_that_names_an_older_view_gets_the_difference_from_that(world: World) -> None:
    bob = await confirmed(world)
    for number in ("2", "3"):
        world.put_card(ANN, card(number))
        await world.pass_time()
    await bob.subscribe(ANN, Accept=BOTH, Suppress_If_Match=bob.notifies[1].etag)
    await world.pass_time()
    assert (bob.last.content_type, bob.last.base) == (PATCH, bob.notifies[1].etag)


@story
async def test_an_initial_match_gets_200_and_a_notify_without_body_rfc5839_5_3(world: World) -> None:
    bob = await confirmed(world)
    for suppress in (bob.last.etag, "*"):
        response = await bob.subscribe(ANN, Accept=BOTH, Suppress_If_Match=suppress)
        await world.pass_time()
        assert response.status == 200
        assert (bob.last.state, bob.last.body, bob.last.etag) == ("active", b"", bob.notifies[0].etag)


@story
async def test_a_match_in_the_dialog_gets_204_and_no_notify_rfc5839_5_2(world: World) -> None:
    bob = await confirmed(world)
    for suppress in (bob.last.etag, "*"):
        response = await bob.refresh(Suppress_If_Match=suppress, Expires="900")
        await world.pass_time()
        assert (response.status, response.expires) == (204, 900)
    assert len(bob.notifies) == 1


@story
async def test_a_204_prolongs_and_shortens_like_a_200_rfc5839_5_2(world: World) -> None:
    bob = await confirmed(world)
    await world.pass_time(3000)
    await bob.refresh(Suppress_If_Match="*", Expires="3600")
    await world.pass_time(3000)
    assert len(bob.notifies) == 1
    await bob.refresh(Suppress_If_Match="*", Expires="60")
    await world.pass_time(62)
    assert (bob.last.state, bob.last.reason) == ("terminated", "timeout")


@story
async def test_a_match_of_an_unsubscription_ends_it_without_a_notify_rfc5839_5_2(world: World) -> None:
    bob = await confirmed(world)
    response = await bob.refresh(Suppress_If_Match=bob.last.etag, Expires="0")
    await world.pass_time()
    assert response.status == 204
    assert len(bob.notifies) == 1
    assert len(world.server.followers) == 0
    assert world.journal.subscriptions() == []


@story
async def test_another_tag_in_the_dialog_gets_the_difference_from_it_rfc5839_5_2(world: World) -> None:
    bob = await confirmed(world)
    world.put_card(ANN, card("2"))
    await world.pass_time()
    response = await bob.refresh(Suppress_If_Match=bob.notifies[0].etag)
    await world.pass_time()
    assert response.status == 200
    assert (bob.last.content_type, bob.last.base) == (PATCH, bob.notifies[0].etag)


@story
async def test_a_change_of_state_is_told_in_spite_of_a_match_rfc5839_5_2(world: World) -> None:
    bob = await confirmed(world)
    tag = bob.last.etag
    bob.answers = [(500, [])]
    world.put_rules(ANN, rules(confirm(BOB)))
    await world.pass_time()
    response = await bob.refresh(Suppress_If_Match=tag)
    await world.pass_time()
    assert response.status == 200
    assert bob.last.state == "pending"


@story
async def test_the_tag_of_a_text_form_matches_the_text_form_alone_rfc5839_6_1(world: World) -> None:
    bob = await confirmed(world, accept=VCARD)
    assert (await bob.refresh(Accept=VCARD, Suppress_If_Match=bob.last.etag)).status == 204
    view_tag = (bob.last.etag or "").removesuffix("-text")
    assert (await bob.refresh(Accept=VCARD, Suppress_If_Match=view_tag)).status == 200
    await world.pass_time()
    assert bob.last.body.startswith(b"BEGIN:VCARD")


@story
async def test_a_device_that_restarted_replaces_its_old_dialog_silently(world: World) -> None:
    bob = await confirmed(world)
    old = bob.dialog
    await bob.subscribe(ANN, Accept=BOTH)
    await world.pass_time()
    assert bob.last.state == "active"
    assert len(world.server.followers) == 1
    assert len(world.journal.subscriptions()) == 1
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert len(bob.notifies) == 3
    bob.dialog = old
    assert (await bob.refresh()).status == 481


@story
async def test_an_acknowledgement_in_a_replaced_dialog_says_nothing_of_the_device(world: World) -> None:
    bob = await confirmed(world)
    world.network.fate = lambda packet: (3.0,) if packet.source == bob.address and packet.data[:3] == b"SIP" else (HOP,)
    world.put_card(ANN, card("2"))
    await world.pass_time(1)
    world.network.fate = lambda packet: (HOP,)
    world.put_card(ANN, card("3"))
    await bob.subscribe(ANN, Accept=BOTH, Suppress_If_Match="none")
    await world.pass_time(10)
    device = world.journal.device(bob.device(ANN))
    assert device is not None
    assert device.tag == bob.last.etag


@story
async def test_two_devices_of_one_watcher_are_kept_apart(world: World) -> None:
    first = await confirmed(world)
    second = await world.phone(BOB)
    await second.subscribe(ANN, Accept=BOTH)
    await world.pass_time()
    assert (second.last.content_type, second.last.body) == (XCARD, first.last.body)
    await first.unsubscribe()
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert second.last.content_type == PATCH
    assert len(world.server.followers) == 1


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.rfc("3261", "8.2", "what is rejected changes nothing")
@pytest.mark.parametrize(
    ("fields", "status", "header", "value"),
    [
        ({"Accept": "application/pidf+xml"}, 406, "Accept", f"{XCARD}, {PATCH}, {VCARD}"),
        ({"Expires": "5"}, 423, "Min-Expires", "60"),
        ({"Event": "presence"}, 489, "Allow-Events", "contact-card, xcap-diff"),
        ({"Event": None}, 489, "Allow-Events", "contact-card, xcap-diff"),
        ({"Require": "eventlist"}, 420, "Unsupported", "eventlist"),
        ({"Expires": "soon"}, 400, None, None),
        ({"Contact": None}, 400, None, None),
        ({"P-Asserted-Identity": None}, 401, None, None),
        ({"P-Asserted-Identity": "<sip:@@>"}, 400, None, None),
    ],
)
@story
async def test_what_cannot_be_served_is_refused_as_rfc6665_4_2_1_and_rfc3261_8_2_say(
    world: World, fields: dict[str, str | None], status: int, header: str | None, value: str | None
) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    response = await bob.subscribe(ANN, **fields)
    assert response.status == status
    if header is not None:
        assert response.headers.get(header) == value
    await world.pass_time()
    assert bob.notifies == []
    assert len(world.server.followers) == 0


@pytest.mark.rfc("3261", "8.2.2.1", "another address is a 404")
@pytest.mark.parametrize("owner", ["sip:nobody@example.com", "sip:ann@elsewhere.org", "sip:10.0.0.1:5060"])
@story
async def test_nobody_we_know_gets_404(world: World, owner: str) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    assert (await bob.subscribe(owner)).status == 404  # type: ignore[arg-type]  # not every URI is an owner


@story
async def test_a_user_without_a_card_can_be_followed(world: World) -> None:
    await world.add_user(ANN)
    bob = await world.phone(BOB)
    assert (await bob.subscribe(ANN)).status == 200


@pytest.mark.rfc("3261", "8.2", "what is rejected changes nothing")
@story
async def test_a_blocked_watcher_gets_403_and_leaves_no_trace(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(block(BOB)))
    bob = await world.phone(BOB)
    for expires in ("3600", "0"):
        assert (await bob.subscribe(ANN, Expires=expires)).status == 403
    await world.pass_time()
    assert bob.notifies == []
    assert world.journal.relation(ANN, BOB) is None


@pytest.mark.rfc("3261", "12.2.2", "a dialog that is not known is a 481")
@story
async def test_a_dialog_that_is_not_known_gets_481_rfc6665_4_2_1_2(world: World) -> None:
    bob = await confirmed(world)
    assert bob.dialog is not None
    bob.dialog.remote_tag = "another"
    assert (await bob.refresh()).status == 481


@story
async def test_the_dialog_of_another_watcher_is_not_to_be_had(world: World) -> None:
    bob = await confirmed(world)
    response = await bob.refresh(P_Asserted_Identity=f"<{CAROL}>", Expires="0")
    assert response.status == 403
    assert len(world.server.followers) == 1


@story
async def test_a_dialog_is_not_shared_by_another_subscription_rfc6665_4_5_2(world: World) -> None:
    bob = await confirmed(world)
    assert (await bob.refresh(Event="contact-card;id=2")).status == 403


@pytest.mark.rfc("3261", "12.2.2", "the order of the peer's numbers")
@story
async def test_a_cseq_out_of_order_gets_500_rfc3261_12_2_2(world: World) -> None:
    bob = await confirmed(world)
    await bob.refresh()
    assert bob.dialog is not None
    bob.dialog.local_cseq = 0
    assert (await bob.refresh()).status == 500


@pytest.mark.rfc("3261", "16.3", "the last hop")
@story
async def test_too_many_hops_gets_483_where_the_request_is_not_for_us_and_is_served_where_it_is(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    assert (await bob.subscribe(ANN, Max_Forwards="0")).status == 200


@pytest.mark.rfc("3261", "8.2.1", "a method that is not served is 405 with Allow")
@pytest.mark.parametrize(("method", "status"), [("PUBLISH", 405), ("NOTIFY", 405), ("FROBNICATE", 501)])
@story
async def test_other_methods_get_405_and_unknown_ones_501_rfc3261_8_2_1(world: World, method: str, status: int) -> None:
    bob = await world.phone(BOB)
    response = await bob.send(bare_request(method))
    assert response.status == status
    assert response.headers.get("Allow") == "SUBSCRIBE, OPTIONS, CANCEL"


@pytest.mark.rfc("3261", "11.2", "OPTIONS tells what is served")
@pytest.mark.rfc("3261", "20.5", "Allow names CANCEL too")
@story
async def test_options_tells_what_is_served_rfc3261_11_2(world: World) -> None:
    bob = await world.phone(BOB)
    response = await bob.send(bare_request("OPTIONS"))
    assert response.status == 200
    assert response.headers.get("Allow") == "SUBSCRIBE, OPTIONS, CANCEL"
    assert response.headers.get("Allow-Events") == "contact-card, xcap-diff"
    told = {name: response.headers.get(name) for name in ("Accept", "Accept-Encoding", "Accept-Language", "Supported")}
    assert told == {
        "Accept": "application/simple-filter+xml, application/resource-lists+xml",
        "Accept-Encoding": "identity, gzip, deflate",
        "Accept-Language": "*",
        "Supported": "",
    }


@pytest.mark.rfc("3261", "8.2.4", "only what the client supports is applied")
@story
async def test_no_response_requires_an_extension(world: World) -> None:
    """RFC 3261 §8.2.4: whether the client supports any or none."""
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    plain = await bob.subscribe(ANN)
    assert (plain.status, "Require" in plain.headers) == (200, False)
    able = await bob.subscribe(ANN, Supported="eventlist, path, gruu")
    assert (able.status, "Require" in able.headers) == (200, False)
    await world.pass_time()
    assert not any("Require" in each.request.headers for each in bob.notifies)


def bare_request(method: str) -> Request:
    headers = [
        ("Max-Forwards", "70"),
        ("From", "<sip:bob@example.com>;tag=1"),
        ("To", f"<sip:ann@{ADDRESS};gr=example.com>"),
    ]
    headers += [("Call-ID", "bare"), ("CSeq", f"1 {method}")]
    return Request(method, f"sip:{ADDRESS}", Headers(headers))


# -- limits -----------------------------------------------------------------------------------------------------------


@story
async def test_more_devices_than_allowed_get_503_and_retry_after(world: World) -> None:
    world.limits = Limits(devices=2)
    await world.restart()
    first = await confirmed(world)
    second, third = await world.phone(BOB), await world.phone(BOB)
    assert (await second.subscribe(ANN)).status == 200
    refused = await third.subscribe(ANN)
    assert refused.status == 503
    assert refused.headers.get("Retry-After") == "120"
    assert (await second.subscribe(ANN)).status == 200  # the same device
    await first.unsubscribe()
    await world.pass_time()
    assert (await third.subscribe(ANN)).status == 200


@story
async def test_more_subscriptions_than_allowed_get_503_and_retry_after(world: World) -> None:
    world.limits = Limits(subscriptions=1)
    await world.restart()
    bob = await confirmed(world)
    carol = await world.phone(CAROL)
    refused = await carol.subscribe(ANN)
    assert (refused.status, refused.headers.get("Retry-After")) == (503, "120")
    assert (await bob.refresh()).status == 200


@pytest.mark.parametrize("limits", [Limits(devices=2), Limits(subscriptions=2)])
@story
async def test_limits_hold_for_requests_that_come_together(world: World, limits: Limits) -> None:
    world.limits = limits
    world.journal.latency = 0.1
    await world.restart()
    world.put_card(ANN, card())
    phones = [await world.phone(BOB) for _ in range(6)]
    responses = await asyncio.gather(*(phone.subscribe(ANN) for phone in phones))
    assert sorted(response.status for response in responses) == [200, 200, 503, 503, 503, 503]


@story
async def test_more_undecided_requests_than_allowed_get_503_until_one_is_decided(world: World) -> None:
    world.limits = Limits(pending=1)
    await world.restart()
    world.put_card(ANN, card())
    world.put_card(DAN, card())
    bob, other = await world.phone(BOB), await world.phone(BOB)
    assert (await bob.subscribe(ANN)).status == 200
    assert (await bob.subscribe(ANN)).status == 200  # asked already
    assert (await other.subscribe(DAN)).status == 503
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time()
    assert (await other.subscribe(DAN)).status == 200


# -- devices as they should be ----------------------------------------------------------------------------------------


@story
async def test_a_watching_device_authenticates_and_follows(world: World) -> None:
    await world.add_user(ANN)
    await world.add_user(BOB)
    world.put_card(ANN, card("1"))
    device = world.device(BOB, ANN, host="10.1.0.1")
    await device.start()
    await world.pass_time()
    assert device.state.name == "PENDING"
    assert copy_at(device) == b""
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time()
    assert device.state.name == "ACTIVE"
    world.put_card(ANN, card("2"))
    await world.pass_time()
    assert b"tel:2" in copy_at(device)


def copy_at(device: Watching) -> bytes:
    return b"" if device.copy is None else device.copy.content


@story
async def test_from_is_never_an_identity(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    mallory = await world.phone(BOB)
    response = await mallory.subscribe(ANN, P_Asserted_Identity=f"<{Watcher(parse_aor('sip:mallory@example.com'))}>")
    await world.pass_time()
    assert response.status == 200
    assert mallory.last.state == "pending"
