"""Presence authorization as OMA has it: the rules of RFC 5025 with three conditions more, under an AUID of its own.

Clients disagree on the default document namespace: OMA's specification says common policy, some servers and clients
took that of pres-rules. No name is in both, so each unprefixed name is understood in the namespace that has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xcap.core.usage import ApplicationUsage, servers_read
from xcap.core.usages.checks import check_own_list, root_is
from xcap.core.usages.pres_rules import COMMON_POLICY, IN_COMMON_POLICY, MEDIA_TYPE, NAMESPACE, SCHEMA

if TYPE_CHECKING:
    from lxml import etree

AUID = "org.openmobilealliance.pres-rules"
OMA_COMMON_POLICY = "urn:oma:xml:xdm:common-policy"

_ENTRY = f"{{{OMA_COMMON_POLICY}}}entry"


def _check_lists(document: etree._Element, owner: str | None) -> None:
    """A rule is about lists of the same user: through another's list its owner could find out who is on it."""
    for entry in document.iter(_ENTRY):
        anchor = entry.get("anc")
        if anchor is not None:
            check_own_list(anchor, owner)


OMA_PRES_RULES = ApplicationUsage(
    auid=AUID,
    media_type=MEDIA_TYPE,
    default_namespace=NAMESPACE,
    vocabulary={
        **IN_COMMON_POLICY,
        **dict.fromkeys(("external-list", "entry", "other-identity", "anonymous-request"), OMA_COMMON_POLICY),
    },
    namespaces=(NAMESPACE, COMMON_POLICY, OMA_COMMON_POLICY),
    schema=SCHEMA,
    constraints=(root_is(COMMON_POLICY, "ruleset"), _check_lists),
    names=None,
    policy=servers_read,
)
