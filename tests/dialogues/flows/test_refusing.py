"""Refusing, openly and politely.

An owner who does not want a watcher has two ways to say so. `block` is told: the subscription is refused, or ends.
`polite-block` is not: the watcher is served like everybody, with the card of an owner who shows nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD, RELATIONS
from tests.dialogues.flows.expecting import difference, full, notify
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.scenery import ANN, BOB, CAROL, allow, block, card, polite_block, rules, shows_relation

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example", "TEL;TYPE=work;X-LEVEL=public:+15550100")


@flow
async def test_a_blocked_watcher_is_refused(stage: Stage) -> None:
    """Ann has blocked Bob before he asks."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(block(BOB)))

    # No subscription comes about, so there is no NOTIFY.
    await bob.subscribes(ANN)
    await bob.receives(403)


@flow
async def test_a_request_is_rejected(stage: Stage) -> None:
    """Bob asks, and Ann does not want him to follow her."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # She blocks him. The reason `rejected` says that it is of no use to ask again (RFC 6665 §4.1.3).
    await ann.puts(CARD_RULES, rules(block(BOB)))
    await ann.receives(201)
    await bob.receives(notify("terminated", reason="rejected"))
    await bob.answers(200)

    # Bob's phone asks again all the same, first in the dialog that is over, then in a new one.
    await bob.refreshes()
    await bob.receives(481)
    await bob.subscribes(ANN)
    await bob.receives(403)


@flow
async def test_a_confirmed_watcher_is_blocked(stage: Stage) -> None:
    """Bob follows Ann, until she has had enough of him."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await stage.follows(bob, ANN)

    # The last NOTIFY has no body: nothing is shown any more.
    await ann.puts(CARD_RULES, rules(block(BOB)))
    await ann.receives(200)
    await bob.receives(notify("terminated", reason="rejected"))
    await bob.answers(200)


@flow
async def test_an_owner_looks_back(stage: Stage) -> None:
    """Ann has confirmed Bob, and blocked him later. Her list of relations keeps what she decided, and by which hand."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await stage.follows(bob, ANN)
    await ann.runs("block", ANN, BOB)
    await bob.receives(notify("terminated", reason="rejected"))
    await bob.answers(200)
    await ann.gets(RELATIONS)
    await ann.receives(200, shows_relation(BOB, "rejected"))


@flow
async def test_a_polite_block_cannot_be_told_from_a_card_that_shows_nothing(stage: Stage) -> None:
    """Bob is politely blocked. Carol is confirmed, and sees what happens meanwhile."""
    ann, bob, carol = stage.person("Ann"), await stage.phone("Bob"), await stage.phone("Carol")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(polite_block(BOB), allow(CAROL)))
    await stage.follows(carol, ANN)

    # Bob's subscription is active like any other. The name in the card, which every vCard must have, is the address
    # that Bob has asked for.
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("active", full(f"FN:{ANN}")))
    await bob.answers(200)

    # Ann has a new number. Carol is told, and Bob is not.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)
    await carol.receives(notify("active", difference("FN:Ann Example", "TEL;TYPE=work:+15550199")))
    await carol.answers(200)

    # When Bob's phone refreshes with the tag that it has, that is still the right one.
    await bob.refreshes(Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(204)
