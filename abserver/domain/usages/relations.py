"""The owner's subscription relation list: computed, in the owner's tree, one document `index`.

Each relation comes with the history of the owner's decisions about that watcher: what it came to, when, by which rule
and by which hand.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

from lxml import etree

from abserver.domain.relation import EVERY_LEVEL
from xcap.core.usage import ApplicationUsage, everything, owner_reads
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abserver.domain.identity import Owner, Watcher
    from abserver.domain.relation import Relation, RelationState

AUID = "org.abserver.relations"
NAMESPACE = "urn:abserver:xml:ns:relations"
NAME = "index"


class Line(Protocol):
    """One line of the history: a decision took effect."""

    @property
    def watcher(self) -> Watcher: ...

    @property
    def at(self) -> datetime.datetime: ...

    @property
    def state(self) -> RelationState:
        """What the relation came to."""
        ...

    @property
    def rule(self) -> str | None: ...

    @property
    def by(self) -> str:
        """The hand."""
        ...


def relations_document(owner: Owner, relations: Iterable[Relation], history: Iterable[Line] = ()) -> bytes:
    """The list as a document, by watcher; the same relations and history give the same octets.

    history: about any of the watchers, the oldest line first.
    """
    lines: defaultdict[Watcher, list[Line]] = defaultdict(list)
    for line in history:
        lines[line.watcher].append(line)
    root = etree.Element(_name("relations"), nsmap={None: NAMESPACE}, owner=owner)
    for relation in sorted(relations, key=lambda each: each.watcher):
        _show(etree.SubElement(root, _name("relation")), relation, lines[relation.watcher])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _show(shown: etree._Element, relation: Relation, lines: Iterable[Line]) -> None:
    _set(
        shown,
        watcher=relation.watcher,
        state=relation.state.value,
        rule=relation.rule,
        requested_at=relation.requested_at,
        decided_at=relation.decided_at,
        ended_at=relation.ended_at,
    )
    if EVERY_LEVEL in relation.levels:
        etree.SubElement(shown, _name("every-level"))
    for level in sorted(relation.levels - {EVERY_LEVEL}):
        etree.SubElement(shown, _name("level")).text = level
    for line in lines:
        decision = etree.SubElement(shown, _name("decision"))
        _set(decision, state=line.state.value, at=line.at, by=line.by, rule=line.rule)


def _set(element: etree._Element, **values: str | datetime.datetime | None) -> None:
    """Set the attributes that are not None; `_` in a name stands for `-`."""
    for name, value in values.items():
        if isinstance(value, datetime.datetime):
            value = value.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
        if value is not None:
            element.set(name.replace("_", "-"), value)


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"


RELATIONS = ApplicationUsage(
    auid=AUID,
    media_type="application/vnd.abserver.relations+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("abserver.domain", "schemas/relations.xsd"),
    policy=owner_reads,
    computed=everything,
)
