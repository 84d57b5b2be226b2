"""XCAP URIs (RFC 4825 §6): the path as it came from the wire, split into document selector, node selector, bindings.

Law: split first, decode after. The path arrives raw, so an encoded slash or quote inside a segment stays inside it;
the first `~~` segment separates (`%7E%7E` is the same), and each half is percent-decoded exactly once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from xcap.core.errors import BadRequest, NotFound
from xcap.core.source import XML_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_URI_BYTES = 8192
"""Path and query together; common HTTP servers stop at the same length."""

_NO_BINDINGS: Mapping[str, str] = MappingProxyType({})

_SEPARATOR = re.compile(rb"/(?:~|%7[Ee]){2}(?=/|\Z)")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[ \t\r\n]*(?P<name>[^\s()^]+)\(")
_BINDING = re.compile(r"([^\s=:]+)[ \t\r\n]*=[ \t\r\n]*(\S+)")

_SPACE = " \t\r\n"
_SEGMENT_SAFE = ":@!$&'()*+,;="
_NODE_SAFE = "/" + _SEGMENT_SAFE


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """Where a document lives (RFC 4825 §6.2): application usage, tree and name."""

    auid: str
    user: str | None
    """The XUI in normal form (`sip:alice@example.com`); None is the global tree."""
    name: str
    """The path below the user or `global`, usually `index`; folders are separated by `/`."""


@dataclass(frozen=True, slots=True)
class ResourceUri:
    """A document, or a node inside one."""

    key: DocumentKey
    node: str | None = None
    """The node selector, percent-decoded (RFC 4825 §6.3: the grammar applies after decoding); None is the document."""
    bindings: Mapping[str, str] = field(default_factory=lambda: _NO_BINDINGS)
    """prefix -> namespace, from the query's xmlns() parts."""

    def to_path(self, root: str) -> str:
        """The raw path and query that `parse` takes, percent-encoded: `/root/auid/users/xui/name/~~/node?xmlns(…)`."""
        tree = ["global"] if self.key.user is None else ["users", self.key.user]
        segments = [self.key.auid, *tree, *self.key.name.split("/")]
        path = "/".join([root.rstrip("/"), *(quote(segment, safe=_SEGMENT_SAFE) for segment in segments)])
        return path if self.node is None else f"{path}/~~/{encode_node(self.node, self.bindings)}"


def parse(raw_path: bytes, query: bytes, root: str) -> ResourceUri:
    """Take a request's path apart.

    raw_path: as on the wire, before any percent-decoding and without the query.
    query: as on the wire, without the `?`.
    root: the XCAP root's path, such as `/xcap-root`; `/` or the empty text for none.
    Raises BadRequest for what cannot be read, NotFound for a path that can be no document (RFC 4825 §6, §8).
    """
    if len(raw_path) + len(query) > MAX_URI_BYTES:
        raise BadRequest(f"the URI is longer than {MAX_URI_BYTES} bytes")
    path = _below(root, raw_path)
    separator = _SEPARATOR.search(path)
    if separator is None:
        return ResourceUri(_document_key(path), None, parse_bindings(query))
    node = _decoded(path[separator.end() + 1 :])
    if not node:
        raise BadRequest("nothing follows the node selector separator")
    return ResourceUri(_document_key(path[: separator.start()]), node, parse_bindings(query))


def parse_bindings(query: bytes) -> Mapping[str, str]:
    """The namespace bindings of a query (RFC 4825 §6.4): XPointer parts, of which only `xmlns(prefix=uri)` count.

    Raises BadRequest when the query is no sequence of XPointer parts, or binds `xml` or `xmlns` to something else.
    """
    if not query:
        return _NO_BINDINGS
    text = _decoded(query).strip(_SPACE)
    bindings: dict[str, str] = {}
    position = 0
    while position < len(text):
        scheme = _SCHEME.match(text, position)
        if scheme is None:
            raise BadRequest(f"the query is no XPointer at character {position + 1}")
        data, position = _scheme_data(text, scheme.end())
        if scheme["name"] == "xmlns":
            bindings.update([_binding(data)])
    return MappingProxyType(bindings)


def normal_xui(xui: str) -> str:
    """An XUI in the form by which users are compared: scheme and host in lower case, the user part as it is.

    An address without a scheme is a SIP address: `alice@example.com` is `sip:alice@example.com`.
    """
    address, _, host = xui.rpartition("@")
    if not address:
        return xui
    scheme, colon, user = address.partition(":")
    return f"{scheme.lower()}:{user}@{host.lower()}" if colon else f"sip:{address}@{host.lower()}"


def encode_node(node: str, bindings: Mapping[str, str]) -> str:
    """A node selector with the query that its prefixes need, percent-encoded, relative to the document (§11.1)."""
    encoded = quote(node, safe=_NODE_SAFE)
    if not bindings:
        return encoded
    parts = (f"xmlns({prefix}={_escape(uri)})" for prefix, uri in bindings.items())
    return f"{encoded}?{quote(''.join(parts), safe=_NODE_SAFE)}"


def _below(root: str, raw_path: bytes) -> bytes:
    """The path after the root, with one leading slash: clients join a root and a path that both bring a slash."""
    prefix = root.rstrip("/").encode()
    rest = raw_path[len(prefix) :]
    if not raw_path.startswith(prefix) or not rest.startswith(b"/"):
        raise NotFound("outside the XCAP root")
    return b"/" + rest.lstrip(b"/")


def _document_key(path: bytes) -> DocumentKey:
    segments = [_decoded(segment) for segment in path.split(b"/")[1:]]
    if any(_CONTROL.search(segment) for segment in segments):
        raise BadRequest("a control character in the path of a document")
    match segments:
        case [auid, "global", _, *_]:
            return DocumentKey(auid, None, _name(segments[2:]))
        case [auid, "users", user, _, *_] if user:
            return DocumentKey(auid, normal_xui(user), _name(segments[3:]))
        case _:
            raise NotFound("not the path of a document")


def _name(segments: list[str]) -> str:
    """The document's name; a segment that could be read as a step of a path is no name anywhere."""
    for segment in segments:
        if segment in ("", ".", "..") or "/" in segment:
            raise NotFound("not the path of a document")
    return "/".join(segments)


def _decoded(raw: bytes) -> str:
    if b"%" in raw and _BAD_ESCAPE.search(raw):
        raise BadRequest("a percent sign without two hexadecimal digits")
    try:
        text = (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("the URI is not UTF-8 after percent-decoding") from None
    return text


def _scheme_data(text: str, position: int) -> tuple[str, int]:
    """The data of an XPointer part and where the part ends; `^` escapes `(`, `)` and itself (XPointer §3.1)."""
    data: list[str] = []
    depth = 1
    while position < len(text):
        character = text[position]
        if character == "^":
            position += 1
            character = text[position : position + 1]
            if character not in ("^", "(", ")"):
                raise BadRequest("a circumflex in the query escapes nothing")
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return "".join(data), position + 1
        data.append(character)
        position += 1
    raise BadRequest("an XPointer part of the query is not closed")


def _binding(data: str) -> tuple[str, str]:
    matched = _BINDING.fullmatch(data)
    if matched is None:
        raise BadRequest("an xmlns() part is not prefix=namespace")
    prefix, uri = matched.groups()
    if prefix == "xmlns" or (prefix == "xml") != (uri == XML_NAMESPACE):
        raise BadRequest("the prefixes xml and xmlns cannot be bound anew")
    return prefix, uri


def _escape(uri: str) -> str:
    return re.sub(r"[\^()]", r"^\g<0>", uri)
