"""Carrying out the operations of RFC 5261 §4, and each way in which they fail (§5.1)."""

from __future__ import annotations

import pytest
from lxml import etree

from xcap.core import patch
from xcap.core.errors import NotWellFormed
from xcap.core.patch import errors
from xcap.core.patch.errors import PatchError
from xcap.core.patch.locating import MAX_WORK, Budget
from xcap.core.source import MAX_BYTES, MAX_DEPTH


def document_of(operations: str, namespaces: str = "") -> bytes:
    return f'<p:patch xmlns:p="urn:ietf:rfc:7351" {namespaces}>{operations}</p:patch>'.encode()


def patched(document: str, operations: str, namespaces: str = "") -> str:
    return patch.apply(document_of(operations, namespaces), document.encode()).decode()


def failure(document: str, operations: str, namespaces: str = "") -> PatchError:
    with pytest.raises(PatchError) as caught:
        patched(document, operations, namespaces)
    return caught.value


@pytest.mark.parametrize(
    ("document", "operation", "result"),
    [
        ("<d><a/></d>", '<p:add sel="d" pos="prepend">x<b/></p:add>', "<d>x<b/><a/></d>"),
        ("<d>y<a/></d>", '<p:add sel="d" pos="prepend"><b/>x</p:add>', "<d><b/>xy<a/></d>"),
        ("<d>x</d>", '<p:add sel="d">y</p:add><p:replace sel="d/text()">z</p:replace>', "<d>z</d>"),
        ("<d>x<a/>y</d>", '<p:add sel="d/a" pos="after">1</p:add>', "<d>x<a/>1y</d>"),
        ("<d>x<a/>y</d>", '<p:add sel="d/a" pos="before">1</p:add>', "<d>x1<a/>y</d>"),
        ("<d>x<a/></d>", '<p:add sel="d"/>', "<d>x<a/></d>"),
        ("<d><!--c--></d>", '<p:add sel="d/comment()" pos="after"><?go?></p:add>', "<d><!--c--><?go?></d>"),
        ("<d/>", '<p:add sel="d" type="@k"/>', '<d k=""/>'),
        ("<d/>", '<p:add sel="d" type="@xml:lang">en</p:add>', '<d xml:lang="en"/>'),
        ('<d xml:lang="en"/>', '<p:replace sel="d/@xml:lang">de</p:replace>', '<d xml:lang="de"/>'),
        ("<d/>", '<p:add sel="d" pos="before"> <!--c--> </p:add>', "<!--c-->\n<d/>"),
        ("<!--c--><d/>", '<p:remove sel="comment()"/>', "<d/>"),
        ("<?go?><d/>", '<p:replace sel="processing-instruction()"><?stop?></p:replace>', "<?stop?>\n<d/>"),
        ("<d/>", '<p:replace sel="d"><e/></p:replace>', "<e/>"),
        ("<d> <a/>x</d>", '<p:remove sel="d/a" ws="before"/>', "<d>x</d>"),
        ("<d>x<a/>y</d>", '<p:remove sel="d/a"/>', "<d>xy</d>"),
        ("<d>x<?go?> </d>", '<p:remove sel="d/processing-instruction()" ws="after"/>', "<d>x</d>"),
        ("<d><a/></d>", '<p:remove sel="d/a"> <!-- why --> </p:remove>', "<d/>"),
        ('<?xml version="1.0"?><d/>', "", '<?xml version="1.0" encoding="UTF-8"?>\n<d/>'),
        ("<d><a/></d>", " <!-- one --> <?two?> ", "<d><a/></d>"),
        ("<d><a/>z</d>", '<p:add sel="d/a" pos="after">x<b/>y</p:add>', "<d><a/>x<b/>yz</d>"),
        ('<d xmlns:o="u"><o:a k="1"/></d>', '<p:remove x:sel="" xmlns:x="urn:x" sel="d/*"/>', '<d xmlns:o="u"/>'),
        ("<d><a>x<!--c--><b>y</b></a><a>z</a></d>", "<p:remove sel=\"d/a[.='xy']\"/>", "<d><a>z</a></d>"),
        ("<d><a><b>y</b></a><a><b>z</b></a></d>", "<p:remove sel=\"d/a[b='z']\"/>", "<d><a><b>y</b></a></d>"),
        ('<d><a k="1"/><a k="1"/></d>', "<p:add sel=\"d/a[@k='1'][2]\">x</p:add>", '<d><a k="1"/><a k="1">x</a></d>'),
        ('<d><a k="1"/><a/></d>', '<p:remove sel="d/a/@k"/>', "<d><a/><a/></d>"),
        ('<d><a xml:id="x"><b/></a></d>', "<p:remove sel=\"id('x')/b\"/>", '<d><a xml:id="x"/></d>'),
        ('<d xmlns:a="u"><e xmlns:a="u"/></d>', '<p:remove sel="d/e/namespace::a"/>', '<d xmlns:a="u"><e/></d>'),
        ("<d><e/></d>", '<p:add sel="d" type="namespace::a">u</p:add>', '<d xmlns:a="u"><e/></d>'),
    ],
)
def test_an_operation_gives_this_result(document: str, operation: str, result: str) -> None:
    assert patched(document, operation) == result
    tree = patch.parse(document.encode())
    patch.apply_operations(tree, patch.read_patch(document_of(operation)))
    assert tree == patch.parse(result.encode())  # with texts merged, which their serialisation does not show


