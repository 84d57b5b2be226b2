"""Wishes: filters, rates, and packed bodies.

A device may ask for less than it could have: for some items only (RFC 4660, RFC 4661), for fewer NOTIFYs (RFC 6446),
for smaller bodies. What it asks for holds for the dialog, and never shows more than the rules grant.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import difference, full, in_step, notify
from tests.dialogues.flows.flow import flow, flow_with
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules
from tests.support.filters import filter_set, include, one

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

REMARK = "In the office on Mondays and Tuesdays and Thursdays and at sea on all other days of the week."
FILTER = "application/simple-filter+xml"
CARD = card(
    "FN:Ann Example",
    "ORG;X-LEVEL=public:Example Forecasting",
    "TEL;TYPE=work;X-LEVEL=public:+15550100",
    "TEL;TYPE=cell;X-LEVEL=friends:+15550101",
    f"NOTE;X-LEVEL=public:{REMARK}",
)
SHOWN = ("FN:Ann Example", "ORG:Example Forecasting", "TEL;TYPE=work:+15550100", f"NOTE:{REMARK}")
CHANGED = ("FN:Ann Example", "ORG:Example Forecasting", "TEL;TYPE=work:+15550188", "NOTE:On leave.")
RULES = rules(allow(BOB))


@flow
async def test_a_filter_for_some_items(stage: Stage) -> None:
    """Bob's car has a phone which shows numbers, and nothing else."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob", "car")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)

    # The filter takes numbers from what he may see, so the hidden one is not among them. The name stays, since the
    # result is a vCard.
    await bob.subscribes(ANN, body=filter_set(one(include("//vc:tel"))), Content_Type=FILTER)
    await bob.receives(200)
    await bob.receives(notify("active", full("FN:Ann Example", "TEL;TYPE=work:+15550100")))
    await bob.answers(200)

    # What the filter leaves out changes, and that is nothing to be told: the tag is that of what he sees.
    await ann.puts(CONTACT_CARD, b"<text>On leave.</text>", node="vcards/vcard/note/text")
    await ann.receives(200)
    await bob.refreshes(Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(204)

    # A number changes. The filter is still there, though the refresh had none.
    await ann.puts(CONTACT_CARD, b"<text>+15550188</text>", node="vcards/vcard/tel[1]/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference("FN:Ann Example", "TEL;TYPE=work:+15550188")))
    await bob.answers(200)


@flow
async def test_a_filter_that_tells_when(stage: Stage) -> None:
    """Bob wants the whole card, and to be told when a number changes."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    trigger = "<trigger><changed>/vc:vcards/vc:vcard/vc:tel/vc:text</changed></trigger>"
    await bob.subscribes(ANN, body=filter_set(one(trigger)), Content_Type=FILTER)
    await bob.receives(200)
    await bob.receives(notify("active", full(*SHOWN)))
    await bob.answers(200)

    # A change of the note is not told at once; it comes along when a number changes.
    await ann.puts(CONTACT_CARD, b"<text>On leave.</text>", node="vcards/vcard/note/text")
    await ann.receives(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550188</text>", node="vcards/vcard/tel[1]/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*CHANGED)))
    await bob.answers(200)


@flow
async def test_a_filter_that_cannot_be_read(stage: Stage) -> None:
    """RFC 4660 §5.4: 488, and a Warning that says why. No subscription comes of it."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await bob.subscribes(ANN, body=filter_set(one(include("//vc:tel[position() = last()]"))), Content_Type=FILTER)
    await bob.receives(488)


@flow
async def test_fewer_notifies(stage: Stage) -> None:
    """Bob's phone asks for one NOTIFY in two seconds at most (RFC 6446 §5). Every NOTIFY repeats what was agreed."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await bob.subscribes(ANN, "contact-card;max-rate=0.5")
    await bob.receives(200)
    first = await bob.receives(notify("active", full(*SHOWN)))
    assert "max-rate=0.5" in (first.headers.get("Subscription-State") or "")
    await bob.answers(200)

    # Two changes within the two seconds are one NOTIFY after them.
    await ann.puts(CONTACT_CARD, b"<text>On leave.</text>", node="vcards/vcard/note/text")
    await ann.receives(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550188</text>", node="vcards/vcard/tel[1]/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*CHANGED)))
    await bob.answers(200)


@flow_with(notify={"min_rate": 2.0})
async def test_a_sign_of_life(stage: Stage) -> None:
    """Bob's phone asks for two NOTIFYs in a second at least, whether anything changes or not (RFC 6446 §6), and the
    operator allows that.
    """
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)
    await bob.refreshes(Event="contact-card;min-rate=2", Suppress_If_Match="none")
    await bob.receives(200)
    await bob.receives(notify("active", full(*SHOWN)))
    await bob.answers(200)

    # Half a second later, and nothing has changed.
    await bob.receives(notify("active", in_step))
    await bob.answers(200)
    await bob.unsubscribes()
    await bob.receives(200)
    await bob.receives(notify("terminated", in_step, reason="timeout"))
    await bob.answers(200)


@flow
async def test_packed_bodies(stage: Stage) -> None:
    """Bob's phone has a slow line: it packs the filter that it sends, and takes packed bodies."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    packed = gzip.compress(filter_set(one(include("//vc:tel", "//vc:note"))), mtime=0)
    await bob.subscribes(
        ANN, body=packed, Content_Type=FILTER, Content_Encoding="gzip", Accept_Encoding="gzip, deflate;q=0.5"
    )
    await bob.receives(200)
    await bob.receives(
        notify("active", full("FN:Ann Example", "TEL;TYPE=work:+15550100", f"NOTE:{REMARK}"), Content_Encoding="gzip")
    )
    await bob.answers(200)
