"""HTTP as old, careful, curious and careless clients speak it, over raw sockets to the document server."""

from __future__ import annotations

import gzip
import logging
from typing import TYPE_CHECKING

import pytest

from tests.services.xcap.conftest import ALICE, NOTES, PASSWORD, ROOT, Server
from tests.services.xcap.test_http_listener import connected
from tests.services.xcap.test_xcap_http import PATH, alice, client
from xcap.core.digest import Challenge, authorization
from xcap.http.access import MAX_NODE, without_values
from xcap.logs import FactsFormatter
from xcap.ports import DocumentKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.services.xcap.test_http_listener import Peer

CONTENT = b'<notes xmlns="urn:test:notes"><n id="a">1</n></notes>'
TYPE = f"Content-Type: {NOTES.media_type}".encode()
HOST = b"Host: example.com"
NOTES_KEY = DocumentKey("notes", ALICE, "index")


@pytest.fixture
async def peer(port: int) -> AsyncIterator[Peer]:
    async with connected(port) as made:
        yield made


def signed(server: Server, method: str, path: str = PATH) -> bytes:
    """The Authorization line of Alice, with a nonce that the server gives."""
    challenge = Challenge("example.com", server.nonces.mint(server.now))
    return b"Authorization: " + authorization(challenge, "alice", PASSWORD, method, path, cnonce="c").encode()


def line(method: str, path: str = PATH, version: str = "1.1") -> bytes:
    return f"{method} {path} HTTP/{version}".encode()


class TestBodies:
    async def test_100_continue_is_said_to_users_only(self, server: Server, peer: Peer) -> None:
        """Authentication comes before the body: a stranger is not asked for one."""
        expecting = (HOST, TYPE, b"Expect: 100-continue", b"Content-Length: %d" % len(CONTENT))
        await peer.send(line("PUT"), *expecting, signed(server, "PUT"))
        assert (await peer.head()).startswith(b"HTTP/1.1 100 ")
        await peer.write(CONTENT)
        assert (await peer.head()).startswith(b"HTTP/1.1 201 ")
        await peer.send(line("PUT"), *expecting)
        assert (await peer.rest()).startswith(b"HTTP/1.1 401 ")

    async def test_a_chunked_body_is_stored_as_any_other(self, server: Server, peer: Peer) -> None:
        chunks = b"".join(b"1;x=y\r\n%c\r\n" % octet for octet in CONTENT) + b"0\r\n\r\n"
        chunked = b"Transfer-Encoding: chunked"
        await peer.send(line("PUT"), HOST, TYPE, chunked, signed(server, "PUT"), body=chunks)
        assert (await peer.head()).startswith(b"HTTP/1.1 201 ")
        document = await server.store.load(NOTES_KEY)
        assert document is not None
        assert document.content == CONTENT

    async def test_a_chunked_body_has_the_same_bound(self, server: Server, peer: Peer) -> None:
        chunks = b"1000\r\n" + b" " * 4096 + b"\r\n"
        await peer.send(line("PUT"), HOST, TYPE, b"Transfer-Encoding: chunked", signed(server, "PUT"), body=chunks * 3)
        answer = await peer.rest()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.endswith(b"\r\n\r\nmore than 10000 bytes\n")

    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
    async def test_a_compressed_body_is_refused_with_what_would_be_taken(self, server: Server, coding: str) -> None:
        """RFC 9110 §15.5.16, RFC 7694 §3."""
        async with client(server, auth=alice()) as http:
            fields = {"Content-Type": NOTES.media_type, "Content-Encoding": coding}
            answer = await http.put(PATH, content=gzip.compress(CONTENT), headers=fields)
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
        assert answer.text == "bodies with a Content-Encoding are not taken\n"

    async def test_a_body_in_identity_coding_is_a_plain_body(self, server: Server) -> None:
        async with client(server, auth=alice()) as http:
            fields = {"Content-Type": NOTES.media_type, "Content-Encoding": "Identity"}
            assert (await http.put(PATH, content=CONTENT, headers=fields)).status_code == 201

    async def test_a_wrong_type_is_told_the_right_one(self, server: Server) -> None:
        async with client(server, auth=alice()) as http:
            answer = await http.put(PATH, content=CONTENT, headers={"Content-Type": "text/xml"})
        assert (answer.status_code, answer.headers["accept"]) == (415, NOTES.media_type)

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"<n>" * 65 + b"</n>" * 65, "more than 64 elements within each other\n"),
            (
                b"<n " + b" ".join(b"a%d=''" % number for number in range(129)) + b"/>",
                "more than 128 attributes and namespace declarations of one element\n",
            ),
        ],
    )
    async def test_what_is_too_deep_or_too_wide_is_413_and_says_so(
        self, server: Server, body: bytes, said: str
    ) -> None:
        async with client(server, auth=alice()) as http:
            answer = await http.put(PATH, content=body, headers={"Content-Type": NOTES.media_type})
            again = await http.get(PATH)
        assert (answer.status_code, answer.text) == (413, said)
        assert "connection" not in answer.headers  # the body was read, so the connection can go on
        assert again.status_code == 404

    async def test_no_entity_is_ever_resolved(self, server: Server) -> None:
        body = b'<!DOCTYPE notes [<!ENTITY e SYSTEM "file:///etc/passwd">]><notes xmlns="urn:test:notes">&e;</notes>'
        async with client(server, auth=alice()) as http:
            answer = await http.put(PATH, content=body, headers={"Content-Type": NOTES.media_type})
        assert answer.status_code == 409
        assert b"not-well-formed" in answer.content


