"""The owner's card: one xCard document (RFC 6351), `index`.

The schema describes the frame; what it cannot say of properties is checked here, and where else vCards are kept.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from abserver.domain.card import VCARD
from abserver.domain.trees import split
from xcap.core.errors import ConstraintFailure
from xcap.core.usage import ApplicationUsage
from xcap.core.usages.checks import root_is
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

AUID = "org.abserver.contact-card"
MEDIA_TYPE = "application/vcard+xml"

AT_MOST_ONCE = frozenset({"anniversary", "bday", "gender", "kind", "n", "prodid", "rev", "uid"})
"""Properties of cardinality *1 (RFC 6350 §6), where those with one ALTID count as one (§5.4)."""


def check_properties(card: etree._Element, *, named: bool) -> None:
    """What holds of the properties of a <vcard>.

    RFC 6351 §5: names in lower case, values in value elements; RFC 6350 §6: how often a property may occur.

    named: whether it must have an FN, as a vCard of its own has (RFC 6350 §6.2.1).
    Raises ConstraintFailure.
    """
    seen: Counter[str] = Counter()
    alternatives: set[tuple[str, str]] = set()
    for name, element in _properties(card):
        if name != name.lower():
            raise ConstraintFailure(f"<{name}> must be written in lower case (RFC 6351 §5.1)")
        if any((text or "").strip() for text in (element.text, *(child.tail for child in element))):
            raise ConstraintFailure(f"the value of <{name}> must be inside a value element such as <text>")
        altid = element.findtext(f"{{{VCARD}}}parameters/{{{VCARD}}}altid/{{{VCARD}}}text")
        if altid is None or (name, altid) not in alternatives:
            seen[name] += 1
        if altid is not None:
            alternatives.add((name, altid))
    if named and not seen["fn"]:
        raise ConstraintFailure("a vCard needs <fn>, the name as it is shown (RFC 6350 §6.2.1)")
    for name in sorted(AT_MOST_ONCE):
        if seen[name] > 1:
            raise ConstraintFailure(f"<{name}> may occur only once (RFC 6350 §6)")


def _properties(card: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """(local name, property) for each property of the vCard namespace, in groups or not.

    Raises ConstraintFailure where there is a frame element in place of a property.
    """
    for namespace, name, child in _elements(card):
        within = _elements(child) if (namespace, name) == (VCARD, "group") else [(namespace, name, child)]
        for inner_namespace, inner_name, inner in within:
            if inner_namespace != VCARD:
                continue
            if inner_name in ("vcards", "vcard", "group", "parameters"):
                raise ConstraintFailure(f"<{inner_name}> cannot stand in the place of a property")
            yield inner_name, inner


def _elements(parent: etree._Element) -> Iterator[tuple[str, str, etree._Element]]:
    """(namespace, local name, child) for each child element."""
    for child in parent.iterchildren("*"):
        yield *split(str(child.tag)), child


def _check(document: etree._Element, owner: str | None) -> None:
    (card,) = document.iterchildren("*")
    check_properties(card, named=True)


CONTACT_CARD = ApplicationUsage(
    auid=AUID,
    media_type=MEDIA_TYPE,
    default_namespace=VCARD,
    namespaces=(VCARD,),
    schema=load_schema("abserver.domain", "schemas/contact-card.xsd"),
    constraints=(root_is(VCARD, "vcards"), _check),
)
