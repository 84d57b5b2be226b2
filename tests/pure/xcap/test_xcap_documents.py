"""Documents as wholes: safe parsing, schemas without leaks, conflict reports, usages and capabilities."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from xcap.core import errors
from xcap.core.errorbody import error_body
from xcap.core.uri import DocumentKey
from xcap.core.usage import Access, ApplicationUsage, Operation, Usages
from xcap.core.usages.xcap_caps import KEY, XCAP_CAPS
from xcap.core.xml import Schema, check_schema, load_schema, parse_document

SCHEMA = Schema(
    etree.fromstring(
        b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
        <xs:element name="card"><xs:complexType>
          <xs:sequence>
            <xs:element name="tel" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string">
              <xs:pattern value="[0-9]+"/></xs:restriction></xs:simpleType></xs:element>
            <xs:element name="rev" type="xs:date" minOccurs="0"/>
          </xs:sequence>
          <xs:attribute name="id" type="xs:int" use="required"/>
        </xs:complexType></xs:element></xs:schema>"""
    )
)
OWN = DocumentKey("cards", "sip:ann@example.org", "index")


USAGE = ApplicationUsage(
    auid="cards",
    media_type="application/card+xml",
    default_namespace=None,
    namespaces=("urn:card", "urn:ietf:params:xml:ns:xcap-caps"),
    schema=SCHEMA,
)


def test_a_document_keeps_its_cdata_comments_and_instructions_for_those_who_read_it() -> None:
    content = b"<a><!-- c --><?pi x?><![CDATA[<]]></a>"
    assert etree.tostring(parse_document(content)) == content


@pytest.mark.parametrize("content", [b"<?xml version='2.0'?>\n<a/>", b"\n<a xmlns='some secret'/>"])
def test_what_only_libxml2_refuses_is_told_with_its_place_and_without_content(content: bytes) -> None:
    with pytest.raises(errors.NotWellFormed) as caught:
        parse_document(content)
    assert caught.value.line in (1, 2)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "named", "hidden"),
    [
        (b"<card id='1'>\n<tel>secret</tel></card>", "line 2: Element 'tel'", "secret"),
        (b"<card id='1'><tel>it's 'secret' here</tel></card>", "Element 'tel'", "secret"),
        (b"<card id='1'><rev>secret</rev></card>", "Element 'rev'", "secret"),
        (b"<card id='secret'/>", "attribute 'id'", "secret"),
        (b"<card/>", "The attribute 'id' is required", "secret"),
        (b"<card id='1' other='secret'/>", "The attribute 'other' is not allowed", "secret"),
        (b"<card id='1'><fax>secret</fax></card>", "'fax': This element is not expected", "secret"),
        (b"<other>secret</other>", "'other': No matching global declaration", "secret"),
        (b"<card id='1'>secret</card>", "Element 'card'", "secret"),
    ],
)
def test_a_schema_error_names_the_place_and_never_the_content(content: bytes, named: str, hidden: str) -> None:
    with pytest.raises(errors.SchemaValidationError) as caught:
        check_schema(SCHEMA, parse_document(content))
    assert caught.value.phrase.startswith("line ")
    assert named in caught.value.phrase
    assert hidden not in caught.value.phrase


def test_a_usage_checks_the_schema_first_and_then_its_constraints_in_order() -> None:
    def never_seven(document: etree._Element, owner: str | None) -> None:
        if document.get("id") == "7" and owner != OWN.user:
            raise errors.ConstraintFailure("seven")

    checked = replace(USAGE, constraints=(never_seven,))
    assert checked.validate(b"<card id='6'/>").get("id") == "6"
    assert checked.validate(b"<card id='7'/>", OWN.user).get("id") == "7"
    with pytest.raises(errors.ConstraintFailure):
        checked.validate(b"<card id='7'/>")
    with pytest.raises(errors.SchemaValidationError):
        checked.validate(b"<card id='seven'/>")
    assert replace(USAGE, schema=None).validate(b"<anything/>").tag == "anything"


def test_a_document_has_a_name_that_its_usage_knows() -> None:
    USAGE.check_name(OWN)
    with pytest.raises(errors.ConstraintFailure, match="index"):
        USAGE.check_name(DocumentKey("cards", OWN.user, "other"))
    anything = replace(USAGE, names=None)
    anything.check_name(DocumentKey("cards", OWN.user, "other"))
    for usage in (anything, replace(anything, folders=frozenset({"other"}))):
        with pytest.raises(errors.NoParent):
            usage.check_name(DocumentKey("cards", OWN.user, "folder/other"))
    replace(USAGE, folders=frozenset({"folder"})).check_name(DocumentKey("cards", OWN.user, "folder/index"))


def test_usages_are_found_by_their_name() -> None:
    usages = Usages([XCAP_CAPS, USAGE])
    assert usages.usage("cards").media_type == "application/card+xml"
    assert [known.auid for known in usages] == ["xcap-caps", "cards"]
    for attempt in (usages.usage, lambda auid: usages.is_computed(DocumentKey(auid, None, "index"))):
        with pytest.raises(errors.NotFound):
            attempt("other")


