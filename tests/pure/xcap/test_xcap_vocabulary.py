"""Which names schemas declare, and documents with others in namespaces that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from xcap.core.errors import SchemaValidationError
from xcap.core.usage import Usages
from xcap.core.usages import STANDARD
from xcap.core.vocabulary import Vocabulary, union, vocabulary_of

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" {} elementFormDefault="qualified">{}</xs:schema>'
LOCAL = (
    '<xs:complexType><xs:sequence><xs:element name="c"/>{}</xs:sequence><xs:attribute name="plain"/></xs:complexType>'
)


def read(folder: Path, name: str = "a.xsd") -> Vocabulary:
    return vocabulary_of(folder / name, etree.XMLParser())


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """`a` imports `b`, which imports `a`; `a` includes one without a namespace."""
    refers = '<xs:import namespace="urn:b" schemaLocation="b.xsd"/><xs:include schemaLocation="c.xsd"/>'
    wild = '<xs:any namespace="##other"/>'
    element = f'<xs:element name="r">{LOCAL.format(wild)}</xs:element><xs:attribute name="mark"/>'
    (tmp_path / "a.xsd").write_text(SCHEMA.format('targetNamespace="urn:a"', refers + element))
    back = '<xs:import namespace="urn:a" schemaLocation="a.xsd"/>'
    anything = LOCAL.format('<xs:any namespace="##targetNamespace ##local"/>')
    element = f'<xs:element name="x">{anything}</xs:element>'
    (tmp_path / "b.xsd").write_text(SCHEMA.format('targetNamespace="urn:b"', back + element))
    (tmp_path / "c.xsd").write_text(SCHEMA.format("", '<xs:element name="included"/>'))
    return tmp_path


def test_names_are_those_of_the_schema_and_of_all_that_it_imports_and_includes(schemas: Path) -> None:
    found = read(schemas)
    assert found.elements == {"{urn:a}r", "{urn:a}c", "{urn:a}included", "{urn:b}x", "{urn:b}c"}
    assert found.attributes == {"{urn:a}mark"}
    assert found.namespaces == {"urn:a", "urn:b"}
    assert found.open == {"urn:b"}


@pytest.mark.parametrize(
    "document",
    [
        '<r xmlns="urn:a" plain="" a:mark="" xmlns:a="urn:a"><c/><included/></r>',
        '<r xmlns="urn:a"><new xmlns="urn:other" a="" b:c="" xmlns:b="urn:b"/><new xmlns=""/><new xmlns="urn:b"/></r>',
        "<r xmlns='urn:a'><!-- c --><?p i?></r>",
    ],
)
def test_what_is_declared_or_unknown_altogether_is_taken(schemas: Path, document: str) -> None:
    read(schemas).check(etree.fromstring(document))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            '<r xmlns="urn:a">\n<x xmlns="urn:other"><new xmlns="urn:a"/></x></r>',
            "line 2: the schema of urn:a has no new",
        ),
        ('<r xmlns="urn:a" a:plain="secret" xmlns:a="urn:a"/>', "line 1: the schema of urn:a has no plain"),
    ],
)
def test_what_a_known_namespace_does_not_have_is_refused_by_name(schemas: Path, document: str, said: str) -> None:
    with pytest.raises(SchemaValidationError) as caught:
        read(schemas).check(etree.fromstring(document))
    assert caught.value.phrase == said


def test_what_is_not_announced_is_not_known(schemas: Path) -> None:
    read(schemas).of(frozenset({"urn:b", "urn:nothing"})).check(etree.fromstring('<new xmlns="urn:a"/>'))
    with pytest.raises(SchemaValidationError):
        union([Vocabulary(), read(schemas)]).check(etree.fromstring('<new xmlns="urn:a"/>'))


def test_every_standard_usage_knows_its_own_root_element() -> None:
    """So the servers' own documents pass: names that a schema writes in another way than expected would show."""
    usages = Usages(STANDARD)
    for key, content in usages.provided.items():
        usages.validate(usages.usage(key.auid), content, key.user)
    for usage in STANDARD:
        assert usage.schema is not None
        assert {name[1:].partition("}")[0] for name in usage.schema.vocabulary.elements} >= set(usage.namespaces)