@pytest.mark.parametrize(
    ("document", "operation", "condition"),
    [
        # sel, type, pos and ws
        ("<d/>", '<p:add sel="d//x"/>', "invalid-attribute-value"),
        ("<d/>", '<p:add sel="d" pos="behind"/>', "invalid-attribute-value"),
        ("<d/>", '<p:remove sel="d" ws="none"/>', "invalid-attribute-value"),
        ("<d/>", '<p:add sel="d" type="k">1</p:add>', "invalid-attribute-value"),
        ("<d/>", '<p:add sel="d" type="@xmlns">u</p:add>', "invalid-attribute-value"),
        ("<d/>", '<p:add sel="d" type="@k" pos="before">1</p:add>', "invalid-attribute-value"),
        ("<d/>", '<p:add sel="d" type="@k"><a/></p:add>', "invalid-attribute-value"),
        ("<d/>", '<p:add sel="d" type="@k">1<!--c--></p:add>', "invalid-attribute-value"),
        ('<d k="1"/>', '<p:add sel="d/@k">1</p:add>', "invalid-attribute-value"),
        ("<d/>", '<p:add sel="x:d">1</p:add>', "invalid-namespace-prefix"),
        # the node is not there, or not alone
        ("<d/>", '<p:add sel="e">1</p:add>', "unlocated-node"),
        ("<d><a/><a/></d>", '<p:remove sel="d/a"/>', "unlocated-node"),
        ("<d><a/></d>", '<p:remove sel="d/a[0]"/>', "unlocated-node"),
        ("<d><a/></d>", '<p:remove sel="d/*[2]"/>', "unlocated-node"),
        ("<d><a/></d>", '<p:remove sel="d/text()"/>', "unlocated-node"),
        ("<d>x<a/>y</d>", '<p:remove sel="d/text()"/>', "unlocated-node"),
        ("<d/>", '<p:remove sel="d/@k"/>', "unlocated-node"),
        ('<d xmlns:a="u" a:k=""/>', '<p:remove sel="d/@k"/>', "unlocated-node"),
        ("<d/>", '<p:remove sel="@k"/>', "unlocated-node"),
        ("<d/>", '<p:remove sel="e/namespace::a"/>', "unlocated-node"),
        ('<d xml:id="x"><a xml:id="x"/></d>', "<p:remove sel=\"id('x')\"/>", "unlocated-node"),
        ('<d id="x"/>', "<p:remove sel=\"id('x')/@id\"/>", "unsupported-id-function"),
        # replacements of another kind
        ("<d><a/></d>", '<p:replace sel="d/a">x</p:replace>', "invalid-node-types"),
        ("<d><a/></d>", '<p:replace sel="d/a"><b/><c/></p:replace>', "invalid-node-types"),
        ("<d><a/></d>", '<p:replace sel="d/a"> <b/></p:replace>', "invalid-node-types"),
        ("<d>x</d>", '<p:replace sel="d/text()"><b/></p:replace>', "invalid-node-types"),
        ("<d><!--c--></d>", '<p:replace sel="d/comment()"><?c?></p:replace>', "invalid-node-types"),
        ('<d k="1"/>', '<p:replace sel="d/@k"><b/></p:replace>', "invalid-node-types"),
        # what cannot be carried out
        ("<d/>", '<p:move sel="d"/>', "invalid-patch-directive"),
        ("<d/>", '<add sel="d"/>', "invalid-patch-directive"),
        ("<d>x</d>", '<p:add sel="d/text()">y</p:add>', "invalid-patch-directive"),
        ("<d>x</d>", '<p:add sel="d/text()" type="@k">y</p:add>', "invalid-patch-directive"),
        ('<d k="1"/>', '<p:add sel="d" type="@k">2</p:add>', "invalid-patch-directive"),
        # the document element and what is beside it
        ("<d/>", '<p:remove sel="d"/>', "invalid-root-element-operation"),
        ("<d/>", '<p:add sel="d" pos="after"><e/></p:add>', "invalid-root-element-operation"),
        ("<!--c--><d/>", '<p:add sel="comment()" pos="before"><e/></p:add>', "invalid-root-element-operation"),
        ("<d/>", '<p:add sel="d" pos="before">x</p:add>', "invalid-xml-prolog-operation"),
        # white space
        ("<d>x<a/> </d>", '<p:remove sel="d/a" ws="before"/>', "invalid-whitespace-directive"),
        ("<d> <a/>x</d>", '<p:remove sel="d/a" ws="after"/>', "invalid-whitespace-directive"),
        ("<d> <a/></d>", '<p:remove sel="d/a" ws="both"/>', "invalid-whitespace-directive"),
        ("<d><a/> </d>", '<p:remove sel="d/a" ws="both"/>', "invalid-whitespace-directive"),
        ("<d> <b/><a/> </d>", '<p:remove sel="d/a" ws="before"/>', "invalid-whitespace-directive"),
        ("<d>\u00a0<a/></d>", '<p:remove sel="d/a" ws="before"/>', "invalid-whitespace-directive"),
        ("<d> <a/></d>", '<p:remove sel="d/text()" ws="after"/>', "invalid-whitespace-directive"),
        ('<d k="1"/>', '<p:remove sel="d/@k" ws="after"/>', "invalid-whitespace-directive"),
        ("<!--c--><d/>", '<p:remove sel="comment()" ws="after"/>', "invalid-whitespace-directive"),
        # namespace declarations
        ("<d/>", '<p:add sel="d" type="namespace::xml">urn:x</p:add>', "invalid-namespace-prefix"),
        ("<d/>", '<p:add sel="d" type="namespace::xmlns">urn:x</p:add>', "invalid-namespace-prefix"),
        ('<d xmlns:a="u"/>', '<p:add sel="d" type="namespace::a">v</p:add>', "invalid-namespace-prefix"),
        (
            '<d xmlns:a="u"><e><a:x/></e></d>',
            '<p:add sel="d/e" type="namespace::a">v</p:add>',
            "invalid-namespace-prefix",
        ),
        ('<d xmlns:a="u"><e a:k=""/></d>', '<p:remove sel="d/namespace::a"/>', "invalid-namespace-prefix"),
        ("<d/>", '<p:add sel="d" type="@b:k">1</p:add>', "invalid-namespace-prefix"),
        ("<d/>", '<p:add sel="d" type="namespace::a"/>', "invalid-namespace-uri"),
        ('<d xmlns:a="u"/>', '<p:replace sel="d/namespace::a"/>', "invalid-namespace-uri"),
        (
            "<d/>",
            '<p:add sel="d" type="namespace::a">http://www.w3.org/2000/xmlns/</p:add>',
            "invalid-namespace-uri",
        ),
        ('<d xmlns:a="u"><e/></d>', '<p:replace sel="d/e/namespace::a">v</p:replace>', "invalid-namespace-uri"),
        (
            '<d xmlns:a="u" xmlns:b="v"><e a:k="" b:k="" k=""/></d>',
            '<p:replace sel="d/namespace::a">v</p:replace>',
            "invalid-namespace-uri",
        ),
        # the schema
        ("<d/>", "<p:add/>", "invalid-diff-format"),
        ("<d/>", '<p:replace sel="d" ws="both"/>', "invalid-diff-format"),
        ("<d/>", '<p:remove sel="d">x</p:remove>', "invalid-diff-format"),
        ("<d/>", '<p:remove sel="d"><a/></p:remove>', "invalid-diff-format"),
        ("<d/>", "text", "invalid-diff-format"),
    ],
)
def test_an_operation_fails_with_this_condition(document: str, operation: str, condition: str) -> None:
    error = failure(document, operation)
    assert error.condition == condition
    assert error.phrase


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        (b"", "invalid-diff-format"),
        (b"<patch/>", "invalid-diff-format"),
        (b'<diff xmlns="urn:ietf:rfc:7351"/>', "invalid-diff-format"),
        (b'<!DOCTYPE p><p:patch xmlns:p="urn:ietf:rfc:7351"/>', "invalid-diff-format"),
        (b'<p:patch xmlns:p="urn:ietf:rfc:7351">&nbsp;</p:patch>', "invalid-diff-format"),
        (b"<p>" + b" " * (2 * MAX_BYTES) + b"</p>", "invalid-diff-format"),
        ('<p:patch xmlns:p="urn:ietf:rfc:7351"/>'.encode("utf-16"), "invalid-character-set"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><p:patch xmlns:p="urn:ietf:rfc:7351"/>', "invalid-character-set"),
    ],
)
def test_a_text_that_is_no_patch_fails_with_this_condition(content: bytes, condition: str) -> None:
    with pytest.raises(PatchError) as caught:
        patch.apply(content, b"<d/>")
    assert caught.value.condition == condition
    assert caught.value.operation is None


