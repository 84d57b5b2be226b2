"""Watcher information: who asks, told to the owner's phone.

A phone that knows the watcher information of RFC 3857 for presence shows requests for a contact card in the same way:
it subscribes to `contact-card.winfo`. A watcher who does so sees what became of his own request, and nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import full, in_step, notify, watchers
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.scenery import ANN, BOB, CAROL, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

WINFO = "contact-card.winfo"
CARD = card("FN:Ann Example")


@flow
async def test_an_owner_sees_a_request_come_and_decides(stage: Stage) -> None:
    """Ann's phone shows who asks for her card."""
    ann, phone, bob = stage.person("Ann"), await stage.phone("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)

    # The first document is `full`, and there is nobody.
    await phone.subscribes(ANN, WINFO)
    await phone.receives(200)
    await phone.receives(notify("active", watchers(0)))
    await phone.answers(200)

    # Bob asks. Ann's phone is told of what is new only: a `partial` document, one version up.
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)
    await phone.receives(notify("active", watchers(1, (BOB, "pending", "subscribe"), partial=True)))
    await phone.answers(200)

    # Her phone asks her, and puts a rule. Both devices hear of it.
    await ann.puts(CARD_RULES, rules(allow(BOB)))
    await ann.receives(201)
    await bob.receives(notify("active", full("FN:Ann Example")))
    await bob.answers(200)
    await phone.receives(notify("active", watchers(2, (BOB, "active", "approved"), partial=True)))
    await phone.answers(200)

    # Bob's phone leaves.
    await bob.unsubscribes()
    await bob.receives(200)
    await bob.receives(notify("terminated", in_step, reason="timeout"))
    await bob.answers(200)
    await phone.receives(notify("active", watchers(3, (BOB, "terminated", "timeout"), partial=True)))
    await phone.answers(200)


@flow
async def test_an_owner_comes_back_later(stage: Stage) -> None:
    """Bob asked while Ann's phone was off, and his own is off by now."""
    ann, phone, bob = stage.person("Ann"), await stage.phone("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await stage.asks(bob, ANN)
    await bob.unsubscribes()
    await bob.receives(200)
    await bob.receives(notify("terminated", reason="timeout"))
    await bob.answers(200)

    # His request waits for her.
    await phone.subscribes(ANN, WINFO)
    await phone.receives(200)
    await phone.receives(notify("active", watchers(0, (BOB, "waiting", "timeout"))))
    await phone.answers(200)


@flow
async def test_watchers_see_themselves_only(stage: Stage) -> None:
    """Bob awaits a decision, and Carol is confirmed. Bob would like to know how things stand, and who else follows."""
    ann, bob, carol = stage.person("Ann"), await stage.phone("Bob"), await stage.phone("Carol")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(CAROL)))
    await stage.follows(carol, ANN)
    await stage.asks(bob, ANN)

    # He gets his own row (RFC 3857 §4.6), as if there were no others.
    await bob.subscribes(ANN, WINFO)
    await bob.receives(200)
    await bob.receives(notify("active", watchers(0, (BOB, "pending", "subscribe"))))
    await bob.answers(200)
    await carol.unsubscribes()
    await carol.receives(200)
    await carol.receives(notify("terminated", in_step, reason="timeout"))
    await carol.answers(200)

    # That Carol left makes no difference to him; the decision does.
    await ann.puts(CARD_RULES, rules(allow(CAROL), allow(BOB)))
    await ann.receives(200)
    await bob.receives(notify("active", watchers(1, (BOB, "active", "approved"), partial=True), event=WINFO))
    await bob.answers(200)
    await bob.receives(notify("active", full("FN:Ann Example"), event="contact-card"))
    await bob.answers(200)


@flow
async def test_strangers_see_nothing(stage: Stage) -> None:
    """Dan has never asked for Ann's card."""
    ann, dan = stage.person("Ann"), await stage.phone("Dan")
    await ann.has(CONTACT_CARD, CARD)
    await dan.subscribes(ANN, WINFO)
    await dan.receives(403)
