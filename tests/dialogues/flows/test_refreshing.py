"""Refreshing, polling, and the end of a subscription.

A subscription lasts for the time that the 200 grants. A device that says which view it has, by the entity-tag of its
last NOTIFY, spares itself what it would be told again (RFC 5839).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import difference, full, in_step, notify
from tests.dialogues.flows.flow import flow, flow_with
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, confirm, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example", "ORG;X-LEVEL=public:Example Forecasting", "TEL;X-LEVEL=public:+15550100")
SHOWN = ("FN:Ann Example", "ORG:Example Forecasting", "TEL:+15550100")
CHANGED = ("FN:Ann Example", "ORG:Example Forecasting", "TEL:+15550199")
RULES = rules(allow(BOB))


@flow
async def test_a_refresh_with_the_tag_is_answered_204(stage: Stage) -> None:
    """Nothing has changed: the answer is all, and no NOTIFY follows (RFC 5839 §5.2)."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)
    await bob.refreshes(Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(204, Expires="3600")


@flow
async def test_a_refresh_without_a_tag_is_followed_by_a_notify(stage: Stage) -> None:
    """RFC 6665 §4.2.1.2 has a NOTIFY follow each 200. The server knows what the device has, and sends no body."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)
    await bob.refreshes()
    await bob.receives(200)
    await bob.receives(notify("active", in_step))
    await bob.answers(200)


@flow
async def test_a_device_asks_for_silence(stage: Stage) -> None:
    """Bob's phone is in a pocket. `Suppress-If-Match: *` matches whatever there is (RFC 5839 §5.1): the subscription
    is kept, and nothing is told until another SUBSCRIBE asks for it.
    """
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)
    await bob.refreshes(Suppress_If_Match="*")
    await bob.receives(204)

    # Ann has a new number, and Bob's phone does not hear of it.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)

    # Out of the pocket, it asks: what is new is told.
    await bob.refreshes(Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(200)
    await bob.receives(notify("active", difference(*CHANGED)))
    await bob.answers(200)


@flow
async def test_silence_is_not_kept_about_the_subscription(stage: Stage) -> None:
    """Bob's phone has asked for silence. That the subscription is pending again is told all the same."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)
    await bob.refreshes(Suppress_If_Match="*")
    await bob.receives(204)
    await ann.puts(CARD_RULES, rules(confirm(BOB)))
    await ann.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)


@flow
async def test_a_device_unsubscribes(stage: Stage) -> None:
    """Bob's phone leaves. The last NOTIFY brings what it does not have yet, and the tag to come back with."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)
    await bob.unsubscribes()
    await bob.receives(200, Expires="0")
    await bob.receives(notify("terminated", in_step, reason="timeout"))
    await bob.answers(200)


@flow
async def test_a_device_polls(stage: Stage) -> None:
    """A SUBSCRIBE with Expires 0 and no dialog fetches the state of now, and no subscription comes of it."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await bob.subscribes(ANN, Expires="0")
    await bob.receives(200, Expires="0")
    await bob.receives(notify("terminated", full(*SHOWN), reason="timeout"))
    await bob.answers(200)

    # The next poll says what it has. Then Ann's number changes, and another poll gets the difference.
    await bob.subscribes(ANN, Expires="0", Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(200)
    await bob.receives(notify("terminated", in_step, reason="timeout"))
    await bob.answers(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)
    await bob.subscribes(ANN, Expires="0", Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(200)
    await bob.receives(notify("terminated", difference(*CHANGED), reason="timeout"))
    await bob.answers(200)


@flow_with(subscriptions={"min_expires": 1})
async def test_a_subscription_expires(stage: Stage) -> None:
    """Bob's phone asks for one second, and does not refresh."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await bob.subscribes(ANN, Expires="1")
    await bob.receives(200, Expires="1")
    await bob.receives(notify("active", full(*SHOWN)))
    await bob.answers(200)

    # The server says that it is over, and has forgotten the dialog.
    await bob.receives(notify("terminated", reason="timeout"))
    await bob.answers(200)
    await bob.refreshes()
    await bob.receives(481)


@flow
async def test_a_long_duration_is_shortened(stage: Stage) -> None:
    """Bob's phone asks for a year, and gets the longest duration that this server grants."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await bob.subscribes(ANN, Expires="31536000")
    await bob.receives(200, Expires="86400")
    await bob.receives(notify("active", full(*SHOWN)))
    await bob.answers(200)