def test_the_default_namespace_serves_for_the_operations_too() -> None:
    content = b'<patch xmlns="urn:ietf:rfc:7351"><add sel="*"><x xmlns=""/></add></patch>'
    assert patch.apply(content, b"<d/>") == b'<d><x xmlns=""/></d>'


def test_a_document_that_is_none_is_not_the_patch_s_fault() -> None:
    with pytest.raises(NotWellFormed):
        patch.apply(document_of(""), b"<d>")


def test_operations_are_carried_out_in_order_on_what_the_ones_before_left() -> None:
    operations = '<p:add sel="d"><a/></p:add><p:add sel="d/a">x</p:add><p:remove sel="d/a/text()"/>'
    assert patched("<d/>", operations) == "<d><a/></d>"


def test_the_first_failure_is_the_one_that_is_told() -> None:
    """§5: an operation that cannot be read does not hide one before it that cannot be carried out."""
    assert failure("<d/>", '<p:remove sel="e"/><p:move sel="d"/>').condition == "unlocated-node"


def test_a_document_stays_as_it_was_when_a_later_operation_fails() -> None:
    document = b"<d><a/></d>"
    before = bytes(document)
    with pytest.raises(errors.UnlocatedNode):
        patch.apply(document_of('<p:remove sel="d/a"/><p:remove sel="d/a"/>'), document)
    assert document == before


