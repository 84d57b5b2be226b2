"""RFC 4825 §7: what clients do, seen from the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.rfc4825.documents import (
    NAMESPACED,
    PLAIN,
    SIBLINGS,
    TEST,
    WATCHERINFO,
    WATCHERINFO_NAMESPACE,
    WATCHERS,
    delete,
    get,
    put,
)
from tests.conformance.rfc4825.serving import ATTRIBUTE, BILL, ELEMENT, NAMESPACES, conflict
from xcap.core.errors import CannotDelete, CannotInsert

if TYPE_CHECKING:
    from tests.conformance.rfc4825.serving import Client

INDEX = f"/plain/users/{BILL}/index"
RLS = f"/rls-services/users/{BILL}/index"
SERVICE = (
    b'<service uri="sip:%s@example.com">\n'
    b"  <resource-list>http://xcap.example.com/resource-lists/users/sip:bill@example.com/index/~~/resource-lists/"
    b"list%%5b@name=%%22l1%%22%%5d</resource-list>\n"
    b"  <packages>\n   <package>presence</package>\n  </packages>\n</service>"
)
RLS_SERVICES = (
    b'<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">\n' + SERVICE % b"good-friends" + b"\n</rls-services>"
)


class TestIdempotence:
    @pytest.mark.rfc("4825", "7", "a PUT can be repeated")
    @pytest.mark.rfc("4825", "7", "GET(PUT(x)) is x")
    @pytest.mark.parametrize(
        ("node", "body", "media_type"),
        [
            ("", SIBLINGS, PLAIN.media_type),
            ("/~~/root/el3", b'<el3  a="&#233;" >x</el3 >', ELEMENT),
            ("/~~/root/*%5B2%5D%5B@att=%22new%22%5D", b"<el1 att='new'/>", ELEMENT),
            ("/~~/root/el2/@att", b"'a &amp; \"b\"'", ATTRIBUTE),
        ],
    )
    async def test_a_put_can_be_repeated_and_gives_back_what_was_put(
        self, bill: Client, node: str, body: bytes, media_type: str
    ) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        first = await bill.put(INDEX + node, body, media_type)
        document = (await bill.get(INDEX)).body
        again = await bill.put(INDEX + node, body, media_type)
        assert (first.status in (200, 201), again.status) == (True, 200)
        assert ((await bill.get(INDEX)).body, again.etag) == (document, first.etag)
        assert (await bill.get(INDEX + node)).body == body

    @pytest.mark.rfc("4825", "7", "a second DELETE finds nothing")
    @pytest.mark.parametrize("node", ["/~~/root/el2/@att", "/~~/root/el2", ""])
    async def test_a_second_delete_finds_nothing(self, bill: Client, node: str) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert [(await bill.delete(INDEX + node)).status for _ in range(3)] == [200, 404, 404]
        assert (await bill.get(INDEX + node)).status == 404

    @pytest.mark.rfc("4825", "7", "what is not idempotent is refused")
    async def test_a_put_whose_uri_would_not_select_its_body_is_refused(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert conflict(await bill.put(f"{INDEX}/~~/root/el3", b"<el4/>", ELEMENT)) == "cannot-insert"
        assert (await bill.get(INDEX)).body == SIBLINGS


class TestDocuments:
    @pytest.mark.rfc("4825", "7.1", "a document is created or replaced")
    @pytest.mark.rfc("4825", "7.3", "a document is fetched")
    async def test_a_document_is_created_then_replaced_and_fetched(self, bill: Client) -> None:
        assert (await bill.put(INDEX, b"<a/>", PLAIN.media_type)).status == 201
        assert (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).status == 200
        answer = await bill.get(INDEX)
        assert (answer.status, answer.body) == (200, SIBLINGS)


class TestElements:
    @pytest.mark.rfc("4825", "7.4", "an element is created where nothing matches")
    async def test_an_element_is_created_then_replaced(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        node = f"{INDEX}/~~/root/el3"
        assert [(await bill.put(node, body, ELEMENT)).status for body in (b"<el3/>", b"<el3 a=''/>")] == [201, 200]

    @pytest.mark.rfc("4825", "7.4", "the example of a positional insertion")
    async def test_a_watcher_put_at_the_second_place(self, bill: Client) -> None:
        index = f"/watchers/users/{BILL}/index"
        await bill.put(index, WATCHERINFO, WATCHERS.media_type)
        watcher = b'<watcher id="hhggff"/>'
        node = "watcherinfo/watcher-list/*%5B2%5D%5B@id=%22hhggff%22%5D"
        assert (await bill.put(f"{index}/~~/{node}", watcher, ELEMENT)).status == 201
        assert (await bill.get(index)).body == WATCHERINFO.replace(
            b"userA@example.net</watcher>", b"userA@example.net</watcher>" + watcher
        )

    @pytest.mark.rfc("4825", "7.4", "a replacement is complete")
    def test_a_replacement_is_complete_and_touches_nothing_else(self) -> None:
        node = 'watcherinfo/watcher-list/watcher[@id="8ajksjda7s"]'
        before = get(WATCHERINFO, node, WATCHERINFO_NAMESPACE)
        after = b'<watcher id="8ajksjda7s">new</watcher>'
        assert put(WATCHERINFO, node, after, WATCHERINFO_NAMESPACE) == WATCHERINFO.replace(before, after)

    @pytest.mark.rfc("4825", "7.4", "the example of a predicate that does not match")
    async def test_the_example_of_a_predicate_that_does_not_describe_the_body(self, bill: Client) -> None:
        await bill.put(RLS, RLS_SERVICES, "application/rls-services+xml")
        node = f"{RLS}/~~/rls-services/service%5b@uri=%22sip:good-friends@example.com%22%5d"
        assert conflict(await bill.put(node, SERVICE % b"mybuddies", ELEMENT)) == "cannot-insert"
        assert (await bill.get(RLS)).body == RLS_SERVICES

    @pytest.mark.rfc("4825", "7.4", "the example of a predicate that does not match")
    def test_a_predicate_that_does_not_describe_the_body_cannot_be_inserted(self) -> None:
        document = b'<rls-services><service uri="sip:good-friends@example.com"/></rls-services>'
        node = 'rls-services/service[@uri="sip:good-friends@example.com"]'
        for existing in (document, b"<rls-services/>"):
            with pytest.raises(CannotInsert):
                put(existing, node, b'<service uri="sip:mybuddies@example.com"/>')

    @pytest.mark.rfc("4825", "7.4", "the unique attribute can be changed by position")
    async def test_by_position_the_unique_attribute_can_be_changed(self, bill: Client) -> None:
        await bill.put(RLS, RLS_SERVICES, "application/rls-services+xml")
        answer = await bill.put(f"{RLS}/~~/rls-services/service%5b1%5d", SERVICE % b"mybuddies", ELEMENT)
        assert answer.status == 200
        assert (await bill.get(RLS)).body == RLS_SERVICES.replace(b"good-friends", b"mybuddies")

    @pytest.mark.rfc("4825", "7.5", "by name and position only the last is deleted")
    @pytest.mark.rfc("4825", "7.5", "by position only the last of all is deleted")
    def test_by_position_only_the_last_can_be_deleted(self) -> None:
        assert delete(SIBLINGS, "root/el1[2]") == SIBLINGS.replace(b'<el1 att="second"/>', b"")
        assert delete(SIBLINGS, "root/*[3]") == SIBLINGS.replace(b'<el2 att="first"/>', b"")
        for node in ("root/el1[1]", "root/*[1]", "root/*[2]"):
            with pytest.raises(CannotDelete):
                delete(SIBLINGS, node)

    @pytest.mark.rfc("4825", "7.5", "with a unique attribute any position is deleted")
    async def test_a_unique_attribute_makes_any_position_deletable(self, bill: Client) -> None:
        document = SIBLINGS.replace(b'<el2 att="first"/>', b"<el2/>")
        await bill.put(INDEX, document, PLAIN.media_type)
        assert (await bill.delete(f"{INDEX}/~~/root/*%5B1%5D%5B@att=%22first%22%5D")).status == 200
        assert (await bill.get(INDEX)).body == document.replace(b'<el1 att="first"/>', b"")

    @pytest.mark.rfc("4825", "7.5", "an element goes with all that is in it")
    def test_an_element_goes_with_all_that_is_in_it(self) -> None:
        inside = b"<a xmlns='urn:x' b='1'><!-- c --><?p?>text<d/></a>"
        assert delete(b"<root> " + inside + b" </root>", "root/*[1]") == b"<root>  </root>"

    @pytest.mark.rfc("4825", "7.6", "an element is fetched from bracket to bracket")
    async def test_an_element_is_fetched_from_bracket_to_bracket(self, bill: Client) -> None:
        inside = b"<a xmlns='urn:x' b='1'><!-- c --><?p?>text<d/></a\n>"
        await bill.put(INDEX, b"<root> " + inside + b" </root>", PLAIN.media_type)
        assert (await bill.get(f"{INDEX}/~~/root/*")).body == inside


class TestAttributes:
    @pytest.mark.rfc("4825", "7.7", "an attribute is created or replaced")
    @pytest.mark.rfc("4825", "7.8", "an attribute is deleted")
    @pytest.mark.rfc("4825", "7.9", "an attribute is fetched as an AttValue")
    async def test_an_attribute_is_created_replaced_fetched_and_deleted(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        node = f"{INDEX}/~~/root/el2/@new"
        assert [(await bill.put(node, value, ATTRIBUTE)).status for value in (b'"1"', b"'2'")] == [201, 200]
        assert (await bill.get(INDEX)).body == SIBLINGS.replace(b'<el2 att="first"/>', b"<el2 att=\"first\" new='2'/>")
        fetched = await bill.get(node)
        assert (fetched.body, fetched.fields["content-type"]) == (b"'2'", ATTRIBUTE)
        assert (await bill.delete(node)).status == 200
        assert (await bill.get(INDEX)).body == SIBLINGS

    @pytest.mark.rfc("4825", "7.7", "the body is not percent-encoded")
    async def test_a_percent_sign_in_the_body_is_a_percent_sign(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        await bill.put(f"{INDEX}/~~/root/el2/@att", b'"100%20"', ATTRIBUTE)
        assert b'<el2 att="100%20"/>' in (await bill.get(INDEX)).body

    @pytest.mark.rfc("4825", "7.7", "the example of an attribute that selects its element")
    @pytest.mark.rfc("4825", "8.2.4", "an attribute that its URI would no longer select is 409")
    async def test_the_attribute_by_which_its_element_is_selected_cannot_be_changed(self, bill: Client) -> None:
        await bill.put(RLS, RLS_SERVICES, "application/rls-services+xml")
        node = f"{RLS}/~~/rls-services/service%5b@uri=%22sip:good-friends@example.com%22%5d/@uri"
        assert conflict(await bill.put(node, b'"sip:bad-friends@example.com"', ATTRIBUTE)) == "cannot-insert"
        assert (await bill.get(RLS)).body == RLS_SERVICES
        by_position = f"{RLS}/~~/rls-services/service%5b1%5d/@uri"
        assert (await bill.put(by_position, b'"sip:bad-friends@example.com"', ATTRIBUTE)).status == 200

    @pytest.mark.rfc("4825", "7.9", "an attribute is fetched as an AttValue")
    def test_an_attribute_is_its_quoted_value_as_it_stands(self) -> None:
        document = b"""<a one = "1 &amp; 2" two='"'/>"""
        assert get(document, "a/@one") == b'"1 &amp; 2"'
        assert get(document, "a/@two") == b"'\"'"

    @pytest.mark.rfc("4825", "7.8", "an attribute is deleted")
    def test_a_deleted_attribute_leaves_the_others(self) -> None:
        assert delete(b"<a b='1'\n  c = '2' d='3'/>", "a/@c") == b"<a b='1' d='3'/>"


class TestNamespaceBindings:
    @pytest.mark.rfc("4825", "7.10", "namespace bindings are fetched")
    async def test_namespace_bindings_are_fetched(self, bill: Client) -> None:
        index = f"/test/users/{BILL}/index"
        await bill.put(index, NAMESPACED, TEST.media_type)
        answer = await bill.get(f"{index}/~~/foo/namespace::*")
        assert (answer.status, answer.fields["content-type"]) == (200, NAMESPACES)
        assert answer.body == b'<foo xmlns="urn:test:default-namespace"/>'

    @pytest.mark.rfc("4825", "7.10", "namespace bindings are not written")
    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    async def test_namespace_bindings_are_not_written(self, bill: Client, method: str) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        answer = await bill.request(method, f"{INDEX}/~~/root/namespace::*", b'<root xmlns="urn:x"/>', NAMESPACES)
        assert answer.status == 405
        assert (await bill.get(INDEX)).body == SIBLINGS


class TestConditions:
    @pytest.mark.rfc("4825", "7.11", "all resources of a document share one etag")
    async def test_all_resources_of_a_document_share_one_etag(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        nodes = ["", "/~~/root", "/~~/root/el2", "/~~/root/el2/@att", "/~~/root/namespace::*"]
        assert {(await bill.get(INDEX + node)).etag for node in nodes} == {etag}

    @pytest.mark.rfc("4825", "7.11", "If-Match on a changed document is 412")
    async def test_an_edit_of_a_version_that_is_no_more_is_refused(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        assert (await bill.put(f"{INDEX}/~~/root/el3", b"<el3/>", ELEMENT, if_match=etag)).status == 201
        document = (await bill.get(INDEX)).body
        assert (await bill.put(f"{INDEX}/~~/root/el4", b"<el4/>", ELEMENT, if_match=etag)).status == 412
        assert (await bill.delete(f"{INDEX}/~~/root/el2", if_match=etag)).status == 412
        assert (await bill.get(INDEX)).body == document

    @pytest.mark.rfc("4825", "7.11", "the etag of a PUT serves for the next request")
    @pytest.mark.rfc("4825", "7.11", "the answer to a DELETE has an etag")
    async def test_a_client_goes_on_from_etag_to_etag_without_a_get(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        etag = (await bill.put(f"{INDEX}/~~/root/el3", b"<el3/>", ELEMENT, if_match=etag)).etag
        etag = (await bill.delete(f"{INDEX}/~~/root/el2", if_match=etag)).etag
        etag = (await bill.put(f"{INDEX}/~~/root/el3/@a", b'"1"', ATTRIBUTE, if_match=etag)).etag
        assert (await bill.get(INDEX)).etag == etag

    @pytest.mark.rfc("4825", "7.11", "who has the version gets 304")
    async def test_who_has_the_version_gets_304(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        for node in ("", "/~~/root/el2", "/~~/root/el2/@att"):
            known = await bill.get(INDEX + node, if_none_match=etag)
            assert (known.status, known.body) == (304, b"")
        await bill.put(f"{INDEX}/~~/root/el3", b"<el3/>", ELEMENT)
        assert (await bill.get(f"{INDEX}/~~/root/el2", if_none_match=etag)).status == 200
