"""Documents by XCAP: an owner's card and rules, and what others may read of them.

The owner's own hand is XCAP (RFC 4825), whatever program it is in: whole documents, or one element of them. A watcher
reads the view of a card as a document of his own, the same to the byte as a NOTIFY brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import CARD_RULES, CONTACT_CARD, SHARED_CARDS
from tests.dialogues.flows.expecting import full, notify
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

CARD = card("FN:Ann Example", "TEL;TYPE=work;X-LEVEL=public:+15550100", "TEL;TYPE=cell;X-LEVEL=friends:+15550101")


@flow
async def test_a_card_is_made_and_edited(stage: Stage) -> None:
    """Ann makes her card, and edits it item by item."""
    ann = stage.person("Ann")
    await ann.puts(CONTACT_CARD, CARD)
    await ann.receives(201)

    # One element is replaced; `[2]` counts the elements of that name (RFC 4825 §6.3). The answer has the entity-tag of
    # the new version.
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel[2]/text")
    await ann.receives(200)

    # One is added, and one removed.
    await ann.puts(CONTACT_CARD, b"<title><text>Forecaster</text></title>", node="vcards/vcard/title")
    await ann.receives(201)
    await ann.deletes(CONTACT_CARD, node="vcards/vcard/tel[2]")
    await ann.receives(200)

    # Nothing else has changed.
    await ann.gets(CONTACT_CARD)
    await ann.receives(200)


@flow
async def test_two_edits_of_one_version(stage: Stage) -> None:
    """Ann has two programs. Both have read the same version, and each says so in what it writes."""
    ann, other = stage.person("Ann"), stage.person("Ann", "other program")
    await ann.has(CONTACT_CARD, CARD)
    await ann.gets(CONTACT_CARD, node="vcards/vcard/fn/text")
    await ann.receives(200)
    read = f'"{ann.etag}"'
    await other.puts(CONTACT_CARD, b"<text>Ann Newman</text>", node="vcards/vcard/fn/text", If_Match=read)
    await other.receives(200)

    # The second is told that the version is gone, and nobody's edit is lost.
    await ann.puts(CONTACT_CARD, b"<text>Ann Oldman</text>", node="vcards/vcard/fn/text", If_Match=read)
    await ann.receives(412)


@flow
async def test_an_edit_that_would_break_the_card(stage: Stage) -> None:
    """A card without a name is no vCard. 409 says what is wrong, in the document of RFC 4825 §11."""
    ann = stage.person("Ann")
    await ann.has(CONTACT_CARD, CARD)
    await ann.deletes(CONTACT_CARD, node="vcards/vcard/fn")
    await ann.receives(409, Content_Type="application/xcap-error+xml")


@flow
async def test_a_watcher_reads_the_view_as_a_document(stage: Stage) -> None:
    """Bob follows Ann on his phone, and reads the same with a program that knows XCAP only."""
    ann, program, phone = stage.person("Ann"), stage.person("Bob", "program"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))

    # The NOTIFY and the answer to GET have the same entity-tag, and the same body.
    await phone.subscribes(ANN)
    await phone.receives(200)
    await phone.receives(notify("active", full("FN:Ann Example", "TEL;TYPE=work:+15550100")))
    await phone.answers(200)
    view = phone.copy(ANN)

    def is_the_view(content: bytes) -> None:
        assert content == view.content

    await program.gets(SHARED_CARDS, name=ANN)
    await program.receives(200, is_the_view, ETag=f'"{view.tag}"')

    # One item of it; and nothing, if nothing is new.
    await program.gets(SHARED_CARDS, name=ANN, node="vcards/vcard/tel/text")
    await program.receives(200)
    await program.gets(SHARED_CARDS, name=ANN, If_None_Match=f'"{view.tag}"')
    await program.receives(304)


@flow
async def test_documents_of_others_are_not_read(stage: Stage) -> None:
    """Bob may follow Ann's card, which is not to say that he may read what she keeps."""
    ann, bob = stage.person("Ann"), stage.person("Bob")
    await ann.has(CONTACT_CARD, CARD)
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await bob.gets(CONTACT_CARD, of=ANN)
    await bob.receives(403)
    await bob.gets(CARD_RULES, of=ANN)
    await bob.receives(403)
