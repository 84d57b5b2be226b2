"""Every example of RFC 5874, read, valid, applied, and made by the notifier from the same history."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

import pytest
from lxml import etree

from xcap.core import edit, xcapdiff
from xcap.core.selector import parse_node_selector
from xcap.core.uri import DocumentKey, ResourceUri, parse
from xcap.core.xcapdiff import (
    AttributeContent,
    Cache,
    DocumentChange,
    ElementContent,
    Processing,
    Version,
    XcapDiff,
    changes,
    component_changes,
)
from xcap.core.xml import load_schema

SCHEMA = load_schema("xcap.core", "schemas/xcap-diff.xsd")
ROOT = "http://xcap.example.com/"
JOE = "tests/users/sip:joe@example.com/index"
JOHN = "tests/users/sip:john@example.com/index"
ANOTHER = "tests/users/sip:joe@example.com/another_document"


def text(example: str) -> bytes:
    return textwrap.dedent(example).lstrip().encode()


def canonical(content: bytes) -> bytes:
    return etree.tostring(etree.fromstring(content), method="c14n", with_comments=True)


def read(example: bytes) -> XcapDiff:
    """What an example says; it is valid, and so is what is written from that."""
    SCHEMA.assertValid(etree.fromstring(example))
    diff = xcapdiff.read(example)
    written = xcapdiff.write(diff)
    SCHEMA.assertValid(etree.fromstring(written))
    assert [entry.selector for entry in xcapdiff.read(written).entries] == [entry.selector for entry in diff.entries]
    return diff


INDEX = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <doc id="bar">
      <note>This is a sample document</note>
    </doc>
    """
)
"""A: the document of sip:joe@example.com."""

SAMPLE = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <doc>
      <note>This is another sample document</note>
    </doc>
    """
)

EXAMPLE_5 = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <d:xcap-diff xmlns:d="urn:ietf:params:xml:ns:xcap-diff"
                 xmlns="urn:ietf:params:xml:ns:rls-services"
                 xcap-root="http://xcap.example.com/root/">

     <d:document new-etag="7ahggs"
               sel="resource-lists/users/sip:joe@example.com/coworkers"
               previous-etag="8a77f8d"/>

     <d:element sel="rls-services/users/sip:joe@example.com/index/~~/*/service%5b@uri='sip:marketing@example.com'%5d"
              xmlns:rl="urn:ietf:params:xml:ns:resource-lists"
        ><service uri="sip:marketing@example.com">
          <list name="marketing">
            <rl:entry uri="sip:joe@example.com"/>
            <rl:entry uri="sip:sudhir@example.com"/>
          </list>
          <packages>
            <package>presence</package>
          </packages>
        </service></d:element>

     <d:attribute
     sel="rls-services/users/sip:joe@example.com/index/~~/*/service/@uri"
          >sip:marketing@example.com</d:attribute>

    </d:xcap-diff>
    """
)
"""Without the line break that the RFC has in the second selector to fit its page."""

RLS_SERVICES = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">
        <service uri="sip:marketing@example.com">
          <list name="marketing">
            <rl:entry uri="sip:joe@example.com"/>
            <rl:entry uri="sip:sudhir@example.com"/>
          </list>
          <packages>
            <package>presence</package>
          </packages>
        </service>
    </rls-services>
    """
)
"""The document from which the example's element and attribute could be."""


def test_5_the_example_document() -> None:
    document, element, attribute = read(EXAMPLE_5).entries
    assert document == DocumentChange("resource-lists/users/sip:joe@example.com/coworkers", "8a77f8d", "7ahggs")
    assert isinstance(element, ElementContent)
    assert element.content is not None
    assert element.content.name == "service"
    assert element.namespaces[""] == "urn:ietf:params:xml:ns:rls-services"
    assert element.namespaces["rl"] == "urn:ietf:params:xml:ns:resource-lists"
    assert attribute == AttributeContent(
        "rls-services/users/sip:joe@example.com/index/~~/*/service/@uri", value="sip:marketing@example.com"
    )


def test_5_the_components_of_the_example_are_made_from_their_document() -> None:
    _, *expected = read(EXAMPLE_5).entries
    made = []
    for component in expected:
        resource = parse(f"/{component.selector}".encode(), b"", "/")
        assert resource.node is not None
        node = parse_node_selector(resource.node, {}, "urn:ietf:params:xml:ns:rls-services")
        made += component_changes(component.selector, node, None, RLS_SERVICES)
    element, attribute = xcapdiff.read(xcapdiff.write(XcapDiff(ROOT, tuple(made)))).entries
    assert attribute == expected[1]
    assert isinstance(element, ElementContent)
    assert isinstance(expected[0], ElementContent)
    assert element.content == expected[0].content
    assert {prefix: element.namespaces[prefix] for prefix in ("", "rl")} == {
        prefix: expected[0].namespaces[prefix] for prefix in ("", "rl")
    }


