"""Detailed conflict reports (RFC 4825 §11): the `application/xcap-error+xml` body of a 409.

Law: valid by `schemas/xcap-error.xsd`, whatever the phrases hold.
"""

from __future__ import annotations

import re

from lxml import etree

from xcap.core.errors import Conflict, ExtensionFailure, NoParent, UniquenessFailure

MEDIA_TYPE = "application/xcap-error+xml"
NAMESPACE = "urn:ietf:params:xml:ns:xcap-error"

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def error_body(error: Conflict) -> bytes:
    """The report of one conflict, as a UTF-8 document."""
    root = etree.Element(f"{{{NAMESPACE}}}xcap-error", nsmap={None: NAMESPACE})
    condition = _child(root, error.element)
    if error.phrase and not isinstance(error, ExtensionFailure):  # the schema gives <extension> no attribute
        condition.set("phrase", _text(error.phrase))
    match error:
        case NoParent(ancestor=str(ancestor)):
            _child(condition, "ancestor").text = _text(ancestor)
        case UniquenessFailure():
            _add_fields(condition, error)
        case ExtensionFailure():
            etree.SubElement(condition, f"{{{error.namespace}}}{error.name}")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _add_fields(condition: etree._Element, error: UniquenessFailure) -> None:
    for duplicate in error.fields:
        exists = _child(condition, "exists")
        exists.set("field", _text(duplicate.field))
        for alternative in duplicate.alternatives:
            _child(exists, "alt-value").text = _text(alternative)


def _child(parent: etree._Element, name: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")


def _text(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
