"""Who may see what of the owner's card: one ruleset of common policy (RFC 4745) with elements of ours, `index`.

Conditions of OMA XDM may stand in it as well (`abserver/domain/conditions.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.conditions import COMMON_POLICY, OMA_COMMON_POLICY
from abserver.domain.rules import CARD_RULES_NAMESPACE
from abserver.domain.trees import split
from xcap.core.errors import ConstraintFailure
from xcap.core.usage import ApplicationUsage
from xcap.core.usages.checks import check_own_list, root_is
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from lxml import etree

AUID = "org.abserver.card-rules"

_PLACES = {"card-handling": "actions"} | dict.fromkeys(
    ("provide-levels", "provide-property", "provide-all"), "transformations"
)
"""Where the elements of our namespace stand, by the name of their parent."""


def _check_places(document: etree._Element, owner: str | None) -> None:
    """What is misspelt or misplaced in our namespace would silently grant nothing, so it is refused."""
    for element in document.iter(f"{{{CARD_RULES_NAMESPACE}}}*"):
        parents = [str(parent.tag) for parent in element.iterancestors()]
        if split(parents[0])[0] == CARD_RULES_NAMESPACE:
            continue  # inside one of ours the schema has looked
        name = split(str(element.tag))[1]
        if parents[0] != f"{{{COMMON_POLICY}}}{_PLACES.get(name)}":
            raise ConstraintFailure(f"<{name}> of card rules is not known, or not at this place")


def _check_lists(document: etree._Element, owner: str | None) -> None:
    """A rule is about lists of its owner: through another's list one could find out who is on it."""
    for entry in document.iter(f"{{{OMA_COMMON_POLICY}}}entry"):
        check_own_list(entry.get("anc", ""), owner)


CARD_RULES = ApplicationUsage(
    auid=AUID,
    media_type="application/auth-policy+xml",
    default_namespace=COMMON_POLICY,
    vocabulary=dict.fromkeys(("external-list", "entry", "other-identity", "anonymous-request"), OMA_COMMON_POLICY),
    namespaces=(COMMON_POLICY, CARD_RULES_NAMESPACE, OMA_COMMON_POLICY),
    schema=load_schema("abserver.domain", "schemas/card-rules.xsd"),
    constraints=(root_is(COMMON_POLICY, "ruleset"), _check_places, _check_lists),
)
