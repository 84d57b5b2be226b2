"""The rules and worked examples of RFC 4825, one test per statement, by section."""

from __future__ import annotations

import pytest
from lxml import etree

from xcap.core import edit, uri
from xcap.core.errorbody import error_body
from xcap.core.errors import (
    BadRequest,
    CannotDelete,
    CannotInsert,
    MethodNotAllowed,
    NoParent,
    NotFound,
    NotUtf8,
    NotWellFormed,
    NotXmlAttributeValue,
    NotXmlFragment,
    UniquenessFailure,
    UnknownSelector,
)
from xcap.core.errors import NotUnique as Duplicate
from xcap.core.selector import NodeKind, parse_node_selector
from xcap.core.usage import Access, Operation, Usages, default_policy
from xcap.core.usages.xcap_caps import KEY, XCAP_CAPS
from xcap.core.xml import load_schema, parse_document

WATCHERINFO = b"""<?xml version="1.0"?>
<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo"
             version="0" state="full">
  <watcher-list resource="sip:professor@example.net"
                package="presence">
    <watcher status="active"
             id="8ajksjda7s"
             duration-subscribed="509"
             event="approved">sip:userA@example.net</watcher>
    <watcher status="pending"
             id="hh8juja87s997-ass7"
             display-name="Mr. Subscriber"
             event="subscribe">sip:userB@example.org</watcher>
  </watcher-list>
</watcherinfo>
"""
WATCHERINFO_NAMESPACE = "urn:ietf:params:xml:ns:watcherinfo"

NAMESPACED = b"""<?xml version="1.0"?>
<foo xmlns="urn:test:default-namespace">
  <ns1:bar xmlns:ns1="urn:test:namespace1-uri"
           xmlns="urn:test:namespace1-uri">
    <baz/>
    <ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>
  </ns1:bar>
  <ns3:hi xmlns:ns3="urn:test:namespace3-uri">
    <there/>
  </ns3:hi>
</foo>
"""

SIBLINGS = b"""<?xml version="1.0"?>
<root>
 <el1 att="first"/>
 <el1 att="second"/>
 <!-- comment -->
 <el2 att="first"/>
</root>
"""

RESOURCE_LISTS = "urn:ietf:params:xml:ns:resource-lists"


def get(document: bytes, node: str, default_namespace: str | None = None, query: bytes = b"") -> bytes:
    return edit.get_node(document, parse_node_selector(node, uri.parse_bindings(query), default_namespace)).content


def put(document: bytes, node: str, body: bytes, default_namespace: str | None = None, query: bytes = b"") -> bytes:
    selector = parse_node_selector(node, uri.parse_bindings(query), default_namespace)
    return edit.put_node(document, selector, body)[0]


def delete(document: bytes, node: str, default_namespace: str | None = None) -> bytes:
    return edit.delete_node(document, parse_node_selector(node, {}, default_namespace))


class TestSection6Uris:
    def test_6_the_first_double_tilde_separates_and_later_ones_belong_to_the_selector(self) -> None:
        resource = uri.parse(b"/root/a/global/index/~~/x%5b@n=%22~~%22%5d/~~/y", b"", "/root")
        assert resource.key == uri.DocumentKey("a", None, "index")
        assert resource.node == 'x[@n="~~"]/~~/y'

    def test_6_an_encoded_separator_is_the_same_separator(self) -> None:
        plain, encoded = (uri.parse(b"/a/global/index/" + tildes + b"/x", b"", "") for tildes in (b"~~", b"%7E%7e"))
        assert plain == encoded

    def test_6_2_the_example_document_selector(self) -> None:
        resource = uri.parse(b"/resource-lists/users/sip:joe@example.com/index", b"", "/")
        assert resource == uri.ResourceUri(uri.DocumentKey("resource-lists", "sip:joe@example.com", "index"))

    def test_6_2_a_user_part_with_reserved_characters_is_percent_encoded(self) -> None:
        resource = uri.parse(b"/resource-lists/users/sip:a%2Fb%3Fc@example.com/index", b"", "/")
        assert resource.key.user == "sip:a/b?c@example.com"

    @pytest.mark.parametrize("path", [b"/a", b"/a/users", b"/a/users/sip:x@y", b"/a/other/index", b"/a/global"])
    def test_6_2_a_path_that_is_no_document_selector_finds_nothing(self, path: bytes) -> None:
        with pytest.raises(NotFound):
            uri.parse(path, b"", "/")

    def test_6_3_characters_outside_ascii_are_percent_encoded_utf_8(self) -> None:
        assert uri.parse(b"/a/global/index/~~/A%C3%80%E3%82%A2", b"", "/").node == "A\u00c0\u30a2"


