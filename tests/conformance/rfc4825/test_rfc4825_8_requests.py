"""RFC 4825 §8 to §8.2.2: what a request has to be before anything is done."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.rfc4825.documents import PLAIN, SIBLINGS, TEST, put
from tests.conformance.rfc4825.serving import (
    ATTRIBUTE,
    BILL,
    ELEMENT,
    JOE,
    OPERATOR,
    PASSWORD,
    Client,
    application,
    condition,
    conflict,
)
from tests.support.http import over_socket
from xcap.core import edit
from xcap.core.digest import Algorithm, Challenge, authorization
from xcap.core.errors import MethodNotAllowed, NoParent, NotUtf8, NotWellFormed, NotXmlAttributeValue, NotXmlFragment
from xcap.core.selector import parse_node_selector
from xcap.core.uri import DocumentKey
from xcap.core.usage import Access, Operation, default_policy
from xcap.core.xml import parse_document
from xcap.http.listener import HttpServer
from xcap.http.tls import Tls

if TYPE_CHECKING:
    from tests.support.http import Answer

INDEX = f"/plain/users/{BILL}/index"
METHODS = ("GET", "PUT", "DELETE")
CERTIFICATES = Path(__file__).resolve().parents[2] / "data" / "tls"


class TestWhatIsKnown:
    @pytest.mark.rfc("4825", "8", "the server knows its usages")
    @pytest.mark.rfc("4825", "8", "an unknown usage is 404")
    @pytest.mark.parametrize("method", METHODS)
    async def test_an_unknown_usage_is_404(self, bill: Client, method: str) -> None:
        for target in (f"/nothing/users/{BILL}/index", "/nothing/global/index", f"/Plain/users/{BILL}/index"):
            assert (await bill.request(method, target, SIBLINGS, PLAIN.media_type)).status == 404

    @pytest.mark.rfc("4825", "8", "an unknown user is 404")
    @pytest.mark.parametrize("method", METHODS)
    async def test_an_unknown_user_is_404(self, bill: Client, method: str) -> None:
        for user in ("sip:nobody@example.com", "sip:bill@example.net", "nobody", "sip:Bill@example.com"):
            answer = await bill.request(method, f"/plain/users/{user}/index", SIBLINGS, PLAIN.media_type)
            assert answer.status == 404

    @pytest.mark.rfc("4825", "8", "an unknown extension is 404")
    @pytest.mark.parametrize("method", METHODS)
    async def test_an_unknown_extension_is_404(self, bill: Client, method: str) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        for node in (
            "root/el1%5Blast()%5D",
            "root/text()",
            "root/id('x')",
            "root/el1%5B@att='first'%5D%5B1%5D",
            "root//el1",
        ):
            answer = await bill.request(method, f"{INDEX}/~~/{node}", b"<el1/>", ELEMENT)
            assert answer.status == (400 if "//" in node else 404)
        assert (await bill.get(INDEX)).body == SIBLINGS


class TestWhoAsks:
    @pytest.mark.rfc("4825", "8", "digest")
    @pytest.mark.rfc("4825", "6.2", "the XUI is the address of record")
    @pytest.mark.parametrize("algorithm", [Algorithm.MD5, Algorithm.SHA256])
    async def test_a_user_logs_in_by_digest_and_has_the_tree_of_the_address_of_record(
        self, bill: Client, algorithm: Algorithm
    ) -> None:
        stranger = bill.for_user(None)
        refused = await stranger.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert (refused.status, refused.fields["www-authenticate"].count("Digest ")) == (401, 2)
        offers = refused.fields["www-authenticate"].split(", Digest ")
        [offer] = [offer for offer in offers if f"algorithm={algorithm.value}" in offer]
        nonce, realm = (offer.partition(f'{name}="')[2].partition('"')[0] for name in ("nonce", "realm"))
        challenge = Challenge(realm, nonce, algorithm)
        proof = authorization(challenge, "bill", PASSWORD, "PUT", INDEX, cnonce="x")
        answer = await stranger.request("PUT", INDEX, SIBLINGS, PLAIN.media_type, authorization=proof)
        assert answer.status == 201
        assert (await bill.get(INDEX)).body == SIBLINGS

    @pytest.mark.rfc("4825", "8", "TLS")
    async def test_documents_are_put_and_got_over_tls(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        server = HttpServer(await application(), tls=Tls(CERTIFICATES / "first.pem", CERTIFICATES / "first.key"))
        await server.start([listener])
        trusting = ssl.create_default_context(cafile=CERTIFICATES / "first.pem")
        async with over_socket(listener.getsockname()[1], trusting) as exchange:
            bill = Client(exchange)
            assert (await bill.put(INDEX, SIBLINGS, PLAIN.media_type)).status == 201
            assert (await bill.get(INDEX)).body == SIBLINGS
        await server.stop()

    @pytest.mark.rfc("4825", "8", "the usage says who may do what")
    @pytest.mark.rfc("4825", "5.7", "the default policy")
    async def test_by_default_only_the_owner_reads_and_writes_a_tree(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        joe = bill.for_user(JOE)
        for node in ("", "/~~/root/el2"):
            assert (await joe.get(INDEX + node)).status == 403
            assert (await joe.delete(INDEX + node)).status == 403
        assert (await joe.put(INDEX, b"<a/>", PLAIN.media_type)).status == 403
        assert (await joe.put(f"{INDEX}/~~/root/el3", b"<el3/>", ELEMENT)).status == 403
        assert (await bill.get(INDEX)).body == SIBLINGS

    @pytest.mark.rfc("4825", "5.7", "the default policy")
    async def test_by_default_all_read_the_global_tree_and_trusted_users_write_it(self, bill: Client) -> None:
        index = "/plain/global/index"
        assert (await bill.put(index, SIBLINGS, PLAIN.media_type)).status == 403
        assert (await bill.for_user(OPERATOR).put(index, SIBLINGS, PLAIN.media_type)).status == 201
        assert (await bill.get(index)).body == SIBLINGS
        assert (await bill.delete(index)).status == 403

    @pytest.mark.rfc("4825", "5.7", "the default policy")
    def test_the_default_policy(self) -> None:
        own, everyones = DocumentKey("a", "sip:ann@example.org", "index"), DocumentKey("a", None, "index")
        may = [
            (
                default_policy(Access("sip:ann@example.org", own, operation)),
                default_policy(Access("sip:bob@example.org", own, operation)),
                default_policy(Access("sip:server@example.org", own, operation, trusted=True)),
            )
            for operation in Operation
        ]
        assert may == [(True, False, False), (True, False, False)]
        assert default_policy(Access("sip:bob@example.org", everyones, Operation.READ))
        assert not default_policy(Access("sip:bob@example.org", everyones, Operation.WRITE))
        assert default_policy(Access("sip:server@example.org", everyones, Operation.WRITE, trusted=True))


class TestMethods:
    @pytest.mark.rfc("4825", "8.1", "POST is 405")
    async def test_post_is_405(self, bill: Client) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        for node in ("", "/~~/root/el2", "/~~/root/el2/@att"):
            answer = await bill.request("POST", INDEX + node, b"<a/>", PLAIN.media_type)
            assert answer.status == 405
            assert "PUT" in answer.fields["allow"]

    @pytest.mark.rfc("4825", "8.2", "a PUT of namespace bindings is 405")
    @pytest.mark.rfc("4825", "8.4", "a DELETE of namespace bindings is 405")
    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    async def test_namespace_bindings_allow_get(self, bill: Client, method: str) -> None:
        """Whether there are any or not."""
        for node in ("root", "nothing"):
            answer = await bill.request(method, f"{INDEX}/~~/{node}/namespace::*", b"<a/>", ELEMENT)
            assert answer.status == 405
            assert "GET" in answer.fields["allow"].split(", ")

    @pytest.mark.rfc("4825", "8.2", "a PUT of namespace bindings is 405")
    @pytest.mark.rfc("4825", "8.4", "a DELETE of namespace bindings is 405")
    def test_an_edit_of_namespace_bindings_is_refused_by_itself(self) -> None:
        selector = parse_node_selector("root/namespace::*", {}, None)
        for attempt in (
            lambda: edit.put_node(SIBLINGS, selector, b"<root/>"),
            lambda: edit.delete_node(SIBLINGS, selector),
        ):
            with pytest.raises(MethodNotAllowed) as caught:
                attempt()
            assert caught.value.allow == ("GET",)


class TestParents:
    @pytest.mark.rfc("4825", "8.2.1", "a folder that does not exist is 409")
    async def test_a_folder_that_does_not_exist_is_409(self, bill: Client) -> None:
        for name in ("nowhere/index", "folder/folder/index"):
            assert conflict(await bill.put(f"/plain/users/{BILL}/{name}", SIBLINGS, PLAIN.media_type)) == "no-parent"

    @pytest.mark.rfc("4825", "8.2.1", "a document that does not exist is 409")
    async def test_a_document_that_does_not_exist_is_409(self, bill: Client) -> None:
        assert conflict(await bill.put(f"{INDEX}/~~/root/el3", b"<el3/>", ELEMENT)) == "no-parent"
        assert conflict(await bill.put(f"{INDEX}/~~/root/@a", b'"1"', ATTRIBUTE)) == "no-parent"

    @pytest.mark.rfc("4825", "8.2.1", "a parent that does not exist is 409")
    @pytest.mark.rfc("4825", "11.1", "no-parent names the closest ancestor")
    @pytest.mark.rfc("4825", "11.1", "the ancestor is relative to the document")
    @pytest.mark.parametrize(
        ("node", "ancestor"),
        [
            ("root/none/x", "root"),
            ("root/el2/none/none/x", "root/el2"),
            ("root/el1/x", "root"),  # there are two: the selector is invalid
            ("root/none/@a", "root"),
            ("none/x", None),
        ],
    )
    async def test_a_parent_that_does_not_exist_is_409(self, bill: Client, node: str, ancestor: str | None) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        body, media_type = (b'"1"', ATTRIBUTE) if "@" in node else (b"<x/>", ELEMENT)
        report = condition(await bill.put(f"{INDEX}/~~/{node}", body, media_type))
        assert (report.tag, report.findtext("{*}ancestor")) == (
            "{urn:ietf:params:xml:ns:xcap-error}no-parent",
            ancestor,
        )
        if ancestor is not None:
            assert (await bill.get(f"{INDEX}/~~/{ancestor}")).status == 200

    @pytest.mark.rfc("4825", "11.1", "the ancestor is percent-encoded")
    @pytest.mark.rfc("4825", "11.1", "no-parent names the closest ancestor")
    def test_the_ancestor_is_percent_encoded_and_brings_its_query(self) -> None:
        with pytest.raises(NoParent) as caught:
            put(SIBLINGS, 'root/el1[@att="second"]/x/y', b"<y/>")
        assert caught.value.ancestor == "root/el1%5B@att=%22second%22%5D"
        document = b'<foo xmlns="urn:test:default-namespace"/>'
        with pytest.raises(NoParent) as caught:
            put(document, "d:foo/d:nothing/d:x", b"<x/>", None, b"xmlns(d=urn:test:default-namespace)")
        assert caught.value.ancestor == "d:foo?xmlns(d=urn:test:default-namespace)"

    @pytest.mark.rfc("4825", "8.2.1", "the target decides between creation and replacement")
    @pytest.mark.parametrize(
        ("node", "body", "media_type", "status"),
        [
            ("/~~/root/el3", b"<el3/>", ELEMENT, 201),
            ("/~~/root/el2", b"<el2/>", ELEMENT, 200),
            ("/~~/root/el2/@new", b'"1"', ATTRIBUTE, 201),
            ("/~~/root/el2/@att", b'"1"', ATTRIBUTE, 200),
            ("", b"<a/>", PLAIN.media_type, 200),
            ("2", b"<a/>", PLAIN.media_type, 201),
        ],
    )
    async def test_what_is_there_is_replaced_and_what_is_not_created(
        self, bill: Client, node: str, body: bytes, media_type: str, status: int
    ) -> None:
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        assert (await bill.put(INDEX + node, body, media_type)).status == status


class TestBodies:
    async def refused(self, bill: Client, node: str, body: bytes, media_type: str) -> Answer:
        """The answer to a PUT that changes nothing."""
        await bill.put(INDEX, SIBLINGS, PLAIN.media_type)
        answer = await bill.put(INDEX + node, body, media_type)
        assert (await bill.get(INDEX)).body == SIBLINGS
        return answer

    @pytest.mark.rfc("4825", "8.2.2", "a document that is not well-formed is 409")
    @pytest.mark.parametrize("body", [b"", b"<a>", b"<a/><b/>", b"text", b"<a b=1/>", b"<!DOCTYPE a><a/>", b"<p:a/>"])
    async def test_a_document_that_is_not_well_formed_is_409(self, bill: Client, body: bytes) -> None:
        assert conflict(await self.refused(bill, "", body, PLAIN.media_type)) == "not-well-formed"
        with pytest.raises(NotWellFormed):
            parse_document(body)

    @pytest.mark.rfc("4825", "8.2.2", "a document that is not UTF-8 is 409")
    @pytest.mark.rfc("4825", "11.1", "a report says one condition")
    @pytest.mark.parametrize(
        "body",
        [
            b"<a>\xff</a>",
            b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
            "<a/>".encode("utf-16"),
            b"<a>\xed\xa0\x80</a>",
        ],
    )
    async def test_a_document_that_is_not_utf_8_is_409(self, bill: Client, body: bytes) -> None:
        assert conflict(await self.refused(bill, "", body, PLAIN.media_type)) == "not-utf-8"
        with pytest.raises(NotUtf8):
            parse_document(body)

    @pytest.mark.rfc("4825", "8.2.2", "a document of another type is 415")
    @pytest.mark.rfc("4825", "8.2.2", "an element of another type is 415")
    @pytest.mark.rfc("4825", "8.2.2", "an attribute of another type is 415")
    @pytest.mark.parametrize(
        ("node", "body", "right"),
        [
            ("", SIBLINGS, PLAIN.media_type),
            ("/~~/root/el2", b"<el2/>", ELEMENT),
            ("/~~/root/el2/@att", b'"1"', ATTRIBUTE),
        ],
    )
    async def test_another_type_than_that_of_the_resource_is_415(
        self, bill: Client, node: str, body: bytes, right: str
    ) -> None:
        for media_type in {"application/xml", "text/xml", PLAIN.media_type, TEST.media_type, ELEMENT, ATTRIBUTE} - {
            right
        }:
            assert (await self.refused(bill, node, body, media_type)).status == 415
        assert (await bill.put(INDEX + node, body, f"{right}; charset=utf-8")).status == 200

    @pytest.mark.rfc("4825", "8.2.2", "an element that is no fragment is 409")
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"text",
            b"<el3>",
            b"<el3/><el3/>",
            b"<el3/>text",
            b"text<el3/>",
            b"<!-- c --><el3/>",
            b"<el3/><?pi?>",
            b"<?xml version='1.0'?><el3/>",
            b"<!DOCTYPE el3><el3/>",
            b"</root><root>",
            b"<el3></root><root></el3>",
            b"<el3>&undefined;</el3>",
            b"<el3 a='1' a='2'/>",
            b"<el3 a=1/>",
            b"<p:el3/>",
            b"<el3 p:a=''/>",
            b"\xef\xbb\xbf<el3/>",
        ],
    )
    async def test_what_is_not_one_balanced_element_is_409(self, bill: Client, body: bytes) -> None:
        assert conflict(await self.refused(bill, "/~~/root/el3", body, ELEMENT)) == "not-xml-frag"
        with pytest.raises(NotXmlFragment):
            put(SIBLINGS, "root/el3", body)

    @pytest.mark.rfc("4825", "8.2.2", "an element that is not UTF-8 is 409")
    async def test_an_element_that_is_not_utf_8_is_409(self, bill: Client) -> None:
        body = "<el3>\u00e9</el3>".encode("latin-1")
        assert conflict(await self.refused(bill, "/~~/root/el3", body, ELEMENT)) == "not-utf-8"

    @pytest.mark.rfc("4825", "8.2.2", "an attribute that is no AttValue is 409")
    @pytest.mark.parametrize(
        "body", [b"", b"1", b'"1', b"\"1'", b'"<"', b'"&x;"', b'"&"', b'"1" b="2"', b'"1"/><x a="1"', b'"&#0;"']
    )
    async def test_what_is_no_att_value_is_409(self, bill: Client, body: bytes) -> None:
        assert conflict(await self.refused(bill, "/~~/root/el2/@att", body, ATTRIBUTE)) == "not-xml-att-value"
        with pytest.raises(NotXmlAttributeValue):
            put(SIBLINGS, "root/el2/@att", body)

    @pytest.mark.rfc("4825", "8.2.2", "an attribute that is not UTF-8 is 409")
    async def test_an_attribute_that_is_not_utf_8_is_409(self, bill: Client) -> None:
        body = '"\u00e9"'.encode("latin-1")
        assert conflict(await self.refused(bill, "/~~/root/el2/@att", body, ATTRIBUTE)) == "not-utf-8"