class TestRequests:
    async def test_one_connection_serves_a_whole_session(self, server: Server, peer: Peer) -> None:
        length = b"Content-Length: %d" % len(CONTENT)
        await peer.send(line("PUT"), HOST, TYPE, length, body=CONTENT)
        assert (await peer.head()).startswith(b"HTTP/1.1 401 ")
        await peer.answered(b"authentication is needed\n")
        await peer.send(line("PUT"), HOST, TYPE, length, signed(server, "PUT"), body=CONTENT)
        assert (await peer.head()).startswith(b"HTTP/1.1 201 ")
        await peer.send(line("GET"), HOST, signed(server, "GET"))
        await peer.answered(CONTENT)
        await peer.send(line("HEAD"), HOST, signed(server, "HEAD"))
        head = await peer.head()
        assert b"content-length: %d\r\n" % len(CONTENT) in head
        await peer.send(line("DELETE"), HOST, signed(server, "DELETE"))
        assert (await peer.head()).startswith(b"HTTP/1.1 200 ")

    async def test_http_1_0_needs_no_host_and_is_closed(self, server: Server, peer: Peer) -> None:
        await peer.send(line("GET", version="1.0"), signed(server, "GET"))
        answer = await peer.rest()
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"\r\nconnection: close\r\n" in answer

    @pytest.mark.parametrize("hosts", [(), (HOST, b"Host: other.example.com")])
    async def test_http_1_1_needs_one_host(self, peer: Peer, hosts: tuple[bytes, ...]) -> None:
        """RFC 9112 §3.2: MUST be answered 400."""
        await peer.send(line("GET"), *hosts)
        assert (await peer.head()).startswith(b"HTTP/1.1 400 ")

    async def test_head_is_get_without_its_body(self, server: Server) -> None:
        async with client(server, auth=alice()) as http:
            await http.put(PATH, content=CONTENT, headers={"Content-Type": NOTES.media_type})
            got, asked = await http.get(PATH), await http.head(PATH)
        assert (asked.status_code, asked.content) == (200, b"")
        assert asked.headers == got.headers

    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            (PATH, "GET, HEAD, OPTIONS, PUT, DELETE"),
            ("*", "GET, HEAD, OPTIONS, PUT, DELETE"),
            (f"{ROOT}/", "GET, HEAD, OPTIONS"),
        ],
    )
    async def test_options_tells_strangers_too_what_may_be_asked(self, peer: Peer, path: str, allowed: str) -> None:
        await peer.send(line("OPTIONS", path), HOST)
        head = await peer.head()
        assert head.startswith(b"HTTP/1.1 204 ")
        assert f"\r\nallow: {allowed}\r\n".encode() in head
        assert b"content-length" not in head

    async def test_an_unknown_method_is_405_with_allow(self, peer: Peer) -> None:
        await peer.send(line("POST"), HOST, b"Content-Length: 0")
        head = await peer.head()
        assert head.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nallow: GET, HEAD, OPTIONS, PUT, DELETE\r\n" in head

    async def test_what_is_given_out_is_for_this_user_alone_and_runs_nowhere(self, server: Server) -> None:
        """A document may come from another user with XHTML in it, and a browser is logged in here."""
        async with client(server, auth=alice()) as http:
            await http.put(PATH, content=CONTENT, headers={"Content-Type": NOTES.media_type})
            got = await http.get(PATH)
            same = await http.get(PATH, headers={"If-None-Match": got.headers["etag"]})
        assert got.headers["cache-control"] == same.headers["cache-control"] == "private, no-cache"
        assert "sandbox" in got.headers["content-security-policy"]
        assert got.headers["x-content-type-options"] == "nosniff"