def test_an_alias_is_another_name_of_a_usage_or_of_a_folder_in_it() -> None:
    usages = Usages([XCAP_CAPS, replace(USAGE, aliases={"icons": "icon"})], {"com.example.cards": "cards"})
    for auid, name, canonical in (
        ("cards", "index", DocumentKey("cards", OWN.user, "index")),
        ("icons", "me", DocumentKey("cards", OWN.user, "icon/me")),
        ("com.example.cards", "index", DocumentKey("cards", OWN.user, "index")),
        ("other", "index", DocumentKey("other", OWN.user, "index")),
    ):
        assert usages.canonical(DocumentKey(auid, OWN.user, name)) == canonical
    assert b"icons" not in usages.provided[KEY]


def test_a_user_who_has_several_xuis_has_one_tree() -> None:
    number = "tel:+15550100"
    usages = Usages([XCAP_CAPS, USAGE], known_as=lambda xui: "sip:alice@example.com" if xui == number else xui)
    for user, known in ((number, "sip:alice@example.com"), ("sip:bob@example.com",) * 2, (None, None)):
        assert usages.canonical(DocumentKey("cards", user, "index")) == DocumentKey("cards", known, "index")


@pytest.mark.parametrize(
    ("usages", "aliases", "complaint"),
    [
        ([USAGE, USAGE], {}, "two application usages are called cards"),
        ([USAGE, XCAP_CAPS], {"xcap-caps": "cards"}, "is the name of"),
        ([USAGE], {"other": "nothing"}, "which is no application usage"),
    ],
)
def test_usages_and_aliases_have_names_of_their_own(
    usages: list[ApplicationUsage], aliases: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Usages(usages, aliases)


def test_the_capabilities_list_every_usage_and_each_namespace_once() -> None:
    provided = Usages([XCAP_CAPS, USAGE]).provided
    assert list(provided) == [KEY]
    document = XCAP_CAPS.validate(provided[KEY])
    assert [element.text for element in document.iter("{*}auid")] == ["xcap-caps", "cards"]
    assert [element.text for element in document.iter("{*}namespace")] == [
        "urn:ietf:params:xml:ns:xcap-caps",
        "urn:card",
    ]


def test_everyone_reads_the_capabilities_and_nobody_writes_them() -> None:
    assert XCAP_CAPS.policy(Access("sip:ann@example.org", KEY, Operation.READ))
    for user in (None, "sip:ann@example.org"):
        assert Usages([XCAP_CAPS]).is_computed(DocumentKey("xcap-caps", user, "index"))


REPORTED: list[tuple[errors.Conflict, str]] = [
    (errors.NotWellFormed("mismatched tag", 2, 3), "not-well-formed"),
    (errors.NotXmlFragment("junk", 1, 1), "not-xml-frag"),
    (errors.NotUtf8("byte 3"), "not-utf-8"),
    (errors.NotXmlAttributeValue(), "not-xml-att-value"),
    (errors.NoParent(), "no-parent"),
    (errors.NoParent("a/b%5B1%5D"), "no-parent"),
    (errors.CannotInsert('a\x00\ud800<&"é'), "cannot-insert"),
    (errors.CannotDelete(), "cannot-delete"),
    (errors.SchemaValidationError(), "schema-validation-error"),
    (errors.UniquenessFailure([errors.NotUnique("a/@b"), errors.NotUnique("a/@c", ("x", "y"))]), "uniqueness-failure"),
    (errors.ConstraintFailure("no"), "constraint-failure"),
    (errors.ExtensionFailure("urn:x", "quota", "over the quota"), "extension"),
]


@pytest.mark.parametrize(("error", "condition"), REPORTED)
def test_every_conflict_makes_a_valid_report(error: errors.Conflict, condition: str) -> None:
    report = parse_document(error_body(error))
    load_schema("xcap.core", "schemas/xcap-error.xsd").assertValid(report)
    assert [etree.QName(child).localname for child in report] == [condition]
    assert error.status == 409


def test_a_report_carries_the_phrase_and_the_facts() -> None:
    reports = {condition: parse_document(error_body(error))[0] for error, condition in REPORTED}
    assert reports["not-well-formed"].get("phrase") == "line 2, column 3: mismatched tag"
    assert reports["not-xml-att-value"].get("phrase") is None
    assert reports["cannot-insert"].get("phrase") == 'a\ufffd\ufffd<&"é'
    assert [element.text for element in reports["no-parent"]] == ["a/b%5B1%5D"]
    assert [(item.get("field"), [value.text for value in item]) for item in reports["uniqueness-failure"]] == [
        ("a/@b", []),
        ("a/@c", ["x", "y"]),
    ]
    assert [element.tag for element in reports["extension"]] == ["{urn:x}quota"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadRequest(), 400),
        (errors.Forbidden(), 403),
        (errors.NotFound(), 404),
        (errors.UnknownSelector(), 404),
        (errors.MethodNotAllowed(["GET"]), 405),
        (errors.PreconditionFailed("x"), 412),
        (errors.TooLarge(1), 413),
        (errors.UnsupportedMediaType("a/b"), 415),
    ],
)
def test_every_refusal_has_its_status(error: errors.XcapError, status: int) -> None:
    assert error.status == status


def test_refusals_carry_their_facts() -> None:
    assert errors.MethodNotAllowed(["GET", "PUT"]).allow == ("GET", "PUT")
    assert errors.PreconditionFailed(None).current is None
    assert errors.UnsupportedMediaType("a/b").expected == "a/b"