def test_applying_does_not_change_the_operations() -> None:
    operations = list(patch.read_patch(document_of('<p:add sel="d"><a><b/></a></p:add><p:add sel="d/a/b">x</p:add>')))
    for _ in range(2):
        document = patch.parse(b"<d/>")
        patch.apply_operations(document, operations)
        assert patch.serialize(document) == b"<d><a><b>x</b></a></d>"


# §4.2.3: names


@pytest.mark.parametrize(
    ("document", "namespaces", "content", "result"),
    [
        ("<d/>", 'xmlns:a="urn:u"', "<a:x/>", '<d><a:x xmlns:a="urn:u"/></d>'),
        ("<d/>", 'xmlns:a="urn:u"', "<a:x><a:y/></a:x>", '<d><a:x xmlns:a="urn:u"><a:y/></a:x></d>'),
        ('<d xmlns:b="urn:u"/>', 'xmlns:a="urn:u"', '<a:x a:k="1"/>', '<d xmlns:b="urn:u"><b:x b:k="1"/></d>'),
        (
            '<o:d xmlns:o="urn:v" xmlns="urn:u"/>',
            'xmlns:a="urn:u"',
            "<a:x/>",
            '<o:d xmlns:o="urn:v" xmlns="urn:u"><x/></o:d>',
        ),
        ('<o:d xmlns:o="urn:v" xmlns="urn:u"/>', "", "<x/>", '<o:d xmlns:o="urn:v" xmlns="urn:u"><x xmlns=""/></o:d>'),
        (
            '<o:d xmlns:o="urn:v" xmlns="urn:u"/>',
            'xmlns:a="urn:u"',
            '<a:x a:k="1"/>',
            '<o:d xmlns:o="urn:v" xmlns="urn:u"><a:x xmlns:a="urn:u" a:k="1"/></o:d>',
        ),
        # the document's only prefix for u is hidden by the content's own declaration of it
        (
            '<c:d xmlns:b="urn:u" xmlns:c="urn:u"/>',
            'xmlns:a="urn:u"',
            "<a:x/>",
            '<c:d xmlns:b="urn:u" xmlns:c="urn:u"><c:x/></c:d>',
        ),
        (
            '<d xmlns:b="urn:u"/>',
            'xmlns:a="urn:u"',
            '<x xmlns:b="urn:v"><a:y/></x>',
            '<d xmlns:b="urn:u"><x xmlns:b="urn:v"><a:y xmlns:a="urn:u"/></x></d>',
        ),
        # declaring b for v on the element hides the document's b for u, so that u needs a declaration as well
        (
            '<d xmlns:b="urn:u"/>',
            'xmlns:a="urn:u" xmlns:b="urn:v"',
            '<a:x b:k="1"/>',
            '<d xmlns:b="urn:u"><a:x xmlns:b="urn:v" xmlns:a="urn:u" b:k="1"/></d>',
        ),
        ("<d/>", 'xmlns="urn:u"', '<x><y xmlns=""/></x>', '<d><x xmlns="urn:u"><y xmlns=""/></x></d>'),
        ("<d/>", 'xmlns="urn:u"', '<x xml:lang="en"/>', '<d><x xmlns="urn:u" xml:lang="en"/></d>'),
    ],
)
def test_added_content_keeps_its_names(document: str, namespaces: str, content: str, result: str) -> None:
    operation = f'<p:add sel="*[1]">{content}</p:add>'
    given = patched(document, operation, namespaces)
    assert etree.tostring(etree.fromstring(given), method="c14n") == etree.tostring(
        etree.fromstring(result), method="c14n"
    )
    added = etree.fromstring(document_of(content, namespaces))[0]
    assert [node.tag for node in etree.fromstring(given)[0].iter()] == [node.tag for node in added.iter()]