class TestSection6Selectors:
    def test_6_3_the_watcher_with_this_id(self) -> None:
        node = 'watcherinfo/watcher-list/watcher[@id="8ajksjda7s"]'
        assert get(WATCHERINFO, node, WATCHERINFO_NAMESPACE) == (
            b'<watcher status="active"\n             id="8ajksjda7s"\n             duration-subscribed="509"\n'
            b'             event="approved">sip:userA@example.net</watcher>'
        )

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
    def test_6_3_each_kind_of_step(self, node: str, found: bytes) -> None:
        assert get(SIBLINGS, node) == found

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
    def test_6_3_a_step_that_does_not_choose_exactly_one_element_finds_nothing(self, node: str) -> None:
        with pytest.raises(NotFound):
            get(SIBLINGS, node)

    def test_6_3_a_namespace_declaration_is_no_attribute(self) -> None:
        with pytest.raises(NotFound):
            get(NAMESPACED, "foo[@xmlns='urn:test:default-namespace']", "urn:test:default-namespace")
        with pytest.raises(NotFound):
            get(NAMESPACED, "foo/@xmlns", "urn:test:default-namespace")

    def test_6_3_an_unprefixed_attribute_is_in_no_namespace(self) -> None:
        document = b'<a xmlns="urn:d" xmlns:p="urn:d" p:x="prefixed" x="plain"/>'
        assert get(document, "a/@x", "urn:d") == b'"plain"'
        assert get(document, "a/@q:x", "urn:d", b"xmlns(q=urn:d)") == b'"prefixed"'

    def test_6_3_without_a_default_namespace_an_unprefixed_element_is_in_none(self) -> None:
        with pytest.raises(NotFound):
            get(NAMESPACED, "foo")

    @pytest.mark.parametrize(
        "node", ["root/el1[@att='x'][1]", "root/text()", "root/el1[last()]", "root/child::el1", "@att", "namespace::*"]
    )
    def test_8_an_extension_selector_that_is_not_known_is_a_404(self, node: str) -> None:
        with pytest.raises(UnknownSelector):
            parse_node_selector(node, {}, None)

    @pytest.mark.parametrize(
        ("path", "query", "found"),
        [
            ("foo/a:bar/b:baz", b"xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace1-uri)", b"<baz/>"),
            (
                "foo/a:bar/b:baz",
                b"xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace2-uri)",
                b'<ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>',
            ),
            (
                "d:foo/a:bar/b:baz",
                b"xmlns(a=urn:test:namespace1-uri)%20xmlns(b=urn:test:namespace2-uri)"
                b"xmlns(d=urn:test:default-namespace)",
                b'<ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>',
            ),
        ],
    )
    def test_6_4_prefixes_come_from_the_query(self, path: str, query: bytes, found: bytes) -> None:
        assert get(NAMESPACED, path, "urn:test:default-namespace", query) == found

    def test_6_4_pointer_parts_of_other_schemes_are_ignored(self) -> None:
        assert uri.parse_bindings(b"element(/1/(2))xmlns(a=urn:x)xpointer(//a%5E))") == {"a": "urn:x"}

    def test_8_a_prefix_without_binding_is_a_bad_request(self) -> None:
        for node in ("p:foo", "foo[@p:a='1']", "foo/@p:a"):
            with pytest.raises(BadRequest):
                parse_node_selector(node, {"q": "urn:x"}, None)


