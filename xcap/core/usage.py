"""Application usages (RFC 4825 §5): what a server must know of each kind of document to serve it.

Law: a document is stored only after `ApplicationUsage.validate` took it, whole, whichever node was edited.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from xcap.core.errors import ConstraintFailure, NoParent, NotFound
from xcap.core.uri import DocumentKey
from xcap.core.xml import check_schema, parse_document

if TYPE_CHECKING:
    from lxml import etree


class Operation(enum.Enum):
    """What a requester wants to do with a document or a node in it."""

    READ = "read"
    WRITE = "write"


Policy = Callable[[str, DocumentKey, Operation], bool]
"""(requester's XUI, document, operation) -> may it? (RFC 4825 §5.7)"""

Constraint = Callable[["etree._Element"], None]
"""Looks at a schema-valid document; raises UniquenessFailure or ConstraintFailure (RFC 4825 §5.3)."""


def default_policy(requester: str, key: DocumentKey, operation: Operation) -> bool:
    """Users read and write their own tree; everyone reads the global tree and nobody writes there (RFC 4825 §5.7)."""
    if key.user is None:
        return operation is Operation.READ
    return requester == key.user


def no_documents(usages: Usages) -> Mapping[DocumentKey, bytes]:
    """For usages whose documents all come from users."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationUsage:
    """One kind of document (RFC 4825 §5.9)."""

    auid: str
    media_type: str
    """Of whole documents; nodes have the types of RFC 4825 §15.2."""
    default_namespace: str | None
    """What an unprefixed element name in a node selector means (§5.2); None is no namespace."""
    namespaces: tuple[str, ...]
    """Those whose schemas the server has; announced in xcap-caps."""
    schema: etree.XMLSchema | None = None
    constraints: tuple[Constraint, ...] = ()
    """Checked in order, after the schema."""
    names: frozenset[str] | None = frozenset({"index"})
    """The names that documents may have; None allows any name directly below the user."""
    policy: Policy = default_policy
    provide: Callable[[Usages], Mapping[DocumentKey, bytes]] = no_documents
    """Documents that the server makes itself from what it knows at start, never stored."""

    def validate(self, content: bytes) -> etree._Element:
        """The document's root, if all of it may be stored (RFC 4825 §8.2.2, §8.2.5).

        Raises TooLarge, NotUtf8, NotWellFormed, SchemaValidationError, UniquenessFailure, ConstraintFailure.
        """
        document = parse_document(content)
        if self.schema is not None:
            check_schema(self.schema, document)
        for constraint in self.constraints:
            constraint(document)
        return document

    def check_name(self, key: DocumentKey) -> None:
        """Whether a document may be created there (RFC 4825 §5.5).

        Raises NoParent for a folder, since there are none, and ConstraintFailure for a name that is not in use.
        """
        if self.names is None:
            if "/" in key.name:
                raise NoParent
        elif key.name not in self.names:
            raise ConstraintFailure(f"documents of this usage are named {', '.join(sorted(self.names))}")


class Usages:
    """The application usages that a server knows, by AUID, in the order given."""

    def __init__(self, usages: Iterable[ApplicationUsage]) -> None:
        self._usages = {usage.auid: usage for usage in usages}
        self.provided: Mapping[DocumentKey, bytes] = MappingProxyType(
            {key: content for usage in self for key, content in usage.provide(self).items()}
        )
        """Documents that the server makes itself; the service answers them before it asks the store."""

    def __iter__(self) -> Iterator[ApplicationUsage]:
        return iter(self._usages.values())

    def usage(self, auid: str) -> ApplicationUsage:
        """The usage of this name. Raises NotFound (RFC 4825 §8)."""
        try:
            return self._usages[auid]
        except KeyError:
            raise NotFound("no such application usage") from None
