"""The registrar and the way to registered devices, in stories: who may, what lasts, and where NOTIFYs go."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import pytest

from abserver.domain.identity import Watcher, parse_aor
from abserver.domain.usages import EXPLANATIONS
from abserver.domain.usages.explanations import explanation_document
from abserver.sip.bindings import Limits as RegistrarLimits
from abserver.sip.headers import NameAddr
from abserver.sip.message import Headers, Request, Response
from abserver.sip.transport import Address
from tests.support.documents import ANN, BOB, CAROL, allow, card, rules
from tests.support.server import ADDRESS, Limits
from tests.support.world import World, story

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.phone import Phone

Parameters = ParamSpec("Parameters")
PRIVATE = "sip:bob@192.168.1.7:5060;ob"
"""The Contact of a phone behind a NAT."""
TIMER_F = 32.0


def registrar_story(
    test: Callable[Concatenate[World, Parameters], Awaitable[None]],
) -> Callable[Parameters, None]:
    """A story whose server is a registrar."""

    async def play(world: World, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        world.limits = Limits(registrar=RegistrarLimits())
        await world.restart()
        await test(world, *args, **kwargs)

    functools.update_wrapper(play, test)
    return story(play)


def outbound(phone: Phone, reg_id: int = 1, uri: str = PRIVATE) -> str:
    """The Contact with which the phone registers a flow."""
    return f'<{uri}>;reg-id={reg_id};+sip.instance="<{phone.instance}>"'


async def following(world: World, contact: str | None = None) -> Phone:
    """Bob's phone behind a NAT, whose flow is registered, and which follows Ann."""
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    assert (await bob.register(outbound(bob))).status == 200
    contact = contact or f'<{PRIVATE}>;+sip.instance="<{bob.instance}>"'
    assert (await bob.subscribe(ANN, Contact=contact)).status == 200
    await world.pass_time()
    assert bob.last.state == "active"
    return bob


async def is_told(world: World, phone: Phone, content: str) -> None:
    """The phone is told of a change, in the dialog that it has."""
    world.put_card(ANN, card(content))
    before = len(phone.notifies)
    await world.pass_time(5)
    assert len(phone.notifies) == before + 1
    assert phone.dialog is not None
    assert phone.last.request.call_id == phone.dialog.call_id


def contacts(response: Response) -> list[NameAddr]:
    return [NameAddr.parse(each) for each in response.headers.elements("Contact")]


# -- who may --------------------------------------------------------------------------------------------------------


@story
async def test_a_server_that_is_no_registrar_says_so(world: World) -> None:
    bob = await world.phone(BOB)
    response = await bob.register("<sip:bob@192.0.2.7>")
    assert (response.status, response.headers.get("Allow")) == (405, "SUBSCRIBE, OPTIONS, CANCEL")


@registrar_story
async def test_a_registrar_tells_what_it_can_do_rfc3261_11_2(world: World) -> None:
    bob = await world.phone(BOB)
    fields = [("From", f"<{BOB}>;tag=1"), ("To", "<sip:example.com>"), ("Call-ID", "c"), ("CSeq", "1 OPTIONS")]
    route = ("Route", f"<sip:{ADDRESS};lr>")
    response = await bob.send(Request("OPTIONS", "sip:example.com", Headers([*fields, route])))
    assert response.headers.get("Allow") == "SUBSCRIBE, OPTIONS, REGISTER, CANCEL"
    assert response.headers.get("Supported") == "gruu, outbound, path"


@registrar_story
async def test_who_is_unknown_is_challenged_rfc3261_10_3_3(world: World) -> None:
    bob = await world.phone(BOB)
    response = await bob.register("<sip:bob@192.0.2.7>", P_Asserted_Identity=None)
    assert (response.status, "WWW-Authenticate" in response.headers) == (401, True)


@registrar_story
async def test_a_user_registers_his_own_address_only_rfc3261_10_3_4(world: World) -> None:
    bob = await world.phone(BOB)
    assert (await bob.register("<sip:bob@192.0.2.7>", to=CAROL)).status == 403
    assert world.journal.bindings(CAROL) == ()


