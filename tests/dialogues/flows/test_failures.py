"""Failures: a device that answers a NOTIFY with something else than 200.

Only a 2xx counts as received. What else an answer means for the subscription is RFC 6665 §4.2.2; the relation between
owner and watcher, and what the server knows of the device's copy, outlive it in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import difference, full, notify
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example", "ORG;X-LEVEL=public:Example Forecasting", "TEL;X-LEVEL=public:+15550100")
CHANGED = ("FN:Ann Example", "ORG:Example Forecasting", "TEL:+15550199")


@flow
async def test_a_device_does_not_know_the_subscription(stage: Stage) -> None:
    """Bob's phone was reset, and has forgotten that it subscribed. It has its copy still."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await stage.follows(bob, ANN)

    # 481 ends the subscription.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*CHANGED), kept=False))
    await bob.answers(481)
    await bob.refreshes()
    await bob.receives(481)

    # In a new one the phone gets what it did not take before.
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("active", difference(*CHANGED)))
    await bob.answers(200)


@flow
async def test_a_device_is_busy(stage: Stage) -> None:
    """Bob's phone is starting up. It answers 503, and that a second later will do."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await stage.follows(bob, ANN)
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*CHANGED), kept=False))
    await bob.answers(503, Retry_After="1")

    # The subscription goes on. A second later it is told again; all of it, since nobody knows what became of the
    # difference.
    await bob.receives(notify("active", full(*CHANGED)))
    await bob.answers(200)
