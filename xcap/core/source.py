"""A document's elements with their places in its bytes, so that an edit can splice instead of serialising anew.

Expat reads the bytes once and reports byte offsets; nothing else of the document is kept. This is also the gate of
every document: UTF-8 only (RFC 4825 §5.3), no DTD and so no entities of its own, bounded size, depth and attributes.

Law: offsets are into exactly the bytes that were given, byte order mark included; names are expanded names.

One version of a document is scanned by the edit that makes it, by its validation, by each read of one of its nodes and
by the next edit. The elements are a function of the bytes, so those of the last documents are remembered by them, and
all but the first of these scans are a look-up. So nobody changes an `Element` once it was scanned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from xcap.core.errors import NotUtf8, NotWellFormed, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_BYTES = 1_048_576
"""A document; the largest ordinary thing in one is a photo of some hundred kilobytes."""
MAX_ELEMENTS = 50_000
"""In a document: a list of 10,000 people has about 20,000."""
MAX_DEPTH = 64
"""Elements within elements; libxml2 stops at 256, real documents at about 10."""
MAX_ATTRIBUTES = 128
"""Attributes and namespace declarations of one element."""

REMEMBERED_OCTETS = 32 * 1024 * 1024
"""Memory for scanned documents: those of some 1,500 ordinary ones."""
ELEMENT_OCTETS = 400
"""Memory for one scanned element, about."""

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
"""Bound to the prefix `xml` everywhere."""
WHITESPACE = b" \t\r\n"

_SEPARATOR = "\x01"
"""Between namespace and local name; no XML document can contain it."""
_NO_DECLARATIONS: Mapping[str | None, str | None] = {}

_PLAIN_VALUE = re.compile(rb"""(["'])(?:(?!\1)[ -%'-;=-~])*+\1""")
"""A quoted value of printable ASCII in which nothing is replaced."""
_TAG = re.compile(rb"""<[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>""")
_TAG_NAME = re.compile(rb"[^\s/>]+")
_ATTRIBUTE = re.compile(
    rb"""(?<![ \t\r\n])[ \t\r\n]++(?P<name>[^\s=]+)[ \t\r\n]*=[ \t\r\n]*(?P<value>"[^"]*"|'[^']*')"""
)


def expanded(namespace: str | None, local: str) -> str:
    """The one text by which names are compared (Namespaces in XML §2.1)."""
    return f"{namespace}{_SEPARATOR}{local}" if namespace else local


@dataclass(slots=True)
class Element:
    """One element. The tags' ends are found in the bytes when asked for, since few elements are ever asked.

    Several readers may share it, now and later.
    """

    name: str
    """Expanded."""
    attributes: Mapping[str, str]
    """Expanded name -> normalised value; namespace declarations are no attributes (RFC 4825 §6.3)."""
    declarations: Mapping[str | None, str | None]
    """prefix -> namespace, as declared on this element; None is the default, and no namespace."""
    start: int
    """Offset of the start tag's `<`."""
    close: int = 0
    """Offset of the end tag's `<`; for an empty-element tag, the offset after it."""
    children: list[Element] = field(default_factory=list)

    def tag(self, content: bytes) -> bytes:
        """The start tag or empty-element tag."""
        return next(_TAG.finditer(content, self.start))[0]

    def raw_name(self, content: bytes) -> bytes:
        """The name with its prefix, as written."""
        return next(_TAG_NAME.finditer(content, self.start + 1))[0]

    def end(self, content: bytes) -> int:
        """Offset after the element."""
        tag = self.tag(content)
        return self.start + len(tag) if tag.endswith(b"/>") else content.index(b">", self.close) + 1


@dataclass(frozen=True, slots=True)
class AttributeSpan:
    """Where an attribute stands: its leading white space, its quoted value, its end."""

    name: str
    """Expanded."""
    start: int
    value: int
    end: int


def scan(content: bytes, *, namespaces: bool = True) -> Element:
    """The root element of `content`, with all elements below it.

    namespaces: False leaves names as written and accepts prefixes that are bound elsewhere, as in a fragment.
    Raises TooLarge, NotUtf8, NotWellFormed.
    """
    if not namespaces:
        return _scanned(content, namespaces=False).root
    root = _remembered.root(content)
    if root is None:
        scanner = _scanned(content, namespaces=True)
        root = scanner.root
        _remembered.keep(content, root, scanner.count)
    return root


def _scanned(content: bytes, *, namespaces: bool) -> _Scanner:
    _check_encoding(content)
    parser = expat.ParserCreate("utf-8", _SEPARATOR if namespaces else None)
    scanner = _Scanner(parser)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise NotWellFormed(expat.ErrorString(error.code), error.lineno, error.offset + 1) from None
    finally:
        scanner.release()
    return scanner


def _check_encoding(content: bytes) -> None:
    """Raises TooLarge, NotUtf8 for bytes that are no UTF-8; what the XML declaration says is for `scan` to see."""
    if len(content) > MAX_BYTES:
        raise TooLarge(MAX_BYTES)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUtf8(f"byte {error.start} is not UTF-8") from None


def attribute_value(literal: bytes) -> str:
    """The value of a quoted AttValue, references replaced and white space normalised (XML 1.0 §3.3.3).

    Raises NotUtf8, NotWellFormed, also for a text without quotes or with something after them.
    """
    if _PLAIN_VALUE.fullmatch(literal):
        return literal[1:-1].decode()
    element = scan(b"<_ _=" + literal + b"/>", namespaces=False)
    if literal.strip(WHITESPACE) != literal or len(element.attributes) != 1:
        raise NotWellFormed("not one quoted value", 1, 1)
    return element.attributes["_"]


def in_scope(path: Sequence[Element]) -> dict[str | None, str]:
    """The namespaces in scope for the last element of `path`, which starts at the root."""
    scope: dict[str | None, str | None] = {}
    for element in path:
        scope.update(element.declarations)
    return {prefix: uri for prefix, uri in scope.items() if uri}


def attribute_spans(content: bytes, path: Sequence[Element]) -> Iterator[AttributeSpan]:
    """The attributes of the last element of `path`, as they stand in its tag, without namespace declarations."""
    element = path[-1]
    namespaces: dict[str | None, str] = {"xml": XML_NAMESPACE, **in_scope(path)}
    for matched in _ATTRIBUTE.finditer(element.tag(content)):
        prefix, colon, local = matched["name"].decode().rpartition(":")
        if "xmlns" in (prefix, matched["name"].decode()):
            continue
        name = expanded(namespaces[prefix], local) if colon else local
        start, value, end = (
            element.start + offset for offset in (matched.start(), matched.start("value"), matched.end())
        )
        yield AttributeSpan(name, start, value, end)


class _Scanner:
    """Expat's handlers; builds the elements within the bounds."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self.root: Element
        self.count = 0
        self._parser = parser
        self._open: list[Element] = []
        self._declarations: dict[str | None, str | None] = {}
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declaration

    def release(self) -> None:
        """Parser and scanner hold each other; let go, so that no garbage collection is needed."""
        self._parser.StartElementHandler = None
        self._parser.EndElementHandler = None
        self._parser.StartNamespaceDeclHandler = None
        self._parser.StartDoctypeDeclHandler = None
        self._parser.XmlDeclHandler = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        declarations = self._declarations
        if declarations:
            self._declarations = {}
        self.count += 1
        if self.count > MAX_ELEMENTS:
            raise TooLarge(MAX_ELEMENTS, "elements")
        if len(attributes) + len(declarations) > MAX_ATTRIBUTES:
            raise TooLarge(MAX_ATTRIBUTES, "attributes and namespace declarations of one element")
        if len(self._open) == MAX_DEPTH:
            raise TooLarge(MAX_DEPTH, "elements within each other")
        element = Element(name, attributes, declarations or _NO_DECLARATIONS, self._parser.CurrentByteIndex)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        self._open.pop().close = self._parser.CurrentByteIndex

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declarations[prefix] = uri

    def _doctype(self, name: str, system_id: str | None, public_id: str | None, has_internal_subset: bool) -> None:
        line, column = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1
        raise NotWellFormed("document type declarations are not accepted", line, column)

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise NotUtf8("the XML declaration names another encoding than UTF-8")


class _Remembered:
    """The elements of the documents that were used last, as many as fit."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._known: dict[bytes, tuple[Element, int]] = {}
        """content -> root, octets of memory; the one that was used last stands last."""

    def root(self, content: bytes) -> Element | None:
        known = self._known.pop(content, None)
        if known is None:
            return None
        self._known[content] = known
        return known[0]

    def keep(self, content: bytes, root: Element, count: int) -> None:
        size = len(content) + ELEMENT_OCTETS * count
        self._known[content] = root, size
        self._room -= size
        while self._room < 0:
            oldest = next(iter(self._known))
            self._room += self._known.pop(oldest)[1]


_remembered = _Remembered(REMEMBERED_OCTETS)
