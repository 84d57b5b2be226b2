"""Conditions: rules that take effect by themselves.

A rule may hold for a time, while its owner is at work, or for whoever is on a list (RFC 4745 §7, OMA XDM). When the
clock, the owner's sphere or the list passes it, the watchers' devices hear of it as of an edit of the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import full, notify
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.house import ROOT
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules
from xcap.core.usages.pidf_manipulation import PIDF_MANIPULATION
from xcap.core.usages.resource_lists import RESOURCE_LISTS

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example", "TEL;X-LEVEL=public:+15550100")
SHOWN = ("FN:Ann Example", "TEL:+15550100")
LISTS = f"{ROOT}/resource-lists/users/{ANN}/index"


def allow_if(condition: str) -> bytes:
    """A rule that shows what is public where a condition holds."""
    return (
        f'<rule id="r1"><conditions>{condition}</conditions><actions>'
        '<card-handling xmlns="urn:abserver:xml:ns:card-rules">allow</card-handling></actions></rule>'
    ).encode()


def presence(sphere: str) -> bytes:
    """Ann's presence, as far as it is permanent: the sphere that she is in (RFC 4480)."""
    return (
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"'
        f' xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="{ANN}">'
        f'<dm:person id="p1"><rpid:sphere><rpid:{sphere}/></rpid:sphere></dm:person></presence>'
    ).encode()


@flow
async def test_a_rule_begins_and_ends_by_itself(stage: Stage) -> None:
    """Ann shares her card with Bob for the hours of a conference, and has said so before. Here they are seconds."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)

    # The rule names the time (RFC 4745 §7.3).
    begins, ends = stage.moment(1.5, "2026-03-02T10:00:00Z"), stage.moment(2.5, "2026-03-02T18:00:00Z")
    validity = f"<validity><from>{begins}</from><until>{ends}</until></validity>"
    await ann.puts(CARD_RULES, rules(allow(BOB).replace(b"</conditions>", validity.encode() + b"</conditions>")))
    await ann.receives(201)
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # At ten o'clock Bob's phone gets the card, and nobody has done anything.
    await bob.receives(notify("active", full(*SHOWN)))
    await bob.answers(200)

    # At six it is over.
    await bob.receives(notify("pending"))
    await bob.answers(200)


@flow
async def test_an_owner_goes_to_work(stage: Stage) -> None:
    """Whoever asks may see Ann's card while she is at work. She is at home."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(PIDF_MANIPULATION, presence("home"))
    await ann.puts(CARD_RULES, rules(allow_if('<sphere value="work"/>')))
    await ann.receives(201)
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # Her presence client says where she is now (RFC 4827). The rules stay as they are, and say something else.
    await ann.puts(PIDF_MANIPULATION, presence("work"))
    await ann.receives(200)
    await bob.receives(notify("active", full(*SHOWN)))
    await bob.answers(200)
    await ann.puts(PIDF_MANIPULATION, presence("home"))
    await ann.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)


@flow
async def test_a_watcher_comes_onto_a_list(stage: Stage) -> None:
    """Ann's rule is for her friends, who are a list in her resource lists (RFC 4826)."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    lists = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends"/></resource-lists>'
    await ann.has(RESOURCE_LISTS, lists.encode())
    anchor = f"{LISTS}/~~/resource-lists/list%5B@name=%22friends%22%5D"
    condition = f'<external-list xmlns="urn:oma:xml:xdm:common-policy"><entry anc="{anchor}"/></external-list>'
    await ann.puts(CARD_RULES, rules(allow_if(condition)))
    await ann.receives(201)
    await bob.subscribes(ANN)
    await bob.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # Bob becomes a friend.
    entry = f'resource-lists/list[@name="friends"]/entry[@uri="{BOB}"]'
    await ann.puts(RESOURCE_LISTS, f'<entry uri="{BOB}"/>'.encode(), node=entry)
    await ann.receives(201)
    await bob.receives(notify("active", full(*SHOWN)))
    await bob.answers(200)

    # And is one no more.
    await ann.deletes(RESOURCE_LISTS, node=entry)
    await ann.receives(200)
    await bob.receives(notify("pending"))
    await bob.answers(200)
