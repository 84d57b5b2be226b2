"""Changes of documents: `xcap-diff`.

A user's devices can be told what changes in the user's own documents (RFC 5875), so that an address book that was
edited on one is up to date on all. The cards that others share are documents too, and so one subscription follows
everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.usages import ADDRESS_BOOK, CARD_RULES, CONTACT_CARD, SHARED_CARDS
from tests.dialogues.flows.expecting import notify, resources
from tests.dialogues.flows.flow import flow
from tests.dialogues.flows.scenery import ANN, BOB, DAN, allow, block, card, rules
from tests.support.diffs import resource_lists

if TYPE_CHECKING:
    from tests.dialogues.flows.stage import Stage

LISTS = "application/resource-lists+xml"
BOOK = f"{ADDRESS_BOOK.auid}/users/{BOB}/index"
SHARED = f"{SHARED_CARDS.auid}/users/{BOB}/"


def book(name: str) -> bytes:
    """An address book with one entry."""
    contact = f'<vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"><fn><text>{name}</text></fn></vcard>'
    entry = f'<entry id="e1">{contact}</entry>'
    return f'<address-book xmlns="{ADDRESS_BOOK.default_namespace}">{entry}</address-book>'.encode()


@flow
async def test_an_address_book_is_edited_on_another_device(stage: Stage) -> None:
    """Bob's phone wants to know when his address book changes. It names the document in a list."""
    bob, phone = stage.person("Bob", "computer"), await stage.phone("Bob")
    await bob.has(ADDRESS_BOOK, book("Gerda"))

    # The first NOTIFY tells what there is: the document, and the entity-tag of its version.
    await phone.subscribes(BOB, "xcap-diff", body=resource_lists(BOOK), Content_Type=LISTS)
    await phone.receives(200)
    await phone.receives(notify("active", resources((BOOK, "there"))))
    await phone.answers(200)

    # A change, told by the tags before and after. The phone gets the document when it likes.
    await bob.puts(ADDRESS_BOOK, book("Gerda Example"))
    await bob.receives(200)
    await phone.receives(notify("active", resources((BOOK, "changed"))))
    await phone.answers(200)

    # And the end of it.
    await bob.deletes(ADDRESS_BOOK)
    await bob.receives(200)
    await phone.receives(notify("active", resources((BOOK, "gone"))))
    await phone.answers(200)


@flow
async def test_changes_come_as_patches(stage: Stage) -> None:
    """The same with `diff-processing=xcap-patching` (RFC 5875 §4.3): the phone keeps the document, and patches it."""
    bob, phone = stage.person("Bob", "computer"), await stage.phone("Bob")
    await bob.has(ADDRESS_BOOK, book("Gerda"))
    event = "xcap-diff;diff-processing=xcap-patching"
    await phone.subscribes(BOB, event, body=resource_lists(BOOK), Content_Type=LISTS)
    await phone.receives(200)
    await phone.receives(notify("active", resources((BOOK, "there"))))
    await phone.answers(200)
    await bob.puts(ADDRESS_BOOK, book("Gerda Example"))
    await bob.receives(200)
    await phone.receives(notify("active", resources((BOOK, "patched"))))
    await phone.answers(200)


@flow
async def test_one_element_is_watched(stage: Stage) -> None:
    """Bob's phone wants to know one name only: an element of the document, which comes with what is in it."""
    bob, phone = stage.person("Bob", "computer"), await stage.phone("Bob")
    await bob.has(ADDRESS_BOOK, book("Gerda"))
    entry = BOOK + "/~~/address-book/entry%5B@id=%22e1%22%5D"
    await phone.subscribes(BOB, "xcap-diff", body=resource_lists(entry), Content_Type=LISTS)
    await phone.receives(200)
    await phone.receives(notify("active", resources((entry, "shown"))))
    await phone.answers(200)
    await bob.puts(ADDRESS_BOOK, book("Gerda Example"))
    await bob.receives(200)
    await phone.receives(notify("active", resources((entry, "shown"))))
    await phone.answers(200)


@flow
async def test_one_subscription_follows_everybody(stage: Stage) -> None:
    """Bob's phone subscribes to the collection of the cards that others share with him. Ann shares hers; Dan will."""
    ann, dan, phone = stage.person("Ann"), stage.person("Dan"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, card("FN:Ann Example", "TEL;X-LEVEL=public:+15550100", "NOTE;X-LEVEL=private:Secret"))
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await dan.has(CONTACT_CARD, card("FN:Dan Example"))
    await stage.polled(phone, ANN, DAN)

    # The collection is a folder of documents: its URI ends with a slash.
    await phone.subscribes(BOB, "xcap-diff", body=resource_lists(SHARED), Content_Type=LISTS)
    await phone.receives(200)
    await phone.receives(notify("active", resources((SHARED + ANN, "there"))))
    await phone.answers(200)

    # Dan shares his card: there is a new document.
    await dan.puts(CARD_RULES, rules(allow(BOB)))
    await dan.receives(201)
    await phone.receives(notify("active", resources((SHARED + DAN, "there"))))
    await phone.answers(200)

    # Ann changes what Bob may not see, and then what he may. The one NOTIFY is for the latter.
    await ann.puts(CONTACT_CARD, b"<text>More secret</text>", node="vcards/vcard/note/text")
    await ann.receives(200)
    await ann.puts(CONTACT_CARD, b"<text>+15550199</text>", node="vcards/vcard/tel/text")
    await ann.receives(200)
    await phone.receives(notify("active", resources((SHARED + ANN, "changed"))))
    await phone.answers(200)

    # Dan has enough.
    await dan.puts(CARD_RULES, rules(block(BOB)))
    await dan.receives(200)
    await phone.receives(notify("active", resources((SHARED + DAN, "gone"))))
    await phone.answers(200)
