"""Refusals: what a SUBSCRIBE can be answered instead of 200.

Each tells what would do better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.flow import flow, flow_with
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example")


@flow
async def test_nobody_of_that_name(stage: Stage) -> None:
    """There is no such user, and so no card to ask for."""
    bob = await stage.phone("Bob")
    await bob.subscribes("sip:nobody@example.com")
    await bob.receives(404)


@flow
async def test_a_duration_that_is_too_short(stage: Stage) -> None:
    """RFC 6665 §4.2.1.1: 423, and the shortest duration that is granted."""
    bob = await stage.phone("Bob")
    await bob.subscribes(ANN, Expires="10")
    await bob.receives(423, Min_Expires="60")


@flow
async def test_a_body_that_is_not_made_here(stage: Stage) -> None:
    """Bob's phone takes pictures of cards only. 406 names what there is."""
    bob = await stage.phone("Bob")
    await bob.subscribes(ANN, Accept="image/png")
    await bob.receives(406, Accept="application/vcard+xml, application/xml-patch+xml, text/vcard")


@flow
async def test_an_event_package_that_is_not_served(stage: Stage) -> None:
    """489 names those that are (RFC 6665 §4.2.1.1); templates on them, such as `contact-card.winfo`, go without
    saying (§4.4.4).
    """
    bob = await stage.phone("Bob")
    await bob.subscribes(ANN, "dialog")
    answer = await bob.receives(489)
    assert "contact-card" in (answer.headers.get("Allow-Events") or "").split(", ")


@flow
async def test_an_extension_that_is_required(stage: Stage) -> None:
    """RFC 3261 §8.2.2.3: 420, and which extension it is that is not supported."""
    bob = await stage.phone("Bob")
    await bob.subscribes(ANN, Require="recipient-list-subscribe")
    await bob.receives(420, Unsupported="recipient-list-subscribe")


@flow
async def test_a_dialog_that_is_not_there(stage: Stage) -> None:
    """Bob's phone refreshes after it has unsubscribed."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await stage.follows(bob, ANN)
    await stage.unfollows(bob)
    await bob.refreshes()
    await bob.receives(481)


@flow_with(subscriptions={"max_devices": 1})
async def test_more_devices_than_are_allowed(stage: Stage) -> None:
    """The operator allows one device for each watcher and card. The second has to come later."""
    ann, phone, tablet = stage.person("Ann"), await stage.phone("Bob"), await stage.phone("Bob", "tablet")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await stage.follows(phone, ANN)
    await tablet.subscribes(ANN)
    await tablet.receives(503, Retry_After="120")
