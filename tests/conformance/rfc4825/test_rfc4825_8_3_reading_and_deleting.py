"""RFC 4825 §8.3 to §10: GET, DELETE, etags, caching, and the format of namespace bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.rfc4825.documents import NAMESPACED, PLAIN, SIBLINGS, TEST, delete, get
from tests.conformance.rfc4825.serving import ATTRIBUTE, BILL, ELEMENT, NAMESPACES, conflict
from xcap.core.errors import NotFound
from xcap.core.selector import NodeKind

if TYPE_CHECKING:
    from tests.conformance.rfc4825.serving import Client

INDEX = f"/plain/users/{BILL}/index"
TREE = f"/test/users/{BILL}/index"

NO_SINGLE_NODE = [
    "/~~/root/none",
    "/~~/root/el1",  # two elements: invalid
    "/~~/root/el1%5B3%5D",
    "/~~/root/el2/@none",
    "/~~/root/el1/@att",  # of two elements: invalid
    "/~~/none",
]


class TestGet:
    @pytest.mark.rfc("4825", "8.3", "a document that does not exist is 404")
    @pytest.mark.rfc("4825", "8.3", "a node that does not exist is 404")
    @pytest.mark.parametrize("node", ["", *NO_SINGLE_NODE, "/~~/none/namespace::*"])
    async def test_what_is_not_there_is_404(self, bill: Client, node: str) -> None:
        assert (await bill.get(INDEX + node)).status == 404
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert (await bill.get(INDEX + node)).status == (404 if node else 200)

    @pytest.mark.rfc("4825", "8.3", "a document has the type of its usage")
    @pytest.mark.rfc("4825", "8.3", "an element has its type")
    @pytest.mark.rfc("4825", "8.3", "an attribute has its type")
    @pytest.mark.rfc("4825", "8.3", "namespace bindings have their type")
    @pytest.mark.rfc("4825", "8.3", "a GET is answered with an etag")
    @pytest.mark.parametrize(
        ("node", "media_type"),
        [
            ("", PLAIN.media_type),
            ("/~~/root/el2", ELEMENT),
            ("/~~/root/el2/@att", ATTRIBUTE),
            ("/~~/root/el2/namespace::*", NAMESPACES),
        ],
    )
    async def test_each_kind_of_resource_has_its_type_and_the_etag(
        self, bill: Client, node: str, media_type: str
    ) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        answer = await bill.get(INDEX + node)
        assert (answer.status, answer.fields["content-type"], answer.etag) == (200, media_type, etag)
        assert etag.startswith('"')

    @pytest.mark.rfc("4825", "15.2", "the types of nodes")
    def test_the_media_types_of_nodes(self) -> None:
        assert [kind.value for kind in NodeKind] == [ELEMENT, ATTRIBUTE, NAMESPACES]

    @pytest.mark.rfc("4825", "8.3", "an element comes without declarations from around it")
    async def test_an_element_comes_without_declarations_from_around_it(self, bill: Client) -> None:
        document = b'<foo xmlns="urn:test:default-namespace" xmlns:p="urn:p"><p:bar p:a=""><baz/></p:bar></foo>'
        await bill.put(TREE, document, TEST.media_type)
        answer = await bill.get(f"{TREE}/~~/foo/*")
        assert answer.body == b'<p:bar p:a=""><baz/></p:bar>'

    @pytest.mark.rfc("4825", "8.3", "a GET can be conditional")
    async def test_a_get_can_be_conditional(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        for node in ("", "/~~/root/el2"):
            for etags in (etag, f'"other", {etag}', "*", f"W/{etag}"):
                assert (await bill.get(INDEX + node, if_none_match=etags)).status == 304
            assert (await bill.get(INDEX + node, if_none_match='"other"')).status == 200
            for etags, status in ((etag, 200), ("*", 200), ('"other"', 412), (f"W/{etag}", 412)):
                assert (await bill.request("GET", INDEX + node, if_match=etags)).status == status
        assert (await bill.get(f"{INDEX}/~~/root/none", if_none_match="*")).status == 404


class TestDelete:
    @pytest.mark.rfc("4825", "8.4", "a document is deleted or 404")
    async def test_a_document_is_deleted_or_404(self, bill: Client) -> None:
        assert (await bill.delete(INDEX)).status == 404
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        answer = await bill.delete(INDEX)
        assert (answer.status, "etag" in answer.fields) == (200, False)
        assert (await bill.get(INDEX)).status == 404

    @pytest.mark.rfc("4825", "8.4", "a node that does not exist is 404")
    @pytest.mark.parametrize("node", NO_SINGLE_NODE)
    async def test_what_is_not_there_is_404(self, bill: Client, node: str) -> None:
        assert (await bill.delete(INDEX + node)).status == 404
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert (await bill.delete(INDEX + node)).status == 404
        assert (await bill.get(INDEX)).body == SIBLINGS

    @pytest.mark.rfc("4825", "8.4", "a node that does not exist is 404")
    @pytest.mark.parametrize("node", ["root/el1", "root/el3", "root/el1[3]", "nothing", "root/el2/@other"])
    def test_what_selects_no_single_node_is_not_found(self, node: str) -> None:
        with pytest.raises(NotFound):
            delete(SIBLINGS, node)

    @pytest.mark.rfc("4825", "8.4", "white space around an element stays")
    @pytest.mark.rfc("4825", "8.4", "what leaves a valid document is deleted")
    @pytest.mark.rfc("4825", "8.4", "a DELETE in a document is answered with an etag")
    @pytest.mark.rfc("4825", "8.5", "the etag of a DELETE is that of what is left")
    async def test_white_space_around_an_element_stays(self, bill: Client) -> None:
        before = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        answer = await bill.delete(f"{INDEX}/~~/root/el2")
        left = await bill.get(INDEX)
        assert left.body == SIBLINGS.replace(b'<el2 att="first"/>', b"")
        assert (answer.status, answer.etag == left.etag, left.etag == before) == (200, True, False)

    @pytest.mark.rfc("4825", "8.4", "a URI that would select another element is 409")
    @pytest.mark.parametrize("node", ["root/el1%5B1%5D", "root/*%5B1%5D", "root/*%5B2%5D"])
    async def test_a_uri_that_would_select_another_element_is_409(self, bill: Client, node: str) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert conflict(await bill.delete(f"{INDEX}/~~/{node}")) == "cannot-delete"
        assert (await bill.get(INDEX)).body == SIBLINGS

    @pytest.mark.rfc("4825", "8.4", "what would fail a constraint is not deleted")
    async def test_the_root_element_is_not_deleted(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert conflict(await bill.delete(f"{INDEX}/~~/root")) == "schema-validation-error"
        assert (await bill.get(INDEX)).body == SIBLINGS

    @pytest.mark.rfc("4825", "8.4", "a DELETE can be conditional")
    async def test_a_delete_can_be_conditional(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        for node in ("", "/~~/root/el2", "/~~/root/el2/@att"):
            assert (await bill.delete(INDEX + node, if_match='"other"')).status == 412
            assert (await bill.request("DELETE", INDEX + node, if_none_match=etag)).status == 412
        assert (await bill.delete(f"{INDEX}/~~/root/el2", if_match=etag)).status == 200
        assert (await bill.delete(INDEX, if_match=etag)).status == 412
        assert (await bill.delete(INDEX, if_match="*")).status == 200


class TestEtags:
    @pytest.mark.rfc("4825", "8.5", "every resource has an etag")
    @pytest.mark.rfc("4825", "8.5", "one change gives all resources of a document the same new etag")
    @pytest.mark.rfc("4825", "8.5", "200 and 201 carry the etag")
    async def test_every_change_gives_every_resource_of_the_document_the_same_new_etag(self, bill: Client) -> None:
        steps = [
            ("PUT", "", SIBLINGS, PLAIN.media_type),
            ("PUT", "/~~/root/el3", b"<el3/>", ELEMENT),
            ("PUT", "/~~/root/el3/@new", b"'1'", ATTRIBUTE),
            ("PUT", "/~~/root/el3/@new", b"'2'", ATTRIBUTE),
            ("DELETE", "/~~/root/el3/@new", b"", None),
            ("PUT", "/~~/root/el3", b"<el3>x</el3>", ELEMENT),
            ("DELETE", "/~~/root/el1%5B2%5D", b"", None),
        ]
        etags = []
        for method, node, body, media_type in steps:
            answer = await bill.request(method, INDEX + node, body, media_type)
            assert answer.status in (200, 201)
            shared = {(await bill.get(INDEX + other)).etag for other in ("", "/~~/root", "/~~/root/el2/@att")}
            assert shared == {answer.etag}
            etags.append(answer.etag)
        assert len(set(etags)) == len(etags) - 1  # the attribute that came and went
        assert etags[1] == etags[4]

    @pytest.mark.rfc("4825", "8.5", "every resource has an etag")
    async def test_documents_that_the_server_makes_have_etags_too(self, bill: Client) -> None:
        for target in ("/xcap-caps/global/index", f"/org.openmobilealliance.xcap-directory/users/{BILL}/directory.xml"):
            answer = await bill.get(target)
            assert (await bill.get(target, if_none_match=answer.etag)).status == 304

    @pytest.mark.rfc("4825", "9", "documents are not to be cached")
    async def test_no_answer_may_be_taken_from_a_cache(self, bill: Client) -> None:
        etag = (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).etag
        for node in ("", "/~~/root/el2", "/~~/root/el2/@att", "/~~/root/namespace::*"):
            assert "no-cache" in (await bill.get(INDEX + node)).fields["cache-control"]
            assert "no-cache" in (await bill.get(INDEX + node, if_none_match=etag)).fields["cache-control"]


class TestNamespaceBindings:
    @pytest.mark.rfc("4825", "10", "the example")
    async def test_the_bindings_of_the_example(self, bill: Client) -> None:
        """The RFC has `urn:tes:namespace1-uri` in its result, but not in its document."""
        await bill.put(TREE, NAMESPACED, TEST.media_type)
        query = "xmlns(df=urn:test:default-namespace)xmlns(df2=urn:test:namespace1-uri)"
        answer = await bill.get(f"{TREE}/~~/df:foo/df2:bar/df2:baz/namespace::*?{query}")
        assert answer.body == b'<baz xmlns="urn:test:namespace1-uri" xmlns:ns1="urn:test:namespace1-uri"/>'

    @pytest.mark.rfc("4825", "10", "bindings are an empty element of the same name")
    def test_an_element_keeps_its_prefix_and_an_undeclared_default_is_not_in_scope(self) -> None:
        document = b'<a xmlns="urn:d" xmlns:p="urn:&lt;p"><p:b xmlns=""/></a>'
        assert get(document, "d:a/p:b/namespace::*", None, b"xmlns(d=urn:d)xmlns(p=urn:%3Cp)") == (
            b'<p:b xmlns:p="urn:&lt;p"/>'
        )
