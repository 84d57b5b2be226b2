"""Restarts: what is left after a power failure.

Whatever the server has answered is kept for good, and subscriptions live on: no device has to subscribe again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import difference, notify
from tests.dialogues.flows.flow import flow_with
from tests.dialogues.flows.scenery import ANN, BOB, CAROL, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card(
    "FN:Ann Example",
    "ORG;X-LEVEL=public:Example Forecasting",
    "TEL;TYPE=work;X-LEVEL=work:+15550100",
    "TEL;TYPE=cell;X-LEVEL=friends:+15550101",
)


@flow_with(own_process=True)
async def test_a_server_is_killed_and_started_again(stage: Stage) -> None:
    """Bob and Carol follow Ann. The server's process is killed (SIGKILL), and started again."""
    ann, bob, carol = stage.person("Ann"), await stage.phone("Bob"), await stage.phone("Carol")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB, "friends"), allow(CAROL, "work")))
    await stage.follows(bob, ANN)
    await stage.follows(carol, ANN)

    # The last that the server says before the end: Carol's subscription is prolonged. It is on the disk then.
    await carol.refreshes(Suppress_If_Match=carol.copy(ANN).tag)
    await carol.receives(204)
    await stage.restarts()

    # Ann edits, and Bob's phone is told in the dialog that it had. The number of the NOTIFY is higher than any before;
    # the server had reserved some, and does not know which of them it has used.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)
    shown = difference("FN:Ann Example", "ORG:Example Forecasting", "TEL;TYPE=cell:+15550199")
    await bob.receives(notify("active", shown, gap=True))
    await bob.answers(200)

    # Carol has heard nothing, since nothing is new for her; her subscription is there too.
    await carol.refreshes(Suppress_If_Match=carol.copy(ANN).tag)
    await carol.receives(204)
