"""RFC 4825 §6: URIs, node selectors, namespace bindings."""

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
    get,
)
from tests.conformance.rfc4825.serving import BILL, ELEMENT, conflict
from xcap.core import uri
from xcap.core.errors import BadRequest, NotFound, UnknownSelector
from xcap.core.selector import parse_node_selector
from xcap.core.usage import ApplicationUsage
from xcap.core.usages import STANDARD

if TYPE_CHECKING:
    from tests.conformance.rfc4825.serving import Client

DEFAULT = "urn:test:default-namespace"


class TestUris:
    @pytest.mark.rfc("4825", "6", "the first double tilde separates")
    @pytest.mark.rfc("4825", "8", "the URI is split at the first separator")
    def test_the_first_double_tilde_separates_and_later_ones_belong_to_the_selector(self) -> None:
        resource = uri.parse(b"/root/a/global/index/~~/x%5b@n=%22~~%22%5d/~~/y", b"", "/root")
        assert resource.key == uri.DocumentKey("a", None, "index")
        assert resource.node == 'x[@n="~~"]/~~/y'

    @pytest.mark.rfc("4825", "6", "the first double tilde separates")
    async def test_a_double_tilde_in_a_value_is_part_of_it(self, bill: Client) -> None:
        document = b'<root><el att="~~"/></root>'
        await bill.put(f"/plain/users/{BILL}/index", document, PLAIN.media_type)
        answer = await bill.get(f"/plain/users/{BILL}/index/~~/root/el%5B@att=%22~~%22%5D")
        assert answer.body == b'<el att="~~"/>'

    @pytest.mark.rfc("4825", "6", "an encoded separator is the same")
    @pytest.mark.parametrize("separator", ["~~", "%7E%7E", "%7e~", "~%7E"])
    async def test_an_encoded_separator_is_the_same_separator(self, bill: Client, separator: str) -> None:
        await bill.put(f"/plain/users/{BILL}/index", SIBLINGS, PLAIN.media_type)
        answer = await bill.get(f"/plain/users/{BILL}/index/{separator}/root/el2")
        assert (answer.status, answer.body) == (200, b'<el2 att="first"/>')

    @pytest.mark.rfc("4825", "6", "the separator is written as two tildes")
    def test_a_uri_that_is_made_here_has_the_separator_as_it_is(self) -> None:
        resource = uri.ResourceUri(uri.DocumentKey("a", BILL, "index"), "root/el[1]")
        assert resource.to_path("/") == f"/a/users/{BILL}/index/~~/root/el%5B1%5D"

    @pytest.mark.rfc("4825", "6.1", "the root is no resource")
    async def test_below_the_root_only_documents_are_resources(self, bill: Client) -> None:
        for target in ("/plain", "/plain/", "/plain/users", f"/plain/users/{BILL}", f"/plain/users/{BILL}/"):
            assert (await bill.get(target)).status == 404
            assert (await bill.put(target, b"<a/>", PLAIN.media_type)).status == 404
        assert (await bill.put("/", b"<a/>", PLAIN.media_type)).status == 405

    @pytest.mark.rfc("4825", "6.2", "the AUID comes first")
    @pytest.mark.rfc("4825", "6.2", "the XUI comes below users")
    def test_the_example_document_selector(self) -> None:
        resource = uri.parse(b"/resource-lists/users/sip:joe@example.com/index", b"", "/")
        assert resource == uri.ResourceUri(uri.DocumentKey("resource-lists", "sip:joe@example.com", "index"))

    @pytest.mark.rfc("4825", "6.2", "reserved characters of the XUI are encoded")
    @pytest.mark.parametrize(
        ("path", "user"),
        [
            (b"sip:a%2Fb%3Fc@example.com", "sip:a/b?c@example.com"),
            (b"sip%3Ajoe%40example.com", "sip:joe@example.com"),
            (b"SIP:Joe@Example.COM", "sip:Joe@example.com"),
            (b"joe@example.com", "sip:joe@example.com"),
        ],
    )
    def test_an_xui_is_the_same_however_it_is_encoded(self, path: bytes, user: str) -> None:
        resource = uri.parse(b"/resource-lists/users/" + path + b"/index", b"", "/")
        assert resource.key.user == user
        assert uri.parse(resource.to_path("/").encode(), b"", "/") == resource

    @pytest.mark.rfc("4825", "6.2", "then comes global or users")
    @pytest.mark.parametrize("path", [b"/a", b"/a/users", b"/a/users/sip:x@y", b"/a/other/index", b"/a/global"])
    def test_a_path_that_is_no_document_selector_finds_nothing(self, path: bytes) -> None:
        with pytest.raises(NotFound):
            uri.parse(path, b"", "/")

    @pytest.mark.rfc("4825", "6.2", "no document is named like a folder")
    async def test_no_document_is_named_like_a_folder(self, bill: Client) -> None:
        answer = await bill.put(f"/plain/users/{BILL}/folder", SIBLINGS, PLAIN.media_type)
        assert conflict(answer) == "constraint-failure"
        assert (await bill.put(f"/plain/users/{BILL}/folder/index", SIBLINGS, PLAIN.media_type)).status == 201

    @pytest.mark.rfc("4825", "6.2", "no document is named like a folder")
    async def test_no_folder_comes_to_be_where_a_document_is(self, bill: Client) -> None:
        assert (await bill.put(f"/plain/users/{BILL}/index", SIBLINGS, PLAIN.media_type)).status == 201
        answer = await bill.put(f"/plain/users/{BILL}/index/index", SIBLINGS, PLAIN.media_type)
        assert conflict(answer) == "no-parent"

    @pytest.mark.rfc("4825", "6.2", "a single document is called index")
    def test_the_single_document_of_a_usage_is_called_index(self) -> None:
        usage = ApplicationUsage(auid="a", media_type="a/b", default_namespace=None, namespaces=())
        assert usage.names == frozenset({"index"})
        single = [usage for usage in STANDARD if usage.names is not None and len(usage.names) == 1]
        assert {name for usage in single for name in usage.names or ()} <= {"index", "directory.xml"}

    @pytest.mark.rfc("4825", "6.3", "names outside ASCII are UTF-8")
    @pytest.mark.rfc("4825", "6.3", "characters outside pchar are encoded")
    @pytest.mark.rfc("4825", "6.3", "the grammar applies to the decoded URI")
    def test_characters_outside_ascii_are_percent_encoded_utf_8(self) -> None:
        assert uri.parse(b"/a/global/index/~~/A%C3%80%E3%82%A2", b"", "/").node == "A\u00c0\u30a2"
        resource = uri.ResourceUri(uri.DocumentKey("a", None, "index"), 'A\u00c0\u30a2[@b="1 <2"]')
        assert resource.to_path("/") == "/a/global/index/~~/A%C3%80%E3%82%A2%5B@b=%221%20%3C2%22%5D"

    @pytest.mark.rfc("4825", "6.3", "the grammar applies to the decoded URI")
    @pytest.mark.parametrize(
        "target", ["root/el1%5b@att=%22second%22%5d", 'root/el1[@att="second"]', "root/el1[@att='second']"]
    )
    async def test_brackets_and_quotes_mean_the_same_raw_and_encoded(self, bill: Client, target: str) -> None:
        await bill.put(f"/plain/users/{BILL}/index", SIBLINGS, PLAIN.media_type)
        answer = await bill.get(f"/plain/users/{BILL}/index/~~/{target}")
        assert (answer.status, answer.body) == (200, b'<el1 att="second"/>')

    @pytest.mark.rfc("4825", "6.3", "names outside ASCII are UTF-8")
    async def test_names_and_values_outside_ascii_reach_the_node(self, bill: Client) -> None:
        document = "<root><gr\u00f6\u00dfe w\u00e4hrung='\u20ac'/><gr\u00f6\u00dfe/></root>".encode()
        await bill.put(f"/plain/users/{BILL}/index", document, PLAIN.media_type)
        node = "root/gr%C3%B6%C3%9Fe%5B@w%C3%A4hrung=%22%E2%82%AC%22%5D/@w%C3%A4hrung"
        assert (await bill.get(f"/plain/users/{BILL}/index/~~/{node}")).body == "'\u20ac'".encode()


