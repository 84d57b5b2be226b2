"""Authentication: who it is that asks.

The From header is a claim. The watcher is whoever answers the digest challenge, in SIP and in HTTP with the same
password, or whom a trusted proxy asserts; see docs/security.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import full, notify
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example")


@flow
async def test_a_subscribe_is_challenged(stage: Stage) -> None:
    """Bob's phone has no proxy that vouches for it. It knows Bob's password."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    bob.has_a_password()

    # One challenge for each algorithm (RFC 8760 §2.3). The phone takes the first that it knows.
    await bob.subscribes(ANN)
    await bob.receives(401)
    await bob.tries_again()
    await bob.receives(200)
    await bob.receives(notify("active", full("FN:Ann Example")))
    await bob.answers(200)

    # The nonce is good for more: what comes next is signed at once.
    await bob.refreshes(Suppress_If_Match=bob.copy(ANN).tag)
    await bob.receives(204)


@flow
async def test_a_wrong_password(stage: Stage) -> None:
    """Somebody else says to be Bob. The answer is the same as for a user that does not exist."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    bob.has_a_password("guessed")
    await bob.subscribes(ANN)
    await bob.receives(401)
    await bob.tries_again()
    await bob.receives(401)


@flow
async def test_a_request_for_a_document_is_challenged(stage: Stage) -> None:
    """The same by HTTP (RFC 7616)."""
    ann = stage.person("Ann")
    ann.has_a_password()
    await ann.puts(CONTACT_CARD, CARD)
    await ann.receives(401)
    await ann.receives(201)
    await ann.gets(CONTACT_CARD, node="vcards/vcard/fn/text")
    await ann.receives(200)
