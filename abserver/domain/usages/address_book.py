"""A watcher's own contacts: one document `index` with an entry for each.

An entry that follows an owner has two layers. What the owner shares is in the watcher's shared cards, where nobody but
the server writes; the <vcard> of the entry holds the watcher's own notes, which nobody but the watcher writes. Reading
an address book lays them over each other, so an entry that follows needs no name of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.card import VCARD
from abserver.domain.identity import InvalidAor, parse_aor
from abserver.domain.usages.contact_card import check_properties
from xcap.core.errors import ConstraintFailure, NotUnique, UniquenessFailure
from xcap.core.uri import encode_node
from xcap.core.usage import ApplicationUsage
from xcap.core.usages.checks import root_is
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from lxml import etree

AUID = "org.abserver.address-book"
NAMESPACE = "urn:abserver:xml:ns:address-book"

_ENTRY = f"{{{NAMESPACE}}}entry"
_CARD = f"{{{VCARD}}}vcard"


def _check(document: etree._Element, owner: str | None) -> None:
    """Entries are told apart by their ids, and there is one for each owner who is followed."""
    ids: set[str] = set()
    followed: set[str] = set()
    for position, entry in enumerate(document.iterchildren(_ENTRY), 1):
        _take(ids, entry.get("id", ""), position, "id")
        owner_followed = entry.get("follows")
        if owner_followed is not None:
            _take(followed, _address(owner_followed, entry), position, "follows")
        card = entry.find(_CARD)
        if card is not None:
            check_properties(card, named=owner_followed is None)
        elif owner_followed is None:
            raise ConstraintFailure(f"line {entry.sourceline}: an entry has a <vcard>, or follows somebody")


def _take(values: set[str], value: str, position: int, attribute: str) -> None:
    """Raises UniquenessFailure for a value that an entry before has."""
    if value in values:
        raise UniquenessFailure([NotUnique(encode_node(f"address-book/entry[{position}]/@{attribute}", {}))])
    values.add(value)


def _address(text: str, entry: etree._Element) -> str:
    try:
        return parse_aor(text)
    except InvalidAor:
        raise ConstraintFailure(f"line {entry.sourceline}: follows must be an address like sip:user@domain") from None


ADDRESS_BOOK = ApplicationUsage(
    auid=AUID,
    media_type="application/vnd.abserver.address-book+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE, VCARD),
    schema=load_schema("abserver.domain", "schemas/address-book.xsd"),
    constraints=(root_is(NAMESPACE, "address-book"), _check),
)
