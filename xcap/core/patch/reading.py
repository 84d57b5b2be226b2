"""From text to tree: a namespace-aware expat parse with no DTD, no entity and no network, bounded in size and depth.

Law of this file: what is returned is namespace-well-formed XML 1.0 in UTF-8 within the bounds of `source`, so that this
gate and the one of `source.scan` let the same documents pass. expat itself checks the namespace rules and tells the
prefix with each name, so that names are kept as written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge
from xcap.core.patch.tree import Comment, Document, Element, ProcessingInstruction
from xcap.core.source import MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS

if TYPE_CHECKING:
    from xcap.core.patch.tree import Node

_SEPARATOR: Final = "\x01"
"""Between namespace name, local name and prefix; this character occurs in no XML document."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a text may hold."""

    size: int
    """In bytes."""
    elements: int
    depth: int
    attributes: int
    """Of one element, namespace declarations included."""


OF_DOCUMENT: Final = Bounds(MAX_BYTES, MAX_ELEMENTS, MAX_DEPTH, MAX_ATTRIBUTES)
OF_PATCH: Final = Bounds(2 * MAX_BYTES, 2 * MAX_ELEMENTS, MAX_DEPTH + 2, MAX_ATTRIBUTES * MAX_DEPTH)
"""A patch may hold a whole document within two elements, which declare whatever is in scope at a place of it."""


def parse(content: bytes, bounds: Bounds = OF_DOCUMENT) -> Document:
    """Read a document.

    Raises TooLarge, NotUtf8, NotWellFormed (with line and column).
    """
    if len(content) > bounds.size:
        raise TooLarge(bounds.size)
    _check_utf8(content)  # expat would follow a byte order mark of UTF-16 in spite of the encoding it was given
    builder = _Builder(bounds)
    parser = _parser_for(builder)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise NotWellFormed(expat.ErrorString(error.code), error.lineno, error.offset + 1) from None
    except _Refused as error:
        raise NotWellFormed(error.reason, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1) from None
    return builder.document


def _check_utf8(content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8(f"byte {error.start} is not UTF-8") from None


class _Refused(Exception):
    """Raised through expat by a handler; `parse` adds the place."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Builder:
    """Takes expat's events; it does not know its parser, so that the two form no reference cycle."""

    __slots__ = ("bounds", "count", "declarations", "document", "names", "open")

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.count = 0
        self.document = Document([])
        self.open: list[list[Node]] = [self.document.children]
        """The child lists of the elements that have not ended."""
        self.declarations: dict[str, str] = {}
        """What expat has told of the element that starts next."""
        self.names: dict[str, str] = {}
        """Names as written by expat's `uri local prefix`: the same few come again and again."""

    def xml_declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise NotUtf8("the XML declaration names another encoding than UTF-8")
        self.document.declared = True

    def doctype(self, name: str, system_id: str | None, public_id: str | None, has_internal_subset: int) -> None:
        raise _Refused("a document type declaration is not allowed")

    def namespace(self, prefix: str | None, uri: str | None) -> None:
        if prefix != "xml":  # bound everywhere anyway, and no namespace node that canonical form shows
            self.declarations[prefix or ""] = uri or ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        declarations, self.declarations = self.declarations, {}
        self.count += 1
        if self.count > self.bounds.elements:
            raise TooLarge(self.bounds.elements, "elements")
        if len(self.open) > self.bounds.depth:
            raise TooLarge(self.bounds.depth, "elements within each other")
        if len(attributes) + len(declarations) > self.bounds.attributes:
            raise TooLarge(self.bounds.attributes, "attributes and namespace declarations of one element")
        named = {self.written(key): value for key, value in attributes.items()} if attributes else attributes
        children: list[Node] = []
        self.open[-1].append(Element(self.names.get(name) or self.written(name), declarations, named, children))
        self.open.append(children)

    def end(self, name: str) -> None:
        self.open.pop()

    def text(self, data: str) -> None:
        children = self.open[-1]
        if children and type(children[-1]) is str:  # expat flushes its buffer at CDATA sections and when it is full
            children[-1] += data
        else:
            children.append(data)

    def comment(self, data: str) -> None:
        self.open[-1].append(Comment(data))

    def instruction(self, target: str, data: str) -> None:
        self.open[-1].append(ProcessingInstruction(target, data))

    def written(self, name: str) -> str:
        parts = name.split(_SEPARATOR)
        written = self.names[name] = f"{parts[2]}:{parts[1]}" if len(parts) == 3 else parts[-1]
        return written


def _parser_for(builder: _Builder) -> expat.XMLParserType:
    parser = expat.ParserCreate("utf-8", _SEPARATOR)
    parser.namespace_prefixes = True
    parser.buffer_text = True
    parser.XmlDeclHandler = builder.xml_declaration
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.StartNamespaceDeclHandler = builder.namespace
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.CommentHandler = builder.comment
    parser.ProcessingInstructionHandler = builder.instruction
    return parser
