"""Users who are told what changes in their documents, as stories."""

from __future__ import annotations

from abserver.domain.usages import ADDRESS_BOOK
from tests.support.diffs import etags, path, subscribe
from tests.support.documents import BOB
from tests.support.world import World, story
from xcap.ports import DocumentKey

BOOK = DocumentKey(ADDRESS_BOOK.auid, BOB, "index")


def book(*names: str) -> bytes:
    """An address book with an entry for each name."""
    card = '<vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"><fn><text>{0}</text></fn></vcard>'
    entries = "".join(f'\n<entry id="{n}">{card.format(name)}</entry>' for n, name in enumerate(names))
    return f'<address-book xmlns="{ADDRESS_BOOK.default_namespace}">{entries}</address-book>'.encode()


@story
async def test_a_device_hears_of_what_another_one_of_its_user_writes(world: World) -> None:
    first = await world.put(BOOK, book("Ann"))
    bob = await world.phone(BOB)
    response = await subscribe(bob, path(BOOK))
    assert response.status == 200
    await world.pass_time()
    assert etags(bob.last) == {path(BOOK): (None, first)}
    second = await world.put(BOOK, book("Ann", "Dan"))
    await world.pass_time(10)
    assert etags(bob.last) == {path(BOOK): (first, second)}
    assert len(bob.notifies) == 2