@pytest.mark.parametrize(
    ("user", "uri", "status"),
    [
        ("sip:bob@example.com", "sip:example.com", 200),
        ("sip:bob@example.com", "sip:EXAMPLE.com;transport=udp", 200),
        ("sip:bob@example.com", f"sip:{ADDRESS.host}", 200),  # an address of the server, which serves all domains
        ("sip:bob@example.com", "sip:elsewhere.org", 404),
        ("sip:bob@elsewhere.org", "sip:elsewhere.org", 404),
        ("sip:bob@elsewhere.org", f"sip:{ADDRESS.host}", 404),
    ],
)
@registrar_story
async def test_the_address_has_to_be_of_the_domain_rfc3261_10_3_5(
    world: World, user: str, uri: str, status: int
) -> None:
    bob = await world.phone(Watcher(parse_aor(user)))
    fields = [("From", f"<{user}>;tag=1"), ("To", f"<{user}>"), ("Call-ID", "c"), ("CSeq", "1 REGISTER")]
    own = [("Route", f"<sip:{ADDRESS};lr>"), ("Contact", "<sip:h>"), ("P-Asserted-Identity", f"<{user}>")]
    assert (await bob.send(Request("REGISTER", uri, Headers([*fields, *own])))).status == status


@registrar_story
async def test_the_address_of_record_is_canonical_rfc3261_10_3_5(world: World) -> None:
    bob = await world.phone(BOB)
    await bob.register("<sip:h1>", to="sips:%62ob@EXAMPLE.com:5060;x=1")
    assert [each.uri for each in world.journal.bindings(BOB)] == ["sip:h1"]


@registrar_story
async def test_a_to_that_names_nobody_is_malformed(world: World) -> None:
    bob = await world.phone(BOB)
    assert (await bob.register("<sip:h1>", to="sip:example.com")).status == 400
    assert (await bob.register("<sip:h1>;q=7")).status == 400


@registrar_story
async def test_an_extension_that_is_not_known_gets_420_rfc3261_10_3_2(world: World) -> None:
    bob = await world.phone(BOB)
    response = await bob.register("<sip:h1>", Require="path, gruu, outbound, teleport")
    assert (response.status, response.headers.get("Unsupported")) == (420, "teleport")
    assert (await bob.register("<sip:h1>", Require="path, gruu, outbound")).status == 200


# -- what lasts -----------------------------------------------------------------------------------------------------


@registrar_story
async def test_a_binding_is_durable_before_its_200_rfc3261_10_3_8(world: World) -> None:
    bob = await world.phone(BOB)
    await bob.register(outbound(bob))
    world.kill_now()
    [binding] = world.journal.bindings(BOB)
    assert (binding.uri, binding.reg_id) == (PRIVATE, 1)


@registrar_story
async def test_what_could_not_be_written_is_not_bound_rfc3261_10_3_7(world: World) -> None:
    """ "The request MUST fail with a 500 (Server Error) response and all tentative binding updates MUST be removed"."""
    world.expected_errors = {"request failed"}
    bob = await world.phone(BOB)
    await bob.register("<sip:h1>")
    world.journal.fault = OSError("disk full")
    assert (await bob.register("<sip:h2>")).status == 500
    world.journal.fault = None
    assert [each.uri for each in contacts(await bob.register())] == ["sip:h1"]


@registrar_story
async def test_durations_go_on_while_the_server_is_away(world: World) -> None:
    """The wall clock ends a registration, not the life of a process."""
    bob = await world.phone(BOB)
    await bob.register("<sip:h1>;expires=100", "<sip:h2>;expires=300")
    await world.kill()
    await world.pass_time(150)
    await world.start()
    [left] = contacts(await bob.register())
    assert (left.uri, left.params["expires"]) == ("sip:h2", "150")


@registrar_story
async def test_expired_bindings_are_swept(world: World) -> None:
    bob = await world.phone(BOB)
    await bob.register("<sip:h1>;expires=60", "<sip:h2>;expires=120")
    await world.pass_time(61)
    assert [each.uri for each in world.journal.bindings(BOB)] == ["sip:h2"]
    await world.pass_time(60)
    assert world.journal.bindings(BOB) == ()


@registrar_story
async def test_a_sweep_does_not_write_over_a_registration_on_its_way(world: World) -> None:
    bob = await world.phone(BOB)
    await bob.register("<sip:h1>;expires=60")
    world.journal.latency = 10.0
    await world.pass_time(55)
    registering = asyncio.create_task(bob.register("<sip:h1>;expires=600"))
    await world.pass_time(6)  # the old duration ends while the new one is being written
    assert (await registering).status == 200
    world.journal.latency = 0.0
    await world.pass_time(30)
    assert [each.uri for each in world.journal.bindings(BOB)] == ["sip:h1"]


