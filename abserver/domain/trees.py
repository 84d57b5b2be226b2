"""Reading and writing the XML of cards and rules: a safe parser and one canonical form.

The parser is the standard library's C tree builder, because a card is read at every change: 1.5 kB takes it half the
time that an lxml tree takes to build and walk. It never sees a document type declaration, the only place where
entities could come from, so there is nothing to expand and nothing to fetch.

The canonical form is a function of what an XML reader would see (names, attributes, text) and of nothing else: neither
prefixes, attribute order, quotes, comments, processing instructions, CDATA nor the white space between elements. Two
sources of the same content give the same bytes, which is what entity-tags and non-interference rest on.
"""

from __future__ import annotations

import functools
import re
from xml.etree.ElementTree import Element, ParseError, XMLParser, fromstring

_DOCTYPE = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s++|<\?(?>.*?\?>)|<!--(?>.*?-->))*+<!DOCTYPE", re.DOTALL)
_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
_BLANK = " \t\r\n"

DEEPEST = 64
"""Nesting beyond which an element is refused; cards and rules need six."""


class InvalidDocument(ValueError):
    """A document is not what its usage stores; the message names the place and never the content."""


def parse(content: bytes) -> Element:
    """The root element of a UTF-8 document; comments and processing instructions are gone. Raises InvalidDocument."""
    if _DOCTYPE.match(content):
        raise InvalidDocument("a document type declaration is not allowed")
    try:
        return fromstring(content, XMLParser(encoding="utf-8"))  # noqa: S314 (no declarations, so no entities)
    except ParseError as error:
        line, column = error.position
        raise InvalidDocument(f"not well-formed XML at line {line}, column {column + 1}") from None


@functools.lru_cache(maxsize=1024)
def split(tag: str) -> tuple[str, str]:
    """Namespace ("" for none) and local name of a tag or attribute name."""
    if not tag.startswith("{"):
        return "", tag
    namespace, _, name = tag[1:].rpartition("}")
    return namespace, name


def canonical(element: Element, scope: str = "", depth: int = 0) -> str:
    """The element in canonical form, to stand where `scope` is the default namespace. Raises InvalidDocument.

    Elements carry no prefixes: each change of namespace declares a new default. White space between elements goes,
    unless the element mixes it with text.
    """
    namespace, name = split(element.tag)
    opening = name if namespace == scope else f'{name} xmlns="{attribute(namespace)}"'
    if element.keys():
        opening += _attributes(element.attrib)
    if len(element):
        return f"<{opening}>{_inside(element, namespace, depth)}</{name}>"
    text = element.text
    return f"<{opening}>{escaped(text)}</{name}>" if text else f"<{opening}/>"


def _inside(element: Element, scope: str, depth: int) -> str:
    if depth == DEEPEST:
        raise InvalidDocument(f"elements are nested deeper than {DEEPEST}")
    text = element.text
    mixed = bool(text and text.strip(_BLANK))
    children: list[str] = []
    for child in element:
        children.append(canonical(child, scope, depth + 1))
        tail = child.tail
        mixed = mixed or bool(tail and tail.strip(_BLANK))
    if not mixed:
        return "".join(children)
    tails = [escaped(child.tail or "") for child in element]
    return escaped(text or "") + "".join(map("".join, zip(children, tails, strict=True)))


def _attributes(attributes: dict[str, str]) -> str:
    """Sorted by namespace and name; a namespaced attribute needs a prefix, so it gets one by its place."""
    written = []
    for number, ((namespace, name), value) in enumerate(
        sorted((split(key), value) for key, value in attributes.items())
    ):
        if not namespace:
            written.append(f' {name}="{attribute(value)}"')
        elif namespace == _XML_NAMESPACE:
            written.append(f' xml:{name}="{attribute(value)}"')
        else:
            written.append(f' xmlns:a{number}="{attribute(namespace)}" a{number}:{name}="{attribute(value)}"')
    return "".join(written)


def escaped(text: str) -> str:
    """Character data; a carriage return is written as a reference, or a reader would make a line feed of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def attribute(value: str) -> str:
    """An attribute value, to stand between double quotes."""
    return escaped(value).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")