class TestSection7And8PutOfElements:
    def test_7_4_a_watcher_put_at_the_second_place(self) -> None:
        watcher = b'<watcher id="hhggff"/>'
        document = put(WATCHERINFO, 'watcherinfo/watcher-list/*[2][@id="hhggff"]', watcher, WATCHERINFO_NAMESPACE)
        assert document == WATCHERINFO.replace(b"userA@example.net</watcher>", b"userA@example.net</watcher>" + watcher)

    def test_7_4_a_predicate_that_does_not_describe_the_body_cannot_be_inserted(self) -> None:
        document = b'<rls-services><service uri="sip:good-friends@example.com"/></rls-services>'
        node = 'rls-services/service[@uri="sip:good-friends@example.com"]'
        with pytest.raises(CannotInsert):
            put(document, node, b'<service uri="sip:mybuddies@example.com"/>')
        with pytest.raises(CannotInsert):
            put(b"<rls-services/>", node, b'<service uri="sip:mybuddies@example.com"/>')

    def test_7_4_by_position_the_key_attribute_can_be_changed(self) -> None:
        document = b'<rls-services><service uri="sip:a@example.com"/></rls-services>'
        assert put(document, "rls-services/service[1]", b'<service uri="sip:b@example.com"/>') == (
            b'<rls-services><service uri="sip:b@example.com"/></rls-services>'
        )

    @pytest.mark.parametrize("node", ['root/el1[@att="third"]', 'root/el1[3][@att="third"]', 'root/*[3][@att="third"]'])
    def test_8_2_3_earliest_last(self, node: str) -> None:
        assert put(SIBLINGS, node, b'<el1 att="third"/>') == SIBLINGS.replace(
            b'<el1 att="second"/>', b'<el1 att="second"/><el1 att="third"/>'
        )

    def test_8_2_3_the_first_of_its_name_comes_after_everything(self) -> None:
        assert put(SIBLINGS, "root/el3", b'<el3 att="first"/>') == SIBLINGS.replace(
            b"</root>", b'<el3 att="first"/></root>'
        )
        assert put(SIBLINGS, "root/el3[1]", b"<el3/>") == SIBLINGS.replace(b"</root>", b"<el3/></root>")

    @pytest.mark.parametrize("node", ['root/el2[@att="2"]', 'root/el2[2][@att="2"]'])
    def test_8_2_3_a_second_element_of_its_name_follows_the_first_at_once(self, node: str) -> None:
        assert put(SIBLINGS, node, b'<el2 att="2"/>') == SIBLINGS.replace(
            b'<el2 att="first"/>', b'<el2 att="first"/><el2 att="2"/>'
        )

    def test_8_2_3_a_wildcard_position_counts_all_elements(self) -> None:
        assert put(SIBLINGS, 'root/*[2][@att="2"]', b'<el2 att="2"/>') == SIBLINGS.replace(
            b'<el1 att="first"/>', b'<el1 att="first"/><el2 att="2"/>'
        )

    def test_8_2_3_the_first_position_is_just_before_the_former_first_of_the_name(self) -> None:
        assert put(SIBLINGS, 'root/el2[1][@att="2"]', b'<el2 att="2"/>') == SIBLINGS.replace(
            b'<el2 att="first"/>', b'<el2 att="2"/><el2 att="first"/>'
        )

    def test_8_2_3_the_first_position_of_all_is_just_before_all_elements(self) -> None:
        assert put(SIBLINGS, 'root/*[1][@att="0"]', b'<x att="0"/>') == SIBLINGS.replace(
            b'<el1 att="first"/>', b'<x att="0"/><el1 att="first"/>'
        )

    def test_8_2_3_a_wildcard_with_an_attribute_that_no_sibling_has_comes_after_everything(self) -> None:
        assert put(SIBLINGS, 'root/*[@att="new"]', b'<el1 att="new"/>') == SIBLINGS.replace(
            b"</root>", b'<el1 att="new"/></root>'
        )

    @pytest.mark.parametrize(
        "node", ["root/el1/*", "root/el1/*[1]", "root/el1/x", "root/el1/x[1]", 'root/el1/*[@a="1"]']
    )
    def test_8_2_3_the_first_child_of_all(self, node: str) -> None:
        assert put(b"<root><el1/></root>", node, b'<x a="1"/>') == b'<root><el1><x a="1"/></el1></root>'

    @pytest.mark.parametrize(
        "node", ["root/el1[4]", "root/el3[2]", "root/*[5]", "root/el1[0]", "root/*[0]", 'root/el1[4][@att="x"]']
    )
    def test_8_2_3_without_enough_elements_before_the_position_the_request_fails(self, node: str) -> None:
        with pytest.raises(CannotInsert):
            put(SIBLINGS, node, b'<el1 att="x"/>')

    def test_8_2_3_an_element_of_another_name_than_selected_cannot_be_inserted(self) -> None:
        with pytest.raises(CannotInsert):
            put(SIBLINGS, "root/el3", b"<el4/>")
        with pytest.raises(CannotInsert):
            put(SIBLINGS, "root/el2", b"<el4/>")

    def test_8_2_4_a_replacement_that_would_leave_the_position_to_the_next_of_its_name_fails(self) -> None:
        with pytest.raises(CannotInsert):
            put(b"<root><el/><el/><el/></root>", "root/el[2]", b"<other/>")

    def test_8_2_3_a_selector_of_several_elements_cannot_be_put(self) -> None:
        with pytest.raises(CannotInsert, match="several"):
            put(SIBLINGS, "root/el1", b"<el1/>")

    def test_8_2_3_redundant_namespace_declarations_are_kept(self) -> None:
        entry = b'<entry  xmlns="urn:x"\n uri = \'a\' xmlns:unused="urn:y"><n xmlns="urn:x"/></entry>'
        document = put(b'<list xmlns="urn:x"></list>', "list/entry", entry, "urn:x")
        assert document == b'<list xmlns="urn:x">' + entry + b"</list>"
        assert get(document, "list/entry", "urn:x") == entry

    def test_8_2_4_a_replacement_is_complete_and_touches_nothing_else(self) -> None:
        node = 'watcherinfo/watcher-list/watcher[@id="8ajksjda7s"]'
        before = get(WATCHERINFO, node, WATCHERINFO_NAMESPACE)
        after = b'<watcher id="8ajksjda7s">new</watcher>'
        assert put(WATCHERINFO, node, after, WATCHERINFO_NAMESPACE) == WATCHERINFO.replace(before, after)

    def test_8_2_1_a_parent_that_does_not_exist_is_told_with_its_closest_ancestor(self) -> None:
        with pytest.raises(NoParent) as caught:
            put(SIBLINGS, 'root/el1[@att="second"]/x/y', b"<y/>")
        assert caught.value.ancestor == "root/el1%5B@att=%22second%22%5D"
        with pytest.raises(NoParent) as caught:
            put(SIBLINGS, "tree/x", b"<x/>")
        assert caught.value.ancestor is None

    def test_11_1_an_ancestor_with_prefixes_brings_its_query(self) -> None:
        with pytest.raises(NoParent) as caught:
            put(NAMESPACED, "d:foo/d:nothing/d:x", b"<x/>", None, b"xmlns(d=urn:test:default-namespace)")
        assert caught.value.ancestor == "d:foo?xmlns(d=urn:test:default-namespace)"

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
    def test_8_2_2_what_is_not_one_balanced_element_is_no_fragment(self, body: bytes) -> None:
        with pytest.raises(NotXmlFragment):
            put(SIBLINGS, "root/el3", body)

    def test_8_2_2_a_fragment_must_be_utf_8(self) -> None:
        with pytest.raises(NotUtf8):
            put(SIBLINGS, "root/el3", "<el3>é</el3>".encode("latin-1"))

    def test_8_2_namespace_bindings_cannot_be_put_or_deleted(self) -> None:
        selector = parse_node_selector("root/namespace::*", {}, None)
        with pytest.raises(MethodNotAllowed) as caught:
            edit.put_node(SIBLINGS, selector, b"<root/>")
        assert caught.value.allow == ("GET",)
        with pytest.raises(MethodNotAllowed):
            edit.delete_node(SIBLINGS, selector)

    def test_8_2_7_creation_and_replacement_are_told_apart(self) -> None:
        assert edit.put_node(SIBLINGS, parse_node_selector("root/el3", {}, None), b"<el3/>")[1] is True
        assert edit.put_node(SIBLINGS, parse_node_selector("root/el2", {}, None), b"<el2/>")[1] is False
        assert edit.put_node(SIBLINGS, parse_node_selector("root/el2/@new", {}, None), b'"1"')[1] is True
        assert edit.put_node(SIBLINGS, parse_node_selector("root/el2/@att", {}, None), b'"1"')[1] is False


