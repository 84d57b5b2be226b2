"""Asking, and being answered by the owner.

Whoever wants to follow a card subscribes to its owner's address. The server never waits for a human: who is not decided
yet is `pending` and sees nothing; the owner decides by an edit of the card rules, whenever that is, and by whichever
hand. The decision reaches the devices in the dialog that they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD, RELATIONS
from tests.dialogues.flows.expecting import difference, full, notify
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules, shows_relation

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example", "TEL;TYPE=work;X-LEVEL=public:+15550100", "TEL;TYPE=cell;X-LEVEL=friends:+15550101")
FOR_FRIENDS = full("FN:Ann Example", "TEL;TYPE=work:+15550100", "TEL;TYPE=cell:+15550101")


@flow
async def test_a_request_is_pending_until_the_owner_confirms(stage: Stage) -> None:
    """Bob's phone asks for Ann's card. She has not heard of him yet, and decides some time later."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)

    # Bob's phone accepts the full view and differences from it. The answer is 200 at once, and says nothing about Ann's
    # decision; the first NOTIFY does.
    await bob.subscribes(ANN)
    await bob.receives(200, Expires="3600")
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # Ann's list of relations shows who asks.
    await ann.gets(RELATIONS)
    await ann.receives(200, shows_relation(BOB, "pending"))

    # She confirms by a rule: Bob may see what is `public`, and what is for `friends`.
    await ann.puts(CARD_RULES, rules(allow(BOB, "friends")))
    await ann.receives(201)

    # Bob's phone is told at once, in the dialog that it has, and gets what the rule grants: a vCard without any trace
    # of the levels, or of what else there may be.
    await bob.receives(notify("active", FOR_FRIENDS))
    await bob.answers(200)


@flow
async def test_an_owner_confirms_at_the_command_line(stage: Stage) -> None:
    """The same, decided by another hand: the commands edit the same card rules, by XCAP."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # Ann approves.
    assert "friends, public" in await ann.runs("approve", ANN, BOB, "--level", "friends")
    await bob.receives(notify("active", FOR_FRIENDS))
    await bob.answers(200)


@flow
async def test_who_was_approved_in_advance_is_active_at_once(stage: Stage) -> None:
    """Ann has a rule about Bob before he asks."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB, "friends")))

    # Nobody is asked, and the first NOTIFY brings the card.
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("active", FOR_FRIENDS))
    await bob.answers(200)


@flow
async def test_a_request_outlives_its_subscription(stage: Stage) -> None:
    """Bob asks, and gives up for today. Ann finds his request when she comes back."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # Bob unsubscribes, undecided. The last NOTIFY says that the subscription is over, and no more.
    await bob.unsubscribes()
    await bob.receives(200, Expires="0")
    await bob.receives(notify("terminated", reason="timeout"))
    await bob.answers(200)

    # His request waits (the state `waiting` of RFC 3857), and Ann decides while nobody is there.
    await ann.gets(RELATIONS)
    await ann.receives(200, shows_relation(BOB, "waiting"))
    await ann.puts(CARD_RULES, rules(allow(BOB)))
    await ann.receives(201)
    await ann.gets(RELATIONS)
    await ann.receives(200, shows_relation(BOB, "confirmed"))

    # When Bob's phone asks again, in a new dialog, it is let in at once.
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("active", full("FN:Ann Example", "TEL;TYPE=work:+15550100")))
    await bob.answers(200)


@flow
async def test_an_owner_takes_a_confirmation_back(stage: Stage) -> None:
    """Ann deletes her rule about Bob: he is undecided again, which is not the same as refused."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await stage.follows(bob, ANN)

    # The rules go. Bob's phone is told that it is pending, and what it has already nobody can take back.
    await ann.deletes(CARD_RULES)
    await ann.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # Ann edits her card; Bob, who is not admitted any more, hears nothing of it. Then she lets him in again, and his
    # phone gets what is new: the difference from the copy that it kept.
    await ann.puts(CONTACT_CARD, b"<text>Ann Newman</text>", node="vcards/vcard/fn/text")
    await ann.receives(200)
    await ann.puts(CARD_RULES, rules(allow(BOB)))
    await ann.receives(201)
    await bob.receives(notify("active", difference("FN:Ann Newman", "TEL;TYPE=work:+15550100")))
    await bob.answers(200)


@flow
async def test_a_request_that_nobody_decides_about_is_given_up(stage: Stage) -> None:
    """Bob has asked, and Ann never decides. The server keeps requests for 30 days, unless the operator says otherwise.

    (A phone refreshes its subscription in these days, which is left out here.)
    """
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await stage.asks(bob, ANN)
    await stage.pass_days(31)

    # RFC 3857 §4.7.1 has the event `giveup` for this, and RFC 6665 §4.1.3 the reason: the phone may ask again, later.
    await bob.receives(notify("terminated", reason="giveup", gap=True))
    await bob.answers(200)
    await ann.gets(RELATIONS)
    await ann.receives(200, shows_relation(BOB, "ended"))
