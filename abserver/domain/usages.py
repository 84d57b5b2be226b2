"""The application usages of this server (RFC 4825 §5): the contact card and the card rules.

Each has a schema in `schemas/` for its structure; what a schema cannot say is checked here. Messages name elements and
rules, never values of a card.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from abserver.domain.card import VCARD
from abserver.domain.conditions import COMMON_POLICY
from abserver.domain.rules import CARD_RULES_NAMESPACE
from abserver.domain.trees import split
from xcap.core.errors import ConstraintFailure
from xcap.core.usage import ApplicationUsage, Constraint
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

CONTACT_CARD_AUID = "org.abserver.contact-card"
CARD_RULES_AUID = "org.abserver.card-rules"

AT_MOST_ONCE = frozenset({"anniversary", "bday", "gender", "kind", "n", "prodid", "rev", "uid"})
"""Properties of cardinality *1 (RFC 6350 §6), where those with one ALTID count as one (§5.4)."""

_PLACES = {"card-handling": "actions"} | dict.fromkeys(
    ("provide-levels", "provide-property", "provide-all"), "transformations"
)
"""Where the elements of our namespace stand, by the name of their parent."""


def _root_is(tag: str) -> Constraint:
    """A schema takes any of its global elements for a root; a document has one."""

    def check(document: etree._Element, owner: str | None) -> None:
        if document.tag != tag:
            raise ConstraintFailure(f"the document element must be {tag}")

    return check


def _elements(parent: etree._Element) -> Iterator[tuple[str, str, etree._Element]]:
    """(namespace, local name, child) for each child element."""
    for child in parent.iterchildren("*"):
        yield *split(str(child.tag)), child


def _properties(document: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """(local name, property) for each property of the vCard namespace, in groups or not.

    Raises ConstraintFailure where there is a frame element in place of a property.
    """
    (card,) = document.iterchildren("*")
    for namespace, name, child in _elements(card):
        within = _elements(child) if (namespace, name) == (VCARD, "group") else [(namespace, name, child)]
        for inner_namespace, inner_name, inner in within:
            if inner_namespace != VCARD:
                continue
            if inner_name in ("vcards", "vcard", "group", "parameters"):
                raise ConstraintFailure(f"<{inner_name}> cannot stand in the place of a property")
            yield inner_name, inner


def _check_properties(document: etree._Element, owner: str | None) -> None:
    """RFC 6351 §5: names in lower case, values in value elements; RFC 6350 §6: how often a property may occur."""
    seen: Counter[str] = Counter()
    alternatives: set[tuple[str, str]] = set()
    for name, element in _properties(document):
        if name != name.lower():
            raise ConstraintFailure(f"<{name}> must be written in lower case (RFC 6351 §5.1)")
        if any((text or "").strip() for text in (element.text, *(child.tail for child in element))):
            raise ConstraintFailure(f"the value of <{name}> must be inside a value element such as <text>")
        altid = element.findtext(f"{{{VCARD}}}parameters/{{{VCARD}}}altid/{{{VCARD}}}text")
        if altid is None or (name, altid) not in alternatives:
            seen[name] += 1
        if altid is not None:
            alternatives.add((name, altid))
    if not seen["fn"]:
        raise ConstraintFailure("a vCard needs <fn>, the name as it is shown (RFC 6350 §6.2.1)")
    for name in sorted(AT_MOST_ONCE):
        if seen[name] > 1:
            raise ConstraintFailure(f"<{name}> may occur only once (RFC 6350 §6)")


def _check_places(document: etree._Element, owner: str | None) -> None:
    """What is misspelt or misplaced in our namespace would silently grant nothing, so it is refused."""
    for element in document.iter(f"{{{CARD_RULES_NAMESPACE}}}*"):
        parents = [str(parent.tag) for parent in element.iterancestors()]
        if split(parents[0])[0] == CARD_RULES_NAMESPACE:
            continue  # inside one of ours the schema has looked
        name = split(str(element.tag))[1]
        if parents[0] != f"{{{COMMON_POLICY}}}{_PLACES.get(name)}":
            raise ConstraintFailure(f"<{name}> of card rules is not known, or not at this place")


CONTACT_CARD = ApplicationUsage(
    auid=CONTACT_CARD_AUID,
    media_type="application/vcard+xml",
    default_namespace=VCARD,
    namespaces=(VCARD,),
    schema=load_schema("abserver.domain", "schemas/contact-card.xsd"),
    constraints=(_root_is(f"{{{VCARD}}}vcards"), _check_properties),
)
"""The owner's card: one xCard document, `index`."""

CARD_RULES = ApplicationUsage(
    auid=CARD_RULES_AUID,
    media_type="application/auth-policy+xml",
    default_namespace=COMMON_POLICY,
    namespaces=(COMMON_POLICY, CARD_RULES_NAMESPACE),
    schema=load_schema("abserver.domain", "schemas/card-rules.xsd"),
    constraints=(_root_is(f"{{{COMMON_POLICY}}}ruleset"), _check_places),
)
"""Who may see what of the card: one ruleset document, `index`."""
