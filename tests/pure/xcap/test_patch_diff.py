"""What a difference looks like: small edits give small patches, in whatever way lists and texts changed."""

from __future__ import annotations

import random

import pytest
from lxml import etree

from xcap.core import patch
from xcap.core.errors import NotWellFormed
from xcap.core.patch.alignment import MAX_CELLS, Identities, align
from xcap.core.source import MAX_DEPTH, MAX_ELEMENTS

CARD = """<?xml version="1.0" encoding="UTF-8"?>
<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0">
  <vcard>
    <fn><text>Ann Example</text></fn>
    <tel><parameters><type><text>work</text></type></parameters><uri>tel:+1-555-0101</uri></tel>
    <tel><parameters><type><text>cell</text></type></parameters><uri>tel:+1-555-0102</uri></tel>
    <note><text>call &amp; write</text></note>
  </vcard>
</vcards>"""


FILLER = f'k0="{"a long text that is not to be repeated " * 10}"'


def filled(document: str) -> str:
    """With enough in the element `d` that replacing it does not pay."""
    return document.replace("<d", f"<d {FILLER}", 1)


def canonical(content: bytes) -> bytes:
    return etree.tostring(etree.fromstring(content).getroottree(), method="c14n", with_comments=True)


def leads(old: str, new: str) -> bool:
    """Whether the patch from `old` to `new` does lead there."""
    content = patch.diff(old.encode(), new.encode())
    return canonical(patch.apply(content, old.encode())) == canonical(new.encode())


def operations(old: str, new: str) -> list[str]:
    """The operations from `old` to `new` as text, checked to lead there."""
    assert leads(old, new)
    shown = []
    for operation in patch.compare(patch.parse(old.encode()), patch.parse(new.encode())):
        container = patch.write_operations([operation], "patch")
        declared = [
            f' xmlns{":" * bool(prefix)}{prefix}="{uri}"'
            for prefix, uri in container.declarations.items()
            if prefix != "p"
        ]
        text = patch.serialize(patch.Document(container.children)).decode()
        shown.append(text.replace(" sel=", "".join(declared) + " sel=", 1))
    return shown


def test_one_changed_number_is_one_short_operation() -> None:
    assert operations(CARD, CARD.replace("0102", "9999")) == [
        '<p:replace sel="*/*/*[3]/*[2]/text()">tel:+1-555-9999</p:replace>'
    ]


def test_a_patch_says_no_more_than_its_operations() -> None:
    text = patch.diff(CARD.encode(), CARD.replace("0102", "9999").encode())
    assert text == (
        b'<p:patch xmlns:p="urn:ietf:rfc:7351">'
        b'<p:replace sel="*/*/*[3]/*[2]/text()">tel:+1-555-9999</p:replace></p:patch>'
    )


def test_an_added_property_is_one_operation_with_its_white_space() -> None:
    new = CARD.replace("    <note>", "    <email><text>ann@example.com</text></email>\n    <note>")
    assert operations(CARD, new) == [
        '<p:add xmlns="urn:ietf:params:xml:ns:vcard-4.0" sel="*/*/*[4]" pos="before">'
        "<email><text>ann@example.com</text></email>\n    </p:add>"
    ]


def test_a_removed_property_takes_its_white_space_with_it() -> None:
    new = "".join(line for line in CARD.splitlines(keepends=True) if "0101" not in line)
    assert operations(CARD, new) == ['<p:remove sel="*/*/*[2]" ws="before"/>']


