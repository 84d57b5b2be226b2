"""No garbage is the document server's fault: whatever it is sent, it never answers 5xx, and goes on as before.

Nor does it log an error, so nothing that is sent raises where nobody sees it. Requests that no HTTP parser lets
through are made in process; those of whole octet streams go through a connection and meet the parser first.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.rfc4825.documents import PLAIN
from tests.conformance.rfc4825.serving import ATTRIBUTE, BILL, ELEMENT, PASSWORD
from tests.support.http import in_process
from tests.support.served import Served
from tests.support.xml_texts import damaged, documents
from xcap.core.digest import Challenge, authorization
from xcap.core.uri import DocumentKey, ResourceUri

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX = ResourceUri(DocumentKey(PLAIN.auid, BILL, "index")).to_path("/")
USERS = [b"bill", b"sip:bill@example.com"]
TRUSTED, STRANGER = "127.0.0.1", "192.0.2.7"

# Requests

targets = st.sampled_from(
    [
        *(INDEX, "/", "*", "", "/plain/global/index", f"/plain/users/{BILL}/folder/index"),
        f"{INDEX}/~~/a/b%5B1%5D%5B@a=%22%26lt;%22%5D/@p:a?xmlns(p=urn:p)xmlns(q=urn:q)",
        *(f"{INDEX}/~~/a", f"{INDEX}/~~/a/*%5B2%5D/namespace::*"),
        "/xcap-caps/global/index/~~/xcap-caps/auids/auid%5B1%5D",
        f"/org.openmobilealliance.xcap-directory/users/{BILL}/directory.xml",
        f"/rls-services/users/{BILL}/index/~~/rls-services/service%5b@uri=%22sip:a@example.com%22%5d",
        "/rls-services/global/index/~~/rls-services/service%5B@uri=%22sip:a%40example.com%22%5D",
        f"/org.abserver.contact-card/users/{BILL}/index/~~/vcards/vcard/fn/text",
        f"/org.abserver.shared-cards/users/{BILL}/index",
    ]
).map(str.encode)
names = (
    b"Authorization Content-Type If-Match If-None-Match Content-Encoding Content-Range X-3GPP-Intended-Identity"
    b" X-3GPP-Asserted-Identity X-XCAP-Asserted-Identity User-Agent Accept Range Host Content-Length Cookie Expect"
).split()
values = [
    b'Digest username="bill", realm="example.com", nonce="x", uri="/", response="0", qop=auth, nc=00000001,'
    b' cnonce="y", algorithm=SHA-256',
    *(b'"a", W/"b"', b"*", b"bytes 0-1/2", b"gzip", b"Python-urllib/3", b"xcap.example.com:80", b"12", b""),
    *(b'"sip:bill@example.com"', b"<sip:joe@example.com>", b'"Bill" <sip:bill@example.com>, <tel:+1555>'),
    *(PLAIN.media_type.encode(), ELEMENT.encode(), ATTRIBUTE.encode()),
]
fields = st.tuples(st.sampled_from(names), damaged(st.sampled_from(values)))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What reaches a database must be something that it can be asked, whichever it is."""
    folder: Path = tmp_path_factory.mktemp("served")
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{folder}/xcap.db" if sqlite else request.getfixturevalue("postgres").new_database()
    with Served(url) as started:
        yield started


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "GET", "PUT", "PUT", "DELETE", "HEAD", "OPTIONS", "POST", "PROPFIND", "X"]),
    target=damaged(targets) | st.binary(max_size=60),
    sent=st.lists(fields, max_size=3),
    body=damaged(documents()) | st.binary(max_size=80),
    user=st.sampled_from([*USERS, None]) | st.binary(max_size=6),
    peer=st.sampled_from([TRUSTED, STRANGER]),
    data=st.data(),
)
def test_no_request_is_the_server_s_fault(
    served: Served,
    method: str,
    target: bytes,
    sent: list[tuple[bytes, bytes]],
    body: bytes,
    user: bytes | None,
    peer: str,
    data: st.DataObject,
) -> None:
    """And who logs in rightly is never taken for a stranger, whatever else the request says."""
    logged_in = False
    if user is not None:
        right = served.run(login(served, user, method, target))
        shown = data.draw(damaged(st.just(right)))
        logged_in = user in USERS and shown == right and b"Authorization" not in dict(sent)
        sent = [(b"Authorization", shown), *sent]
    answer = served.run(in_process(served.app, peer=peer)(method, target, sent, body))
    assert 200 <= answer.status < 500
    assert served.complaints.taken() == []
    assert not (logged_in and answer.status == 401)


