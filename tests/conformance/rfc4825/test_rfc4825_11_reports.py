"""RFC 4825 §11 to §13: conflict reports, capabilities, and the worked examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from tests.conformance.rfc4825.documents import PLAIN, WATCHERINFO, WATCHERS
from tests.conformance.rfc4825.serving import ATTRIBUTE, BILL, ELEMENT, JOE, condition
from xcap.core import errors
from xcap.core.errorbody import MEDIA_TYPE, error_body
from xcap.core.usage import Usages
from xcap.core.usages.xcap_caps import KEY, XCAP_CAPS
from xcap.core.xml import load_schema

if TYPE_CHECKING:
    from tests.conformance.rfc4825.serving import Client

SCHEMA = load_schema("xcap.core", "schemas/xcap-error.xsd")
INDEX = f"/plain/users/{BILL}/index"
LISTS = f"/resource-lists/users/{BILL}/index"
RLS = f"/rls-services/users/{BILL}/index"

CONFLICTS = [
    errors.NotWellFormed("reason", 1, 2),
    errors.NotXmlFragment("reason", 1, 2),
    errors.NotUtf8("phrase"),
    errors.NotXmlAttributeValue("phrase"),
    errors.NoParent("root/el%5B1%5D"),
    errors.NoParent(None),
    errors.CannotInsert("phrase <&\"'>"),
    errors.CannotDelete(),
    errors.SchemaValidationError("line 1: phrase"),
    errors.UniquenessFailure([errors.NotUnique("root/@a", ("x", "<y>")), errors.NotUnique("root/@b")]),
    errors.ConstraintFailure("phrase"),
    errors.ExtensionFailure("urn:x", "new", "phrase"),
]


class TestReports:
    @pytest.mark.rfc("4825", "11.2", "reports are valid")
    @pytest.mark.rfc("4825", "11.1", "a report says one condition")
    @pytest.mark.parametrize("error", CONFLICTS, ids=lambda error: type(error).__name__)
    def test_every_conflict_has_a_valid_report_of_one_condition(self, error: errors.Conflict) -> None:
        report = etree.fromstring(error_body(error))
        SCHEMA.assertValid(report)
        assert [child.tag for child in report] == [f"{{urn:ietf:params:xml:ns:xcap-error}}{error.element}"]

    @pytest.mark.rfc("4825", "11.1", "a report says one condition")
    def test_every_kind_of_conflict_is_among_those(self) -> None:
        def leaves(kind: type[errors.Conflict]) -> set[type[errors.Conflict]]:
            below = kind.__subclasses__()
            return set().union(*map(leaves, below)) if below else {kind}

        assert leaves(errors.Conflict) == {type(error) for error in CONFLICTS}
        assert {error.element for error in CONFLICTS} == {
            *("not-well-formed", "not-xml-frag", "no-parent", "schema-validation-error", "not-xml-att-value"),
            *("cannot-insert", "cannot-delete", "uniqueness-failure", "constraint-failure", "extension", "not-utf-8"),
        }

    @pytest.mark.rfc("4825", "11", "a report has its type")
    @pytest.mark.rfc("4825", "11.1", "a condition may have a phrase")
    async def test_a_report_has_its_type_and_a_phrase(self, bill: Client) -> None:
        answer = await bill.put(INDEX, b"<a>", PLAIN.media_type)
        assert answer.fields["content-type"] == MEDIA_TYPE == "application/xcap-error+xml"
        assert condition(answer).get("phrase") == "line 1, column 4: no element found"

    @pytest.mark.rfc("4825", "11.1", "the ancestor is percent-encoded")
    @pytest.mark.rfc("4825", "11.1", "the ancestor is relative to the document")
    async def test_the_ancestor_leads_to_the_element_as_it_is(self, bill: Client) -> None:
        document = '<root><el att="\u00e9 &lt; &quot;"/></root>'.encode()
        await bill.put(INDEX, document, PLAIN.media_type)
        node = "root/el%5B1%5D%5B@att='%C3%A9%20&lt;%20%22'%5D/none/x".replace("&lt;", "%26lt;")
        ancestor = condition(await bill.put(f"{INDEX}/~~/{node}", b"<x/>", ELEMENT)).findtext("{*}ancestor")
        assert ancestor is not None
        assert ancestor.isascii()
        assert not set(ancestor) & set('[]"<> ')
        assert (await bill.get(f"{INDEX}/~~/{ancestor}")).body == document[6:-7]

    @pytest.mark.rfc("4825", "11.1", "the ancestor is percent-encoded")
    async def test_the_ancestor_brings_the_bindings_of_its_prefixes(self, bill: Client) -> None:
        index = f"/watchers/users/{BILL}/index"
        await bill.put(index, WATCHERINFO, WATCHERS.media_type)
        query = "xmlns(w=urn:ietf:params:xml:ns:watcherinfo)"
        answer = await bill.put(f"{index}/~~/w:watcherinfo/w:none/w:x?{query}", b"<x/>", ELEMENT)
        assert condition(answer).findtext("{*}ancestor") == f"w:watcherinfo?{query}"

    @pytest.mark.rfc("4825", "11.1", "the example")
    @pytest.mark.rfc("4825", "11.1", "each value that is not unique is named")
    def test_the_example(self) -> None:
        example = b"""<?xml version="1.0" encoding="UTF-8"?>
            <xcap-error xmlns="urn:ietf:params:xml:ns:xcap-error">
             <uniqueness-failure>
              <exists field="rls-services/service/@uri">
                <alt-value>sip:mybuddies@example.com</alt-value>
              </exists>
             </uniqueness-failure>
            </xcap-error>""".replace(b"\n            ", b"\n")
        SCHEMA.assertValid(etree.fromstring(example))
        error = errors.UniquenessFailure(
            [errors.NotUnique("rls-services/service/@uri", ("sip:mybuddies@example.com",))]
        )
        blank = etree.XMLParser(remove_blank_text=True)
        assert etree.tostring(etree.fromstring(error_body(error)), method="c14n") == (
            etree.tostring(etree.fromstring(example, blank), method="c14n")
        )

    @pytest.mark.rfc("4825", "11.1", "a field is percent-encoded")
    @pytest.mark.rfc("4825", "11.1", "a field starts with the root element")
    @pytest.mark.rfc("4825", "11.1", "a field with prefixes has a query")
    async def test_a_field_leads_to_the_value_that_is_there_already(self, bill: Client) -> None:
        """Lists inside a service are of another namespace than the usage's own; the field needs no prefix for them."""
        document = (
            b'<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" '
            b'xmlns:l="urn:ietf:params:xml:ns:resource-lists">'
            b'<service uri="sip:a@example.com"><list><l:entry uri="sip:b@example.com"/>%s</list>'
            b"<packages><package>presence</package></packages></service></rls-services>"
        )
        again = b'<l:entry uri="sip:b@example.com"/>'
        answer = await bill.put(RLS, document % again, "application/rls-services+xml")
        [exists] = condition(answer)
        field = exists.get("field", "")
        assert field.startswith("rls-services/")
        assert not set(field) & set('[]"<> ')
        assert (":" in field) == ("?xmlns(" in field)
        await bill.put(RLS, document % again.replace(b"sip:b", b"sip:c"), "application/rls-services+xml")
        assert (await bill.get(f"{RLS}/~~/{field}")).body == b'"sip:c@example.com"'

    @pytest.mark.rfc("4825", "11.1", "an extension is a condition of its own")
    def test_an_extension_is_an_element_of_its_own_namespace(self) -> None:
        [extension] = etree.fromstring(error_body(errors.ExtensionFailure("urn:x", "new")))
        assert [child.tag for child in extension] == ["{urn:x}new"]


