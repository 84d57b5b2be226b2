"""Application usages (RFC 4825 §5): what a server must know of each kind of document to serve it.

Law: a document is stored only after `ApplicationUsage.validate` took it, whole, whichever node was edited.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from xcap.core.errors import ConstraintFailure, NoParent, NotFound
from xcap.core.uri import DocumentKey
from xcap.core.vocabulary import union
from xcap.core.xml import check_schema, parse_document

if TYPE_CHECKING:
    from lxml import etree

    from xcap.core.xml import Schema


class Operation(enum.Enum):
    """What a requester wants to do with a document or a node in it."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Access:
    """What a policy judges."""

    requester: str
    """The requester's XUI."""
    key: DocumentKey
    operation: Operation
    trusted: bool = False
    """Whether the requester is provisioned as a trusted user (RFC 4825 §5.7): the domain's own presence server, say."""


Policy = Callable[[Access], bool]
"""Whether the access is granted (RFC 4825 §5.7)."""

Constraint = Callable[["etree._Element", str | None], None]
"""(root of a schema-valid document, XUI of the user in whose tree it is or None for the global tree); raises
UniquenessFailure or ConstraintFailure (RFC 4825 §5.3)."""


@dataclass(frozen=True, slots=True)
class Unique:
    """Values that no two documents of a usage may share, whoever's they are (RFC 4825 §5.3)."""

    values: Callable[[etree._Element], Sequence[tuple[str, str]]]
    """root -> the values, each in the form by which it is compared and with the node selector of its place (§11.1)."""
    alternatives: Callable[[str], Iterable[str]]
    """A value -> finitely many others like it, to be suggested if they are free."""


def default_policy(access: Access) -> bool:
    """Users read and write their own tree; everyone reads the global tree, trusted users write it (RFC 4825 §5.7)."""
    if access.key.user is None:
        return access.operation is Operation.READ or access.trusted
    return access.requester == access.key.user


def servers_read(access: Access) -> bool:
    """As by default, and trusted users read every tree.

    For documents that a server of the domain acts upon: RFC 4826 §4.5 has the RLS fetch lists, RFC 5025 §9.7 the
    presence agent rules.
    """
    return default_policy(access) or (access.trusted and access.operation is Operation.READ)


def owner_reads(access: Access) -> bool:
    """Users read their own tree, and nobody anything else: for what the server computes for one user."""
    return access.operation is Operation.READ and access.requester == access.key.user


def no_documents(usages: Usages) -> Mapping[DocumentKey, bytes]:
    """For usages without documents that are known at start."""
    return {}


def nothing(key: DocumentKey) -> bool:
    """For usages whose documents are all stored."""
    return False


def everything(key: DocumentKey) -> bool:
    """For usages whose documents are all computed."""
    return True


def global_tree(key: DocumentKey) -> bool:
    """For usages that store documents of users, and compute those of the global tree."""
    return key.user is None


_NONE: Mapping[str, str] = MappingProxyType({})
_DECLARATION = b"xmlns"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationUsage:
    """One kind of document (RFC 4825 §5.9)."""

    auid: str
    media_type: str
    """Of whole documents; nodes have the types of RFC 4825 §15.2."""
    default_namespace: str | None
    """What an unprefixed element name in a node selector means (§5.2); None is no namespace."""
    vocabulary: Mapping[str, str] = field(default_factory=lambda: _NONE)
    """Local name -> namespace, for unprefixed names in node selectors that are not of the default namespace."""
    namespaces: tuple[str, ...]
    """Those whose schemas the server has; announced in xcap-caps."""
    schema: Schema | None = None
    constraints: tuple[Constraint, ...] = ()
    """Checked in order, after the schema."""
    unique: Unique | None = None
    """What must be unique among all documents of the usage; checked where the document is stored."""
    names: frozenset[str] | None = frozenset({"index"})
    """The names that documents may have; None allows any."""
    folders: frozenset[str] = frozenset()
    """The folders that every user has below the home directory; no others can be made."""
    aliases: Mapping[str, str] = field(default_factory=lambda: _NONE)
    """Other AUID -> the folder (empty: none) of this usage in which its documents are, for clients that use it."""
    policy: Policy = default_policy
    provide: Callable[[Usages], Mapping[DocumentKey, bytes]] = no_documents
    """Documents that the server makes from what it knows at start, never stored."""
    computed: Callable[[DocumentKey], bool] = nothing
    """Which documents the server computes when they are asked for: they come from `xcap.ports.DocumentSource`."""

    def validate(self, content: bytes, owner: str | None = None) -> etree._Element:
        """The document's root, if all of it may be stored (RFC 4825 §8.2.2, §8.2.5).

        owner: the XUI of the user in whose tree it is; None is the global tree.
        Raises TooLarge, NotUtf8, NotWellFormed, SchemaValidationError, UniquenessFailure, ConstraintFailure.
        """
        document = parse_document(content)
        if self.schema is not None:
            check_schema(self.schema, document)
        for constraint in self.constraints:
            constraint(document, owner)
        return document

    def check_name(self, key: DocumentKey) -> None:
        """Whether a document may be created there (RFC 4825 §5.5).

        Raises NoParent for a folder that is none of the usage's, ConstraintFailure for a name that is not in use, or
        that is a folder's (§6.2).
        """
        folder, slash, name = key.name.rpartition("/")
        if slash and folder not in self.folders:
            raise NoParent
        if key.name in self.folders:
            raise ConstraintFailure("this is the name of a folder")
        if self.names is not None and name not in self.names:
            raise ConstraintFailure(f"documents of this usage are named {', '.join(sorted(self.names))}")


