"""Registering: where a device is, and by which flow it is reached.

The server is a registrar here (`[registrar] enabled`, docs/registrar.md). It is no proxy: what is registered is the way
of its own NOTIFYs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import difference, full, notify
from tests.dialogues.flows.flow import flow_with
from tests.dialogues.flows.phone import PRIVATE
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.person import Person
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example", "TEL;X-LEVEL=friends:+15550101")
REGISTRAR = {"enabled": True}


def friends(number: str) -> tuple[str, ...]:
    """What friends see."""
    return "FN:Ann Example", f"TEL:{number}"


async def with_card(stage: Stage) -> Person:
    """Ann, whose friend is Bob."""
    ann = stage.person("Ann")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB, "friends")))
    return ann


@flow_with(registrar=REGISTRAR)
async def test_a_phone_registers_its_flow(stage: Stage) -> None:
    """Bob's phone is behind a NAT. It registers the flow on which the server can reach it (RFC 5626), and gets
    addresses by which it alone is meant (RFC 5627)."""
    bob = await stage.phone("Bob", behind_a_nat=True)
    bob.has_a_password()
    await bob.registers(Supported="path, outbound, gruu")
    await bob.receives(401)
    await bob.tries_again()
    await bob.receives(200, Require="outbound", Flow_Timer="120")

    # Without a Contact the phone asks what is registered.
    await bob.registers(contact=None, Supported=None, Expires=None)
    await bob.receives(200, Require=None)

    # It leaves.
    await bob.registers(contact="*", Supported=None, Expires="0")
    await bob.receives(200, Contact=None)


@flow_with(registrar=REGISTRAR)
async def test_a_phone_registers_again_when_its_mapping_changes(stage: Stage) -> None:
    """The NAT before Bob's phone forgets the way to it. The phone notices by its keep-alives, and registers again; it
    does not subscribe again."""
    ann, bob = await with_card(stage), await stage.phone("Bob", behind_a_nat=True)
    await bob.registers()
    await bob.receives(200)
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("active", full(*friends("+15550101"))))
    await bob.answers(200)

    # Same device, same reg-id: the new flow takes the place of the old one.
    await bob.is_mapped_anew()
    await bob.registers()
    await bob.receives(200)

    # The next change finds the phone, in the dialog that it has.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*friends("+15550199"))))
    await bob.answers(200)


@flow_with(registrar=REGISTRAR)
async def test_a_phone_subscribes_again_when_its_mapping_changes(stage: Stage) -> None:
    """The same with a refresh in place of the REGISTER. What is registered is older than it, and is left aside."""
    ann, bob = await with_card(stage), await stage.phone("Bob", behind_a_nat=True)
    await bob.registers()
    await bob.receives(200)
    await stage.follows(bob, ANN)
    await bob.is_mapped_anew()
    await bob.refreshes(Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(204)
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*friends("+15550199"))))
    await bob.answers(200)


@flow_with(registrar=REGISTRAR)
async def test_an_address_of_somebody_else(stage: Stage) -> None:
    """Bob may register himself, and nobody else."""
    bob = await stage.phone("Bob")
    await bob.registers(to=ANN)
    await bob.receives(403)


@flow_with(registrar=REGISTRAR)
async def test_a_registration_that_is_too_brief(stage: Stage) -> None:
    """The server says what is long enough."""
    bob = await stage.phone("Bob")
    await bob.registers(Expires="5")
    await bob.receives(423, Min_Expires="60")
    await bob.registers(Expires="60")
    await bob.receives(200)


@flow_with(registrar=REGISTRAR)
async def test_a_gruu_is_the_contact_of_a_subscription(stage: Stage) -> None:
    """Bob's phone gives its public GRUU as its Contact. Only the registrar knows where that leads: to the Contact and
    the flow that the phone registered last."""
    ann, bob = await with_card(stage), await stage.phone("Bob", behind_a_nat=True)
    await bob.registers(Supported="path, outbound, gruu")
    registered = await bob.receives(200)
    assert registered.contact is not None
    gruu = registered.contact.param("pub-gruu")
    await bob.subscribes(ANN, Contact=f"<{gruu}>;+sip.instance={registered.contact.params['+sip.instance']}")
    await bob.receives(200)
    told = await bob.receives(notify("active", full(*friends("+15550101"))))
    assert told.uri == PRIVATE
    await bob.answers(200)
    await bob.is_mapped_anew()
    await bob.registers()
    await bob.receives(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*friends("+15550199"))))
    await bob.answers(200)