def test_equal_documents_have_a_patch_without_operations() -> None:
    empty = b'<p:patch xmlns:p="urn:ietf:rfc:7351"/>'
    assert patch.diff(CARD.encode(), CARD.encode()) == empty
    assert patch.diff(b'<a k="1" l="2">&#120;</a>', b"<a l='2' k='1'><![CDATA[x]]></a >") == empty


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # texts
        ("<d/>", "<d>x</d>", ['<p:add sel="*">x</p:add>']),
        ("<d>x</d>", "<d/>", ['<p:remove sel="*/text()"/>']),
        ("<d><a/>x</d>", "<d><a/>y</d>", ['<p:replace sel="*/text()">y</p:replace>']),
        ("<d>x<a/></d>", "<d>x<a/>y</d>", ['<p:add sel="*">y</p:add>']),
        ("<d>x<a/>y</d>", "<d>x<a/>z</d>", ['<p:replace sel="*/text()[2]">z</p:replace>']),
        ("<d>w<a/>x<b/></d>", "<d>w<a/><b/></d>", ['<p:remove sel="*/text()[2]"/>']),
        (
            "<d><a/><b/></d>",
            "<d>y<a/>x<b/></d>",
            ['<p:add sel="*/*[1]" pos="before">y</p:add>', '<p:add sel="*/*[2]" pos="before">x</p:add>'],
        ),
        # nodes among texts
        ("<d>one</d>", "<d>one<b/>two</d>", ['<p:add sel="*"><b/>two</p:add>']),
        ("<d>two</d>", "<d>one<b/>two</d>", ['<p:add sel="*" pos="prepend">one<b/></p:add>']),
        ("<d><a/>two</d>", "<d><a/>one<b/>two</d>", ['<p:add sel="*/*" pos="after">one<b/></p:add>']),
        (
            "<d>middle</d>",
            "<d>one<b/>two</d>",
            ['<p:replace sel="*/text()">one</p:replace>', '<p:add sel="*"><b/>two</p:add>'],
        ),
        ("<d>x<a/>y</d>", "<d>xy</d>", ['<p:remove sel="*/*"/>']),
        ("<d>x<a/> </d>", "<d>x</d>", ['<p:remove sel="*/*" ws="after"/>']),
        ("<d> <a/>x</d>", "<d>x</d>", ['<p:remove sel="*/*" ws="before"/>']),
        ("<d> <a/>\n</d>", "<d/>", ['<p:remove sel="*/*" ws="both"/>']),
        ("<d>x<a/>y</d>", "<d>z</d>", ['<p:remove sel="*/*"/>', '<p:replace sel="*/text()">z</p:replace>']),
        (
            "<d>\n <a/>\n <b/>\n</d>",
            "<d>\n</d>",
            ['<p:remove sel="*/*[1]" ws="before"/>', '<p:remove sel="*/*" ws="before"/>'],
        ),
        # comments and processing instructions
        ("<d><!--c--></d>", "<d><!--e--></d>", ['<p:replace sel="*/comment()"><!--e--></p:replace>']),
        ("<d><?go?><?go?></d>", "<d><?go?></d>", ['<p:remove sel="*/processing-instruction()[2]"/>']),
        ("<d><!--c--></d>", "<d><!--c--><a/></d>", ['<p:add sel="*"><a/></p:add>']),
        (
            "<d><?go?>x</d>",
            "<d><?go?>w<!--c-->x</d>",
            ['<p:add sel="*/processing-instruction()" pos="after">w<!--c--></p:add>'],
        ),
        ("<d/>", "<!--c--><d/>", ['<p:add sel="*" pos="before"><!--c--></p:add>']),
        ("<d/>", "<d/><?go now?>", ['<p:add sel="*" pos="after"><?go now?></p:add>']),
        (
            "<!--c--><d/>",
            "<d/><!--c-->",
            ['<p:remove sel="comment()"/>', '<p:add sel="*" pos="after"><!--c--></p:add>'],
        ),
        ("<?a?><!--c--><d/>", "<?a?><!--e--><d/>", ['<p:replace sel="comment()"><!--e--></p:replace>']),
        # attributes
        ('<d k="1"/>', '<d k="2"/>', ['<p:replace sel="*/@k">2</p:replace>']),
        ('<d k="1"/>', "<d/>", ['<p:remove sel="*/@k"/>']),
        ("<d/>", '<d k="1"/>', ['<p:add sel="*" type="@k">1</p:add>']),
        ('<d k="1"/>', '<d k=""/>', ['<p:replace sel="*/@k"/>']),
        ("<d/>", '<d k=""/>', ['<p:add sel="*" type="@k">-</p:add>', '<p:replace sel="*/@k"/>']),
        ("<d/>", '<d xml:lang="en"/>', ['<p:add sel="*" type="@xml:lang">en</p:add>']),
    ],
)
def test_an_edit_is_these_operations(old: str, new: str, expected: list[str]) -> None:
    assert operations(filled(old), filled(new)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("<d/>", '<d xmlns:a="urn:a"/>', ['<p:add sel="*" type="namespace::a">urn:a</p:add>']),
        ('<d xmlns:a="urn:a"/>', "<d/>", ['<p:remove sel="*/namespace::a"/>']),
        (
            '<d xmlns:a="urn:a"><a:e/></d>',
            '<d xmlns:a="urn:b"><a:e/></d>',
            ['<p:replace sel="*/namespace::a">urn:b</p:replace>'],
        ),
        (
            '<d xmlns:a="urn:a" a:k="1">text</d>',
            '<d xmlns:a="urn:a" a:k="2">text</d>',
            ['<p:replace xmlns:a="urn:a" sel="*/@a:k">2</p:replace>'],
        ),
        # a declaration comes before what uses it and goes after
        (
            '<d xmlns:a="urn:a"><a:e/>text</d>',
            '<d xmlns:b="urn:b"><b:e/>text</d>',
            [
                '<p:add sel="*" type="namespace::b">urn:b</p:add>',
                '<p:replace xmlns:b="urn:b" sel="*/*"><b:e/></p:replace>',
                '<p:remove sel="*/namespace::a"/>',
            ],
        ),
        (
            '<d xmlns:a="urn:a" a:k="1"/>',
            "<d/>",
            ['<p:remove xmlns:a="urn:a" sel="*/@a:k"/>', '<p:remove sel="*/namespace::a"/>'],
        ),
        # one attribute under another prefix: it goes before it comes
        (
            '<d xmlns:a="urn:a" xmlns:b="urn:a" a:k="1"></d>',
            '<d xmlns:a="urn:a" xmlns:b="urn:a" b:k="1"></d>',
            [
                '<p:remove xmlns:a="urn:a" sel="*/@a:k"/>',
                '<p:add xmlns:b="urn:a" sel="*" type="@b:k">1</p:add>',
            ],
        ),
    ],
)
def test_a_change_of_namespaces_is_these_operations(old: str, new: str, expected: list[str]) -> None:
    assert operations(filled(old), filled(new)) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # a default namespace cannot be patched (RFC 5261 §4.2.3)
        ('<d xmlns="urn:a"><e/></d>', '<d xmlns="urn:b"><e/></d>'),
        ('<d><x xmlns="urn:a"/></d>', "<d><x/></d>"),
        # a prefix that is in use below would change its meaning
        ('<d xmlns:a="urn:a"><e><a:x/></e></d>', '<d xmlns:a="urn:a"><e xmlns:a="urn:b"><a:x/></e></d>'),
        ('<d xmlns:a="urn:a"><e xmlns:a="urn:b"><a:x/></e></d>', '<d xmlns:a="urn:a"><e><a:x/></e></d>'),
        # two attributes would for a moment be one
        (
            '<d xmlns:a="urn:a" xmlns:b="urn:b"><e a:k="" b:k=""/></d>',
            '<d xmlns:a="urn:b" xmlns:b="urn:a"><e a:k="" b:k=""/></d>',
        ),
    ],
)
def test_what_no_declaration_can_do_is_done_by_replacing_the_element(old: str, new: str) -> None:
    (operation,) = operations(filled(old), filled(new))
    assert operation.startswith("<p:replace")
    assert "namespace::" not in operation


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('<d xmlns:a="urn:a"><e xmlns:a="urn:a"><a:x/></e></d>', '<d xmlns:a="urn:a"><e><a:x/></e></d>'),
        ('<d xmlns="urn:a"><e xmlns="urn:a"/></d>', '<d xmlns="urn:a"><e/></d>'),
        ('<d><e xmlns=""/></d>', "<d><e/></d>"),
    ],
)
def test_a_repeated_declaration_is_no_difference(one: str, other: str) -> None:
    assert operations(one, other) == []
    assert operations(other, one) == []