@dataclass
class Notified:
    """Joe's documents, each version under the etag of the RFC, and a client that hears of them in XCAP diffs."""

    history: dict[str, list[Version | None]] = field(default_factory=dict)
    cache: Cache = field(default_factory=Cache)

    def put(self, selector: str, etag: str, content: bytes | None) -> None:
        self.history.setdefault(selector, [None]).append(None if content is None else Version(etag, content))

    def put_node(self, selector: str, etag: str, node: str, fragment: bytes) -> None:
        last = self.history[selector][-1]
        assert last is not None
        assert last.content is not None
        self.put(selector, etag, edit.put_node(last.content, parse_node_selector(node, {}, None), fragment)[0])

    def fetch(self) -> None:
        """GET what the cache holds without content."""
        versions = {selector: history[-1] for selector, history in self.history.items()}
        self.cache = Cache({selector: version for selector, version in versions.items() if version})

    def hear(self, example: bytes) -> None:
        applied = xcapdiff.apply(read(example), self.cache)
        assert not applied.unpatchable
        self.cache = applied.cache

    def is_in_step(self) -> bool:
        return all(is_copy(self.cache.documents.get(each), history[-1]) for each, history in self.history.items())


def is_copy(cached: Version | None, version: Version | None) -> bool:
    """Whether the client has this version, in canonical form."""
    if cached is None or version is None:
        return cached is version
    assert cached.content is not None
    assert version.content is not None
    return cached.etag == version.etag and canonical(cached.content) == canonical(version.content)


A1_LISTING = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff"
               xcap-root="http://xcap.example.com/">

     <document new-etag="7ahggs"
               sel="tests/users/sip:joe@example.com/index"/>

     <document new-etag="terteer"
               sel="tests/users/sip:john@example.com/index"/>

    </xcap-diff>
    """
)

A1_CREATED = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff"
               xcap-root="http://xcap.example.com/">

     <document new-etag="terteer"
               sel="tests/users/sip:joe@example.com/another_document"/>

    </xcap-diff>
    """
)

A1_MODIFIED = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff"
               xcap-root="http://xcap.example.com/">

     <document previous-etag="terteer" new-etag="huwiias"
               sel="tests/users/sip:joe@example.com/another_document"/>

    </xcap-diff>
    """
)

A1_REMOVED = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff"
               xcap-root="http://xcap.example.com/">

     <document previous-etag="huwiias"
               sel="tests/users/sip:joe@example.com/another_document"/>

    </xcap-diff>
    """
)


def no_patching(selector: str, *versions: Version | None) -> tuple[DocumentChange, ...]:
    return tuple(changes(selector, versions, Processing.NO_PATCHING))


def test_a_1_documents_exist_come_change_and_go() -> None:
    joe = Notified()
    joe.put(JOE, "7ahggs", INDEX)
    joe.put(JOHN, "terteer", SAMPLE)
    joe.hear(A1_LISTING)
    assert joe.cache.documents == {JOE: Version("7ahggs", None), JOHN: Version("terteer", None)}
    assert read(A1_LISTING).entries == (
        *no_patching(JOE, None, Version("7ahggs", INDEX)),
        *no_patching(JOHN, None, Version("terteer", SAMPLE)),
    )
    joe.fetch()

    joe.put(ANOTHER, "terteer", SAMPLE)
    joe.hear(A1_CREATED)
    assert joe.cache.documents[ANOTHER] == Version("terteer", None)
    assert read(A1_CREATED).entries == no_patching(ANOTHER, None, Version("terteer", SAMPLE))
    joe.fetch()

    modified = SAMPLE.replace(b"another sample", b"a modified")
    joe.put(ANOTHER, "huwiias", modified)
    joe.hear(A1_MODIFIED)
    assert joe.cache.documents[ANOTHER] == Version("huwiias", None)
    assert read(A1_MODIFIED).entries == no_patching(ANOTHER, *joe.history[ANOTHER][1:])
    joe.fetch()

    joe.put(ANOTHER, "", None)
    joe.hear(A1_REMOVED)
    assert joe.is_in_step()
    assert read(A1_REMOVED).entries == no_patching(ANOTHER, Version("huwiias", modified), None)


