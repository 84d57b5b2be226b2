"""The services of resource list servers (RFC 4826 §4): URIs that stand for lists when somebody subscribes to them.

Users write theirs; `rls-services/global/index` is the union of all users' documents `index`, computed (§4.4.7), and is
readable by trusted users only, since it tells about everyone (§4.4.9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from xcap.core.errors import TooLarge
from xcap.core.sipuri import canonical
from xcap.core.uri import DocumentKey, encode_node
from xcap.core.usage import Access, ApplicationUsage, Operation, Unique, global_tree, servers_read
from xcap.core.usages.checks import check_own_list, root_is
from xcap.core.usages.resource_lists import NAMESPACE as LISTS_NAMESPACE
from xcap.core.usages.resource_lists import check_lists
from xcap.core.xml import load_schema, parse_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AUID = "rls-services"
NAMESPACE = "urn:ietf:params:xml:ns:rls-services"
INDEX = DocumentKey(AUID, None, "index")
"""The computed document."""

MAX_SERVICES = 1_000
"""Of one document; clients have two to ten."""
_SUGGESTED = 20
"""Other URIs that are tried for one that is taken."""

_SERVICE, _LIST, _RESOURCE_LIST = (f"{{{NAMESPACE}}}{name}" for name in ("service", "list", "resource-list"))


def global_index(parts: Iterable[bytes]) -> bytes:
    """The global document of these `services_of` documents."""
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<rls-services xmlns="' + NAMESPACE.encode() + b'">\n'
    return head + b"".join(parts) + b"</rls-services>\n"


def services_of(content: bytes) -> bytes:
    """The <service> elements of a valid document, each with the namespace declarations that it needs."""
    services = parse_document(content).iterchildren(_SERVICE)
    return b"".join(etree.tostring(service, encoding="utf-8", with_tail=False) + b"\n" for service in services)


def _uris(document: etree._Element) -> Sequence[tuple[str, str]]:
    """The services' URIs: unique among all services of all users, by the form in which an RLS looks them up (§4.5)."""
    return [
        (canonical(service.get("uri", "")), encode_node(f"rls-services/service[{n}]/@uri", {}))
        for n, service in enumerate(document.iterchildren(_SERVICE), 1)
    ]


def _like(uri: str) -> Iterable[str]:
    name, at, rest = uri.partition("@")
    return (f"{name}-{n}{at}{rest}" for n in range(2, 2 + _SUGGESTED))


def _check(document: etree._Element, owner: str | None) -> None:
    """§4.4.5, but for the uniqueness of URIs."""
    services = list(document.iterchildren(_SERVICE))
    if len(services) > MAX_SERVICES:
        raise TooLarge(MAX_SERVICES, "services in a document")
    for service in services:
        for reference in service.iterchildren(_RESOURCE_LIST):
            check_own_list(reference.text or "", owner)
        check_lists(service.iterchildren(_LIST), NAMESPACE)


def _policy(access: Access) -> bool:
    """§4.4.9: the global tree is for trusted users alone."""
    if access.key.user is None:
        return access.trusted and access.operation is Operation.READ
    return servers_read(access)


RLS_SERVICES = ApplicationUsage(
    auid=AUID,
    media_type="application/rls-services+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE, LISTS_NAMESPACE),
    schema=load_schema("xcap.core", "schemas/rls-services.xsd"),
    constraints=(root_is(NAMESPACE, "rls-services"), _check),
    unique=Unique(_uris, _like),
    names=None,
    policy=_policy,
    computed=global_tree,
)
