"""Which resources a list of URIs selects: documents, components of documents, collections (RFC 5875 §4.1, §4.4).

A URI is absolute, or relative to the XCAP root. One that can be none of a resource of this server selects nothing, and
is no error: what does not exist is waited for (§4.7).

Laws: no document and no component is selected twice (§4.7); what is told of a resource bears the URI as it was written,
octet by octet, and the documents of a collection begin with its URI (§4.6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from xcap.core import uri as uris
from xcap.core.errors import BadRequest, NotFound
from xcap.core.selector import NodeKind, NodeSelector, parse_node_selector
from xcap.core.uri import DocumentKey, ResourceUri, normal_xui

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from xcap.core.usage import Usages

Tree = tuple[str, str | None]
"""AUID, and a user or None for the global tree."""

_ABSOLUTE: Final = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>.*)", re.IGNORECASE | re.DOTALL)


class Root:
    """The XCAP root."""

    def __init__(self, uri: str) -> None:
        """uri: absolute, with or without a slash at its end. Raises ValueError."""
        found = _ABSOLUTE.fullmatch(uri)
        if found is None:
            raise ValueError("the XCAP root URI must be absolute")
        self.uri = uri.rstrip("/") + "/"
        """As it is told to subscribers: what is relative to it continues it."""
        self._place = _place(found)
        self._path = found["path"].rstrip("/") + "/"

    def relative(self, uri: str) -> str | None:
        """The URI from the root on, without a slash at its beginning; None for one elsewhere."""
        found = _ABSOLUTE.fullmatch(uri)
        if found is not None:
            if _place(found) != self._place or not found["path"].startswith(self._path):
                return None
            uri = found["path"]
        if uri.startswith("/"):
            uri = uri.removeprefix(self._path)
        return uri.lstrip("/")


def _place(absolute: re.Match[str]) -> tuple[str, str]:
    return absolute["scheme"].lower(), absolute["authority"].lower()


@dataclass(frozen=True, slots=True)
class Component:
    """An element or attribute of a document."""

    selector: str
    """As it was written."""
    key: DocumentKey
    node: NodeSelector


@dataclass(frozen=True, slots=True)
class Collection:
    """All documents in some trees, or in a folder of them, and in the folders of that (§4.1)."""

    prefix: str
    """As it was written, but relative to the root: empty for the root itself, else with a slash at its end."""
    depth: int
    """Segments of a document's path that the prefix stands for."""
    trees: frozenset[Tree]
    folder: str = ""
    """What the documents' names begin with: empty, or with a slash at its end."""
    alias: str | None = None
    """The AUID as it was written, if it is another name for that of `trees`."""
    hidden: str = ""
    """What the documents' names do not begin with where they are known by the alias."""

    def covers(self, key: DocumentKey) -> bool:
        """Whether the document is in the collection."""
        return (key.auid, key.user) in self.trees and key.name.startswith(self.folder)

    def selector(self, key: DocumentKey) -> str:
        """The URI of a document in the collection, relative to the root, percent-encoded."""
        if self.alias is not None:
            key = DocumentKey(self.alias, key.user, key.name.removeprefix(self.hidden))
        segments = ResourceUri(key).to_path("").split("/")[1:]
        return self.prefix + "/".join(segments[self.depth :])


@dataclass(frozen=True, slots=True)
class Selections:
    """What one subscription is about."""

    documents: Mapping[DocumentKey, str]
    """The document -> its URI as it was written."""
    components: tuple[Component, ...]
    collections: tuple[Collection, ...]
    name: str
    """Names what is selected, in whatever order it was listed (§4.7)."""

    @property
    def trees(self) -> frozenset[Tree]:
        """Where the selected resources are."""
        return self.collected.union((key.auid, key.user) for key in self.named)

    @property
    def collected(self) -> frozenset[Tree]:
        """Where the documents of the collections are."""
        return frozenset[Tree]().union(*(each.trees for each in self.collections))

    @property
    def named(self) -> Iterable[DocumentKey]:
        """The documents that are selected by name, and those of the components."""
        return dict.fromkeys((*self.documents, *(each.key for each in self.components)))

    def components_of(self, key: DocumentKey) -> Iterable[Component]:
        """The selected components of a document."""
        return (each for each in self.components if each.key == key)

    def selector(self, key: DocumentKey) -> str | None:
        """The URI by which a document is told of; None for one that is not selected as a whole."""
        found = self.documents.get(key)
        if found is not None:
            return found
        return next((each.selector(key) for each in self.collections if each.covers(key)), None)

    def concern(self, key: DocumentKey) -> bool:
        """Whether a change of the document can be a change of what is selected."""
        return (
            key in self.documents or any(each.covers(key) for each in self.collections) or any(self.components_of(key))
        )


