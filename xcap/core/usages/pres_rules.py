"""Presence authorization (RFC 5025): rules that say who may see what of a user's presence.

All documents of a user count, and their rules add up (§9.7), so a document may have any name: `index` is the RFC's,
`presrules` and `pres-rules` are those of deployed clients.
"""

from __future__ import annotations

from xcap.core.usage import ApplicationUsage, servers_read
from xcap.core.usages.checks import root_is
from xcap.core.xml import load_schema

AUID = "pres-rules"
MEDIA_TYPE = "application/auth-policy+xml"
NAMESPACE = "urn:ietf:params:xml:ns:pres-rules"
COMMON_POLICY = "urn:ietf:params:xml:ns:common-policy"

IN_COMMON_POLICY = dict.fromkeys(
    (
        *("ruleset", "rule", "conditions", "actions", "transformations"),
        *("identity", "one", "many", "except", "sphere", "validity", "from", "until"),
    ),
    COMMON_POLICY,
)
"""The names of common policy (RFC 4745 §13), none of which is a name of pres-rules. The default document namespace is
pres-rules (RFC 5025 §9.3), in which an unprefixed `ruleset` selects nothing; clients that write it mean this one."""

SCHEMA = load_schema("xcap.core", "schemas/pres-rules.xsd")

PRES_RULES = ApplicationUsage(
    auid=AUID,
    media_type=MEDIA_TYPE,
    default_namespace=NAMESPACE,
    vocabulary=IN_COMMON_POLICY,
    namespaces=(NAMESPACE, COMMON_POLICY),
    schema=SCHEMA,
    constraints=(root_is(COMMON_POLICY, "ruleset"),),
    names=None,
    policy=servers_read,
)