class TestSection7And8Attributes:
    def test_7_7_changing_the_attribute_by_which_its_element_is_selected_fails(self) -> None:
        document = b'<rls-services><service uri="sip:good-friends@example.com"/></rls-services>'
        with pytest.raises(CannotInsert):
            put(
                document,
                'rls-services/service[@uri="sip:good-friends@example.com"]/@uri',
                b'"sip:bad-friends@example.com"',
            )
        assert put(document, "rls-services/service/@uri", b'"sip:bad-friends@example.com"') == document.replace(
            b"good", b"bad"
        )

    def test_7_9_an_attribute_is_its_quoted_value_as_it_stands(self) -> None:
        document = b"""<a one = "1 &amp; 2" two='"'/>"""
        assert get(document, "a/@one") == b'"1 &amp; 2"'
        assert get(document, "a/@two") == b"'\"'"

    def test_8_2_3_a_new_attribute_has_the_name_in_the_selector(self) -> None:
        assert put(b"<a b='1' />", "a/@c", b"'2'") == b"<a b='1' c='2' />"
        assert put(b"<a ></a>", "a/@c", b"'2'") == b"<a c='2' ></a>"

    @pytest.mark.parametrize(
        "body", [b"", b"1", b'"1', b"\"1'", b'"<"', b'"&x;"', b'"&"', b'"1" b="2"', b'"1"/><x a="1"', b'"&#0;"']
    )
    def test_8_2_2_what_is_no_att_value_is_refused(self, body: bytes) -> None:
        with pytest.raises(NotXmlAttributeValue):
            put(SIBLINGS, "root/el2/@att", body)

    def test_8_2_1_an_attribute_needs_its_element(self) -> None:
        with pytest.raises(NoParent) as caught:
            put(SIBLINGS, "root/el9/@att", b'"1"')
        assert caught.value.ancestor == "root"

    def test_8_4_a_deleted_attribute_leaves_the_others(self) -> None:
        assert delete(b"<a b='1'\n  c = '2' d='3'/>", "a/@c") == b"<a b='1' d='3'/>"
        with pytest.raises(NotFound):
            delete(SIBLINGS, "root/el2/@other")


