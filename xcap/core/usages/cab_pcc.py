"""The personal contact card of OMA CAB, for phones that keep theirs as `PCC.xml`: stored as it is sent.

The schema says what is known of it, which is the root element.
"""

from __future__ import annotations

from xcap.core.usage import ApplicationUsage
from xcap.core.usages.checks import root_is
from xcap.core.xml import load_schema

AUID = "org.openmobilealliance.cab-pcc"
NAMESPACE = "urn:oma:xml:cab:pcc"

CAB_PCC = ApplicationUsage(
    auid=AUID,
    media_type="application/vnd.oma.cab-pcc+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("xcap.core", "schemas/cab-pcc.xsd"),
    constraints=(root_is(NAMESPACE, "pcc"),),
    names=frozenset({"PCC.xml", "index"}),
)