@registrar_story
async def test_requests_of_one_user_are_carried_out_one_after_the_other_rfc3261_10_3(world: World) -> None:
    phones = [await world.phone(BOB) for _ in range(8)]
    await asyncio.gather(*(each.register(f"<sip:{each.address.host}>") for each in phones))
    assert {each.uri for each in world.journal.bindings(BOB)} == {f"sip:{each.address.host}" for each in phones}


# -- GRUUs ----------------------------------------------------------------------------------------------------------


@registrar_story
async def test_a_request_to_the_gruu_of_a_device_is_about_its_user_rfc5627_6_1(world: World) -> None:
    """A public one, before and after a restart, and 480 when the device is gone. A temporary one must not tell whose it
    is, as the Contact of a 200 would."""
    world.put_card(ANN, card("1"))
    ann, bob = await world.phone(Watcher(ANN)), await world.phone(BOB)
    [contact] = contacts(await ann.register(outbound(ann)))
    public, temporary = contact.param("pub-gruu"), contact.param("temp-gruu")
    assert public
    assert temporary
    for _ in range(2):
        assert [(await bob.subscribe(each)).status for each in (public, temporary)] == [200, 404]  # type: ignore[arg-type]
        await world.pass_time()
        await world.restart()
    await ann.register(f"{outbound(ann)};expires=0")
    assert [(await bob.subscribe(each)).status for each in (public, temporary)] == [480, 404]  # type: ignore[arg-type]
    await ann.register(outbound(ann))
    assert [(await bob.subscribe(each)).status for each in (public, temporary)] == [200, 404]  # type: ignore[arg-type]


@pytest.mark.parametrize("gr", [";gr", ";gr=urn:uuid:1/0123456789abcdef0123"])
@registrar_story
async def test_a_gruu_that_nobody_gave_gets_404_rfc5627_6_1(world: World, gr: str) -> None:
    world.put_card(ANN, card("1"))
    bob = await world.phone(BOB)
    assert (await bob.subscribe(f"{ANN}{gr}")).status == 404  # type: ignore[arg-type]


@registrar_story
async def test_a_sips_contact_gets_sips_gruus_rfc5630_5_2_1(world: World) -> None:
    bob = await world.phone(BOB)
    contact = f'<sips:bob@192.0.2.7>;+sip.instance="<{bob.instance}>"'
    fields = [("From", f"<{BOB}>;tag=1"), ("To", f"<{BOB}>"), ("Call-ID", "c"), ("CSeq", "1 REGISTER")]
    own = [("Route", f"<sip:{ADDRESS};lr>"), ("P-Asserted-Identity", f"<{BOB}>"), ("Supported", "gruu")]
    request = Request("REGISTER", "sips:example.com", Headers([*fields, *own, ("Contact", contact)]))
    [told] = contacts(await bob.send(request))
    assert (told.param("pub-gruu") or "").startswith("sips:bob@example.com;gr=")
    assert (told.param("temp-gruu") or "").startswith("sips:tgruu.")


# -- the way to a device --------------------------------------------------------------------------------------------


@registrar_story
async def test_a_phone_behind_a_nat_is_reached_after_it_registered_anew_rfc5626_7(world: World) -> None:
    """Its mapping changes; the subscription is as it was."""
    bob = await following(world)
    await bob.is_mapped_to(Address("10.9.1.1", 61_000))
    await bob.register(outbound(bob))
    await is_told(world, bob, "2")
    assert bob.last.request.uri == PRIVATE
    await is_told(world, bob, "3")


@registrar_story
async def test_a_phone_behind_a_nat_is_reached_after_it_subscribed_anew(world: World) -> None:
    bob = await following(world)
    await bob.is_mapped_to(Address("10.9.1.1", 61_000))
    assert (await bob.refresh(Contact=f'<{PRIVATE}>;+sip.instance="<{bob.instance}>"')).status == 200
    await world.pass_time()
    await is_told(world, bob, "2")


@registrar_story
async def test_what_was_sent_to_the_old_mapping_is_sent_again_to_the_new_one_rfc5626_7(world: World) -> None:
    """408 on the old flow: the same device by its other one, and the subscription does not end."""
    bob = await following(world)
    await bob.is_mapped_to(Address("10.9.1.1", 61_000))
    world.put_card(ANN, card("2"))
    await world.pass_time(10)
    await bob.register(outbound(bob))
    before = len(bob.notifies)
    await world.pass_time(TIMER_F)
    assert len(bob.notifies) == before + 1
    assert len(world.server.followers) == 1