class TestSection7And8DeleteOfElements:
    def test_8_4_surrounding_white_space_stays(self) -> None:
        assert delete(SIBLINGS, "root/el2") == SIBLINGS.replace(b'<el2 att="first"/>', b"")

    def test_7_5_by_position_only_the_last_can_be_deleted(self) -> None:
        assert delete(SIBLINGS, "root/el1[2]") == SIBLINGS.replace(b'<el1 att="second"/>', b"")
        assert delete(SIBLINGS, "root/*[3]") == SIBLINGS.replace(b'<el2 att="first"/>', b"")
        for node in ("root/el1[1]", "root/*[1]", "root/*[2]"):
            with pytest.raises(CannotDelete):
                delete(SIBLINGS, node)

    def test_7_5_a_unique_attribute_makes_any_position_deletable(self) -> None:
        assert delete(SIBLINGS, 'root/*[1][@att="first"]') == SIBLINGS.replace(b'<el1 att="first"/>', b"")

    @pytest.mark.parametrize("node", ["root/el1", "root/el3", "root/el1[3]", "nothing"])
    def test_8_4_what_selects_no_single_node_is_not_found(self, node: str) -> None:
        with pytest.raises(NotFound):
            delete(SIBLINGS, node)


class TestSection10NamespaceBindings:
    def test_10_the_bindings_of_the_example(self) -> None:
        query = b"xmlns(df=urn:test:default-namespace)xmlns(df2=urn:test:namespace1-uri)"
        assert get(NAMESPACED, "df:foo/df2:bar/df2:baz/namespace::*", None, query) == (
            b'<baz xmlns="urn:test:namespace1-uri" xmlns:ns1="urn:test:namespace1-uri"/>'
        )

    def test_10_an_element_keeps_its_prefix_and_an_undeclared_default_is_not_in_scope(self) -> None:
        document = b'<a xmlns="urn:d" xmlns:p="urn:&lt;p"><p:b xmlns=""/></a>'
        assert get(document, "d:a/p:b/namespace::*", None, b"xmlns(d=urn:d)xmlns(p=urn:%3Cp)") == (
            b'<p:b xmlns:p="urn:&lt;p"/>'
        )

    def test_15_2_the_media_types_of_nodes(self) -> None:
        assert [kind.value for kind in NodeKind] == [
            "application/xcap-el+xml",
            "application/xcap-att+xml",
            "application/xcap-ns+xml",
        ]


