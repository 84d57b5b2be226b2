"""Explanations for owners: computed, in the owner's tree, one document for each watcher that is asked about.

A document says why that watcher sees what he sees of the owner's card, and what his devices were told. It is named by
the watcher's address, whether he ever asked or not: so a directory lists none.
"""

from __future__ import annotations

import datetime
import enum
import re
from typing import TYPE_CHECKING

from lxml import etree

from xcap.core.usage import Access, ApplicationUsage, Operation, everything, owner_reads
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from abserver.domain.explanation import ExplainedDevice, ExplainedItem, ExplainedRule, Explanation
    from abserver.domain.relation import Relation
    from abserver.domain.rules import Grant, Handling
    from abserver.domain.usages.relations import Line

AUID = "org.abserver.explanations"
NAMESPACE = "urn:abserver:xml:ns:explanations"


def owner_or_trusted(access: Access) -> bool:
    """Users read their own tree, trusted users (RFC 4825 §5.7) all of them; nobody else anything."""
    return owner_reads(access) or (access.trusted and access.operation is Operation.READ)


def explanation_document(explained: Explanation) -> bytes:
    """The explanation as a document."""
    root = etree.Element(_name("explanation"), nsmap={None: NAMESPACE})
    _set(root, owner=explained.owner, watcher=explained.watcher, at=explained.at, version=explained.version)
    decision = explained.decision
    shown = _add(root, "decision", handling=_spelt(decision.handling), rule=decision.rule)
    _show_grant(shown, decision.grant)
    rules = _add(root, "rules", others=explained.rules.others)
    for rule in explained.rules.rules:
        _show_rule(rules, rule)
    view = _add(root, "view", tag=explained.view)
    for item in explained.items:
        _show_item(view, item)
    if explained.relation is not None:
        _show_relation(root, explained.relation)
    for line in explained.history:
        _show_line(root, line)
    for device in explained.devices:
        _show_device(root, device)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _show_grant(parent: etree._Element, grant: Grant) -> None:
    if grant.everything:
        _add(parent, "everything")
    for level in sorted(grant.levels):
        _add(parent, "level").text = level
    for provided in sorted(grant.properties, key=lambda each: (each.name, each.type or "")):
        _add(parent, "property", name=provided.name, type=provided.type)


def _show_rule(parent: etree._Element, rule: ExplainedRule) -> None:
    handling = None if rule.handling is None else _spelt(rule.handling)
    shown = _add(parent, "rule", id=rule.id, handling=handling, matches=rule.failed is None, decides=rule.decides)
    if rule.failed is None:
        _show_grant(shown, rule.grant)
    else:
        _add(shown, "failed").text = rule.failed


def _show_item(parent: etree._Element, item: ExplainedItem) -> None:
    shown = _add(
        parent,
        "item",
        name=item.name,
        group=item.group,
        shown=item.shown,
        because=item.because,
        by_default=item.by_default,
    )
    for each in sorted(item.types):
        _add(shown, "type").text = each
    for level in sorted(item.levels):
        _add(shown, "level").text = level


def _show_relation(parent: etree._Element, relation: Relation) -> None:
    _add(
        parent,
        "relation",
        state=relation.state,
        rule=relation.rule,
        requested_at=relation.requested_at,
        decided_at=relation.decided_at,
        ended_at=relation.ended_at,
    )


def _show_line(parent: etree._Element, line: Line) -> None:
    _add(parent, "history", state=line.state, at=line.at, by=line.by, rule=line.rule)


def _show_device(parent: etree._Element, device: ExplainedDevice) -> None:
    shown = _add(
        parent,
        "device",
        id=device.device,
        next=device.next,
        at=device.at,
        current=device.current,
        delivered=device.delivered,
        version=device.version,
        acknowledged_at=device.acknowledged_at,
        expires_at=device.expires_at,
        registered_until=device.registered_until,
        filter=device.has_filter,
        ended=device.ended,
    )
    last = device.last
    if last is not None:
        _add(shown, "last-notify", call_id=last.call_id, cseq=last.cseq, at=last.at, answer=last.answer)


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document can have (XML 1.0 §2.2); what a phone calls itself and its dialogs may be odd."""

_Value = str | int | datetime.datetime | enum.Enum | None


def _add(parent: etree._Element, local: str, **values: _Value) -> etree._Element:
    child = etree.SubElement(parent, _name(local))
    _set(child, **values)
    return child


def _set(element: etree._Element, **values: _Value) -> None:
    """Set the attributes that are not None; `_` in a name stands for `-`."""
    for name, value in values.items():
        if value is not None:
            element.set(name.replace("_", "-"), _text(value))


def _text(value: str | int | datetime.datetime | enum.Enum) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            return value.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
        case enum.Enum():
            return str(value.value)
        case _:
            return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _spelt(handling: Handling) -> str:
    return handling.name.lower().replace("_", "-")


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"


EXPLANATIONS = ApplicationUsage(
    auid=AUID,
    media_type="application/vnd.abserver.explanation+xml",
    default_namespace=NAMESPACE,
    namespaces=(NAMESPACE,),
    schema=load_schema("abserver.domain", "schemas/explanations.xsd"),
    names=None,
    policy=owner_or_trusted,
    computed=everything,
)
