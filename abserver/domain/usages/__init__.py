"""The application usages of this server (RFC 4825 §5), one file each, and the table of them.

Schemas are in `schemas/`. Messages name elements and rules, never values of a card.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from abserver.domain.usages.address_book import ADDRESS_BOOK
from abserver.domain.usages.card_rules import AUID as CARD_RULES_AUID
from abserver.domain.usages.card_rules import CARD_RULES
from abserver.domain.usages.contact_card import AT_MOST_ONCE, CONTACT_CARD
from abserver.domain.usages.contact_card import AUID as CONTACT_CARD_AUID
from abserver.domain.usages.explanations import EXPLANATIONS
from abserver.domain.usages.relations import RELATIONS
from abserver.domain.usages.shared_cards import SHARED_CARDS
from abserver.domain.usages.views import VIEWS
from xcap.core.usage import Usages
from xcap.core.usages import STANDARD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "ADDRESS_BOOK",
    "AT_MOST_ONCE",
    "CARD_RULES",
    "CARD_RULES_AUID",
    "CONTACT_CARD",
    "CONTACT_CARD_AUID",
    "EXPLANATIONS",
    "OURS",
    "RELATIONS",
    "SHARED_CARDS",
    "VIEWS",
    "all_usages",
]

OURS = (CONTACT_CARD, CARD_RULES, ADDRESS_BOOK, SHARED_CARDS, RELATIONS, EXPLANATIONS, VIEWS)


def all_usages(
    aliases: Mapping[str, str] = MappingProxyType({}), *, known_as: Callable[[str], str] | None = None
) -> Usages:
    """The standard usages and ours, with these other names for them. Raises ValueError for a name that cannot be.

    known_as: the XUI of a user from any other of his.
    """
    return Usages([*STANDARD, *OURS], aliases, known_as=known_as)