def test_a_repeated_declaration_is_seen_when_the_outer_one_changes() -> None:
    """RFC 7351 A.2: the inner one is a declaration of its own."""
    old = '<d xmlns:a="urn:a"><e xmlns:a="urn:a"><a:x/></e></d>'
    assert operations(old, old.replace("urn:a", "urn:b", 1)) == ['<p:replace sel="*/namespace::a">urn:b</p:replace>']


def test_content_has_its_prefix_below_a_declaration_that_is_still_to_go() -> None:
    outer = f'<d {FILLER} xmlns:p="urn:u" xmlns:q="urn:u">'
    old = f'{outer}<m {FILLER} xmlns:p="urn:w"><e>text</e></m></d>'
    new = f'{outer}<m {FILLER}><e xmlns:p="urn:u">text<p:x/></e></m></d>'
    assert operations(old, new)[-1] == '<p:remove sel="*/*/namespace::p"/>'


def test_the_xml_prefix_is_never_declared() -> None:
    old, new = f"<d {FILLER}/>", f'<d {FILLER}><e xml:lang="en"/></d>'
    (operation,) = patch.compare(patch.parse(old.encode()), patch.parse(new.encode()))
    assert operation.namespaces == {"": ""}
    assert operations(old, new) == ['<p:add sel="*"><e xml:lang="en"/></p:add>']