class Usages:
    """The application usages that a server knows, by AUID, in the order given."""

    def __init__(
        self,
        usages: Iterable[ApplicationUsage],
        aliases: Mapping[str, str] = _NONE,
        *,
        known_as: Callable[[str], str] | None = None,
    ) -> None:
        """aliases: other AUID -> AUID, beside the aliases that the usages have themselves. known_as: the XUI by which a
        user is known, from any in normal form; None where a user has one.

        Raises ValueError for two usages of one AUID, for an alias that is an AUID, and for one of no usage.
        """
        self._known_as = known_as
        self._usages: dict[str, ApplicationUsage] = {}
        self._aliases: dict[str, tuple[str, str]] = {}
        for usage in usages:
            if usage.auid in self._usages:
                raise ValueError(f"two application usages are called {usage.auid}")
            self._usages[usage.auid] = usage
            self._aliases.update((alias, (usage.auid, folder)) for alias, folder in usage.aliases.items())
        self._aliases.update((alias, (auid, "")) for alias, auid in aliases.items())
        for alias, (auid, _) in self._aliases.items():
            if alias in self._usages:
                raise ValueError(f"the alias {alias} is the name of an application usage")
            if auid not in self._usages:
                raise ValueError(f"the alias {alias} is for {auid}, which is no application usage")
        self.provided: Mapping[DocumentKey, bytes] = MappingProxyType(
            {key: content for usage in self for key, content in usage.provide(self).items()}
        )
        """Documents that the server makes at start; the service answers them before it asks the store."""

        announced = frozenset(namespace for usage in self for namespace in usage.namespaces)
        self._vocabulary = union(usage.schema.vocabulary for usage in self if usage.schema).of(announced)

    def __iter__(self) -> Iterator[ApplicationUsage]:
        return iter(self._usages.values())

    def validate(self, usage: ApplicationUsage, content: bytes, owner: str | None) -> etree._Element:
        """The root of a document of `usage`, if it may be stored on a server with these usages.

        Raises what `ApplicationUsage.validate` does, and SchemaValidationError for names that are of another usage's
        schema by their namespace, and not in it (RFC 4825 §8.2.5).
        """
        document = usage.validate(content, owner)
        if usage.schema is None or content.count(_DECLARATION) > 1:  # else all of it is of the schema's namespace
            self._vocabulary.check(document)
        return document

    def canonical(self, key: DocumentKey) -> DocumentKey:
        """The key by which a document is known: that of its usage and its user, where the key names an alias."""
        if self._known_as is not None and key.user is not None:
            key = DocumentKey(key.auid, self._known_as(key.user), key.name)
        if key.auid not in self._aliases:
            return key
        auid, folder = self._aliases[key.auid]
        return DocumentKey(auid, key.user, f"{folder}/{key.name}" if folder else key.name)

    def usage(self, auid: str) -> ApplicationUsage:
        """The usage of this name. Raises NotFound (RFC 4825 §8)."""
        try:
            return self._usages[auid]
        except KeyError:
            raise NotFound("no such application usage") from None

    def is_computed(self, key: DocumentKey) -> bool:
        """Whether a document is the server's own work, so that nobody can write it. Raises NotFound."""
        return key in self.provided or self.usage(key.auid).computed(key)
