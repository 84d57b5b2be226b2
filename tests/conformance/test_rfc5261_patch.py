"""RFC 5261: all examples of Appendix A and of §4, and the error document of §5.1; RFC 7351: its examples and App. A.

The examples of RFC 5261 stand in an imaginary diff format; RFC 7351 §2.2 says how they become XML patches.
"""

from __future__ import annotations

import pytest
from lxml import etree

from xcap.core import patch
from xcap.core.patch import errors

NOTE = "<doc>\n  <note>This is a sample document</note>\n"
FOO = f'{NOTE}<foo id="ert4773">This is a new child</foo></doc>'
SAMPLE = '<doc>\n  <foo a="1">This is a sample document</foo>\n'


def canonical(document: str | bytes) -> bytes:
    """The equality of RFC 5261 §3: canonical XML with comments."""
    return etree.tostring(etree.fromstring(document).getroottree(), method="c14n", with_comments=True)


def patched(document: str, operations: str, namespaces: str = "") -> str:
    """`document` after operations whose elements have no prefix in the example."""
    for kind in ("add", "replace", "remove"):
        operations = operations.replace(f"<{kind}", f"<p:{kind}").replace(f"</{kind}>", f"</p:{kind}>")
    content = f'<p:patch xmlns:p="urn:ietf:rfc:7351" {namespaces}>{operations}</p:patch>'
    return patch.apply(content.encode(), document.encode()).decode()