def test_many_small_changes_in_one_element_become_a_replacement_of_it() -> None:
    old = "<d><keep>a rather long text that is not to be repeated</keep><e><a>1</a><b>2</b><c>3</c></e></d>"
    new = old.replace("1", "4").replace("2", "5").replace("3", "6")
    assert operations(old, new) == ['<p:replace sel="*/*[2]"><e><a>4</a><b>5</b><c>6</c></e></p:replace>']


def rows(numbers: list[int], text: str = "t") -> list[str]:
    return [f"<row><id>{number}</id><text>{text}{number} and some more</text></row>" for number in numbers]


def table(lines: list[str]) -> str:
    return "<table>\n  " + "\n  ".join(lines) + "\n</table>"


def test_a_moved_row_is_removed_and_added() -> None:
    numbers = list(range(20))
    shown = operations(table(rows(numbers)), table(rows([5, *numbers[:5], *numbers[6:]])))
    assert [operation[:6] for operation in shown] == ["<p:add", "<p:rem"]


@pytest.mark.parametrize("count", [30, 300])
def test_scattered_edits_of_a_list_are_as_many_operations(count: int) -> None:
    """Below and above the length that is aligned exactly."""
    old = rows(list(range(count)))
    new = list(old)
    new[3] = new[3].replace("more", "less")
    del new[count // 2]
    new.insert(count - 5, "<row><id>new</id></row>")
    new[7:7] = ["<!-- here -->"]
    assert len(operations(table(old), table(new))) == 4


def test_rows_that_all_changed_are_told_apart_by_their_attributes() -> None:
    numbers = range(100)
    old = [f'<e uri="{n}"><a>a text that stays as it is</a><a>and another one, {n}</a><b>1</b></e>' for n in numbers]
    new = ['<e uri="new"/>', *(row.replace("<b>1", "<b>2") for row in old)]
    shown = operations(f"<d>{''.join(old)}</d>", f"<d>{''.join(new)}</d>")
    assert len(shown) == 101
    assert shown[0].startswith("<p:add")


def test_equal_rows_are_paired_by_their_number() -> None:
    old, new = "<d>" + "<a/>" * 50 + "</d>", "<d>" + "<a/>" * 20 + "<b/>" + "<a/>" * 30 + "</d>"
    assert operations(old, new) == ['<p:add sel="*/*[21]" pos="before"><b/></p:add>']
    alike = ["<a/>", "<a/>", "<b/>"] * 20
    edited = [*alike[:10], "<x/>", *alike[10:50], "<y/>", *alike[50:]]
    assert operations(filled(f"<d>{''.join(alike)}</d>"), filled(f"<d>{''.join(edited)}</d>")) == [
        '<p:add sel="*/*[11]" pos="before"><x/></p:add>',
        '<p:add sel="*/*[52]" pos="before"><y/></p:add>',
    ]


def test_a_list_without_anything_in_common_is_paired_in_order() -> None:
    old = "<d>" + "".join(f"<a>{n}</a>" for n in range(40)) + "<!--c-->" * 2 + "</d>"
    new = "<d><!--e-->" + "".join(f"<b>x{n}</b>" for n in range(50)) + "</d>"
    assert operations(old, new)


@pytest.mark.parametrize("seed", range(20))
def test_pairs_rise_on_both_sides_and_are_of_one_type(seed: int) -> None:
    chance = random.Random(seed)
    kinds = ["<a/>", "<b/>", "<!--c-->", "<?go?>", *(f'<e k="{n}">{n}</e>' for n in range(40))]
    identities = Identities()
    old, new = (
        identities.split(patch.parse(f"<d>{''.join(chance.choices(kinds, k=90))}</d>".encode()).root.children)[0]
        for _ in range(2)
    )
    assert len(old) * len(new) > MAX_CELLS
    pairs = align(old, new)
    assert pairs == sorted(set(pairs))
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(type(old[i].node) is type(new[j].node) for i, j in pairs)
    assert any(old[i].identity == new[j].identity for i, j in pairs)


def test_a_patch_that_would_cost_too_much_to_apply_is_a_replacement() -> None:
    """Thousands of scattered edits among thousands of siblings: each would have to be looked for anew."""
    old = ["<a>1</a>", f"<b>{'x' * 80}</b>"] * 3000
    new = ["<a>2</a>", f"<b>{'x' * 80}</b>"] * 3000
    before, after = f"<d>{''.join(old)}</d>", f"<d>{''.join(new)}</d>"
    shown = operations(before, after)
    assert len(shown) == 1
    assert shown[0].startswith('<p:replace sel="*">')


def test_the_document_element_is_replaced_by_one_of_another_name() -> None:
    assert operations("<d/>", "<!--c--><e/>") == [
        '<p:add sel="*" pos="before"><!--c--></p:add>',
        '<p:replace sel="*"><e/></p:replace>',
    ]


def test_a_patch_has_one_order_whatever_the_order_of_sets_is() -> None:
    old, new = '<d a="1" b="2" c="3"/>', '<d xmlns:z="urn:z" xmlns:w="urn:w"/>'
    assert operations(filled(old), filled(new)) == [
        '<p:add sel="*" type="namespace::w">urn:w</p:add>',
        '<p:add sel="*" type="namespace::z">urn:z</p:add>',
        *[f'<p:remove sel="*/@{name}"/>' for name in "abc"],
    ]


def test_the_largest_and_deepest_documents_can_be_compared_and_patched() -> None:
    """The bounds of a patch are wide enough for any document that the store takes."""
    deep = ["<d>" * MAX_DEPTH + text + "</d>" * MAX_DEPTH for text in ("x", "y")]
    assert leads(*deep)
    assert leads(deep[0], deep[0].replace("d>", "e>"))
    wide = ["<d>" + f"<{name}/>" * (MAX_ELEMENTS - 1) + "</d>" for name in "ab"]
    assert leads(*wide)


def test_comparing_changes_neither_document() -> None:
    old, new = patch.parse(CARD.encode()), patch.parse(CARD.replace("0102", "9999").encode())
    assert patch.compare(old, new) == patch.compare(old, new)
    assert old == patch.parse(CARD.encode())


def test_a_document_that_is_none_cannot_be_compared() -> None:
    for old, new in ((b"<d>", b"<d/>"), (b"<d/>", b"<d>")):
        with pytest.raises(NotWellFormed):
            patch.diff(old, new)
