"""Trusted peers: what an S-CSCF says of a request, and whom nobody is told of.

The server is an application server of an IMS, or stands behind a proxy of its operator. The peer that sends here has
authenticated everybody, and speaks for them; see docs/trusted-peers.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.identity import ANONYMOUS
from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import full, notify, watchers
from tests.dialogues.flows.flow import flow, flow_with
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example")
ICID = 'icid-value="AyretyU0dm+6O2IrT5tAFrbHLso=023551024";icid-generated-at=192.0.6.8'


@flow_with(
    server={"aliases": f"tel:+15550100={ANN},tel:+15550111={BOB}"},
    sip={"trusted_peers": ["127.0.0.1"], "charging_ioi": "cards.example.com"},
)
async def test_the_network_core_hands_a_request_on(stage: Stage) -> None:
    """Bob's S-CSCF vouches for Bob, by address and by number. Ann's says that it is she who is served."""
    ann, cscf = stage.person("Ann"), await stage.phone("Bob", "S-CSCF")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))

    # The terminating case of RFC 5502: the owner is the served user, whatever the Request-URI has become on the way.
    # The charging vector is answered with the name of this network (RFC 7315 §5.6).
    await cscf.subscribes(
        "tel:+1-555-0100",
        P_Asserted_Identity=f'"Bob" <{BOB}>, <tel:+1-555-0111>',
        P_Served_User=f"<{ANN}>;sescase=term;regstate=reg",
        P_Charging_Vector=f"{ICID};orig-ioi=home1.example",
    )
    await cscf.receives(200, P_Charging_Vector=f"{ICID};orig-ioi=home1.example;term-ioi=cards.example.com")

    # NOTIFYs have the charging identity of their dialog.
    vector = f"{ICID};orig-ioi=cards.example.com"
    await cscf.receives(notify("active", full("FN:Ann Example"), P_Charging_Vector=vector))
    await cscf.answers(200)


@flow
async def test_a_watcher_who_wants_privacy_is_not_named(stage: Stage) -> None:
    """Ann's rules let Bob in. He does not want her to see that he follows her (RFC 3325 §7)."""
    ann, phone, bob = stage.person("Ann"), await stage.phone("Ann"), await stage.phone("Bob", "S-CSCF")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await phone.subscribes(ANN, "contact-card.winfo")
    await phone.receives(200)
    await phone.receives(notify("active", watchers(0)))
    await phone.answers(200)

    # The rules know him (RFC 5025 §3.1.1.2), and nobody else does.
    await bob.subscribes(ANN, Privacy="id")
    await bob.receives(200)
    await bob.receives(notify("active", full("FN:Ann Example")))
    await bob.answers(200)
    await phone.receives(notify("active", watchers(1, (ANONYMOUS, "active", "subscribe"), partial=True)))
    await phone.answers(200)


@flow
async def test_an_owner_is_not_asked_about_nobody(stage: Stage) -> None:
    """Ann's rules do not say anything of Bob, and he does not want to be named: then she cannot be asked."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob", "S-CSCF")
    await ann.has(CONTACT_CARD, CARD)
    await bob.subscribes(ANN, Privacy="id")
    await bob.receives(433)

    # By name he may ask.
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)
