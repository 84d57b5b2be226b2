"""What peers of our trust domain say beside an identity, what they are told, and who is not named to anybody."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from abserver.domain.identity import ANONYMOUS, Aor, Identities, Owner, Watcher, parse_aor
from abserver.domain.usages import EXPLANATIONS, RELATIONS, SHARED_CARDS
from abserver.services.senders import Sender, sender_of
from abserver.sip.message import Headers, Request
from abserver.sip.transport import Address
from tests.support.documents import ANN, BOB, CAROL, allow, block, card, confirm, rules
from tests.support.phone import Phone
from tests.support.server import IOI
from tests.support.winfo import ACTIVE, TERMINATED, Seen, watching
from tests.support.world import World, story
from xcap.core.uri import DocumentKey

if TYPE_CHECKING:
    from collections.abc import Callable

OMA = '<anonymous-request xmlns="urn:oma:xml:xdm:common-policy"/>'
SERVED = f"<{ANN}>;sescase=term;regstate=unreg"
ICID = 'icid-value="Ay=02";icid-generated-at=192.0.6.8'


def for_anonymous(rule: bytes) -> bytes:
    """The rule, about who is not authenticated."""
    return re.sub(b"<identity>.*</identity>", OMA.encode(), rule)


async def told_to_ann(world: World) -> bytes:
    """What the server tells Ann of all who watch her, by XCAP."""
    found = []
    for usage, name in ((RELATIONS, "index"), (EXPLANATIONS, str(ANONYMOUS))):
        document = await world.server.events.computed[usage.auid].load(DocumentKey(usage.auid, ANN, name), None)
        assert document is not None
        found.append(document.content)
    return b"".join(found)


# -- privacy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("privacy", ["id", "user", "header;critical", "id;session"])
@story
async def test_who_wants_privacy_is_let_in_by_name_and_named_to_nobody_rfc3325_7_rfc5025_3_1_1_2(
    world: World, privacy: str
) -> None:
    world.put_card(ANN, card(friends="2"))
    world.put_rules(ANN, rules(allow(BOB, "friends")))
    ann = await watching(world, ANN, ANN)
    bob = await world.phone(BOB)
    assert (await bob.subscribe(ANN, Privacy=privacy)).status == 200
    await world.pass_time(10)
    assert b"tel:2" in bob.last.body
    assert ann.sees == {ANONYMOUS: ACTIVE}
    assert BOB.encode() not in b"".join(each.body for each in ann.phone.notifies)
    assert BOB.encode() not in await told_to_ann(world)
    assert not (await world.server.events.explaining.explain(ANN, BOB)).devices
    assert world.server.relating.of(ANN, BOB) is None

    await bob.unsubscribe()
    await world.pass_time(10)
    assert ann.last == [Seen(ANONYMOUS, TERMINATED, "timeout")]


@pytest.mark.parametrize("privacy", ["none", "id;none", "session", "history;critical", "shoe-size"])
@story
async def test_who_does_not_ask_for_that_is_named_rfc3323_4_2(world: World, privacy: str) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    bob = await world.phone(BOB)
    assert (await bob.subscribe(ANN, Privacy=privacy)).status == 200
    await world.pass_time()
    assert bob.last.state == "pending"
    assert list(ann.sees) == [BOB]


@story
async def test_privacy_that_cannot_be_given_and_is_critical_is_refused_rfc3323_5(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    refused = await bob.subscribe(ANN, Privacy="id;shoe-size;critical")
    assert (refused.status, refused.reason) == (500, "Privacy Not Supported: shoe-size")


@story
async def test_an_owner_is_not_asked_about_somebody_who_is_not_to_be_named_rfc5079(world: World) -> None:
    world.put_card(ANN, card())
    ann = await watching(world, ANN, ANN)
    bob = await world.phone(BOB)
    refused = await bob.subscribe(ANN, Privacy="id")
    assert (refused.status, refused.reason) == (433, "Anonymity Disallowed")
    await world.pass_time()
    assert ann.sees == {}
    assert (await bob.subscribe(ANN)).status == 200


@story
async def test_privacy_does_not_get_around_a_block_rfc3325_8(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(block(BOB)))
    assert (await (await world.phone(BOB)).subscribe(ANN, Privacy="id")).status == 403


@pytest.mark.parametrize("after", [block, confirm])
@story
async def test_who_is_not_named_hears_of_the_rules_about_him_as_everybody_does(
    world: World, after: Callable[[Watcher], bytes]
) -> None:
    world.put_card(ANN, card("1", friends="2"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Privacy="id")
    await world.pass_time(10)
    world.put_rules(ANN, rules(allow(BOB, "friends")))
    await world.pass_time(10)
    assert b"tel:2" in bob.last.body
    world.put_rules(ANN, rules(after(BOB)))
    await world.pass_time(10)
    assert (bob.last.state, bob.last.reason) == ("terminated", "rejected")


@story
async def test_who_is_not_named_stays_so_over_refreshes_and_restarts(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Privacy="id")
    await world.pass_time(10)
    assert (await bob.refresh()).status == 200
    await world.pass_time(10)
    await world.restart()
    ann = await watching(world, ANN, ANN)
    assert ann.sees == {ANONYMOUS: ACTIVE}
    assert (await bob.refresh()).status == 200
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(10)
    assert bob.last.state == "terminated"
    assert world.server.relating.of(ANN, BOB) is None


@story
async def test_nothing_is_kept_of_who_is_not_named_and_a_restart_tells_him_all_again(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Privacy="id")
    await world.pass_time(10)
    assert list(await world.journal.held_by(ANONYMOUS, ANN)) == []
    await world.restart()
    await world.pass_time(10)
    assert [each.content_type for each in bob.notifies] == ["application/vcard+xml"] * 2
    world.put_card(ANN, card("2"))
    await world.pass_time(10)
    assert b"tel:2" in bob.last.body


@story
async def test_a_dialog_of_somebody_who_is_not_named_is_nobody_elses_rfc6665_4_5_2(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    bob = await world.phone(BOB)
    await bob.subscribe(ANN, Privacy="id")
    await world.pass_time()
    assert (await bob.refresh(P_Asserted_Identity=f"<{CAROL}>", Privacy="id")).status == 403


@story
async def test_devices_of_different_people_are_different_although_neither_is_named(world: World) -> None:
    """A border controller gives all of them one Contact."""
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB), allow(CAROL)))
    sbc = await world.phone(BOB)
    for watcher in (BOB, CAROL, BOB):
        await sbc.subscribe(ANN, Privacy="id", P_Asserted_Identity=f"<{watcher}>")
        await world.pass_time()
    followers = world.server.followers.of(ANN)
    assert sorted(each.identity for each in followers) == [BOB, CAROL]
    assert {each.key.watcher for each in followers} == {ANONYMOUS}


@story
async def test_owners_do_not_hide_from_themselves(world: World) -> None:
    world.put_card(ANN, card())
    phone = await world.phone(Watcher(Aor(ANN)))
    assert (await phone.subscribe(ANN, Privacy="id")).status == 200
    assert (await phone.subscribe(ANN, Privacy="id", Event="contact-card.winfo", Accept=None)).status == 200
    assert (await phone.subscribe(ANN, Privacy="id", Event="xcap-diff", Accept=None)).status == 200
    assert world.server.followers.by(ANN, Watcher(Aor(ANN)))


@story
async def test_nobody_sees_a_row_of_his_own_who_is_not_named(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    assert (await bob.subscribe(ANN, Privacy="id", Event="contact-card.winfo", Accept=None)).status == 433


# -- who is nobody ----------------------------------------------------------------------------------------------------


@story
async def test_nobody_in_particular_is_let_in_by_a_rule_for_anonymous_requests(world: World) -> None:
    """OMA XDM `anonymous-request`; RFC 4745 §7.1: no identity matches him, not even one of that name."""
    world.put_card(ANN, card())
    nobody = await world.phone(ANONYMOUS)
    assert (await nobody.subscribe(ANN)).status == 433
    world.put_rules(ANN, rules(allow(ANONYMOUS)))
    assert (await nobody.subscribe(ANN)).status == 433
    world.put_rules(ANN, rules(for_anonymous(block(BOB))))
    assert (await nobody.subscribe(ANN)).status == 403
    world.put_rules(ANN, rules(for_anonymous(allow(BOB))))
    assert (await nobody.subscribe(ANN)).status == 200
    await world.pass_time()
    assert nobody.last.state == "active"
    assert (await nobody.refresh()).status == 200
    world.put_rules(ANN, None)
    await world.pass_time(10)
    assert (nobody.last.state, nobody.last.reason) == ("terminated", "rejected")
    assert list(world.server.relating.all_of(ANN)) == []


@story
async def test_two_requests_of_nobody_are_two_devices_up_to_the_limit(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(for_anonymous(allow(BOB))))
    nobody = await world.phone(ANONYMOUS)
    statuses = [(await nobody.subscribe(ANN)).status for _ in range(17)]
    assert statuses == [200] * 16 + [503]


# -- the served user --------------------------------------------------------------------------------------------------


@story
async def test_the_served_user_of_the_terminating_case_is_the_owner_rfc5502(world: World) -> None:
    world.put_card(ANN, card())
    bob = await world.phone(BOB)
    elsewhere = Owner(parse_aor("sip:retargeted@example.net"))
    assert (await bob.subscribe(elsewhere)).status == 404
    assert (await bob.subscribe(elsewhere, P_Served_User=SERVED)).status == 200
    assert world.server.relating.of(ANN, BOB) is not None


@story
async def test_the_served_user_of_the_originating_case_says_nothing_about_the_owner_rfc5502(world: World) -> None:
    world.put_card(ANN, card())
    phone = await world.phone(CAROL)
    assert (await phone.subscribe(ANN, P_Served_User=f"<{BOB}>;sescase=orig")).status == 200
    assert world.server.relating.of(ANN, BOB) is not None
    assert world.server.relating.of(ANN, CAROL) is None


@story
async def test_a_stranger_serves_nobody(world: World) -> None:
    world.put_card(ANN, card())
    stranger = Phone(world.network, Address("10.8.0.1", 5060), BOB)
    await stranger.start()
    assert (await stranger.subscribe(ANN, P_Served_User=f"<{BOB}>;sescase=orig")).status == 401


@pytest.mark.parametrize("trusted", [True, False])
def test_what_only_peers_may_say_is_read_of_them_alone_and_privacy_of_everybody(trusted: bool) -> None:
    """RFC 3325 §8: "it MUST NOT use the P-Asserted-Identity header field in any way"; RFC 3323 §5."""
    fields = [("P-Served-User", SERVED), ("P-Charging-Vector", ICID), ("Privacy", "id")]
    request = Request("SUBSCRIBE", "sip:dan@example.com", Headers(fields))
    sender = sender_of(request, BOB, trusted=trusted)
    assert isinstance(sender, Sender)
    assert sender.is_hidden_from(ANN)
    assert (sender.resource, sender.charging is not None) == ((str(ANN), True) if trusted else (request.uri, False))


# -- aliases ----------------------------------------------------------------------------------------------------------


@story
async def test_one_user_has_one_relation_by_whatever_address_he_or_the_owner_is_named(world: World) -> None:
    number = parse_aor("tel:+15550199")
    world.identities = Identities({number: Aor(BOB), parse_aor("sip:a@example.com"): Aor(ANN)}, domains=["example.com"])
    await world.restart()
    world.put_card(ANN, card())
    phone = await world.phone(BOB)
    for named in ("<tel:+1-555-0199>", "<sip:+1-555-0199@example.com;user=phone>", f"<{BOB}>"):
        assert (await phone.subscribe(Owner(parse_aor("sip:a@example.com")), P_Asserted_Identity=named)).status == 200
    assert [each.watcher for each in world.server.relating.all_of(ANN)] == [BOB]


@story
async def test_a_shared_card_is_at_every_address_of_its_owner(world: World) -> None:
    number = parse_aor("tel:+15550100")
    world.identities = Identities({number: Aor(ANN)}, domains=["example.com"])
    await world.restart()
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    await (await world.phone(BOB)).subscribe(ANN)
    source = world.server.events.computed[SHARED_CARDS.auid]
    documents = [
        await source.load(DocumentKey(SHARED_CARDS.auid, BOB, name), None) for name in (str(ANN), "tel:+1-555-0100")
    ]
    assert documents[0] is not None
    assert documents[0] == documents[1]
    assert await source.load(DocumentKey(SHARED_CARDS.auid, BOB, "tel:+1-555-0101"), None) is None


@story
async def test_the_request_uri_may_be_a_number_rfc3261_8_2_2_1(world: World) -> None:
    world.identities = Identities({parse_aor("tel:+15550100"): Aor(ANN)}, domains=["example.com"])
    await world.restart()
    world.put_card(ANN, card())
    phone = await world.phone(BOB)
    assert (await phone.subscribe(Owner(Aor("tel:+1-555-0100")))).status == 200
    assert (await phone.subscribe(Owner(Aor("tel:+1-555-0101")))).status == 404
    assert (await phone.subscribe(Owner(Aor("mailto:ann@example.com")))).status == 416


# -- charging ---------------------------------------------------------------------------------------------------------


@story
async def test_the_charging_identity_stays_with_the_dialog_rfc7315_4_6(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    accepted = await bob.subscribe(ANN, P_Charging_Vector=f'{ICID};orig-ioi=home1.example;transit-ioi="a.1"')
    assert accepted.headers.get("P-Charging-Vector") == f"{ICID};orig-ioi=home1.example;term-ioi={IOI}"
    await world.pass_time(10)
    refreshed = await bob.refresh()
    assert refreshed.headers.get("P-Charging-Vector") is None
    await world.pass_time(10)
    await world.restart()
    world.put_card(ANN, card("2"))
    await world.pass_time(10)
    vectors = [each.request.headers.get("P-Charging-Vector") for each in bob.notifies]
    assert len(vectors) == 3
    assert set(vectors) == {f"{ICID};orig-ioi={IOI}"}


@story
async def test_a_device_beyond_the_trust_domain_is_sent_no_charging_identity_rfc7315_4_6_1(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    proxy, device = await world.phone(BOB), Phone(world.network, Address("10.8.0.1", 5060), BOB)
    await device.start()
    accepted = await proxy.subscribe(ANN, P_Charging_Vector=ICID, Contact=f"<sip:{device.address}>")
    assert accepted.headers.get("P-Charging-Vector") == f"{ICID};term-ioi={IOI}"
    await world.pass_time()
    assert len(device.notifies) == 1
    assert "P-Charging-Vector" not in device.last.request.headers


@story
async def test_what_peers_say_among_themselves_is_not_told_to_devices_rfc3325_7(world: World) -> None:
    world.put_card(ANN, card())
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    answer = await bob.subscribe(ANN, P_Served_User=SERVED, Privacy="id", P_Preferred_Identity=f"<{BOB}>")
    await world.pass_time()
    for message in (answer, bob.last.request):
        names = [name for name, _ in message.headers]
        assert not [name for name in names if name.startswith("P-") or name == "Privacy"]