EXAMPLES = {
    "A.1 adding an element": (
        f"{NOTE}</doc>",
        '<add sel="doc"><foo id="ert4773">This is a new child</foo></add>',
        FOO,
    ),
    "A.2 adding an attribute": (
        FOO,
        """<add sel="doc/foo[@id='ert4773']" type="@user">Bob</add>""",
        FOO.replace("<foo", '<foo user="Bob"'),
    ),
    "A.3 adding a prefixed namespace declaration": (
        FOO,
        '<add sel="doc" type="namespace::pref">urn:ns:xxx</add>',
        FOO.replace("<doc", '<doc xmlns:pref="urn:ns:xxx"'),
    ),
    "A.4 adding a comment node with pos": (
        FOO,
        """<add sel="doc/foo[@id='ert4773']" pos="before"><!-- comment --></add>""",
        FOO.replace("<foo", "<!-- comment --><foo"),
    ),
    "A.5 adding multiple nodes": (
        f"{NOTE}</doc>",
        '<add sel="doc">\n  <foo id="ert4773">This is a new child</foo></add>',
        f'{NOTE}\n  <foo id="ert4773">This is a new child</foo></doc>',
    ),
    "A.6 replacing an element": (
        f"{SAMPLE}</doc>",
        """<replace sel="doc/foo[@a='1']"><bar a="2"/></replace>""",
        '<doc>\n  <bar a="2"/>\n</doc>',
    ),
    "A.7 replacing an attribute value": (
        f"{SAMPLE}</doc>".replace("<doc", '<doc a="test"'),
        '<replace sel="doc/@a">new value</replace>',
        f"{SAMPLE}</doc>".replace("<doc", '<doc a="new value"'),
    ),
    "A.8 replacing a namespace declaration URI": (
        f"{SAMPLE}</doc>".replace("<doc", '<doc xmlns:pref="urn:test"'),
        '<replace sel="doc/namespace::pref">urn:new:xxx</replace>',
        f"{SAMPLE}</doc>".replace("<doc", '<doc xmlns:pref="urn:new:xxx"'),
    ),
    "A.9 replacing a comment node": (
        f"{SAMPLE}  <!-- comment -->\n</doc>",
        '<replace sel="doc/comment()[1]"><!-- This is the new content\n      --></replace>',
        f"{SAMPLE}  <!-- This is the new content\n      -->\n</doc>",
    ),
    "A.10 replacing a processing instruction node": (
        f'{SAMPLE}  <?test foo="bar"?>\n</doc>',
        """<replace sel='doc/processing-instruction("test")'\n  ><?test bar="foobar"?></replace>""",
        f'{SAMPLE}  <?test bar="foobar"?>\n</doc>',
    ),
    "A.11 replacing a text node": (
        f"{SAMPLE}</doc>",
        '<replace sel="doc/foo/text()[1]"\n  >This is the new text content</replace>',
        '<doc>\n  <foo a="1">This is the new text content</foo>\n</doc>',
    ),
    "A.12 removing an element": (
        f"{SAMPLE}</doc>",
        """<remove sel="doc/foo[@a='1']" ws="after"/>""",
        "<doc>\n  </doc>",
    ),
    "A.13 removing an attribute": (
        f"{SAMPLE}</doc>".replace("<doc", '<doc a="foo"'),
        '<remove sel="doc/@a"/>',
        f"{SAMPLE}</doc>",
    ),
    "A.14 removing a prefixed namespace declaration": (
        f"{SAMPLE}  <!-- comment -->\n</doc>".replace("<foo", '<foo xmlns:pref="urn:test"'),
        '<remove sel="doc/foo/namespace::pref"/>',
        f"{SAMPLE}  <!-- comment -->\n</doc>",
    ),
    "A.15 removing a comment node": (
        f"{SAMPLE}  <!-- comment -->\n</doc>",
        '<remove sel="doc/comment()[1]" ws="after"/>',
        f"{SAMPLE}  </doc>",
    ),
    "A.16 removing a processing instruction node": (
        f"{SAMPLE}  <?test?>\n</doc>",
        """<remove sel='doc/processing-instruction("test")'/>""",
        f"{SAMPLE}  \n</doc>",
    ),
    "A.17 removing a text node": (
        f"{SAMPLE}</doc>",
        '<remove sel="doc/foo/text()[1]"/>',
        '<doc>\n  <foo a="1"/>\n</doc>',
    ),
    "4.3.5 text before the located text": (
        "<d><foo>one<b/>two<b/></foo></d>",
        '<add sel="*/foo/text()[2]" pos="before">new<bar/>elem</add>',
        "<d><foo>one<b/>new<bar/>elemtwo<b/></foo></d>",
    ),
    "4.3.5 text after the located text": (
        "<d><foo>one<b/>two<b/></foo></d>",
        '<add sel="*/foo/text()[2]" pos="after">new<bar/>elem</add>',
        "<d><foo>one<b/>twonew<bar/>elem<b/></foo></d>",
    ),
    "4.4.2 an empty replace leaves an empty attribute": (
        '<doc a="test"/>',
        '<replace sel="doc/@a"/>',
        '<doc a=""/>',
    ),
    "4.4.6 an empty replace removes a text": (
        "<doc><foo>text</foo></doc>",
        '<replace sel="doc/foo/text()[1]"/>',
        "<doc><foo/></doc>",
    ),
    "4.5.1 removing an element with the text after it": (
        '<doc><foo a="1"/>  <bar/></doc>',
        """<remove sel="doc/foo[@a='1']" ws="after"/>""",
        "<doc><bar/></doc>",
    ),
    "4.5.6 the texts around a removed node are combined": (
        "<doc>one<foo/>two<bar/></doc>",
        '<remove sel="doc/foo"/><replace sel="doc/text()">both</replace>',
        "<doc>both<bar/></doc>",
    ),
    "4.2.3 white space as in that section's selector": (
        "<doc><bar/></doc>",
        '<add sel="*/ bar">x</add>',
        "<doc><bar>x</bar></doc>",
    ),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_rfc_5261_gives_the_result_shown_there(example: str) -> None:
    document, operations, result = EXAMPLES[example]
    assert canonical(patched(document, operations)) == canonical(result)


@pytest.mark.parametrize(
    ("document", "operation", "error"),
    [
        # 4.4.3: the parent node of the declaration must be the <doc> element, otherwise an error occurs
        (
            '<doc><foo xmlns:pref="urn:test"/></doc>',
            '<replace sel="doc/namespace::pref">urn:new:xxx</replace>',
            errors.InvalidNamespaceUri,
        ),
        # 4.5.1: if the following sibling node is not a white space text node, an error occurs
        (
            '<doc><foo a="1"/>text</doc>',
            """<remove sel="doc/foo[@a='1']" ws="after"/>""",
            errors.InvalidWhitespaceDirective,
        ),
        # 4.5.3: the prefix must not be associated with any node, and be declared on the <foo> element
        (
            '<doc><foo xmlns:pref="urn:test"><pref:bar/></foo></doc>',
            '<remove sel="doc/foo/namespace::pref"/>',
            errors.InvalidNamespacePrefix,
        ),
        (
            '<doc xmlns:pref="urn:test"><foo/></doc>',
            '<remove sel="doc/foo/namespace::pref"/>',
            errors.InvalidNamespaceUri,
        ),
    ],
)
def test_an_example_of_rfc_5261_fails_where_it_says_so(
    document: str, operation: str, error: type[patch.PatchError]
) -> None:
    with pytest.raises(error):
        patched(document, operation)


def test_4_5_ws_both_removes_the_white_space_before_and_after() -> None:
    assert patched("<d> <foo/> <bar/></d>", '<remove sel="d/foo" ws="both"/>') == "<d><bar/></d>"


A_18 = """<doc xmlns="urn:ietf:params:xml:ns:xxx"
     xmlns:z="urn:ietf:params:xml:ns:yyy">
  <note>This is a sample document</note>
  <elem a="foo">
    <child/>
  </elem>
  <elem a="bar">
    <z:child/>
  </elem>
</doc>"""
A_18_PATCH = """<?xml version="1.0" encoding="UTF-8"?>
<p:patch xmlns="urn:ietf:params:xml:ns:xxx"
        xmlns:y="urn:ietf:params:xml:ns:yyy"
        xmlns:p="urn:ietf:rfc:7351">

<p:add sel="doc/elem[@a='foo']">  <!-- This is a new child -->
    <child id="ert4773">
      <y:node/>
    </child>
  </p:add>

<p:replace sel="doc/note/text()">Patched doc</p:replace>

<p:remove sel="*/elem[@a='bar']/y:child" ws="both"/>

<p:add sel="*/elem[@a='bar']" type="@b">new attr</p:add>

</p:patch>"""
A_18_RESULT = """<doc xmlns="urn:ietf:params:xml:ns:xxx"
     xmlns:z="urn:ietf:params:xml:ns:yyy">
  <note>Patched doc</note>
  <elem a="foo">
    <child/>
    <!-- This is a new child -->
    <child id="ert4773">
      <z:node/>
    </child>
  </elem>
  <elem a="bar" b="new attr"/>
</doc>"""


def test_a_18_several_patches_with_namespace_mangling() -> None:
    assert canonical(patch.apply(A_18_PATCH.encode(), A_18.encode())) == canonical(A_18_RESULT)


def test_a_18_works_as_well_on_a_document_with_a_prefix_for_its_namespace() -> None:
    """The last paragraph of A.18: the added elements inherit that prefix."""
    document = A_18.replace("xmlns=", "xmlns:x=").replace("<", "<x:").replace("<x:/", "</x:").replace("x:z:", "z:")
    result = patch.apply(A_18_PATCH.encode(), document.encode()).decode()
    assert '<x:child id="ert4773">' in result
    assert "<z:node/>" in result


def test_rfc_7351_2_1_the_simple_example() -> None:
    content = b'<p:patch xmlns:p="urn:ietf:rfc:7351"><p:add sel="*" type="@new-attribute">value</p:add></p:patch>'
    assert patch.apply(content, b"<doc/>") == b'<doc new-attribute="value"/>'


def test_rfc_7351_2_1_the_complex_example() -> None:
    content = """<p:patch xmlns="http://example.com/ns1"
            xmlns:y="http://example.com/ns2"
            xmlns:p="urn:ietf:rfc:7351">
       <p:add sel="doc/elem[@a='foo']">
           <!-- This is a new child -->
           <child id="ert4773">
               <y:node/>
           </child>
       </p:add>
       <p:replace sel="doc/note/text()">Patched doc</p:replace>
       <p:remove sel="*/elem[@a='bar']/y:child" ws="both"/>
       <p:add sel="*/elem[@a='bar']" type="@b">new attr</p:add>
   </p:patch>"""
    document = A_18.replace("urn:ietf:params:xml:ns:xxx", "http://example.com/ns1")
    document = document.replace("urn:ietf:params:xml:ns:yyy", "http://example.com/ns2")
    root = etree.fromstring(patch.apply(content.encode(), document.encode()))
    names = {"d": "http://example.com/ns1", "y": "http://example.com/ns2"}
    assert root.xpath("string(d:note)", namespaces=names) == "Patched doc"
    assert root.xpath("count(d:elem[@a='foo']/d:child[@id='ert4773']/y:node)", namespaces=names) == 1
    assert root.xpath("d:elem[@a='bar'][@b='new attr'][not(node())]", namespaces=names)


def test_rfc_7351_2_2_example_a_1_as_an_xml_patch() -> None:
    content = b"""<?xml version="1.0" encoding="UTF-8"?>
<p:patch xmlns:p="urn:ietf:rfc:7351">
    <p:add sel="doc"><foo id="ert4773">This is a new child</foo></p:add>
</p:patch>"""
    document = b'<?xml version="1.0" encoding="UTF-8"?>\n<doc>\n    <note>This is a sample document</note>\n</doc>'
    result = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<doc>\n    <note>This is a sample document</note>\n'
        b'<foo id="ert4773">This is a new child</foo></doc>'
    )
    assert patch.apply(content, document) == result