def test_a_replacement_is_seen_from_the_parent_of_the_replaced() -> None:
    """§4.2.3: with modifications of elements the context node is the parent, not what goes away."""
    document = '<d><e xmlns:b="u"/></d>'
    assert patched(document, '<p:replace sel="d/e"><a:x/></p:replace>', 'xmlns:a="u"') == '<d><a:x xmlns:a="u"/></d>'


def test_an_attribute_whose_namespace_the_document_lacks_gets_a_declaration() -> None:
    assert patched("<d/>", '<p:add sel="d" type="@a:k">1</p:add>', 'xmlns:a="u"') == '<d xmlns:a="u" a:k="1"/>'


def test_an_attribute_is_there_already_under_another_prefix() -> None:
    document = '<d xmlns:b="u" b:k="1"/>'
    error = failure(document, '<p:add sel="d" type="@a:k">1</p:add>', 'xmlns:a="u"')
    assert error.condition == "invalid-patch-directive"


def test_an_attribute_is_selected_by_its_namespace() -> None:
    document = '<d xmlns:b="u" xmlns:c="v" k="0" c:k="1" b:k="2"/>'
    result = patched(document, '<p:replace sel="d/@a:k">3</p:replace>', 'xmlns:a="u"')
    assert result == document.replace('"2"', '"3"')


