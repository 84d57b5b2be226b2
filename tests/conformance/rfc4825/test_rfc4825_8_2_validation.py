"""RFC 4825 §8.2.5 to §8.2.7: what a document must be after a PUT, conditions, and what a PUT changes besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from tests.conformance.rfc4825.documents import PLAIN, SIBLINGS
from tests.conformance.rfc4825.serving import ATTRIBUTE, BILL, ELEMENT, JOE, OPERATOR, condition, conflict

if TYPE_CHECKING:
    from tests.conformance.rfc4825.serving import Client

INDEX = f"/plain/users/{BILL}/index"
LISTS, LISTS_TYPE = f"/resource-lists/users/{BILL}/index", "application/resource-lists+xml"
RLS, RLS_TYPE = f"/rls-services/users/{BILL}/index", "application/rls-services+xml"

LIST = (
    b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">'
    b'<list name="friends"><entry uri="sip:joe@example.com"/></list></resource-lists>'
)


def service(uri: str, *, prefix: str = "") -> bytes:
    content = f'<service uri="{uri}"><list/><packages><package>presence</package></packages></service>'
    document = f'<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">{content}</rls-services>'
    return document.encode()


class TestConstraints:
    @pytest.mark.rfc("4825", "8.2.5", "what is not valid is 409")
    @pytest.mark.parametrize(
        ("node", "body", "media_type"),
        [
            ("", LIST.replace(b"entry", b"inlet"), LISTS_TYPE),
            ("/~~/resource-lists/list/inlet", b"<inlet/>", ELEMENT),
            ("/~~/resource-lists/list/@color", b'"red"', ATTRIBUTE),
            ("/~~/resource-lists/list/entry%5B1%5D", b"<entry/>", ELEMENT),
        ],
    )
    async def test_what_would_not_be_valid_is_409_and_says_where(
        self, bill: Client, node: str, body: bytes, media_type: str
    ) -> None:
        await bill.put(LISTS, LIST, LISTS_TYPE)
        report = condition(await bill.put(LISTS + node, body, media_type))
        assert etree.QName(report).localname == "schema-validation-error"
        assert report.get("phrase", "").startswith("line 1: ")
        assert (await bill.get(LISTS)).body == LIST

    @pytest.mark.rfc("4825", "8.2.5", "unknown namespaces are allowed where the schema allows them")
    async def test_unknown_namespaces_are_allowed_where_the_schema_allows_them(self, bill: Client) -> None:
        await bill.put(LISTS, LIST, LISTS_TYPE)
        card = b'<x:card xmlns:x="urn:unknown" x:a="1"><x:any/></x:card>'
        query = "?xmlns(x=urn:unknown)"
        assert (await bill.put(f"{LISTS}/~~/resource-lists/list/x:card{query}", card, ELEMENT)).status == 201
        assert (await bill.put(f"{LISTS}/~~/resource-lists/list/x:card/@x:b{query}", b'"2"', ATTRIBUTE)).status == 201
        caps = (await bill.get("/xcap-caps/global/index")).body
        assert b"urn:ietf:params:xml:ns:resource-lists" in caps
        assert b"urn:unknown" not in caps

    @pytest.mark.rfc("4825", "8.2.5", "unknown elements of known namespaces are 409")
    @pytest.mark.parametrize(
        "inside",
        [
            b'<r:nothing xmlns:r="urn:ietf:params:xml:ns:rls-services"/>',
            b'<x xmlns="urn:unknown"><r:nothing xmlns:r="urn:ietf:params:xml:ns:rls-services"/></x>',
            b'<c:xcap-caps xmlns:c="urn:ietf:params:xml:ns:xcap-caps"><c:nothing/></c:xcap-caps>',
        ],
    )
    async def test_unknown_elements_of_known_namespaces_are_409(self, bill: Client, inside: bytes) -> None:
        known = etree.fromstring((await bill.get("/xcap-caps/global/index")).body).itertext("{*}namespace")
        assert {"urn:ietf:params:xml:ns:rls-services", "urn:ietf:params:xml:ns:xcap-caps"} <= set(known)
        document = LIST.replace(b"</list>", inside + b"</list>")
        assert conflict(await bill.put(LISTS, document, LISTS_TYPE)) == "schema-validation-error"

    @pytest.mark.rfc("4825", "8.2.5", "unknown elements of known namespaces are 409")
    async def test_known_elements_of_known_namespaces_are_taken_where_the_schema_allows_any(self, bill: Client) -> None:
        inside = service("sip:x@example.com")
        assert (await bill.put(LISTS, LIST.replace(b"</list>", inside + b"</list>"), LISTS_TYPE)).status == 201

    @pytest.mark.rfc("4825", "8.2.5", "what is not unique is 409")
    @pytest.mark.rfc("4825", "8.2.5", "suggested values are free")
    @pytest.mark.rfc("4825", "11.1", "each value that is not unique is named")
    @pytest.mark.rfc("4825", "11.1", "a field starts with the root element")
    @pytest.mark.rfc("4825", "11.1", "an alternative does not exist")
    async def test_a_uri_that_another_user_has_is_409_with_some_that_are_free(self, bill: Client) -> None:
        joe = f"/rls-services/users/{JOE}/index"
        await bill.for_user(JOE).put(joe, service("sip:friends@example.com"), RLS_TYPE)
        report = condition(await bill.put(RLS, service("sip:friends@example.com"), RLS_TYPE))
        assert etree.QName(report).localname == "uniqueness-failure"
        [exists] = report
        assert exists.get("field") == "rls-services/service%5B1%5D/@uri"
        assert (await bill.get(RLS)).status == 404
        alternatives = [each.text or "" for each in exists]
        assert alternatives
        for free in alternatives:
            assert (await bill.put(RLS, service(free), RLS_TYPE)).status in (200, 201)

    @pytest.mark.rfc("4825", "8.2.5", "what is not unique is 409")
    async def test_a_value_that_is_there_twice_in_one_list_is_409(self, bill: Client) -> None:
        await bill.put(LISTS, LIST, LISTS_TYPE)
        again = b'<list name="friends" xml:lang="en"/>'
        answer = await bill.put(f"{LISTS}/~~/resource-lists/list%5B2%5D", again, ELEMENT)
        assert conflict(answer) == "uniqueness-failure"
        assert (await bill.get(LISTS)).body == LIST

    @pytest.mark.rfc("4825", "8.2.5", "what fails a constraint is 409")
    async def test_what_fails_a_constraint_is_409(self, bill: Client) -> None:
        await bill.put(LISTS, LIST, LISTS_TYPE)
        reference = b'<entry-ref ref="http://elsewhere.example.com/x"/>'
        answer = await bill.put(f"{LISTS}/~~/resource-lists/list/entry-ref", reference, ELEMENT)
        assert conflict(answer) == "constraint-failure"
        assert (await bill.get(LISTS)).body == LIST

    @pytest.mark.rfc("4825", "8.2.5", "a removal is checked alike")
    @pytest.mark.rfc("4825", "8.4", "what would fail a constraint is not deleted")
    @pytest.mark.parametrize("node", ["entry/@uri", "entry%5B1%5D/@uri"])
    async def test_a_removal_is_checked_alike(self, bill: Client, node: str) -> None:
        await bill.put(LISTS, LIST, LISTS_TYPE)
        assert conflict(await bill.delete(f"{LISTS}/~~/resource-lists/list/{node}")) == "schema-validation-error"
        assert (await bill.get(LISTS)).body == LIST


class TestConditions:
    @pytest.mark.rfc("4825", "8.2.6", "a PUT can be conditional")
    async def test_a_replacement_can_be_conditional(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type, if_none_match="*")).etag
        assert (await bill.put(INDEX, b"<a/>", PLAIN.media_type, if_none_match="*")).status == 412
        assert (await bill.put(INDEX, b"<a/>", PLAIN.media_type, if_match='"other"')).status == 412
        assert (await bill.put(INDEX, b"<a/>", PLAIN.media_type, if_none_match=etag)).status == 412
        assert (await bill.get(INDEX)).body == SIBLINGS
        assert (await bill.put(INDEX, b"<a/>", PLAIN.media_type, if_match=f'"other", {etag}')).status == 200
        assert (await bill.put(INDEX, b"<b/>", PLAIN.media_type, if_match="*")).status == 200

    @pytest.mark.rfc("4825", "8.2.6", "a PUT can be conditional")
    async def test_a_document_that_is_not_there_has_no_etag_to_match(self, bill: Client) -> None:
        for etags in ("*", '"any"'):
            assert (await bill.put(INDEX, SIBLINGS, PLAIN.media_type, if_match=etags)).status == 412
        assert (await bill.put(INDEX, SIBLINGS, PLAIN.media_type, if_none_match='"any"')).status == 201

    @pytest.mark.rfc("4825", "8.2.6", "an insertion is conditional on the document")
    async def test_an_insertion_is_conditional_on_the_document(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        node, attribute = f"{INDEX}/~~/root/el3", f"{INDEX}/~~/root/@new"
        assert (await bill.put(node, b"<el3/>", ELEMENT, if_match='"other"')).status == 412
        assert (await bill.put(node, b"<el3/>", ELEMENT, if_none_match=etag)).status == 412
        etag = (await bill.put(node, b"<el3/>", ELEMENT, if_match=etag)).etag
        assert (await bill.put(attribute, b"'1'", ATTRIBUTE, if_none_match='"other"')).status == 201
        assert (await bill.put(attribute, b"'1'", ATTRIBUTE, if_match=etag)).status == 412

    @pytest.mark.rfc("4825", "8.2.6", "If-None-Match: * on a node always fails")
    async def test_if_none_match_star_on_a_node_always_fails(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        for node, body, media_type in (
            ("root/el3", b"<el3/>", ELEMENT),
            ("root/el2", b"<el2/>", ELEMENT),
            ("root/el2/@new", b'"1"', ATTRIBUTE),
            ("root/el2/@att", b'"1"', ATTRIBUTE),
        ):
            assert (await bill.put(f"{INDEX}/~~/{node}", body, media_type, if_none_match="*")).status == 412
        assert (await bill.get(INDEX)).body == SIBLINGS


class TestConsequences:
    @pytest.mark.rfc("4825", "8.2.7", "a PUT makes and changes all resources within")
    async def test_a_put_makes_and_changes_all_resources_within(self, bill: Client) -> None:
        assert (await bill.get(f"{INDEX}/~~/root/el2/@att")).status == 404
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert (await bill.get(f"{INDEX}/~~/root/el2/@att")).body == b'"first"'
        await bill.put(f"{INDEX}/~~/root/el2", b"<el2><x y='1'/></el2>", ELEMENT)
        assert (await bill.get(f"{INDEX}/~~/root/el2/@att")).status == 404
        assert (await bill.get(f"{INDEX}/~~/root/el2/x/@y")).body == b"'1'"

    @pytest.mark.rfc("4825", "8.2.7", "resources that the usage makes dependent change too")
    @pytest.mark.rfc("4825", "8.4", "dependent resources change before the answer")
    async def test_the_global_index_of_services_follows_each_write(self, bill: Client) -> None:
        """RFC 4826 §4.4.7."""
        server, everyones = bill.for_user(OPERATOR), "/rls-services/global/index"
        for uri in ("sip:one@example.com", "sip:two@example.com"):
            await bill.put(RLS, service(uri), RLS_TYPE)
            assert uri.encode() in (await server.get(everyones)).body
        assert b"sip:one@example.com" not in (await server.get(everyones)).body
        await bill.delete(RLS)
        assert b"sip:two@example.com" not in (await server.get(everyones)).body

    @pytest.mark.rfc("4825", "8.2.7", "201 is creation and 200 replacement")
    @pytest.mark.rfc("4825", "8.2.7", "a 200 to a PUT has no content")
    @pytest.mark.rfc("4825", "8.2.7", "a PUT is answered with an etag")
    @pytest.mark.parametrize(
        ("node", "body", "media_type"),
        [
            ("", SIBLINGS, PLAIN.media_type),
            ("/~~/root/el3", b"<el3/>", ELEMENT),
            ("/~~/root/el2/@new", b'"1"', ATTRIBUTE),
        ],
    )
    async def test_creation_is_201_and_replacement_200_without_content_both_with_the_etag(
        self, bill: Client, node: str, body: bytes, media_type: str
    ) -> None:
        if node:
            await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        created = await bill.put(INDEX + node, body, media_type)
        replaced = await bill.put(INDEX + node, body, media_type)
        assert (created.status, replaced.status) == (201, 200)
        assert (replaced.body, replaced.fields["content-length"]) == (b"", "0")
        assert created.etag == replaced.etag == (await bill.get(INDEX)).etag