class TestCapabilities:
    @pytest.mark.rfc("4825", "12", "every server has xcap-caps")
    def test_every_server_announces_xcap_caps_and_its_namespace(self) -> None:
        document = XCAP_CAPS.validate(Usages([XCAP_CAPS]).provided[KEY])
        namespaces = {"c": "urn:ietf:params:xml:ns:xcap-caps"}
        assert document.xpath("/c:xcap-caps/c:auids/c:auid/text()", namespaces=namespaces) == ["xcap-caps"]
        assert document.xpath("/c:xcap-caps/c:namespaces/c:namespace/text()", namespaces=namespaces) == [
            "urn:ietf:params:xml:ns:xcap-caps"
        ]

    @pytest.mark.rfc("4825", "12", "every server has xcap-caps")
    async def test_the_capabilities_are_read_by_all_and_written_by_nobody(self, bill: Client) -> None:
        answer = await bill.get("/xcap-caps/global/index")
        assert (answer.status, answer.fields["content-type"]) == (200, "application/xcap-caps+xml")
        assert (await bill.for_user(JOE).get("/xcap-caps/global/index")).body == answer.body
        auids = etree.fromstring(answer.body).find("{*}auids")
        assert auids is not None
        assert {"xcap-caps", "resource-lists", "plain"} <= {each.text for each in auids}
        assert (await bill.put("/xcap-caps/global/index", answer.body, "application/xcap-caps+xml")).status == 405


