"""Resource lists (RFC 4826 §3): a user's lists of people and other resources, in any number of documents.

An entry, a reference or a sub-list is found by the one attribute that names it among its siblings; `check_lists` keeps
that so, here and for the lists inside RLS services. References are never followed (§3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xcap.core.errors import ConstraintFailure, NotUnique, UniquenessFailure
from xcap.core.usage import ApplicationUsage, servers_read
from xcap.core.usages.checks import is_absolute_http, is_relative_path, root_is, selector_of
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml import etree

AUID = "resource-lists"
NAMESPACE = "urn:ietf:params:xml:ns:resource-lists"

LIST, ENTRY, ENTRY_REF, EXTERNAL = (f"{{{NAMESPACE}}}{name}" for name in ("list", "entry", "entry-ref", "external"))

_NAMED_BY = {LIST: "name", ENTRY: "uri", ENTRY_REF: "ref", EXTERNAL: "anchor"}
"""What is unique among siblings of one name; "determined by case-sensitive string comparison" (§3.4.5)."""


MAX_REPORTED = 10
"""Values that are named in the report of a conflict."""


def check_lists(tops: Iterable[etree._Element], default_namespace: str) -> None:
    """The constraints of §3.4.5, for what is in these elements and in the lists below them.

    default_namespace: of the usage, for the places in the report.
    Raises ConstraintFailure for a reference, UniquenessFailure for values that are there already.
    """
    parents = list(tops)
    again: list[tuple[etree._Element, str, str]] = []
    for parent in parents:  # which grows meanwhile
        seen: set[tuple[str, str]] = set()
        for child in parent:
            tag = str(child.tag)
            name = _NAMED_BY.get(tag)
            if name is None:
                continue
            value = child.get(name)
            if tag == LIST:
                parents.append(child)
            elif tag != ENTRY:
                _check_reference(child)
            if value is not None and (tag, value) in seen:
                again.append((child, name, value))
            elif value is not None:
                seen.add((tag, value))
    if again:
        raise UniquenessFailure(
            [
                NotUnique(selector_of(child, name, default_namespace), _others(child, value))
                for child, name, value in again[:MAX_REPORTED]
            ]
        )


def _others(child: etree._Element, value: str) -> tuple[str, ...]:
    """Another name for a list, free among its siblings; nobody can make up another URI of somebody."""
    if child.tag != LIST:
        return ()
    siblings = [child, *child.itersiblings(LIST), *child.itersiblings(LIST, preceding=True)]
    names = {each.get("name") for each in siblings}
    return (next(name for n in range(2, len(siblings) + 3) if (name := f"{value}-{n}") not in names),)


def _check_reference(child: etree._Element) -> None:
    if child.tag == ENTRY_REF and not is_relative_path(child.get("ref", "")):
        raise ConstraintFailure(f"line {child.sourceline}: the ref of <entry-ref> must be a relative path")
    if child.tag == EXTERNAL and not is_absolute_http(child.get("anchor", "")):
        raise ConstraintFailure(f"line {child.sourceline}: the anchor of <external> must be an absolute HTTP URI")


def _check(document: etree._Element, owner: str | None) -> None:
    check_lists([document], NAMESPACE)


RESOURCE_LISTS = ApplicationUsage(
    auid=AUID,
    media_type="application/resource-lists+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("xcap.core", "schemas/resource-lists.xsd"),
    constraints=(root_is(NAMESPACE, "resource-lists"), _check),
    names=None,
    policy=servers_read,
)
