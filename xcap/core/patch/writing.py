"""From tree to text, in the spelling of Canonical XML: UTF-8, double quotes, every node written as it stands.

Apart from canonical form, an element without content is written `<a/>`, since patches travel in datagrams.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xcap.core.patch.tree import Comment, Element, ProcessingInstruction

if TYPE_CHECKING:
    from xcap.core.patch.tree import Document, Node

_TEXT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_VALUE = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_TEXT_SPECIAL = re.compile("[&<>\r]")
_VALUE_SPECIAL = re.compile('[&<"\t\n\r]')


def serialize(document: Document) -> bytes:
    """The text of a document, with an XML declaration if it had one; `reading.parse` gives the same document back."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n'] if document.declared else []
    for node in document.children:
        if len(parts) > document.declared:
            parts.append("\n")
        _write(node, parts)
    return "".join(parts).encode()


def _write(node: Node, parts: list[str]) -> None:
    if type(node) is Element:
        _write_element(node, parts)
    elif type(node) is Comment:
        parts.append(f"<!--{node.text}-->")
    elif type(node) is ProcessingInstruction:
        parts.append(f"<?{node.target} {node.data}?>" if node.data else f"<?{node.target}?>")
    else:
        parts.append(_TEXT_SPECIAL.sub(lambda match: _TEXT[match[0]], node))


def _write_element(element: Element, parts: list[str]) -> None:
    parts.append(f"<{element.name}")
    for prefix, uri in element.declarations.items():
        parts.append(f' xmlns:{prefix}="{_value(uri)}"' if prefix else f' xmlns="{_value(uri)}"')
    for name, value in element.attributes.items():
        parts.append(f' {name}="{_value(value)}"')
    if not element.children:
        parts.append("/>")
        return
    parts.append(">")
    for child in element.children:
        _write(child, parts)
    parts.append(f"</{element.name}>")


def _value(text: str) -> str:
    return _VALUE_SPECIAL.sub(lambda match: _VALUE[match[0]], text)