def test_rfc_7351_a_2_a_repeated_declaration_is_not_patched_with_the_outer_one() -> None:
    operation = '<replace sel="/x/namespace::a">tag:43</replace>'
    assert patched('<x xmlns:a="tag:42"><y xmlns:a="tag:42"/></x>', operation) == (
        '<x xmlns:a="tag:43"><y xmlns:a="tag:42"/></x>'
    )


def test_rfc_7351_a_2_names_below_follow_the_declaration_that_they_use() -> None:
    result = patched('<x xmlns:a="tag:42"><a:y/></x>', '<replace sel="/x/namespace::a">tag:43</replace>')
    assert etree.fromstring(result)[0].tag == "{tag:43}y"


@pytest.mark.parametrize(
    ("document", "patch_namespaces", "element", "result"),
    [
        ('<doc xmlns:b="foo:"/>', 'xmlns:a="foo:"', "<a:bar/>", '<doc xmlns:b="foo:"><b:bar/></doc>'),
        ('<doc xmlns="foo:"/>', 'xmlns:a="foo:"', "<a:bar/>", '<doc xmlns="foo:"><bar/></doc>'),
        ('<doc xmlns:b="foo:"/>', 'xmlns="foo:"', "<bar/>", '<doc xmlns:b="foo:"><b:bar/></doc>'),
    ],
)
def test_4_2_3_an_added_element_takes_the_prefix_of_the_document(
    document: str, patch_namespaces: str, element: str, result: str
) -> None:
    """The example of <a:bar> that becomes <b:bar>, and with default namespaces in either document."""
    assert patched(document, f'<add sel="*">{element}</add>', patch_namespaces) == result


