"""Over HTTP: what was put is what is got, byte for byte, what was deleted is gone, and nothing else ever moves.

Random documents with random selectors (RFC 4825 §7, §8.2 to §8.4), and real documents of every usage with damage.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.domain.usages import ADDRESS_BOOK, all_usages
from tests.conformance.rfc4825.documents import PLAIN
from tests.conformance.rfc4825.serving import ATTRIBUTE, BILL, ELEMENT, conflict
from tests.support.documents import BOB, allow, card, rules
from tests.support.served import Served
from tests.support.xml_texts import BINDINGS, bodies, damaged, documents, place, selectors, undone
from xcap.core.errors import XcapError
from xcap.core.selector import parse_node_selector
from xcap.core.source import WHITESPACE, attribute_spans, scan
from xcap.core.uri import DocumentKey, ResourceUri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.rfc4825.serving import Client
    from xcap.core.selector import NodeSelector
    from xcap.core.usage import ApplicationUsage

KEY = DocumentKey(PLAIN.auid, BILL, "index")
INDEX = ResourceUri(KEY).to_path("/")
BOOK = (
    f'<address-book xmlns="{ADDRESS_BOOK.default_namespace}"><entry id="1" follows="sip:ann@example.com"/>'
    '<entry id="2"><vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"><fn><text>J\u00fcrgen &amp; Co</text></fn>'
    "<note><text><![CDATA[<3]]></text></note></vcard></entry></address-book>"
).encode()
SERVICES = b"""<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"
 xmlns:rl="urn:ietf:params:xml:ns:resource-lists">
  <service uri="sip:bills-friends@example.com">
    <list name="friends"><rl:entry uri="sip:joe@example.com"/></list>
    <packages><package>presence</package></packages>
  </service>
