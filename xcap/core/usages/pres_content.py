"""Content that a user's presence refers to (OMA Presence SIMPLE Content XDM): above all the status icon.

Watchers fetch it by the URI that they find in the presence, so every user may read it. OMA puts icons into the folder
`oma_status-icon`; deployed clients also use that name as an AUID, and mean the same documents.
"""

from __future__ import annotations

from xcap.core.usage import Access, ApplicationUsage, Operation, default_policy
from xcap.core.usages.checks import root_is
from xcap.core.xml import load_schema

AUID = "org.openmobilealliance.pres-content"
NAMESPACE = "urn:oma:xml:prs:pres-content"
ICONS = "oma_status-icon"


def _every_user_reads(access: Access) -> bool:
    return access.operation is Operation.READ or default_policy(access)


PRES_CONTENT = ApplicationUsage(
    auid=AUID,
    media_type="application/vnd.oma.pres-content+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("xcap.core", "schemas/pres-content.xsd"),
    constraints=(root_is(NAMESPACE, "content"),),
    names=None,
    folders=frozenset({ICONS}),
    aliases={ICONS: ICONS},
    policy=_every_user_reads,
)
