"""XML as people and programs really write it, with node selectors and bodies for edits of it (RFC 4825 §6.3, §8.2).

Documents are made as text, so that every way of writing the same thing occurs: quotes, spaces, references, CDATA,
comments with tags in them, empty-element tags, declarations anywhere, a byte order mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from xcap.core.selector import locate
from xcap.core.source import attribute_spans, scan

if TYPE_CHECKING:
    from xcap.core.selector import NodeSelector
    from xcap.core.source import Element

BINDINGS = {"p": "urn:p", "q": "urn:q", "d": "urn:d"}
NAMES = ["a", "b", "é", "p:a", "q:b"]
VALUES = ["1", "2", "é", "a>b", "x/", "&amp;", "&#x41;", "&lt;&#10;", " two  words ", "\n", ""]
MISCELLANY = ["<!-- <b> -->", "<?pi <a>'?>", "\n", "<!---->"]
CONTENTS = ["t", "\r\n  ", "é", "&amp;", "&#233;", "/>", "'\"", "<![CDATA[</a><b>]]>", "\U0001f600", *MISCELLANY]
DECLARATIONS = ["", "", "", " xmlns='urn:d'", ' xmlns=""', ' xmlns:q="urn:p"', " xmlns:p = 'urn:q'", ' xmlns:u="urn:u"']


@st.composite
def tags(draw: st.DrawFn) -> tuple[str, str]:
    """An element's name, and its tag up to but without the closing bracket."""
    name = draw(st.sampled_from(NAMES))
    attributes = draw(st.lists(st.sampled_from(["a", "b", "é", "p:a"]), unique=True, max_size=3))
    written = [
        draw(st.sampled_from([" ", "\n  ", "\t"]))
        + attribute
        + draw(st.sampled_from(["=", " = "]))
        + draw(st.sampled_from(['"{}"', "'{}'"])).format(draw(st.sampled_from(VALUES)))
        for attribute in attributes
    ]
    written.insert(draw(st.integers(0, len(written))), draw(st.sampled_from(DECLARATIONS)))
    return name, f"<{name}{''.join(written)}{draw(st.sampled_from(['', '', ' ', chr(10)]))}"


@st.composite
def parents(draw: st.DrawFn, children: st.SearchStrategy[str]) -> str:
    name, tag = draw(tags())
    content = draw(st.lists(st.one_of(children, st.sampled_from(CONTENTS)), max_size=6))
    return f"{tag}>{''.join(content)}</{name}{draw(st.sampled_from(['', ' ']))}>"


elements = st.recursive(tags().map(lambda tag: f"{tag[1]}/>"), parents, max_leaves=12)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    content = "".join(draw(st.lists(st.one_of(elements, st.sampled_from(CONTENTS)), max_size=6)))
    default = draw(st.sampled_from(["", " xmlns='urn:d'"]))
    prolog = draw(
        st.sampled_from(["", "\ufeff", '<?xml version="1.0"?>', "\ufeff<?xml version='1.0' encoding='utf-8'?>"])
    )
    around = st.lists(st.sampled_from(MISCELLANY), max_size=2).map("".join)
    return (f'{prolog}{draw(around)}<a xmlns:p="urn:p" xmlns:q="urn:q"{default}>{content}</a>{draw(around)}').encode()


def quoted(value: str) -> str:
    """The value as an AttValue of a selector."""
    escaped = "".join(f"&#{ord(character)};" if character in '&<"\n\t\r' else character for character in value)
    return f'"{escaped}"'


@st.composite
def steps(draw: st.DrawFn, element: Element, siblings: list[Element]) -> str:
    """A step that describes this element more or less, and may or may not be the only one that it describes."""
    namespace, _, local = element.name.rpartition("\x01")
    prefix = {"": "", "urn:p": "p:", "urn:q": "q:", "urn:d": "d:", "urn:u": "p:"}[namespace]
    name = draw(st.sampled_from(["*", prefix + local, prefix + local, draw(st.sampled_from(NAMES))]))
    alike = siblings if name == "*" else [sibling for sibling in siblings if sibling.name == element.name]
    position = draw(st.sampled_from(["", f"[{alike.index(element) + 1}]", f"[{draw(st.integers(0, 4))}]"]))
    plain = [(key, value) for key, value in element.attributes.items() if "\x01" not in key]
    attribute = ""
    if draw(st.booleans()):
        key, value = draw(st.sampled_from([*plain, ("a", "1"), ("b", "new")]))
        attribute = f"[@{key}={quoted(value)}]"
    return name + position + attribute


@st.composite
def selectors(draw: st.DrawFn, document: bytes, *, terminal: bool = True) -> str:
    """A node selector that has to do with the document."""
    element = scan(document)
    path = [draw(steps(element, [element]))]
    for _ in range(draw(st.integers(0, 4))):
        siblings = element.children
        if not siblings:
            break
        element = draw(st.sampled_from(siblings))
        path.append(draw(steps(element, siblings)))
    if not draw(st.integers(0, 3)):
        path.append(draw(st.sampled_from(["*", "*[1]", *NAMES])))  # perhaps the first child of an empty element
    if terminal and not draw(st.integers(0, 3)):
        path.append(draw(st.sampled_from(["@a", "@b", "@é", "@p:a", "@d:a", "@xml:lang"])))
    return "/".join(path)


def bodies(selector: NodeSelector) -> st.SearchStrategy[bytes]:
    if selector.attribute is None:
        return elements.map(str.encode)
    return st.sampled_from(VALUES).map(lambda value: f"'{value}'".encode())


def place(document: bytes, selector: NodeSelector) -> int:
    path = locate(scan(document), selector.steps)
    if selector.attribute is None:
        return path[-1].start
    return next(span.value for span in attribute_spans(document, path) if span.name == selector.attribute.name)


def undone(old: bytes, new: bytes, start: int, body: bytes) -> bool:
    """Whether `new` is `old` with `body` added at `start`, or with the tag of an empty parent opened for it."""
    assert new[start : start + len(body)] == body
    before, after = new[:start], new[start + len(body) :]
    if before + after == old:
        return True
    end_tag, bracket, rest = after.partition(b">")
    return bool(bracket) and end_tag.startswith(b"</") and before[:-1] + b"/>" + rest == old


SNIPPETS = [
    *b"/ // ~~ %7E%7e % %2 %00 %2F %C3 %FF .. . ? # * @ [ ] %5B %5D [0] [99999999999999999999] [@a='1']".split(),
    *b"namespace::* a:b xmlns( xmlns(a=urn:x) ^ ( < & &lt; &#0; &#xD800; \" ' <a/> <!-- ]]> <?x <![CDATA[".split(),
    *b'\x00 \xff \xc3 \xed\xa0\x80 \xef\xbf\xbf \xfe\xff \xe2\x80\xa8 : , = "x"'.split(),
    *b"W/ nonce= nc=00000001 username= *=UTF-8''%00 sip: chunked close 100-continue".split(),
    *(b"<!DOCTYPE a>", b" xmlns:p=''", b" xmlns='urn:x'", b" a=''", b"\r\n", b"\n", b"\t", b"Digest "),
]
"""What means something somewhere: in URIs, XML, header fields."""


@st.composite
def damaged(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """Good bytes, with up to three places where some are replaced, added or missing."""
    content = bytearray(draw(good))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4) | st.sampled_from(SNIPPETS))
    return bytes(content)
