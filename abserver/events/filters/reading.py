"""Reading filter-set documents, `application/simple-filter+xml` (RFC 4661 §3, §4, §7).

The schema of the RFC decides about the form; what extensions add is ignored (§4). What it cannot say is checked here:
ids and prefixes that are unique, expressions, and the laws on `uri` and `domain`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from abserver.domain import trees
from abserver.events.filters import expressions
from abserver.events.filters.criteria import Changed, Criteria, Namespace, Selection, Trigger, What
from abserver.events.filters.errors import BadFilter
from abserver.events.filters.expressions import NCNAME, Path
from abserver.events.filters.filter_set import MOST_OCTETS, NAMESPACE, Change, Filter, FilterSet
from xcap.core.errors import XcapError
from xcap.core.source import XML_NAMESPACE
from xcap.core.xml import check_schema, load_schema, parse_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

REMEMBERED = 1024
"""Documents whose filters are at hand: those of the subscriptions of now, since many are equal."""

_SCHEMA = load_schema("abserver.events.filters", "schemas/simple-filter.xsd")
_TRUE = frozenset({"true", "1"})
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def read_change(body: bytes) -> Change:
    """What the filter-set of a SUBSCRIBE says. Raises BadFilter."""
    root = _valid(body)
    bindings = _bindings(root)
    ids: set[str] = set()
    filters: list[Filter] = []
    removed: set[str] = set()
    for element in _children(root, "filter"):
        id = element.attrib["id"]
        if id in ids:
            raise BadFilter("two filters with the same id")
        ids.add(id)
        if _flag(element, "remove", default=False):
            removed.add(id)
        else:
            filters.append(_filter(element, bindings))
    return Change(tuple(filters), frozenset(removed), root.get("package"))


@lru_cache(maxsize=REMEMBERED)
def filters_of(document: bytes) -> FilterSet:
    """The filters of a document that is kept (`FilterSet.to_xml`)."""
    return FilterSet(read_change(document).filters) if document else FilterSet()


def _valid(body: bytes) -> Element:
    if len(body) > MOST_OCTETS:
        raise BadFilter(f"a filter-set of more than {MOST_OCTETS} octets")
    try:
        check_schema(_SCHEMA, parse_document(body))
        return trees.parse(body)
    except XcapError as error:
        raise BadFilter(f"the filter-set is not valid: {error}") from None


def _bindings(root: Element) -> Mapping[str, str]:
    bindings = {"xml": XML_NAMESPACE}
    for bound in root.iterfind(f"{{{NAMESPACE}}}ns-bindings/{{{NAMESPACE}}}ns-binding"):
        prefix, uri = bound.attrib["prefix"].strip(), bound.attrib["urn"].strip()
        if not NCNAME.fullmatch(prefix) or not uri or bindings.setdefault(prefix, uri) != uri:
            raise BadFilter("ns-bindings must bind names, each to one namespace")
    return bindings


def _children(parent: Element, name: str) -> Iterator[Element]:
    return parent.iterfind(f"{{{NAMESPACE}}}{name}")


def _flag(element: Element, name: str, *, default: bool) -> bool:
    value = element.get(name)
    return default if value is None else value.strip() in _TRUE


def _filter(element: Element, bindings: Mapping[str, str]) -> Filter:
    uri, domain = element.get("uri"), element.get("domain")
    if uri is not None and domain is not None:
        raise BadFilter("a filter has uri and domain")
    what, triggers = list(_children(element, "what")), list(_children(element, "trigger"))
    return Filter(
        id=element.attrib["id"],
        uri=None if uri is None else uri.strip(),
        domain=None if domain is None else domain.strip(),
        enabled=_flag(element, "enabled", default=True),
        criteria=_criteria(what, triggers, bindings) if what or triggers else None,
    )


def _criteria(what: list[Element], triggers: list[Element], bindings: Mapping[str, str]) -> Criteria:
    """Elements that are empty count as if they were not there (RFC 4660 §5.4)."""
    selected = [_what(each, bindings) for each in what]
    triggered = [_trigger(each, bindings) for each in triggers]
    return Criteria.of(
        next((each for each in selected if each != What()), None),
        tuple(each for each in triggered if each != Trigger()),
    )


def _what(element: Element, bindings: Mapping[str, str]) -> What:
    return What(
        tuple(_selection(each, bindings) for each in _children(element, "include")),
        tuple(_selection(each, bindings) for each in _children(element, "exclude")),
    )


def _selection(element: Element, bindings: Mapping[str, str]) -> Selection:
    if element.get("type", "xpath") == "namespace":
        return Namespace((element.text or "").strip())
    return expressions.parse(element.text or "", bindings)


def _trigger(element: Element, bindings: Mapping[str, str]) -> Trigger:
    return Trigger(
        tuple(_changed(each, bindings) for each in _children(element, "changed")),
        tuple(_reference(each, bindings) for each in _children(element, "added")),
        tuple(_reference(each, bindings) for each in _children(element, "removed")),
    )


def _changed(element: Element, bindings: Mapping[str, str]) -> Changed:
    before, after, by = element.get("from"), element.get("to"), element.get("by")
    if by is not None and any(each is not None and not _NUMBER.fullmatch(each.strip()) for each in (before, after)):
        raise BadFilter("beside by, from and to must be numbers")
    return Changed(_reference(element, bindings), before, after, None if by is None else Decimal(by.strip()))


def _reference(element: Element, bindings: Mapping[str, str]) -> Path:
    path = expressions.parse(element.text or "", bindings)
    if not path.is_reference:
        raise BadFilter("a trigger names its element or attribute without a condition")
    return path
