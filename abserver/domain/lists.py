"""Who is on the lists that rules refer to: URIs of lists, and the resource lists documents behind them (RFC 4826 §3).

A list is everybody whom an <entry> in it or in its sub-lists names, and whoever is on what it refers to by
<entry-ref> and <external>. References are followed within the owner's own documents: lists of others are not the
owner's to read (§3.4.7), and what another server would answer is not known here. What is not followed, and what is
beyond the bounds, leaves a list incomplete (`Members.complete`); it never puts anybody on it.

Nothing is fetched here: `resolve` says which documents it needs, and is called again with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abserver.domain.conditions import Members, identifier
from abserver.domain.identity import NO_ALIASES
from xcap.core import uri
from xcap.core.errors import BadRequest, NotFound
from xcap.core.selector import NodeKind, locate, parse_node_selector
from xcap.core.source import Element, expanded, scan
from xcap.core.usages import resource_lists
from xcap.core.usages.checks import unfolded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from abserver.domain.identity import Identities, Owner
    from xcap.core.selector import NodeSelector

AUID = resource_lists.AUID

MOST_DOCUMENTS = 8
"""Documents that are read for one ruleset."""
MOST_REFERENCES = 200
"""References that are followed for one ruleset, those in its rules included: each is a search in a document."""
MOST_STEPS = 20_000
"""Entries, lists and references that are looked at for one ruleset: 10,000 people, each on two lists."""

_ROOT, _LIST, _ENTRY, _ENTRY_REF, _EXTERNAL = (
    expanded(resource_lists.NAMESPACE, name) for name in ("resource-lists", "list", "entry", "entry-ref", "external")
)
_HOLDING = frozenset({_ROOT, _LIST, _ENTRY, _ENTRY_REF, _EXTERNAL})
"""Elements that name somebody, or hold some that do."""
_NOTHING = Element(_LIST, {}, {}, -1)

_ABSOLUTE = re.compile(r"(?i:https?)://[^/?#]+(?:/[^?#]*?)??(?P<path>/resource-lists/[^?#]*)(?:\?(?P<query>[^#]*))?")
_RELATIVE = re.compile(r"(?P<path>resource-lists/[^?#]*)(?:\?(?P<query>[^#]*))?")


@dataclass(frozen=True, slots=True)
class _Place:
    """An element of one of the owner's resource lists documents."""

    document: str
    """Its name."""
    node: NodeSelector


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the documents that were given say of the lists that were asked for."""

    lists: Mapping[str, Members]
    """Anchor -> who is on it."""
    missing: frozenset[str] = frozenset()
    """Names of documents that have to be looked at too; without them the lists are not right yet."""


def resolve(
    anchors: Iterable[str],
    owner: Owner,
    documents: Mapping[str, bytes | None],
    identities: Identities = NO_ALIASES,
) -> Resolution:
    """Find out who is on the lists at these URIs.

    documents: the owner's resource lists documents by name, as far as they were read; None for one that there is not.
    identities: who is meant by the addresses in them.
    """
    reading = _Reading(owner, documents, identities)
    lists = {anchor: reading.members(anchor) for anchor in sorted(anchors)}
    return Resolution(lists, frozenset(reading.missing))


@dataclass(slots=True)
class _Reading:
    owner: Owner
    documents: Mapping[str, bytes | None]
    identities: Identities
    missing: set[str] = field(default_factory=set)
    references: int = 0
    steps: int = 0

    def members(self, anchor: str) -> Members:
        """Walk through all that the list holds, each list and reference once, however they refer to one another."""
        found: set[str] = set()
        seen: set[tuple[str, int]] = set()
        complete = True
        waiting = [self._target(_ABSOLUTE, anchor)]
        while waiting and self.steps < MOST_STEPS:
            self.steps += 1
            target = waiting.pop()
            if target is None:
                complete = False
            elif target.element.name == _ENTRY:
                found.add(identifier(target.element.attributes.get("uri", ""), self.identities))
            elif target.place not in seen:
                seen.add(target.place)
                waiting.extend(self._inside(target))
        return Members(frozenset(found), complete and not waiting)

    def _inside(self, target: _Target) -> Iterator[_Target | None]:
        """Where to go on from a list or a reference."""
        attributes = target.element.attributes
        match target.element.name:
            case name if name == _ENTRY_REF:
                yield self._target(_RELATIVE, attributes.get("ref", ""))
            case name if name == _EXTERNAL:
                yield self._target(_ABSOLUTE, attributes.get("anchor", ""))
            case _:
                for child in target.element.children:
                    if child.name in _HOLDING:
                        yield _Target(target.document, child)

    def _target(self, form: re.Pattern[str], reference: str) -> _Target | None:
        """The element that a reference leads to; None if that is out of reach.

        A list that was not made yet, in a document that is there or not, is an empty one.
        """
        self.references += 1
        place = _place(form, reference, self.owner, self.identities) if self.references <= MOST_REFERENCES else None
        if place is None:
            return None
        if place.document not in self.documents:
            if place.document not in self.missing and len(self.documents) + len(self.missing) >= MOST_DOCUMENTS:
                return None
            self.missing.add(place.document)
        content = self.documents.get(place.document)
        path = [] if content is None else locate(scan(content), place.node.steps)
        found = len(path) == len(place.node.steps) and path[-1].name in _HOLDING
        return _Target(place.document, path[-1] if found else _NOTHING)


@dataclass(frozen=True, slots=True)
class _Target:
    document: str
    element: Element

    @property
    def place(self) -> tuple[str, int]:
        """What it is known again by."""
        return self.document, self.element.start


def _place(form: re.Pattern[str], reference: str, owner: Owner, identities: Identities) -> _Place | None:
    """What a URI refers to; None if that is nothing in the owner's lists.

    The root of an absolute URI may have any name, as where the reference is stored (`check_own_list`): a server is
    reached by several.
    """
    found = form.fullmatch(unfolded(reference))
    if found is None:
        return None
    try:
        path = f"/{found['path'].lstrip('/')}"
        resource = uri.parse(path.encode(), (found["query"] or "").encode(), "/")
        if identities.xui(resource.key.user or "") != owner or resource.node is None:
            return None
        node = parse_node_selector(resource.node, resource.bindings, resource_lists.NAMESPACE)
    except (BadRequest, NotFound):
        return None
    return _Place(resource.key.name, node) if node.kind is NodeKind.ELEMENT else None