def test_a_redeclared_prefix_is_out_of_reach_of_an_outer_change() -> None:
    document = '<d xmlns:a="u" xmlns:b="v"><e xmlns:a="w" a:k="" b:k=""/></d>'
    assert 'xmlns:a="v"' in patched(document, '<p:replace sel="d/namespace::a">v</p:replace>')


# bounds


def test_a_document_does_not_grow_deeper_than_it_may_be_read() -> None:
    content = "<a>" * 40 + "</a>" * 40
    grow = f'<p:add sel="d">{content}</p:add>'
    deeper = f'<p:add sel="d{"/a" * 40}">{content}</p:add>'
    assert patched("<d/>", grow)
    assert failure("<d/>", grow + deeper).condition == "invalid-patch-directive"
    deepest = "<a>" * (MAX_DEPTH - 1) + "</a>" * (MAX_DEPTH - 1)
    assert deepest in patched("<d/>", f'<p:add sel="d">{deepest}</p:add>').replace("<a/>", "<a></a>")
    assert failure("<d/>", f'<p:add sel="d"><a>{deepest}</a></p:add>').condition == "invalid-patch-directive"


def test_depth_counts_from_an_element_that_id_finds() -> None:
    document = "<d>" * 40 + '<d xml:id="x"/>' + "</d>" * 40
    content = "<a>" * 40 + "</a>" * 40
    assert failure(document, f"<p:add sel=\"id('x')\">{content}</p:add>").condition == "invalid-patch-directive"


def test_the_work_of_a_patch_is_bounded() -> None:
    budget = Budget(10)
    budget.spend(10)
    with pytest.raises(errors.InvalidPatchDirective):
        budget.spend(1)


def test_many_costly_operations_are_too_much_work() -> None:
    document = f"<d><a>{'x' * 900_000}</a><b>y</b></d>"
    operations = [f"<p:add sel=\"d/*[.='y']\" type='@k{index}'>1</p:add>" for index in range(MAX_WORK // 900_000 + 1)]
    assert patched(document, "".join(operations[:10]))
    assert failure(document, "".join(operations)).phrase == "the patch causes more work than is allowed"


def test_long_prefixes_do_not_multiply() -> None:
    """A short name of the patch may become a long one of the document, but not without end."""
    document = f'<d xmlns:{"a" * 100_000}="u"/>'
    operation = f'<p:add sel="d">{"<a:x/>" * 2_000}</p:add>'
    assert failure(document, operation, 'xmlns:a="u"').condition == "invalid-patch-directive"


def test_long_namespace_names_do_not_multiply() -> None:
    operation = f'<p:add sel="d">{"<a:x/>" * 2_000}</p:add>'
    assert failure("<d/>", operation, f'xmlns:a="{"u" * 100_000}"').condition == "invalid-patch-directive"


# errors


def test_an_error_names_nothing_of_the_document() -> None:
    for document, operations in [
        ("<secret>secret</secret>", '<p:remove sel="*/text()" ws="after"/>'),
        ('<d secret="secret"/>', '<p:add sel="d" type="@secret">secret</p:add>'),
    ]:
        assert "secret" not in str(failure(document, operations))


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ('<p:add sel="x" pos="after"><y/>t</p:add>', "p:add[@pos='after']/o:y"),
        ('<p:add sel="x" type="@k">1</p:add>', "p:add[@type='@k'][.='1']"),
        ('<p:replace sel="x"><y/></p:replace>', "p:replace[@sel='x']/o:y"),
        ('<p:remove sel="x" ws="both"/>', "p:remove[@ws='both'][not(node())]"),
        ('<p:remove sel="x"/>', "p:remove[not(@ws)]"),
        ('<p:remove sel="x" ws="none"/>', "p:remove[@ws='none']"),
    ],
)
def test_an_error_body_shows_the_operation(operation: str, path: str) -> None:
    error = failure("<d/>", operation, 'xmlns="urn:o"')
    root = etree.fromstring(patch.error_body(error))
    names = {"p": patch.NAMESPACE, "o": "urn:o", "e": errors.NAMESPACE}
    assert root.xpath(f"count(e:{error.condition}/{path})", namespaces=names) == 1


