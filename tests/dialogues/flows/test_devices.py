"""Devices: several at once, long absences, new addresses.

The server remembers of each device which view it acknowledged last, longer than any subscription. So whatever a device
missed, it is told one difference: from what it has to what it should have. A device is known by the `+sip.instance` of
its Contact, wherever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from abserver.sip.transport import Transport
from tests.dialogues.flows.expecting import difference, full, in_step, notify
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card(
    "FN:Ann Example",
    "ORG;X-LEVEL=public:Example Forecasting",
    "TEL;TYPE=work;X-LEVEL=work:+15550100",
    "TEL;TYPE=cell;X-LEVEL=friends:+15550101",
)
RULES = rules(allow(BOB, "friends"))


def friends(cell: str, name: str = "Ann Example") -> tuple[str, ...]:
    """What friends see."""
    return (f"FN:{name}", "ORG:Example Forecasting", f"TEL;TYPE=cell:{cell}")


@flow
async def test_two_devices_of_one_watcher_are_each_told(stage: Stage) -> None:
    """Bob has a phone and a tablet. The decision is about Bob, and each device has a subscription of its own."""
    ann, phone, tablet = stage.person("Ann"), await stage.phone("Bob"), await stage.phone("Bob", "tablet")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(phone, ANN)
    await stage.follows(tablet, ANN)

    # Both hold the same view, and get the same difference with the same tags.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)
    await phone.receives(notify("active", difference(*friends("+15550199"))))
    await phone.answers(200)
    await tablet.receives(notify("active", difference(*friends("+15550199")), SIP_ETag=phone.copy(ANN).tag))
    await tablet.answers(200)


@flow
async def test_a_device_that_was_off_gets_one_difference(stage: Stage) -> None:
    """Bob's phone is off for a month. Ann edits her card three times."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)

    # The battery is empty, and nobody unsubscribes. What the server sends to the phone is lost.
    await bob.switches_off()
    await ann.puts(CONTACT_CARD, b"<text>+15550177</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550188</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)
    await ann.puts(CONTACT_CARD, b"<text>Ann Newman</text>", node="vcards/vcard/fn/text")
    await ann.receives(200)

    # The phone comes back in another network. By its instance the server knows what it acknowledged last, and that it
    # keeps its copy, since it accepts differences. One difference has all that is new.
    await bob.switches_on()
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("active", difference(*friends("+15550188", "Ann Newman"))))
    await bob.answers(200)


@flow
async def test_a_device_comes_back_and_nothing_is_new(stage: Stage) -> None:
    """Bob's phone was off, and what changed meanwhile is hidden from him."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)
    await bob.switches_off()
    await ann.puts(CONTACT_CARD, b"<text>+15550188</text>", node="vcards/vcard/tel[1]/text")
    await ann.receives(200)

    # It says which view it has (RFC 5839 §5.1), and gets a NOTIFY without a body: that is the right one.
    await bob.switches_on()
    await bob.subscribes(ANN, Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(200)
    await bob.receives(notify("active", in_step))
    await bob.answers(200)


@flow
async def test_a_new_subscription_of_a_device_replaces_the_old_one(stage: Stage) -> None:
    """Bob's phone crashes, and subscribes anew when it is up again. It has forgotten the dialog that it had."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)

    # The same instance: the old subscription is over, silently.
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("active", in_step))
    await bob.answers(200)

    # A change is told once, in the new dialog; and the old one is not known any more.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*friends("+15550199"))))
    await bob.answers(200)
    await bob.refreshes(nth=0)
    await bob.receives(481)


@flow
async def test_a_device_has_lost_its_copy(stage: Stage) -> None:
    """Bob's phone finds that its copy is broken, and says that it has nothing: by a tag that cannot be one."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await stage.follows(bob, ANN)

    # The whole view comes, though the server knows that it was acknowledged before.
    await bob.refreshes(Suppress_If_Match="none")
    await bob.receives(200)
    await bob.receives(notify("active", full(*friends("+15550101"))))
    await bob.answers(200)


@flow
async def test_owners_follow_their_own_card(stage: Stage) -> None:
    """Ann edits her card on a computer, and her phone is to show it."""
    ann, phone = stage.person("Ann"), await stage.phone("Ann")
    await ann.has(CONTACT_CARD, CARD)

    # Nobody has to allow it, and the view is everything.
    await phone.subscribes(ANN)
    await phone.receives(200)
    everything = ("FN:Ann Example", "ORG:Example Forecasting", "TEL;TYPE=work:+15550100")
    await phone.receives(notify("active", full(*everything, "TEL;TYPE=cell:+15550101")))
    await phone.answers(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)
    await phone.receives(notify("active", difference(*everything, "TEL;TYPE=cell:+15550199")))
    await phone.answers(200)


@flow
async def test_a_phone_by_tcp(stage: Stage) -> None:
    """Bob's phone keeps a TCP connection. NOTIFYs come on it, as long as it is there."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob", over=Transport.TCP)
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("active", full(*friends("+15550101"))))
    await bob.answers(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)
    await bob.receives(notify("active", difference(*friends("+15550199"))))
    await bob.answers(200)


@flow
async def test_a_program_that_needs_a_body(stage: Stage) -> None:
    """JsSIP shows a NOTIFY to its application only if that has a body. The server knows it by its User-Agent, as
    docs/user-agents.md says, and sends the whole view where another device would get none.
    """
    ann, bob = stage.person("Ann"), await stage.phone("Bob", "browser")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, RULES)
    await bob.subscribes(ANN, User_Agent="JsSIP 3.13.0")
    await bob.receives(200)
    await bob.receives(notify("active", full(*friends("+15550101"))))
    await bob.answers(200)
    await bob.refreshes(User_Agent="JsSIP 3.13.0")
    await bob.receives(200)
    await bob.receives(notify("active", full(*friends("+15550101"))))
    await bob.answers(200)