async def login(served: Served, user: bytes, method: str, target: bytes) -> bytes:
    """An Authorization field that is right for this request."""
    answer = await in_process(served.app)("GET", INDEX.encode(), [], b"")
    challenge = Challenge.parse_all(answer.fields["www-authenticate"])[0]
    uri = target.decode(errors="surrogateescape")
    written = authorization(challenge, user.decode(errors="surrogateescape"), PASSWORD, method, uri, cnonce="c")
    return written.encode(errors="surrogateescape")


# Connections

_HOST = b"Host: xcap.example.com\r\nX-XCAP-Asserted-Identity: %s\r\n" % BILL.encode()
_PUT = b"PUT %s HTTP/1.1\r\n%sContent-Type: %s\r\n" % (INDEX.encode(), _HOST, PLAIN.media_type.encode())
REQUESTS = [
    _PUT + b"Content-Length: 4\r\n\r\n<a/>",
    _PUT + b"Transfer-Encoding: chunked\r\n\r\n2\r\n<a\r\n2;x=y\r\n/>\r\n0\r\nTrailer: x\r\n\r\n",
    _PUT + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n<a/>",
    b"PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n<a/>" % INDEX.encode(),
    b"GET %s/~~/a?xmlns(p=urn:p) HTTP/1.1\r\n%s\r\n" % (INDEX.encode(), _HOST),
    b"GET / HTTP/1.1\r\n%sUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: A\r\n\r\n" % _HOST,
    b"DELETE %s HTTP/1.1\r\n%s\r\n" % (INDEX.encode(), _HOST),
    b"OPTIONS * HTTP/1.1\r\n%s\r\n" % _HOST,
    b"GET http://xcap.example.com/ HTTP/1.0\r\n\r\n",
    _PUT + b"Transfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]
GOOD = b"GET / HTTP/1.1\r\n%s\r\n" % _HOST
streams = damaged(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3).map(b"".join)) | st.binary(max_size=99)


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Served]:
    with Served() as started:
        yield started


@settings(max_examples=400, deadline=None)
@given(sent=streams, cuts=st.lists(st.integers(0, 300), max_size=2).map(sorted))
def test_no_octets_on_a_connection_are_the_server_s_fault(in_memory: Served, sent: bytes, cuts: list[int]) -> None:
    """All that comes back is whole answers, and neither those before on the connection nor other clients suffer."""
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
    before, answers = in_memory.run(exchanged(in_memory.port, pieces))
    assert before == 200
    assert [status for status in statuses(answers) if status >= 500] == []
    assert in_memory.complaints.taken() == []
    assert in_memory.run(in_memory.bill.get("/")).status == 200


async def exchanged(port: int, pieces: list[bytes]) -> tuple[int, bytes]:
    """The status of a good request, and all that comes back for the pieces after it until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(GOOD)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(length(head))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)  # so that the server reads them one by one
        writer.write_eof()
        async with asyncio.timeout(30):
            return int(head.split()[1]), await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def statuses(received: bytes) -> Iterator[int]:
    """Of whole answers, one after the other, with nothing between or after them."""
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.1 ([1-5]\d\d) ", head)
        assert status
        assert end
        assert len(received) >= length(head)
        received = received[length(head) :]
        yield int(status[1])


def length(head: bytes) -> int:
    found = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0