@pytest.mark.rfc("4825", "13", "the examples")
async def test_the_story_of_bills_lists(bill: Client) -> None:
    """Figures 24 to 32, octet for octet but for the line folding of URIs."""
    figure_24 = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">\n'
        b'  <list name="friends">\n  </list>\n</resource-lists>\n'
    )
    assert (await bill.put(LISTS, figure_24, "application/resource-lists+xml")).status == 201

    figure_25 = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">\n'
        b'<service uri="sip:myfriends@example.com">\n'
        b"  <resource-list>http://xcap.example.com/resource-lists/users/sip:bill@example.com/index/~~/resource-lists/"
        b"list%5b@name=%22friends%22%5d</resource-list>\n"
        b"  <packages>\n   <package>presence</package>\n  </packages>\n </service>\n</rls-services>\n"
    )
    assert (await bill.put(RLS, figure_25, "application/rls-services+xml")).status == 201

    figure_26 = b'<entry uri="sip:bob@example.com">\n    <display-name>Bob Jones</display-name>\n  </entry>'
    friends = f"{LISTS}/~~/resource-lists/list%5b@name=%22friends%22%5d"
    assert (await bill.put(f"{friends}/entry", figure_26, ELEMENT)).status == 201

    figure_28 = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">\n'
        b'  <list name="friends">\n  <entry uri="sip:bob@example.com">\n    <display-name>Bob Jones</display-name>\n'
        b"  </entry></list>\n</resource-lists>\n"
    )
    figure_27 = await bill.get(LISTS)
    assert (figure_27.body, figure_27.fields["content-type"]) == (figure_28, "application/resource-lists+xml")

    figure_29 = (
        b'<list name="close-friends">\n'
        b'   <entry uri="sip:joe@example.com">\n     <display-name>Joe Smith</display-name>\n   </entry>\n'
        b'   <entry uri="sip:nancy@example.com">\n     <display-name>Nancy Gross</display-name>\n   </entry>\n'
        b'   <entry uri="sip:petri@example.com">\n     <display-name>Petri Aukia</display-name>\n   </entry>\n</list>'
    )
    node = f"{friends}/list%5b@name=%22close-friends%22%5d"
    assert (await bill.put(node, figure_29, ELEMENT)).status == 201

    figure_30 = f"{LISTS}/~~/resource-lists/list/list/entry%5b@uri=%22sip:petri@example.com%22%5d"
    assert (await bill.delete(figure_30)).status == 200

    figure_31 = await bill.get(f"{LISTS}/~~/resource-lists/list/list/entry%5b2%5d/@uri")
    assert (figure_31.body, figure_31.fields["content-type"]) == (b'"sip:nancy@example.com"', ATTRIBUTE)