@pytest.mark.parametrize(
    ("prefixes", "compared", "chosen"),
    [(["x", "y"], "xx", "x"), (["x", "y"], "a", "x"), (["", "x", "y"], "a", ""), (["x", "y"], "z", "y")],
)
def test_4_2_3_the_third_rule_takes_the_prefix_just_before_in_the_alphabet(
    prefixes: list[str], compared: str, chosen: str
) -> None:
    declarations = " ".join(f'xmlns:{prefix}="foo:"' if prefix else 'xmlns="foo:"' for prefix in prefixes)
    result = patched(
        f'<o:doc xmlns:o="bar:" {declarations}/>', f'<add sel="*"><{compared}:bar/></add>', f'xmlns:{compared}="foo:"'
    )
    assert f"<{chosen}:bar/>" in result if chosen else "<bar/>" in result


def test_4_2_3_the_second_rule_takes_the_prefix_of_the_context_node() -> None:
    result = patched('<y:doc xmlns:x="foo:" xmlns:y="foo:"/>', '<add sel="*"><xx:bar/></add>', 'xmlns:xx="foo:"')
    assert "<y:bar/>" in result


def test_4_2_3_the_first_rule_keeps_a_prefix_that_the_document_has() -> None:
    result = patched('<y:doc xmlns:x="foo:" xmlns:y="foo:"/>', '<add sel="*"><x:bar/></add>', 'xmlns:x="foo:"')
    assert "<x:bar/>" in result


def test_4_2_3_an_attribute_does_not_take_the_default_namespace() -> None:
    """§4.3.2: the default is not on the list for attributes."""
    result = patched('<doc xmlns="foo:" xmlns:y="foo:"/>', '<add sel="*" type="@a:b">v</add>', 'xmlns:a="foo:"')
    assert result == '<doc xmlns="foo:" xmlns:y="foo:" y:b="v"/>'