class TestSelectors:
    @pytest.mark.rfc("4825", "6.3", "the example: figure 3")
    def test_the_watcher_with_this_id(self) -> None:
        node = 'watcherinfo/watcher-list/watcher[@id="8ajksjda7s"]'
        assert get(WATCHERINFO, node, WATCHERINFO_NAMESPACE) == (
            b'<watcher status="active"\n             id="8ajksjda7s"\n             duration-subscribed="509"\n'
            b'             event="approved">sip:userA@example.net</watcher>'
        )

    @pytest.mark.rfc("4825", "6.3", "a step chooses by name, position and attribute")
    @pytest.mark.parametrize(
        ("node", "found"),
        [
            ("root/el1[1]", b'<el1 att="first"/>'),
            ("root/el1[2]", b'<el1 att="second"/>'),
            ("root/*[3]", b'<el2 att="first"/>'),
            ("root/el2", b'<el2 att="first"/>'),
            ('root/*[@att="second"]', b'<el1 att="second"/>'),
            ("root/*[2][@att='second']", b'<el1 att="second"/>'),
            ("*/el2", b'<el2 att="first"/>'),
        ],
    )
    def test_each_kind_of_step(self, node: str, found: bytes) -> None:
        assert get(SIBLINGS, node) == found

    @pytest.mark.rfc("4825", "6.3", "predicates are evaluated in order")
    def test_the_position_is_counted_before_the_attribute_is_looked_at(self) -> None:
        document = b'<root><a x="1"/><a x="2"/><a x="2"/></root>'
        assert get(document, 'root/a[2][@x="2"]') == b'<a x="2"/>'
        with pytest.raises(NotFound):
            get(document, 'root/a[1][@x="2"]')

    @pytest.mark.rfc("4825", "6.3", "each step chooses a single element")
    @pytest.mark.rfc("4825", "6.3", "too large a position is a no-match")
    @pytest.mark.parametrize(
        "node",
        [
            "root/el3",
            "root/el1[3]",
            "root/el1[0]",
            'root/el1[2][@att="first"]',
            'root/el1[@att="third"]',
            'root/el1[@other="first"]',
            "root/el1",  # two of them: the selector is invalid
            'root/*[@att="first"]',
            "el1",
            "root/el2/el1",
            "root[2]",
            "root/el2/@other",
        ],
    )
    def test_a_step_that_does_not_choose_exactly_one_element_finds_nothing(self, node: str) -> None:
        with pytest.raises(NotFound):
            get(SIBLINGS, node)

    @pytest.mark.rfc("4825", "6.3", "a namespace declaration is no attribute")
    def test_a_namespace_declaration_is_no_attribute(self) -> None:
        with pytest.raises(NotFound):
            get(NAMESPACED, f"foo[@xmlns='{DEFAULT}']", DEFAULT)
        with pytest.raises(NotFound):
            get(NAMESPACED, "foo/@xmlns", DEFAULT)

    @pytest.mark.rfc("4825", "6.3", "an attribute is found by its expanded name")
    @pytest.mark.rfc("4825", "6.3", "an unprefixed attribute is in no namespace")
    def test_an_unprefixed_attribute_is_in_no_namespace(self) -> None:
        document = b'<a xmlns="urn:d" xmlns:p="urn:d" p:x="prefixed" x="plain"/>'
        assert get(document, "a/@x", "urn:d") == b'"plain"'
        assert get(document, "a/@q:x", "urn:d", b"xmlns(q=urn:d)") == b'"prefixed"'

    @pytest.mark.rfc("4825", "6.3", "an unprefixed name is in the default namespace of the usage")
    def test_without_a_default_namespace_an_unprefixed_element_is_in_none(self) -> None:
        with pytest.raises(NotFound):
            get(NAMESPACED, "foo")
        assert get(NAMESPACED, "foo", DEFAULT)

    @pytest.mark.rfc("4825", "6.3", "the namespaces in scope can be selected")
    def test_the_namespaces_in_scope_can_be_selected(self) -> None:
        query = b"xmlns(a=urn:test:namespace1-uri)"
        assert get(NAMESPACED, "foo/a:bar/namespace::*", DEFAULT, query) == (
            b'<ns1:bar xmlns="urn:test:namespace1-uri" xmlns:ns1="urn:test:namespace1-uri"/>'
        )

    @pytest.mark.rfc("4825", "6.3", "comments, texts and instructions cannot be selected")
    def test_comments_are_not_counted_and_not_found(self) -> None:
        document = b"<root>text<!-- c --><?pi?><a/></root>"
        assert get(document, "root/*[1]") == b"<a/>"
        for node in ("root/text()", "root/comment()", "root/processing-instruction()"):
            with pytest.raises(UnknownSelector):
                get(document, node)

    @pytest.mark.rfc("4825", "6.3", "what an element encloses comes with it")
    @pytest.mark.rfc("4825", "6.3", "white space stays")
    async def test_white_space_comments_and_instructions_stay_as_they_were_put(self, bill: Client) -> None:
        document = b"<?xml version='1.0'?>\r\n<root >\t<!-- c -->\n <a  b = '1'\n/><?pi  x ?> text </root >\n\n"
        await bill.put(f"/plain/users/{BILL}/index", document, PLAIN.media_type)
        assert (await bill.get(f"/plain/users/{BILL}/index")).body == document
        assert (await bill.get(f"/plain/users/{BILL}/index/~~/root")).body == document[23:-2]

    @pytest.mark.rfc("4825", "6.3", "no white space is added")
    async def test_an_inserted_element_gets_no_white_space_around_it(self, bill: Client) -> None:
        index = f"/plain/users/{BILL}/index"
        await bill.put(index, b"<root>\n <a/>\n</root>", PLAIN.media_type)
        await bill.put(f"{index}/~~/root/b", b"<b\n/>", ELEMENT)
        assert (await bill.get(index)).body == b"<root>\n <a/>\n<b\n/></root>"

    @pytest.mark.rfc("4825", "8", "an unknown extension is 404")
    @pytest.mark.parametrize(
        "node", ["root/el1[@att='x'][1]", "root/text()", "root/el1[last()]", "root/child::el1", "@att", "namespace::*"]
    )
    def test_an_extension_selector_that_is_not_known_is_a_404(self, node: str) -> None:
        with pytest.raises(UnknownSelector):
            parse_node_selector(node, {}, None)


