"""The owner's subscription relation list: computed, in the owner's tree, one document `index`."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from lxml import etree

from abserver.domain.relation import EVERY_LEVEL
from xcap.core.usage import ApplicationUsage, everything, owner_reads
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abserver.domain.identity import Owner
    from abserver.domain.relation import Relation

AUID = "org.abserver.relations"
NAMESPACE = "urn:abserver:xml:ns:relations"
NAME = "index"


def relations_document(owner: Owner, relations: Iterable[Relation]) -> bytes:
    """The list as a document, by watcher; the same relations give the same octets."""
    root = etree.Element(f"{{{NAMESPACE}}}relations", nsmap={None: NAMESPACE}, owner=owner)
    for relation in sorted(relations, key=lambda each: each.watcher):
        shown = etree.SubElement(root, f"{{{NAMESPACE}}}relation", watcher=relation.watcher, state=relation.state.value)
        if relation.rule is not None:
            shown.set("rule", relation.rule)
        for name, time in (
            ("requested-at", relation.requested_at),
            ("decided-at", relation.decided_at),
            ("ended-at", relation.ended_at),
        ):
            if time is not None:
                shown.set(name, time.astimezone(datetime.UTC).isoformat(timespec="milliseconds"))
        if EVERY_LEVEL in relation.levels:
            etree.SubElement(shown, f"{{{NAMESPACE}}}every-level")
        for level in sorted(relation.levels - {EVERY_LEVEL}):
            etree.SubElement(shown, f"{{{NAMESPACE}}}level").text = level
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


RELATIONS = ApplicationUsage(
    auid=AUID,
    media_type="application/vnd.abserver.relations+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("abserver.domain", "schemas/relations.xsd"),
    policy=owner_reads,
    computed=everything,
)