A2_AGGREGATED = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <d:xcap-diff xmlns:d="urn:ietf:params:xml:ns:xcap-diff"
                 xcap-root="http://xcap.example.com/">

     <d:document previous-etag="7ahggs3"
                 sel="tests/users/sip:joe@example.com/index"
                 new-etag="63hjjsll">
      <d:add sel="*"
        ><foo>this is a new element</foo><bar>this is a bar element
    </bar><foobar>this is a foobar element</foobar></d:add>
     </d:document>

    </d:xcap-diff>
    """
)
"""Its previous etag is not that of the other examples, but one more character."""

A2_HISTORY = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <d:xcap-diff xmlns:d="urn:ietf:params:xml:ns:xcap-diff"
               xcap-root="http://xcap.example.com/">

     <d:document previous-etag="7ahggs"
                 sel="tests/users/sip:joe@example.com/index"
                 new-etag="fgherhryt3">
       <d:add sel="*"
        ><foo>this is a new element</foo></d:add></d:document>

     <d:document previous-etag="fgherhryt3"
                 sel="tests/users/sip:joe@example.com/index"
                 new-etag="dgdgdfgrrr">
       <d:add sel="*"
        ><bar>this is a bar element
    </bar></d:add></d:document>

     <d:document previous-etag="dgdgdfgrrr"
                 sel="tests/users/sip:joe@example.com/index"
                 new-etag="63hjjsll">
       <d:add sel="*"
        ><foobar>this is a foobar element</foobar></d:add></d:document>

    </d:xcap-diff>
    """
)


def edited(first_etag: str) -> Notified:
    """A client that has the first version of Joe's index, and the three edits of A.2."""
    joe = Notified()
    joe.put(JOE, first_etag, INDEX)
    joe.fetch()
    joe.put_node(JOE, "fgherhryt3", "doc/foo", b"<foo>this is a new element</foo>")
    joe.put_node(JOE, "dgdgdfgrrr", "doc/bar", b"<bar>this is a bar element\n</bar>")
    joe.put_node(JOE, "63hjjsll", "doc/foobar", b"<foobar>this is a foobar element</foobar>")
    return joe


@pytest.mark.parametrize(("example", "first"), [(A2_AGGREGATED, "7ahggs3"), (A2_HISTORY, "7ahggs")])
def test_a_2_the_patches_make_what_the_requests_made(example: bytes, first: str) -> None:
    joe = edited(first)
    joe.hear(example)
    assert joe.is_in_step()


@pytest.mark.parametrize(
    ("example", "first", "processing"),
    [(A2_AGGREGATED, "7ahggs3", Processing.AGGREGATE), (A2_HISTORY, "7ahggs", Processing.XCAP_PATCHING)],
)
def test_a_2_the_notifier_tells_of_the_same_etags_in_the_same_order(
    example: bytes, first: str, processing: Processing
) -> None:
    joe = edited(first)
    told = changes(JOE, joe.history[JOE][1:], processing)
    assert [(each.selector, each.previous, each.new) for each in told] == [
        (each.selector, each.previous, each.new) for each in read(example).entries if isinstance(each, DocumentChange)
    ]
    joe.hear(xcapdiff.write(XcapDiff(ROOT, tuple(told))))
    assert joe.is_in_step()


A3_CONTENTS = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <d:xcap-diff xmlns:d="urn:ietf:params:xml:ns:xcap-diff"
               xcap-root="http://xcap.example.com/">

     <d:attribute sel="tests/users/sip:joe@example.com/index/~~/doc/@id"
      >bar</d:attribute>

     <d:element sel="tests/users/sip:joe@example.com/index/~~/*/foo"
        ><foo>this is a new element</foo></d:element>

    </d:xcap-diff>
    """
)

A3_GONE = text(
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff"
               xcap-root="http://xcap.example.com/">

     <attribute sel="tests/users/sip:joe@example.com/index/~~/doc/@id"
      exists="0"/>

    </xcap-diff>
    """
)


def test_a_3_components_are_shown_and_are_gone() -> None:
    document = INDEX.replace(b"</doc>", b"<foo>this is a new element</foo></doc>")
    paths = [f"{JOE}/~~/doc/@id", f"{JOE}/~~/*/foo"]
    nodes = {path: parse_node_selector(path.partition("/~~/")[2], {}, None) for path in paths}
    [attribute] = component_changes(paths[0], nodes[paths[0]], None, document)
    [element] = component_changes(paths[1], nodes[paths[1]], None, document)
    assert isinstance(element, ElementContent)
    told_attribute, told_element = read(A3_CONTENTS).entries
    assert told_attribute == attribute
    assert isinstance(told_element, ElementContent)
    assert (told_element.selector, told_element.content) == (element.selector, element.content)

    left = edit.delete_node(document, nodes[paths[0]])
    gone = tuple(each for path in paths for each in component_changes(path, nodes[path], document, left))
    assert gone == read(A3_GONE).entries == (AttributeContent(paths[0], exists=False),)

    known = xcapdiff.apply(read(A3_CONTENTS), Cache()).cache
    assert set(known.components) == set(paths)
    assert set(xcapdiff.apply(read(A3_GONE), known).cache.components) == {paths[1]}


def test_a_the_selectors_are_uris_relative_to_the_xcap_root() -> None:
    key = DocumentKey("tests", "sip:joe@example.com", "index")
    assert ResourceUri(key).to_path(ROOT) == ROOT + JOE
