"""Changes of a card, and who hears of them.

A change is told to those whose view of the card it changes, and to nobody else. What a device gets is the difference
between the view that it has and the view that it should have, if it keeps a copy and that is shorter; never a part of
what its owner wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import difference, full, notify
from tests.dialogues.flows.flow import flow, flow_with
from tests.dialogues.flows.scenery import ANN, BOB, CAROL, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card(
    "FN:Ann Example",
    "ORG;X-LEVEL=public:Example Forecasting",
    "TEL;TYPE=work;X-LEVEL=work:+15550100",
    "TEL;TYPE=cell;X-LEVEL=friends:+15550101",
    "EMAIL;X-LEVEL=friends:ann@home.example",
)


@flow
async def test_a_change_of_one_item_is_told_as_a_difference(stage: Stage) -> None:
    """Bob, a friend, and Carol, from work, follow Ann. She has a new mobile number, which friends may see."""
    ann, bob, carol = stage.person("Ann"), await stage.phone("Bob"), await stage.phone("Carol")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB, "friends"), allow(CAROL, "work")))
    await stage.follows(bob, ANN)
    await stage.follows(carol, ANN)

    # Ann puts one element, the value of her second number, and leaves the rest of the card as it is.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)

    # Bob's view has one number only: in the difference it is the third child of the card, whatever its place in Ann's.
    # `base` names the view that the difference applies to, and SIP-ETag the one that comes of it.
    await bob.receives(
        notify(
            "active",
            difference(
                "FN:Ann Example", "ORG:Example Forecasting", "TEL;TYPE=cell:+15550199", "EMAIL:ann@home.example"
            ),
        )
    )
    await bob.answers(200)

    # Carol may not see that number, and is not told. The next change, of the number for work, is told to her alone; her
    # NOTIFY has the number that follows her last one, so there was none between.
    await ann.puts(CONTACT_CARD, b"<text>+15550188</text>", node="vcards/vcard/tel[1]/text")
    await ann.receives(200)
    await carol.receives(
        notify("active", difference("FN:Ann Example", "ORG:Example Forecasting", "TEL;TYPE=work:+15550188"))
    )
    await carol.answers(200)
    await bob.refreshes(Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(204)


@flow
async def test_a_hidden_item_changes_without_a_word(stage: Stage) -> None:
    """Bob sees what is public. Ann adds, changes and removes an item that nobody may see."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await stage.follows(bob, ANN)

    # Three versions of the card, and Bob's phone hears of none: not even by the tag of his view, which is made of what
    # he sees and of nothing else.
    note = b"<note><parameters><x-level><text>private</text></x-level></parameters><text>%s</text></note>"
    await ann.puts(CONTACT_CARD, note % b"Dentist on Friday", node="vcards/vcard/note")
    await ann.receives(201)
    await ann.puts(CONTACT_CARD, note % b"Dentist on Monday", node="vcards/vcard/note")
    await ann.receives(200)
    await ann.deletes(CONTACT_CARD, node="vcards/vcard/note")
    await ann.receives(200)
    await bob.refreshes(Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(204)


@flow
async def test_a_wider_and_a_narrower_rule_are_changes_too(stage: Stage) -> None:
    """Bob sees Ann's number for work. The card stays as it is, and her rules change."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB, "work")))
    await stage.follows(bob, ANN)

    # He becomes a friend: two more items.
    await ann.puts(CARD_RULES, rules(allow(BOB, "work", "friends")))
    await ann.receives(200)
    work = ("FN:Ann Example", "ORG:Example Forecasting", "TEL;TYPE=work:+15550100")
    private = ("TEL;TYPE=cell:+15550101", "EMAIL:ann@home.example")
    await bob.receives(notify("active", difference(*work, *private)))
    await bob.answers(200)

    # And is one no more: they are to go.
    before = bob.copy(ANN).tag
    await ann.puts(CARD_RULES, rules(allow(BOB, "work")))
    await ann.receives(200)
    await bob.receives(notify("active", difference(*work)))
    await bob.answers(200)
    assert bob.copy(ANN).tag != before


@flow_with(notify={"card_pace": 2.0})
async def test_quick_changes_are_told_together(stage: Stage) -> None:
    """Ann tidies up her card. The server tells a device of one change at once, and of the next after a pause; here it
    is two seconds, and it has just begun with the NOTIFY that Bob's phone got before.
    """
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB, "friends", "work")))
    await stage.follows(bob, ANN)

    # Three edits, each of them answered when it is kept for good.
    await ann.puts(CONTACT_CARD, b"<text>+15550188</text>", node="vcards/vcard/tel[1]/text")
    await ann.receives(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)
    await ann.deletes(CONTACT_CARD, node="vcards/vcard/email")
    await ann.receives(200)

    # One difference has them all.
    await bob.receives(
        notify(
            "active",
            difference(
                "FN:Ann Example",
                "ORG:Example Forecasting",
                "TEL;TYPE=work:+15550188",
                "TEL;TYPE=cell:+15550199",
            ),
        )
    )
    await bob.answers(200)


@flow
async def test_a_simple_client_gets_text(stage: Stage) -> None:
    """Bob's desk phone knows vCards as text, and keeps nothing: it gets the whole view each time."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob", "desk phone")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB, "work")))

    # What it accepts decides. The tag names a form of the view as well.
    await bob.subscribes(ANN, Accept="text/vcard")
    await bob.receives(200)
    shown = ("FN:Ann Example", "ORG:Example Forecasting")
    await bob.receives(notify("active", full(*shown, "TEL;TYPE=work:+15550100"), Content_Type="text/vcard"))
    await bob.answers(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550188</text>", node="vcards/vcard/tel[1]/text")
    await ann.receives(200)
    await bob.receives(notify("active", full(*shown, "TEL;TYPE=work:+15550188"), Content_Type="text/vcard"))
    await bob.answers(200)


@flow
async def test_an_owner_sees_what_a_watcher_sees(stage: Stage) -> None:
    """Ann would like to know what is left of her card for Bob, before she says anything to him."""
    ann = stage.person("Ann")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB, "friends")))
    shown = await ann.runs("see-as", ANN, BOB)
    assert "+15550101" in shown
    assert "+15550100" not in shown
