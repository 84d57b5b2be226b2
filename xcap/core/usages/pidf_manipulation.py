"""A user's permanent presence (RFC 4827): one PIDF document that counts like a publication without an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xcap.core.errors import ConstraintFailure
from xcap.core.usage import ApplicationUsage, servers_read
from xcap.core.usages.checks import root_is
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from lxml import etree

AUID = "pidf-manipulation"
NAMESPACE = "urn:ietf:params:xml:ns:pidf"

_STATUS = f"{{{NAMESPACE}}}status"


def _check_statuses(document: etree._Element, owner: str | None) -> None:
    """RFC 3863 §4.1.3: at least one child element, which the schema cannot say."""
    for status in document.iter(_STATUS):
        if next(status.iterchildren("*"), None) is None:
            raise ConstraintFailure(f"line {status.sourceline}: <status> must say something")


PIDF_MANIPULATION = ApplicationUsage(
    auid=AUID,
    media_type="application/pidf+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("xcap.core", "schemas/pidf.xsd"),
    constraints=(root_is(NAMESPACE, "presence"), _check_statuses),
    policy=servers_read,
)