class TestBindings:
    @pytest.mark.rfc("4825", "6.4", "the examples")
    @pytest.mark.parametrize(
        ("path", "query", "found"),
        [
            ("foo/a:bar/b:baz", "xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace1-uri)", b"<baz/>"),
            (
                "foo/a:bar/b:baz",
                "xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace2-uri)",
                b'<ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>',
            ),
            (
                "d:foo/a:bar/b:baz",
                "xmlns(a=urn:test:namespace1-uri)%20xmlns(b=urn:test:namespace2-uri)xmlns(d=urn:test:default-namespace)",
                b'<ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>',
            ),
        ],
    )
    async def test_the_examples(self, bill: Client, path: str, query: str, found: bytes) -> None:
        await bill.put(f"/test/users/{BILL}/index", NAMESPACED, TEST.media_type)
        assert (await bill.get(f"/test/users/{BILL}/index/~~/{path}?{query}")).body == found

    @pytest.mark.rfc("4825", "6.4", "without a query there is the default namespace only")
    @pytest.mark.rfc("4825", "8", "a prefix without binding is 400")
    @pytest.mark.rfc("4825", "8", "the node selector is checked")
    async def test_a_prefix_without_binding_is_a_bad_request(self, bill: Client) -> None:
        await bill.put(f"/test/users/{BILL}/index", NAMESPACED, TEST.media_type)
        for target in ("foo/a:bar", "foo/a:bar?xmlns(b=urn:x)", "foo%5B@a:b=%22%22%5D", "foo/@a:b", "foo/ns1:bar"):
            for method in ("GET", "PUT", "DELETE"):
                answer = await bill.request(method, f"/test/users/{BILL}/index/~~/{target}", b"<x/>", ELEMENT)
                assert answer.status == 400

    @pytest.mark.rfc("4825", "8", "a prefix without binding is 400")
    def test_a_prefix_in_any_place_needs_a_binding(self) -> None:
        for node in ("p:foo", "foo[@p:a='1']", "foo/@p:a"):
            with pytest.raises(BadRequest):
                parse_node_selector(node, {"q": "urn:x"}, None)

    @pytest.mark.rfc("4825", "6.4", "other XPointer schemes are ignored")
    def test_pointer_parts_of_other_schemes_are_ignored(self) -> None:
        assert uri.parse_bindings(b"element(/1/(2))xmlns(a=urn:x)xpointer(//a%5E))") == {"a": "urn:x"}

    @pytest.mark.rfc("4825", "6.4", "other XPointer schemes are ignored")
    async def test_a_request_may_hold_parts_of_other_schemes(self, bill: Client) -> None:
        await bill.put(f"/test/users/{BILL}/index", NAMESPACED, TEST.media_type)
        query = "xpointer(id('x'))xmlns(a=urn:test:namespace3-uri)element(/1)"
        assert (await bill.get(f"/test/users/{BILL}/index/~~/foo/a:hi/namespace::*?{query}")).status == 200
