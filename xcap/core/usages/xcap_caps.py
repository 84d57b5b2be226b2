"""The server's capabilities (RFC 4825 §12): which application usages and namespaces it knows.

One document, `xcap-caps/global/index`, made from the usages themselves; nobody writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from xcap.core.uri import DocumentKey
from xcap.core.usage import ApplicationUsage, everything
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AUID = "xcap-caps"
NAMESPACE = "urn:ietf:params:xml:ns:xcap-caps"
KEY = DocumentKey(AUID, None, "index")


def xcap_caps(usages: Iterable[ApplicationUsage]) -> bytes:
    """The capabilities document of a server with these usages; no extensions to XCAP are known."""
    known = list(usages)
    root = etree.Element(f"{{{NAMESPACE}}}xcap-caps", nsmap={None: NAMESPACE})
    _add_list(root, "auid", (usage.auid for usage in known))
    _add_list(root, "extension", ())
    _add_list(root, "namespace", (namespace for usage in known for namespace in usage.namespaces))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _add_list(root: etree._Element, item: str, values: Iterable[str]) -> None:
    parent = etree.SubElement(root, f"{{{NAMESPACE}}}{item}s")
    for value in dict.fromkeys(values):
        etree.SubElement(parent, f"{{{NAMESPACE}}}{item}").text = value


def _provide(usages: Iterable[ApplicationUsage]) -> Mapping[DocumentKey, bytes]:
    return {KEY: xcap_caps(usages)}


XCAP_CAPS = ApplicationUsage(
    auid=AUID,
    media_type="application/xcap-caps+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("xcap.core", "schemas/xcap-caps.xsd"),
    provide=_provide,
    computed=everything,  # there is no document in any user's tree (§12.7), so nobody can write there either
)