</rls-services>"""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as started:
        yield started


@dataclass(frozen=True)
class Edit:
    """A random node of a document, and something to put there."""

    text: str
    selector: NodeSelector
    body: bytes

    @property
    def target(self) -> str:
        return ResourceUri(KEY, self.text, BINDINGS).to_path("/")

    @property
    def media_type(self) -> str:
        return ELEMENT if self.selector.attribute is None else ATTRIBUTE


@st.composite
def edits(draw: st.DrawFn, document: bytes) -> Edit:
    text = draw(selectors(document))
    selector = parse_node_selector(text, BINDINGS, None)
    return Edit(text, selector, draw(bodies(selector)))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), document=documents())
def test_edits_in_a_row_leave_what_was_put_and_touch_nothing_else(
    served: Served, data: st.DataObject, document: bytes
) -> None:
    served.run(served.bill.delete(INDEX))
    assert served.run(served.bill.put(INDEX, document, PLAIN.media_type)).status == 201
    for _ in range(data.draw(st.integers(1, 4))):
        edit = data.draw(edits(document))
        change = data.draw(st.sampled_from([put, put, delete]))
        document = served.run(change(served.bill, document, edit))
        assert served.run(served.bill.get(INDEX)).body == document


async def put(bill: Client, document: bytes, edit: Edit) -> bytes:
    """GET(PUT(x)) == x or 409, and never 409 for what is there; the document afterwards, otherwise unchanged."""
    before = await bill.get(edit.target)
    if before.status == 200:
        same = await bill.put(edit.target, before.body, edit.media_type)
        assert (same.status, same.etag) == (200, before.etag)
    answer = await bill.put(edit.target, edit.body, edit.media_type)
    if answer.status == 409:
        conflict(answer)
        return document
    assert answer.status == (200 if before.status == 200 else 201)
    got = await bill.get(edit.target)
    assert (got.status, got.body, got.etag) == (200, edit.body, answer.etag)
    edited = (await bill.get(INDEX)).body
    start = place(edited, edit.selector)
    if before.status == 200:
        assert edited[:start] + before.body + edited[start + len(edit.body) :] == document
    elif edit.selector.attribute is None:
        assert undone(document, edited, start, edit.body)
    else:
        removed = edited.rindex(b" ", 0, edited.rindex(b"=", 0, start))
        assert edited[:removed] + edited[start + len(edit.body) :] == document
    again = await bill.put(edit.target, edit.body, edit.media_type)
    assert (again.status, again.etag) == (200, answer.etag)
    return edited


async def delete(bill: Client, document: bytes, edit: Edit) -> bytes:
    """DELETE, then GET is 404; the document afterwards, otherwise unchanged."""
    before = await bill.get(edit.target)
    start = place(document, edit.selector) if before.status == 200 else 0
    answer = await bill.delete(edit.target)
    if answer.status == 409:
        assert before.status == 200
        assert conflict(answer) in ("cannot-delete", "schema-validation-error")
        return document
    assert answer.status == before.status
    if answer.status == 404:
        return document
    assert (await bill.get(edit.target)).status == 404
    assert (await bill.delete(edit.target)).status == 404
    edited = (await bill.get(INDEX)).body
    rest = document[start + len(before.body) :]
    assert edited.endswith(rest)
    kept = edited.removesuffix(rest)
    assert document.startswith(kept)
    name = b"" if edit.selector.attribute is None else rb"\s+[^\s=]+\s*=\s*"
    assert re.fullmatch(name, document[len(kept) : start])
    return edited


# Real documents

USAGES = all_usages()


def index(usage: ApplicationUsage) -> DocumentKey:
    return DocumentKey(usage.auid, BILL, min(usage.names or {"index"}))


def samples() -> Iterator[tuple[ApplicationUsage, bytes]]:
    """Valid documents, of every usage in which a user can store one."""
    folder = Path(__file__).parents[1] / "data" / "usages"
    contents = [BOOK, SERVICES, card(friends="2"), rules(allow(BOB, "friends"))]
    contents += [path.read_bytes() for path in sorted(folder.rglob("*.xml"))]
    for usage in WRITABLE:
        for content in contents:
            with contextlib.suppress(XcapError):
                USAGES.validate(usage, content, BILL)
                yield usage, content


WRITABLE = [usage for usage in USAGES if not USAGES.is_computed(index(usage))]
SAMPLES = list(samples())


def test_there_is_a_sample_of_every_usage() -> None:
    assert {usage.auid for usage, _ in SAMPLES} == {usage.auid for usage in WRITABLE}


@dataclass(frozen=True)
class Damage:
    """A node that exists, by positions alone, and what to put there."""

    text: str
    media_type: str
    start: int
    end: int
    body: bytes


@st.composite
def damages(draw: st.DrawFn, document: bytes) -> Damage:
    """The body is another node of the document, or nearly so."""
    path, text = [scan(document)], "*"
    while path[-1].children and draw(st.integers(0, 3)) > 0:
        position = draw(st.integers(1, len(path[-1].children)))
        path.append(path[-1].children[position - 1])
        text += f"/*[{position}]"
    spans = [span for span in attribute_spans(document, path) if "\x01" not in span.name]
    in_attribute = draw(st.booleans())
    if spans and in_attribute:
        span = draw(st.sampled_from(spans))
        body = draw(damaged(st.sampled_from([document[span.value : span.end], b"'x&lt;\xc3\xa9'"])))
        return Damage(f"{text}/@{span.name}", ATTRIBUTE, span.value, span.end, body)
    other = draw(st.sampled_from([path[-1], *path[-1].children, *path]))
    body = draw(damaged(st.just(document[other.start : other.end(document)])))
    return Damage(text, ELEMENT, path[-1].start, path[-1].end(document), body)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), sample=st.sampled_from(SAMPLES))
def test_damage_in_a_real_document_is_stored_as_it_is_or_refused_with_a_report(
    served: Served, data: st.DataObject, sample: tuple[ApplicationUsage, bytes]
) -> None:
    usage, document = sample
    resource = ResourceUri(index(usage))
    assert served.run(served.bill.put(resource.to_path("/"), document, usage.media_type)).status in (200, 201)
    for _ in range(data.draw(st.integers(1, 3))):
        damage = data.draw(damages(document))
        document = served.run(put_damage(served.bill, document, damage, resource))
    whole = data.draw(damaged(st.just(document)))
    served.run(put_whole(served.bill, document, whole, usage))


async def put_damage(bill: Client, document: bytes, damage: Damage, resource: ResourceUri) -> bytes:
    target = replace(resource, node=damage.text).to_path("/")
    assert (await bill.get(target)).body == document[damage.start : damage.end]
    answer = await bill.put(target, damage.body, damage.media_type)
    if answer.status == 409:
        conflict(answer)
    else:
        assert answer.status == 200
        body = damage.body.strip(WHITESPACE)
        assert (await bill.get(target)).body == body
        document = document[: damage.start] + body + document[damage.end :]
    assert (await bill.get(resource.to_path("/"))).body == document
    return document


async def put_whole(bill: Client, document: bytes, damaged: bytes, usage: ApplicationUsage) -> None:
    target = ResourceUri(index(usage)).to_path("/")
    answer = await bill.put(target, damaged, usage.media_type)
    if answer.status == 409:
        conflict(answer)
    else:
        assert answer.status == 200
        document = damaged
    assert (await bill.get(target)).body == document
    assert (await bill.delete(target)).status == 200
    assert (await bill.get(target)).status == 404
