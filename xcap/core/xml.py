"""XML documents as trees, safely: what is validated against schemas and read by application usages.

Law: no DTD, no entities, no network; `source.scan` is the gate and its bounds hold, lxml only sees what passed.
"""

from __future__ import annotations

import re
from importlib import resources

from lxml import etree

from xcap.core.errors import NotWellFormed, SchemaValidationError
from xcap.core.source import scan
from xcap.core.vocabulary import Vocabulary, vocabulary_of

_STRUCTURAL = ("SCHEMAV_CVC_ELT_1", "SCHEMAV_ELEMENT_CONTENT", "SCHEMAV_CVC_COMPLEX_TYPE_")
"""libxml2's errors whose messages hold names only; the messages of all others may quote the document's values."""


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, strip_cdata=False
    )


def parse_document(content: bytes) -> etree._Element:
    """The root element of a document.

    Raises TooLarge, NotUtf8, NotWellFormed (with line and column).
    """
    scan(content)
    try:
        return etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as error:
        # Expat accepted it and libxml2 does not, as with a version of XML to come or a namespace that is no URI. Its
        # message may quote the document, so only its number is told.
        raise NotWellFormed(f"libxml2 error {error.code}", error.lineno or 1, (error.offset or 0) + 1) from None


class Schema(etree.XMLSchema):
    """A schema that tells which names it declares."""

    vocabulary = Vocabulary()


def load_schema(package: str, name: str) -> Schema:
    """The schema in the file `name` of `package`; what it imports must lie beside it."""
    with resources.as_file(resources.files(package) / name) as path:
        schema = Schema(etree.parse(path, _parser()))
        schema.vocabulary = vocabulary_of(path, _parser())
    return schema


def check_schema(schema: etree.XMLSchema, document: etree._Element) -> None:
    """Raises SchemaValidationError with the first place where the document is not valid."""
    if schema.validate(document):
        return
    error = schema.error_log[0]
    raise SchemaValidationError(f"line {error.line}: {_without_values(error.type_name, error.message)}")


def _without_values(kind: str, message: str) -> str:
    """libxml2's message without what the document says: it goes into answers and logs."""
    if kind.startswith(_STRUCTURAL):
        return message
    place, colon, reason = message.partition(": ")
    return place + colon + re.sub("'.*'", "'…'", reason, flags=re.DOTALL)
