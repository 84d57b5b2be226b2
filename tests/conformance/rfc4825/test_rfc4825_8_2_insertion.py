"""RFC 4825 §8.2.3 and §8.2.4: where an element or attribute goes, and when it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.rfc4825.documents import NAMESPACED, PLAIN, SIBLINGS, get, put
from tests.conformance.rfc4825.serving import ATTRIBUTE, BILL, ELEMENT, conflict
from xcap.core.errors import CannotInsert

if TYPE_CHECKING:
    from tests.conformance.rfc4825.serving import Client

INDEX = f"/plain/users/{BILL}/index"

EL1_THIRD = SIBLINGS.replace(b'<el1 att="second"/>', b'<el1 att="second"/><el1 att="third"/>')
EL3_FIRST = SIBLINGS.replace(b"</root>", b'<el3 att="first"/></root>')
EL2_SECOND = SIBLINGS.replace(b'<el2 att="first"/>', b'<el2 att="first"/><el2 att="2"/>')
ANY_SECOND = SIBLINGS.replace(b'<el1 att="first"/>', b'<el1 att="first"/><el2 att="2"/>')
EL2_FIRST = SIBLINGS.replace(b'<el2 att="first"/>', b'<el2 att="2"/><el2 att="first"/>')


class TestExamples:
    """Each with every node selector for which the RFC gives that result."""

    @pytest.mark.rfc("4825", "8.2.3", "the example: <el1> the third")
    @pytest.mark.rfc("4825", "8.2.3", "a later one of its name comes earliest last")
    @pytest.mark.parametrize("node", ['root/el1[@att="third"]', 'root/el1[3][@att="third"]', 'root/*[3][@att="third"]'])
    async def test_el1_the_third(self, bill: Client, node: str) -> None:
        assert await self.after(bill, node, b'<el1 att="third"/>') == EL1_THIRD

    @pytest.mark.rfc("4825", "8.2.3", "the example: <el3> the first")
    @pytest.mark.rfc("4825", "8.2.3", "the first of its name comes last of all")
    @pytest.mark.parametrize("node", ["root/el3", "root/el3[1]", 'root/el3[@att="first"]'])
    async def test_el3_the_first(self, bill: Client, node: str) -> None:
        assert await self.after(bill, node, b'<el3 att="first"/>') == EL3_FIRST

    @pytest.mark.rfc("4825", "8.2.3", "the example: <el2> the second")
    @pytest.mark.parametrize("node", ['root/el2[@att="2"]', 'root/el2[2][@att="2"]'])
    async def test_el2_the_second(self, bill: Client, node: str) -> None:
        assert await self.after(bill, node, b'<el2 att="2"/>') == EL2_SECOND

    @pytest.mark.rfc("4825", "8.2.3", "the example: *[2]")
    async def test_el2_the_second_of_all(self, bill: Client) -> None:
        assert await self.after(bill, 'root/*[2][@att="2"]', b'<el2 att="2"/>') == ANY_SECOND

    @pytest.mark.rfc("4825", "8.2.3", "the example: el2[1]")
    @pytest.mark.rfc("4825", "8.2.3", "the first position is before the first of its name")
    async def test_el2_the_first(self, bill: Client) -> None:
        assert await self.after(bill, 'root/el2[1][@att="2"]', b'<el2 att="2"/>') == EL2_FIRST

    async def after(self, bill: Client, node: str, body: bytes) -> bytes:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        encoded = node.replace("[", "%5B").replace("]", "%5D").replace('"', "%22")
        answer = await bill.put(f"{INDEX}/~~/{encoded}", body, ELEMENT)
        assert answer.status == 201
        assert (await bill.get(f"{INDEX}/~~/{encoded}")).body == body
        return (await bill.get(INDEX)).body


class TestPlaces:
    @pytest.mark.rfc("4825", "8.2.3", "earliest last")
    def test_earliest_last_is_just_after_the_last_of_the_name(self) -> None:
        document = b"<root><a/><b/><a/> <!-- c --> <b/> text </root>"
        assert put(document, "root/a[3]", b"<a/>") == document.replace(b"<a/> <!--", b"<a/><a/> <!--")
        assert put(document, 'root/a[@n="1"]', b'<a n="1"/>') == document.replace(b"<a/> <!--", b'<a/><a n="1"/> <!--')

    @pytest.mark.rfc("4825", "8.2.3", "earliest last")
    def test_names_are_compared_with_their_namespaces(self) -> None:
        document = b'<root><a/><a xmlns="urn:x"/></root>'
        assert put(document, 'root/a[@n=""]', b'<a n=""/>') == document.replace(b"<root><a/>", b'<root><a/><a n=""/>')

    @pytest.mark.rfc("4825", "8.2.3", "the first of its name comes last of all")
    def test_the_first_of_its_name_comes_after_text_and_comments_too(self) -> None:
        document = b"<root> <a/> text <!-- c --><?pi?></root>"
        assert put(document, "root/b", b"<b/>") == b"<root> <a/> text <!-- c --><?pi?><b/></root>"
        assert put(b"<root> text <!-- c --></root>", "root/*", b"<b/>") == b"<root> text <!-- c --><b/></root>"

    @pytest.mark.rfc("4825", "8.2.3", "the first of its name comes last of all")
    @pytest.mark.parametrize(
        "node", ["root/el1/*", "root/el1/*[1]", "root/el1/x", "root/el1/x[1]", 'root/el1/*[@a="1"]']
    )
    def test_the_first_child_of_all(self, node: str) -> None:
        for empty in (b"<el1></el1>", b"<el1/>", b"<el1 />"):
            result = put(b"<root>" + empty + b"</root>", node, b'<x a="1"/>')
            assert result in (b'<root><el1><x a="1"/></el1></root>', b'<root><el1 ><x a="1"/></el1></root>')

    @pytest.mark.rfc("4825", "8.2.3", "a new wildcard attribute comes last of all")
    def test_a_wildcard_with_an_attribute_that_no_sibling_has_comes_after_everything(self) -> None:
        assert put(SIBLINGS, 'root/*[@att="new"]', b'<el1 att="new"/>') == SIBLINGS.replace(
            b"</root>", b'<el1 att="new"/></root>'
        )

    @pytest.mark.rfc("4825", "8.2.3", "at a position it comes earliest nth")
    @pytest.mark.rfc("4825", "8.2.3", "a position counts those of one name")
    def test_the_nth_of_its_name_follows_the_one_before_at_once(self) -> None:
        document = b"<root><a/><b/> <a/><!-- c --><b/></root>"
        assert put(document, "root/a[2][@n='']", b"<a n=''/>") == b"<root><a/><a n=''/><b/> <a/><!-- c --><b/></root>"
        assert put(document, "root/b[3]", b"<b/>") == b"<root><a/><b/> <a/><!-- c --><b/><b/></root>"

    @pytest.mark.rfc("4825", "8.2.3", "at a position it comes earliest nth")
    @pytest.mark.rfc("4825", "8.2.3", "a wildcard position counts all")
    def test_the_nth_of_all_follows_the_one_before_at_once(self) -> None:
        document = b"<root><a/> <b/><!-- c --></root>"
        assert put(document, "root/*[2][@n='']", b"<a n=''/>") == b"<root><a/><a n=''/> <b/><!-- c --></root>"
        assert put(document, "root/*[3]", b"<c/>") == b"<root><a/> <b/><c/><!-- c --></root>"

    @pytest.mark.rfc("4825", "8.2.3", "a position counts those of one name")
    @pytest.mark.rfc("4825", "8.2.3", "a wildcard position counts all")
    @pytest.mark.parametrize(
        "node", ["root/el1[4]", "root/el3[2]", "root/*[5]", "root/el1[0]", "root/*[0]", 'root/el1[4][@att="x"]']
    )
    def test_without_enough_elements_before_the_position_the_request_fails(self, node: str) -> None:
        with pytest.raises(CannotInsert):
            put(SIBLINGS, node, b'<el1 att="x"/>')

    @pytest.mark.rfc("4825", "8.2.3", "the first wildcard position is before all")
    def test_the_first_position_of_all_is_just_before_all_elements(self) -> None:
        assert put(SIBLINGS, 'root/*[1][@att="0"]', b'<x att="0"/>') == SIBLINGS.replace(
            b'<el1 att="first"/>', b'<x att="0"/><el1 att="first"/>'
        )

    @pytest.mark.rfc("4825", "8.2.3", "an attribute has the name in the selector")
    def test_a_new_attribute_has_the_name_in_the_selector(self) -> None:
        assert put(b"<a b='1' />", "a/@c", b"'2'") == b"<a b='1' c='2' />"
        assert put(b"<a ></a>", "a/@c", b"'2'") == b"<a c='2' ></a>"
        query = b"xmlns(q=urn:p)"
        assert put(b'<a xmlns:p="urn:p"/>', "a/@q:c", b"'2'", None, query) == b"<a xmlns:p=\"urn:p\" p:c='2'/>"

    @pytest.mark.rfc("4825", "8.2.3", "the schema has no say in the place")
    async def test_a_place_that_the_schema_does_not_allow_is_not_changed_but_refused(self, bill: Client) -> None:
        """<display-name> comes first in a list; a PUT without a position puts it last, as RFC 4825 says."""
        index, media_type = f"/resource-lists/users/{BILL}/index", "application/resource-lists+xml"
        document = (
            b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">'
            b'<list name="a"><entry uri="sip:x@example.com"/></list></resource-lists>'
        )
        await bill.put(index, document, media_type)
        name = b"<display-name>A</display-name>"
        assert conflict(await bill.put(f"{index}/~~/resource-lists/list/display-name", name, ELEMENT)) == (
            "schema-validation-error"
        )
        answer = await bill.put(f"{index}/~~/resource-lists/list/*%5B1%5D%5B@x=%22%22%5D", name, ELEMENT)
        assert conflict(answer) == "cannot-insert"
        assert (await bill.get(index)).body == document


class TestRefusals:
    @pytest.mark.rfc("4825", "8.2.3", "the URI then selects what was inserted")
    @pytest.mark.rfc("4825", "8.2.3", "an element that its URI would not select is 409")
    @pytest.mark.rfc("4825", "11.1", "a condition may have a phrase")
    @pytest.mark.parametrize(
        ("node", "body"),
        [
            ("root/el3", b"<el4/>"),
            ("root/el3%5B@att=%221%22%5D", b'<el3 att="2"/>'),
            ("root/el3%5B@att=%221%22%5D", b"<el3/>"),
            ("root/el3%5B2%5D", b"<el3/>"),
            ("root/*%5B1%5D%5B@att=%22x%22%5D", b"<el0/>"),
            ("root/el1", b"<el1/>"),  # selects two
            ("root2", b"<root2/>"),  # a second root element
        ],
    )
    async def test_an_element_that_its_uri_would_not_select_is_409(self, bill: Client, node: str, body: bytes) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        answer = await bill.put(f"{INDEX}/~~/{node}", body, ELEMENT)
        assert conflict(answer) == "cannot-insert"
        assert b" phrase=" in answer.body
        assert (await bill.get(INDEX)).body == SIBLINGS

    @pytest.mark.rfc("4825", "8.2.4", "an element that its URI would no longer select is 409")
    @pytest.mark.parametrize(
        ("node", "body"),
        [
            ("root/el2", b"<el4/>"),
            ("root/el1%5B1%5D", b"<el4/>"),  # it would select the next of its name
            ("root/el1%5B@att=%22first%22%5D", b'<el1 att="other"/>'),
            ("root/el1%5B@att=%22first%22%5D", b'<el1 att="second"/>'),
            ("root", b"<other/>"),
        ],
    )
    async def test_an_element_that_its_uri_would_no_longer_select_is_409(
        self, bill: Client, node: str, body: bytes
    ) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert conflict(await bill.put(f"{INDEX}/~~/{node}", body, ELEMENT)) == "cannot-insert"
        assert (await bill.get(INDEX)).body == SIBLINGS

    @pytest.mark.rfc("4825", "8.2.4", "an attribute that its URI would no longer select is 409")
    async def test_an_attribute_that_its_uri_would_no_longer_select_is_409(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        node = f"{INDEX}/~~/root/el1%5B@att=%22first%22%5D/@att"
        assert conflict(await bill.put(node, b'"other"', ATTRIBUTE)) == "cannot-insert"
        assert (await bill.put(node, b"'&#102;irst'", ATTRIBUTE)).status == 200  # another spelling of the same

    @pytest.mark.rfc("4825", "8.2.3", "declarations stay as they are")
    @pytest.mark.rfc("4825", "8.2.4", "declarations of the new element stay")
    async def test_redundant_declarations_are_kept(self, bill: Client) -> None:
        document = b'<root xmlns:p="urn:p"></root>'
        entry = b'<entry  xmlns:p="urn:p"\n uri = \'a\' xmlns:unused="urn:y"><p:n xmlns:p="urn:p" xmlns=""/></entry>'
        await bill.put(INDEX, document, PLAIN.media_type)
        for expected in (201, 200):
            assert (await bill.put(f"{INDEX}/~~/root/entry", entry, ELEMENT)).status == expected
            assert (await bill.get(INDEX)).body == document.replace(b"></", b">" + entry + b"</")
        assert get(document.replace(b"></", b">" + entry + b"</"), "root/entry") == entry
        assert put(NAMESPACED, "foo", NAMESPACED[22:-1], "urn:test:default-namespace") == NAMESPACED