class TestDiscoveryPage:
    BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

    @pytest.mark.parametrize("path", [ROOT, f"{ROOT}/"])
    async def test_a_browser_is_shown_what_is_here_and_how_to_address_it(self, server: Server, path: str) -> None:
        await server.store.save(NOTES_KEY, CONTENT, "1", expected=None)
        async with client(server) as http:
            answer = await http.get(path, headers={"Accept": self.BROWSER})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        for said in ("notes", "application/notes+xml", "urn:test:notes", f"{ROOT}/xcap-caps/global/index", "~~"):
            assert said in answer.text
        assert "alice" not in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]

    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            (None, "text/plain"),
            ("*/*", "text/plain"),
            ("text/html", "text/html"),
            ("TEXT/HTML ; level=1 ; Q=0.5, text/plain;q=0.4", "text/html"),
            ("text/html;q=0.4, text/plain;q=0.5", "text/plain"),
            ("text/html;q=0", "text/plain"),
            ("image/png", "text/plain"),
            ("rubbish,,;", "text/plain"),
        ],
    )
    async def test_programs_get_text_unless_they_ask_for_html(
        self, server: Server, accept: str | None, kind: str
    ) -> None:
        async with client(server) as http:
            answer = await http.get(f"{ROOT}/", headers={"Accept": accept} if accept else {})
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert answer.headers["vary"] == "Accept"
        assert f"{ROOT}/AUID/users/sip:USER@DOMAIN/NAME" in answer.text

    async def test_nothing_can_be_put_there(self, server: Server) -> None:
        async with client(server, auth=alice()) as http:
            answer = await http.put(f"{ROOT}/", content=b"<a/>")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


class TestAccessLog:
    @staticmethod
    def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
        formatter = FactsFormatter("%(levelname)s %(message)s")
        return [formatter.format(record) for record in caplog.records if record.name == "xcap.http.access"]

    async def test_a_line_says_who_where_and_how_long_and_never_what(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        async with client(server, auth=alice()) as http:
            await http.put(PATH, content=CONTENT, headers={"Content-Type": NOTES.media_type})
            await http.get(f'{PATH}/~~/notes/n[@id="a secret"]/@id')
            await http.get("/elsewhere")
        [challenged, created, missing, outside] = self.lines(caplog)
        document = f"auid=notes owner={ALICE} document=index"
        start = "INFO request peer=192.0.2.1"
        assert challenged.startswith(f"{start} user=None method=PUT status=401 {document} node=None us=")
        assert created.startswith(f"{start} user={ALICE} method=PUT status=201 {document} node=None us=")
        assert f'method=GET status=404 {document} node="notes/n[@id=\\"*\\"]/@id" us=' in missing
        assert outside.startswith(f"{start} user=None method=GET status=404 us=")
        assert all(each.rpartition("=")[2].isdecimal() for each in (challenged, created, missing, outside))
        assert "secret" not in missing

    async def test_what_a_client_sends_stays_within_its_line(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        async with client(server) as http:
            await http.get(f"{ROOT}/notes%20status=200/users/a%22b/index")
        [line] = self.lines(caplog)
        assert 'auid="notes status=200" owner="a\\"b" document=index' in line

    async def test_it_can_be_switched_off(self, server: Server, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, "xcap.http.access")
        async with client(server) as http:
            await http.get(PATH)
        assert self.lines(caplog) == []

    @pytest.mark.parametrize(
        ("node", "logged"),
        [
            ("a/b[1]/@c", "a/b[1]/@c"),
            ("a[@b=\"x'y\"]/c[@d='e\"f']", "a[@b=\"*\"]/c[@d='*']"),
            ('a[@b="never closed', 'a[@b="*"'),
            ("a" * 1000, "a" * MAX_NODE),
        ],
    )
    def test_values_in_a_selector_are_content_too(self, node: str, logged: str) -> None:
        assert without_values(node) == logged