NOTHING = Selections({}, (), (), "")
"""What is selected before anything is."""


class Catalog:
    """The resources that there can be, as one user may name them."""

    def __init__(self, usages: Usages, canonical: Callable[[DocumentKey], DocumentKey], root: Root) -> None:
        """canonical: the key by which a document is known, from any key that leads to it."""
        self.root = root
        self._usages = usages
        self._canonical = canonical
        self._auids = [usage.auid for usage in usages]

    def everything_of(self, user: str) -> Selections:
        """What is selected where no list says so: the user's own documents."""
        trees = frozenset((auid, user) for auid in self._auids)
        return Selections({}, (), (Collection("", 0, trees),), "")

    def select(self, listed: Iterable[str], user: str) -> Selections:
        """What these URIs select for `user`.

        A collection above the home directories of users has the user's own in it, and the global tree if it is above
        that, too; those of others are named one by one.
        """
        documents: dict[DocumentKey, str] = {}
        components: list[Component] = []
        collections: list[Collection] = []
        names = sorted(set(listed))
        for uri in listed:
            relative = self.root.relative(uri) if uri else None
            match None if relative is None else self._resource(relative, user):
                case Collection() as collection:
                    collections.append(collection)
                case DocumentKey() as key:
                    documents.setdefault(key, uri)
                case (DocumentKey() as key, NodeSelector() as node):
                    if not any(each.key == key and _is_same(each.node, node) for each in components):
                        components.append(Component(uri, key, node))
        return Selections(documents, tuple(components), tuple(collections), "\n".join(names))

    def _resource(self, relative: str, user: str) -> Collection | DocumentKey | tuple[DocumentKey, NodeSelector] | None:
        """What a URI from the root on names; None for what can be no resource."""
        path, _, query = relative.partition("?")
        if not path or path.endswith("/"):
            return self._collection(path, user)
        try:
            found = uris.parse(b"/" + path.encode(), query.encode(), "")
            key = self._canonical(found.key)
            usage = self._usages.usage(key.auid)
            if found.node is None:
                return key
            node = parse_node_selector(found.node, found.bindings, usage.default_namespace, usage.vocabulary)
        except (BadRequest, NotFound):
            return None
        return None if node.kind is NodeKind.NAMESPACES else (key, node)

    def _collection(self, path: str, user: str) -> Collection | None:
        """The collection of a path that is empty or ends with a slash; None for what can be none."""
        segments = [unquote(segment) for segment in path.split("/")[:-1]]
        if not segments:
            return Collection(path, 0, frozenset((auid, each) for auid in self._auids for each in (None, user)))
        auid, hidden = self._behind(segments[0])
        if auid not in self._auids:
            return None
        users, folders = self._users(segments[1:], user)
        return Collection(
            prefix=path,
            depth=len(segments),
            trees=frozenset((auid, each) for each in users),
            folder=hidden + "".join(f"{folder}/" for folder in folders),
            alias=None if auid == segments[0] else segments[0],
            hidden=hidden,
        )

    def _behind(self, auid: str) -> tuple[str, str]:
        """The AUID that `auid` is a name for, and the folder that the documents of that name are in."""
        key = self._usages.canonical(DocumentKey(auid, None, ""))
        return key.auid, key.name

    def _users(self, segments: list[str], user: str) -> tuple[tuple[str | None, ...], list[str]]:
        """Whose trees are below a path within a usage, and the folders that follow."""
        match segments:
            case []:
                return (None, user), []
            case ["global", *folders]:
                return (None,), folders
            case ["users"]:
                return (user,), []
            case ["users", named, *folders]:
                return (self._usages.canonical(DocumentKey("", normal_xui(named), "")).user,), folders
            case _:
                return (), []


def _is_same(one: NodeSelector, other: NodeSelector) -> bool:
    """Whether two selectors select the same, in whatever words."""
    return _meaning(one) == _meaning(other)


def _meaning(node: NodeSelector) -> tuple[object, ...]:
    steps = tuple((step.name, step.position, step.attribute) for step in node.steps)
    return steps, node.attribute.name if node.attribute else None
