"""What owners share with a watcher: computed, in the watcher's tree, a document for each owner who shows something.

A document is the watcher's view of the card: the same octets and the same tag as in a NOTIFY of `contact-card`.
Its name is the owner's address.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from abserver.domain.card import VCARD
from abserver.domain.identity import NO_ALIASES, Aor, Identities, InvalidAor, Owner
from abserver.domain.usages.contact_card import CONTACT_CARD, MEDIA_TYPE
from xcap.core.uri import DocumentKey
from xcap.core.usage import ApplicationUsage, everything, owner_reads

AUID = "org.abserver.shared-cards"


def name_of(address: Aor) -> str:
    """The document's name: the address, in which a slash and a percent sign are escaped."""
    return "".join(quote(character, safe="") if character in "/%" else character for character in address)


def address_of(name: str, identities: Identities = NO_ALIASES) -> Aor | None:
    """The user whom a document of this name is about, by any spelling of any address; None for no address."""
    try:
        return identities.canonical(unquote(name))
    except InvalidAor:
        return None


def owner_of(name: str, identities: Identities = NO_ALIASES) -> Owner | None:
    """Whose card a document of this name is; None for no address."""
    address = address_of(name, identities)
    return None if address is None else Owner(address)


def canonical(key: DocumentKey, identities: Identities = NO_ALIASES) -> DocumentKey:
    """The key that a document is known by, from one with any address of the owner's; others as they are."""
    owner = owner_of(key.name, identities) if key.auid == AUID else None
    return key if owner is None else DocumentKey(AUID, key.user, name_of(owner))


SHARED_CARDS = ApplicationUsage(
    auid=AUID,
    media_type=MEDIA_TYPE,
    default_namespace=VCARD,
    namespaces=(VCARD,),
    schema=CONTACT_CARD.schema,
    names=None,
    policy=owner_reads,
    computed=everything,
)
