"""The names that schemas declare, to tell what a known namespace does not have (RFC 4825 §8.2.5).

A schema that is open to other namespaces takes anything from them, and so it must where the server does not know the
namespace. Of one that it knows, and announces, an element or attribute without a declaration is a 409.

A namespace is open to names to come where its own schema has a wildcard for them (`##any`), as that of vCard has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lxml import etree

from xcap.core.errors import SchemaValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_XS = "{http://www.w3.org/2001/XMLSchema}"
_OWN = frozenset({"##any", "##targetNamespace"})
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Namespaces, and the names that schemas declare in them, as `{namespace}local`."""

    namespaces: frozenset[str] = _NONE
    open: frozenset[str] = _NONE
    """Those of the namespaces that may have other names too."""
    elements: frozenset[str] = _NONE
    attributes: frozenset[str] = _NONE
    """Those that are written with a prefix."""

    def of(self, namespaces: frozenset[str]) -> Vocabulary:
        """With these namespaces alone, as far as they are here."""
        return replace(self, namespaces=self.namespaces & namespaces)

    def check(self, document: etree._Element) -> None:
        """Raises SchemaValidationError for the first name that is not in its namespace, which is one of these."""
        closed = self.namespaces - self.open
        for element in document.iter("*"):
            _check(str(element.tag), self.elements, closed, element)
            for name in element.attrib:
                _check(str(name), self.attributes, closed, element)


def _check(name: str, known: frozenset[str], closed: frozenset[str], element: etree._Element) -> None:
    namespace, _, local = name[1:].rpartition("}")
    if namespace in closed and name not in known:
        raise SchemaValidationError(f"line {element.sourceline}: the schema of {namespace} has no {local}")


def union(vocabularies: Iterable[Vocabulary]) -> Vocabulary:
    """All of them together."""
    all_of = list(vocabularies)
    return Vocabulary(
        _NONE.union(*(each.namespaces for each in all_of)),
        _NONE.union(*(each.open for each in all_of)),
        _NONE.union(*(each.elements for each in all_of)),
        _NONE.union(*(each.attributes for each in all_of)),
    )


def vocabulary_of(path: Path, parser: etree.XMLParser) -> Vocabulary:
    """What the schema in this file declares, and those that it imports and includes."""
    return _read(path.resolve(), parser, None, set())


def _read(path: Path, parser: etree.XMLParser, includer: str | None, seen: set[Path]) -> Vocabulary:
    """includer: the namespace that a schema without one of its own takes over (XML Schema Part 1 §4.2.1)."""
    if path in seen:
        return Vocabulary()
    seen.add(path)
    root = etree.parse(path, parser).getroot()
    namespace = root.get("targetNamespace", includer or "")
    wildcards = (each.get("namespace", "##any").split() for each in root.iter(f"{_XS}any"))
    own = Vocabulary(
        frozenset({namespace}),
        frozenset({namespace}) if any(not _OWN.isdisjoint(each) for each in wildcards) else _NONE,
        _declared(root.iter(f"{_XS}element"), namespace),
        _declared(root.iterchildren(f"{_XS}attribute"), namespace),
    )
    others = [own]
    for reference in root.iterchildren(f"{_XS}import", f"{_XS}include"):
        file = (path.parent / reference.get("schemaLocation", "")).resolve()
        others.append(_read(file, parser, namespace, seen))
    return union(others)


def _declared(declarations: Iterable[etree._Element], namespace: str) -> frozenset[str]:
    """The names, without references to what is declared elsewhere."""
    return frozenset(f"{{{namespace}}}{each.get('name')}" for each in declarations if each.get("name"))