def test_4_2_3_locally_scoped_declarations_are_copied_unaltered() -> None:
    result = patched('<doc xmlns:b="foo:"/>', '<add sel="doc"><a:bar xmlns:a="foo:"/></add>')
    assert result == '<doc xmlns:b="foo:"><a:bar xmlns:a="foo:"/></doc>'


@pytest.mark.parametrize("target", ["<a:doc xmlns:a='foo:'>{}</a:doc>", "<q:doc xmlns:q='foo:'>{}</q:doc>"])
def test_4_2_1_a_prefix_in_a_selector_is_the_diff_s_whatever_the_document_s_is(target: str) -> None:
    """The example of sel="a:bar" with xmlns:a="foo:"."""
    document = target.format('<bar/><bar xmlns="foo:"/>')
    assert patched(document, '<remove sel="a:doc/a:bar"/>', 'xmlns:a="foo:"') == target.format("<bar/>").replace(
        "'", '"'
    )


def test_4_2_1_an_unprefixed_name_is_in_the_default_namespace_of_the_patch() -> None:
    document = '<a:doc xmlns:a="foo:"><bar/><a:bar/></a:doc>'
    assert patched(document, '<remove sel="doc/bar"/>', 'xmlns="foo:"') == '<a:doc xmlns:a="foo:"><bar/></a:doc>'


def test_4_2_1_an_unprefixed_name_without_a_default_namespace_is_in_none() -> None:
    document = '<a:doc xmlns:a="foo:"><bar/><a:bar/></a:doc>'
    assert patched(document, '<remove sel="*/bar"/>', 'xmlns:b="foo:"') == '<a:doc xmlns:a="foo:"><a:bar/></a:doc>'


def test_4_3_2_id_finds_an_xml_id() -> None:
    document = '<doc><foo xml:id="ert4773"/></doc>'
    assert patched(document, """<add sel='id("ert4773")' type="@user">Bob</add>""") == (
        '<doc><foo xml:id="ert4773" user="Bob"/></doc>'
    )


def test_5_1_the_example_of_an_error_document() -> None:
    """That of the partial PIDF format, so with its namespace; the phrase is for people and free."""
    example = """<patch-ops-error
     xmlns:p="urn:ietf:params:xml:ns:pidf-diff"
     xmlns="urn:ietf:params:xml:ns:patch-ops-error">
     <unlocated-node
      phrase="PHRASE"
      ><p:add sel='id("ert4773")'>
        <p:note>some text added</p:note>
      </p:add></unlocated-node>
    </patch-ops-error>"""
    namespace = "urn:ietf:params:xml:ns:pidf-diff"
    diff = f"""<p:pidf-diff xmlns:p="{namespace}"><p:add sel='id("ert4773")'>
        <p:note>some text added</p:note>
      </p:add></p:pidf-diff>"""
    root = patch.parse(diff.encode()).root
    with pytest.raises(errors.UnlocatedNode) as caught:
        patch.apply_operations(
            patch.parse(b'<doc xml:id="other"/>'), patch.read_operations(root, root.declarations, namespace), namespace
        )
    expected = example.replace("PHRASE", caught.value.phrase)
    assert shape(etree.fromstring(patch.error_body(caught.value))) == shape(etree.fromstring(expected))


def shape(element: etree._Element) -> tuple[object, ...]:
    """Names, values and texts: neither prefixes nor white space between elements."""
    return element.tag, dict(element.attrib), (element.text or "").strip(), [shape(child) for child in element]


def test_5_1_the_error_document_holds_the_operation_that_failed() -> None:
    operation = """<add sel='id("ert4773")'>\n  <p:note>some text added</p:note>\n</add>"""
    with pytest.raises(errors.UnlocatedNode) as caught:
        patched('<doc xml:id="other"/>', operation)
    root = etree.fromstring(patch.error_body(caught.value))
    names = {"e": "urn:ietf:params:xml:ns:patch-ops-error", "p": "urn:ietf:rfc:7351"}
    assert root.tag == "{urn:ietf:params:xml:ns:patch-ops-error}patch-ops-error"
    assert root.xpath("count(e:unlocated-node[@phrase])", namespaces=names) == 1
    assert root.xpath("string(e:unlocated-node/p:add/p:note)", namespaces=names) == "some text added"
    assert root.xpath("string(e:unlocated-node/p:add/@sel)", namespaces=names) == 'id("ert4773")'