@registrar_story
async def test_who_does_not_register_anew_is_lost_with_the_mapping(world: World) -> None:
    bob = await following(world)
    await bob.is_mapped_to(Address("10.9.1.1", 61_000))
    world.put_card(ANN, card("2"))
    before = len(bob.notifies)
    await world.pass_time(TIMER_F + 5)
    assert len(bob.notifies) == before
    assert len(world.server.followers) == 0  # RFC 6665 §4.2.2


@registrar_story
async def test_the_way_outlasts_a_restart_of_the_server(world: World) -> None:
    bob = await following(world)
    await bob.is_mapped_to(Address("10.9.1.1", 61_000))
    await bob.register(outbound(bob))
    await world.restart()
    await is_told(world, bob, "2")


@registrar_story
async def test_of_several_flows_the_next_is_tried_when_one_fails_rfc5626_7(world: World) -> None:
    bob, other = await following(world), await world.phone(BOB)
    other.instance = bob.instance  # the same device by another interface
    await other.register(outbound(other, reg_id=2), Call_ID="second-flow")
    await is_told(world, bob, "2")  # the dialog's own flow is registered, and used
    assert other.notifies == []
    bob.answers = [(430, [])]
    world.put_card(ANN, card("3"))
    await world.pass_time(5)
    assert (len(other.notifies), other.last.request.call_id) == (1, bob.last.request.call_id)
    assert other.last.cseq == bob.last.cseq + 1
    world.put_card(ANN, card("4"))
    await world.pass_time(5)
    assert len(other.notifies) == 2  # the flow that failed is left aside
    await bob.register(outbound(bob))  # until it is registered again
    await is_told(world, bob, "5")


@registrar_story
async def test_a_device_that_no_flow_led_to_is_told_as_soon_as_it_registers(world: World) -> None:
    """And not only when a failed NOTIFY would be tried again."""
    bob = await following(world)
    bob.answers = [(430, [])]
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    assert len(world.server.followers) == 1
    before = len(bob.notifies)
    await bob.is_mapped_to(Address("10.9.1.1", 61_000))
    await bob.register(outbound(bob))
    await world.pass_time(2)
    assert len(bob.notifies) == before + 1
    assert bob.last.base is None  # what it has is in doubt, so it gets all


@registrar_story
async def test_a_device_that_is_told_to_wait_by_its_answer_is_waited_for(world: World) -> None:
    bob = await following(world)
    bob.answers = [(503, [("Retry-After", "60")])]
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    before = len(bob.notifies)
    await bob.register(outbound(bob))
    await world.pass_time(20)
    assert len(bob.notifies) == before
    await world.pass_time(60)
    assert len(bob.notifies) == before + 1


@registrar_story
async def test_who_unsubscribes_meanwhile_is_not_told(world: World) -> None:
    bob = await following(world)
    bob.answers = [(430, [])]
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    await bob.unsubscribe()
    await world.pass_time()
    before = len(bob.notifies)
    await bob.register(outbound(bob))
    await world.pass_time(40)
    assert len(bob.notifies) == before
    await bob.register("*", Expires="0")


@registrar_story
async def test_an_owner_is_told_that_a_device_is_registered_and_not_where(world: World) -> None:
    bob = await following(world)
    explaining = world.server.events.explaining
    (device,) = (await explaining.explain(ANN, BOB)).devices
    [binding] = world.journal.bindings(BOB)
    assert device.registered_until == binding.expires_at
    document = explanation_document(await explaining.explain(ANN, BOB))
    EXPLANATIONS.validate(document)
    assert b"registered-until=" in document
    assert b"192.168.1.7" not in document
    await bob.unsubscribe()
    await bob.register("*", Expires="0")
    (device,) = (await explaining.explain(ANN, BOB)).devices
    assert device.registered_until is None


@registrar_story
async def test_another_answer_is_the_answer_of_the_device_rfc5626_7(world: World) -> None:
    bob, other = await following(world), await world.phone(BOB)
    other.instance = bob.instance
    await other.register(outbound(other, reg_id=2), Call_ID="second-flow")
    bob.answers = [(481, [])]
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    assert other.notifies == []
    assert len(world.server.followers) == 0


@registrar_story
async def test_flows_of_others_are_none_of_this_device(world: World) -> None:
    """Neither another device of the user nor another user with the same instance."""
    bob = await following(world)
    tablet, carol = await world.phone(BOB), await world.phone(CAROL)
    carol.instance = bob.instance
    await tablet.register(outbound(tablet))
    await carol.register(outbound(carol))
    await bob.register(f"{outbound(bob)};expires=0")
    await is_told(world, bob, "2")
    assert [tablet.notifies, carol.notifies] == [[], []]