def test_an_error_body_without_an_operation_has_only_the_condition() -> None:
    """§9: invalid-diff-format and invalid-character-set are of the simple type."""
    for operations in ("text", "<p:add/>"):
        body = etree.fromstring(patch.error_body(failure("<d/>", operations)))
        assert [child.tag for child in body.iter()] == [
            f"{{{errors.NAMESPACE}}}patch-ops-error",
            f"{{{errors.NAMESPACE}}}invalid-diff-format",
        ]


def test_operations_travel_in_the_namespace_of_another_container() -> None:
    """RFC 5874 has them in `<document>` of xcap-diff."""
    operations: list[patch.Operation] = [
        patch.Add("*", (patch.Element("x:y"),), namespaces={"x": "urn:x"}),
        patch.Remove("*/*"),
    ]
    container = patch.write_operations(operations, "document", "urn:ietf:params:xml:ns:xcap-diff")
    text = patch.serialize(patch.Document([container]))
    assert text == (
        b'<p:document xmlns:p="urn:ietf:params:xml:ns:xcap-diff" xmlns:x="urn:x">'
        b'<p:add sel="*"><x:y/></p:add><p:remove sel="*/*"/></p:document>'
    )
    root = patch.parse(text).root
    read = list(patch.read_operations(root, root.declarations, "urn:ietf:params:xml:ns:xcap-diff"))
    document = patch.parse(b"<d/>")
    patch.apply_operations(document, read, "urn:ietf:params:xml:ns:xcap-diff")
    assert patch.serialize(document) == b"<d/>"
    with pytest.raises(errors.UnlocatedNode) as caught:
        patch.apply_operations(document, read[1:], "urn:ietf:params:xml:ns:xcap-diff")
    assert b'="urn:ietf:params:xml:ns:xcap-diff"' in patch.error_body(caught.value)


def test_operations_that_were_read_mean_the_same_when_written_with_others() -> None:
    read = list(patch.read_patch(document_of('<p:add sel="*"><x/></p:add>')))
    text = patch.write_patch([patch.Add("*", (patch.Element("y"),), namespaces={"": "urn:d"}), *read])
    result = etree.fromstring(patch.apply(text, b"<d/>"))
    assert [child.tag for child in result] == ["{urn:d}y", "x"]


def test_operations_that_disagree_about_a_prefix_declare_it_themselves() -> None:
    operations: list[patch.Operation] = [
        patch.Add("*", (patch.Element("p:y"), patch.Element("x")), namespaces={"p": "urn:1", "": "urn:d"}),
        patch.Add("*", (patch.Element("p:y"), patch.Element("x")), namespaces={"p": "urn:2", "": ""}),
    ]
    text = patch.write_patch(operations)
    assert text.count(b"xmlns:p=") == 2
    result = etree.fromstring(patch.apply(text, b"<d/>"))
    assert [child.tag for child in result] == ["{urn:1}y", "{urn:d}x", "{urn:2}y", "x"]