class TestSection11And12Documents:
    def test_11_1_the_example_of_a_uniqueness_failure(self) -> None:
        error = UniquenessFailure([Duplicate("rls-services/service/@uri", ("sip:mybuddies@example.com",))])
        report = etree.fromstring(error_body(error))
        load_schema("xcap.core", "schemas/xcap-error.xsd").assertValid(report)
        namespaces = {"e": "urn:ietf:params:xml:ns:xcap-error"}
        assert report.xpath("string(/e:xcap-error/e:uniqueness-failure/e:exists/@field)", namespaces=namespaces) == (
            "rls-services/service/@uri"
        )
        assert report.xpath("string(//e:alt-value)", namespaces=namespaces) == "sip:mybuddies@example.com"

    def test_12_every_server_announces_xcap_caps_and_its_namespace(self) -> None:
        document = XCAP_CAPS.validate(Usages([XCAP_CAPS]).provided[KEY])
        namespaces = {"c": "urn:ietf:params:xml:ns:xcap-caps"}
        assert document.xpath("/c:xcap-caps/c:auids/c:auid/text()", namespaces=namespaces) == ["xcap-caps"]
        assert document.xpath("/c:xcap-caps/c:namespaces/c:namespace/text()", namespaces=namespaces) == [
            "urn:ietf:params:xml:ns:xcap-caps"
        ]

    def test_5_7_the_default_policy(self) -> None:
        own = uri.DocumentKey("a", "sip:ann@example.org", "index")
        everyones = uri.DocumentKey("a", None, "index")
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

    def test_8_2_2_a_document_must_be_well_formed_and_utf_8(self) -> None:
        for content in (b"", b"<a>", b"<a/><b/>", b"<!DOCTYPE a><a/>"):
            with pytest.raises(NotWellFormed):
                parse_document(content)
        for content in (b"<a>\xff</a>", b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>', "<a/>".encode("utf-16")):
            with pytest.raises(NotUtf8):
                parse_document(content)


def test_13_the_story_of_bills_lists() -> None:
    """RFC 4825 §13: the documents of figures 24, 26, 28, 29, 30 and the attribute of figure 32."""
    document = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">\n'
        b'  <list name="friends">\n  </list>\n</resource-lists>\n'
    )
    friends = 'resource-lists/list[@name="friends"]'
    bob = b'<entry uri="sip:bob@example.com">\n    <display-name>Bob Jones</display-name>\n  </entry>'
    document = put(document, f"{friends}/entry", bob, RESOURCE_LISTS)
    assert document.endswith(b'<list name="friends">\n  ' + bob + b"</list>\n</resource-lists>\n")
    close_friends = (
        b'<list name="close-friends">\n  <entry uri="sip:joe@example.com"/>\n'
        b'  <entry uri="sip:nancy@example.com"/>\n  <entry uri="sip:petri@example.com"/>\n</list>'
    )
    document = put(document, f'{friends}/list[@name="close-friends"]', close_friends, RESOURCE_LISTS)
    document = delete(document, 'resource-lists/list/list/entry[@uri="sip:petri@example.com"]', RESOURCE_LISTS)
    assert document.endswith(
        bob + close_friends.replace(b'<entry uri="sip:petri@example.com"/>', b"") + b"</list>\n</resource-lists>\n"
    )
    assert get(document, "resource-lists/list/list/entry[2]/@uri", RESOURCE_LISTS) == b'"sip:nancy@example.com"'