@registrar_story
async def test_a_gruu_as_remote_target_follows_its_device_rfc5627_6_1(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    [contact] = contacts(await bob.register(outbound(bob)))
    for name in ("pub-gruu", "temp-gruu"):
        own = f'<{contact.param(name)}>;+sip.instance="<{bob.instance}>"'
        assert (await bob.subscribe(ANN, Contact=own)).status == 200
        await world.pass_time()
        assert (bob.last.state, bob.last.request.uri) == ("active", PRIVATE)
    await bob.is_mapped_to(Address("10.9.1.1", 61_000))
    await bob.register(outbound(bob, uri="sip:bob@172.16.0.1;ob"))
    await is_told(world, bob, "2")
    assert bob.last.request.uri == "sip:bob@172.16.0.1;ob"


@registrar_story
async def test_devices_that_say_nothing_but_their_gruus_are_kept_apart(world: World) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    phones = [await world.phone(BOB), await world.phone(BOB)]
    for phone in phones:
        listed = contacts(await phone.register(outbound(phone)))
        [contact] = [each for each in listed if each.param("+sip.instance") == f"<{phone.instance}>"]
        assert (await phone.subscribe(ANN, Contact=f"<{contact.param('pub-gruu')}>")).status == 200
        await world.pass_time()
    assert len(world.server.followers.by(ANN, BOB)) == 2
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    assert [len(phone.notifies) for phone in phones] == [2, 2]


@pytest.mark.parametrize("name", ["pub-gruu", "temp-gruu"])
@registrar_story
async def test_who_is_known_by_a_gruu_is_told_as_soon_as_its_device_registers_again(world: World, name: str) -> None:
    world.put_card(ANN, card("1"))
    world.put_rules(ANN, rules(allow(BOB)))
    bob = await world.phone(BOB)
    [contact] = contacts(await bob.register(outbound(bob)))
    await bob.subscribe(ANN, Contact=f"<{contact.param(name)}>")
    await world.pass_time()
    bob.answers = [(430, [])]
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    before = len(bob.notifies)
    await bob.register(outbound(bob))
    await world.pass_time(2)
    assert len(bob.notifies) == before + 1


@registrar_story
async def test_somebody_elses_gruu_is_no_way_to_him_rfc5627_6_2(world: World) -> None:
    """Else anybody could have his NOTIFYs sent to another's phone."""
    world.put_card(ANN, card("1"))
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    [contact] = contacts(await carol.register(outbound(carol)))
    await bob.subscribe(ANN, Contact=f"<{contact.param('pub-gruu')}>")
    await world.pass_time(5)
    assert [bob.notifies, carol.notifies] == [[], []]


@registrar_story
async def test_a_path_is_the_route_to_its_device_rfc3327_5_4(world: World) -> None:
    """The edge proxy has the flow to the phone, and a token for it in its Path."""
    bob, edge = await following(world), await world.phone(BOB)
    edge.instance = bob.instance
    path = f"<sip:token@{edge.address};lr;ob>"
    proxied = await edge.register(outbound(bob), Path=path, Call_ID="by-the-edge")
    assert (proxied.status, proxied.headers.get("Path")) == (200, path)
    world.put_card(ANN, card("2"))
    await world.pass_time(5)
    assert edge.last.request.headers.get_all("Route") == [path]
    assert edge.last.request.uri == PRIVATE


@registrar_story
async def test_a_recorded_route_is_the_way_whatever_is_registered(world: World) -> None:
    world.put_card(ANN, card("1"))
    bob, proxy = await world.phone(BOB), await world.phone(BOB)
    await bob.register(outbound(bob))
    contact = f'<{PRIVATE}>;+sip.instance="<{bob.instance}>"'
    await bob.subscribe(ANN, Contact=contact, Record_Route=f"<sip:{proxy.address};lr>")
    await world.pass_time()
    assert (bob.notifies, len(proxy.notifies)) == ([], 1)
    [told] = contacts(await bob.register(outbound(bob)))
    await bob.subscribe(
        ANN,
        Contact=f'<{told.param("pub-gruu")}>;+sip.instance="<{bob.instance}>"',
        Record_Route=f"<sip:{proxy.address};lr>",
    )
    await world.pass_time()
    assert proxy.last.request.uri == PRIVATE  # the GRUU is resolved here; the Path is left aside (RFC 5627 §6.1)
    assert proxy.last.request.headers.get_all("Route") == [f"<sip:{proxy.address};lr>"]
