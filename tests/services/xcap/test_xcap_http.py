"""HTTP manners of the document server: status codes, header fields, and who is asked for a password when."""

from __future__ import annotations

import contextlib
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.services.xcap.conftest import ALICE, BOB, NOTES, PASSWORD, ROOT, Server
from xcap.client import DigestAuth
from xcap.core.digest import Algorithm, Challenge, Credentials, Qop, authorization
from xcap.core.etag import etag_of
from xcap.http import AuthenticationRules
from xcap.service import Contended, XcapService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONTENT = b'<notes xmlns="urn:test:notes"><n id="a">1</n><n id="b">2</n></notes>'
ETAG = f'"{etag_of(CONTENT)}"'
PATH = f"{ROOT}/notes/users/{ALICE}/index"
DOCUMENT = {"Content-Type": NOTES.media_type}
ELEMENT = {"Content-Type": "application/xcap-el+xml"}
PEER = "192.0.2.1"


@contextlib.asynccontextmanager
async def client(
    server: Server, *, auth: httpx.Auth | None = None, peer: str = PEER, host: str = "example.com"
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(server.app(), client=(peer, 50000))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}", auth=auth) as http:
        yield http


def alice() -> DigestAuth:
    return DigestAuth("alice", PASSWORD)


@pytest.fixture
async def http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Alice, who has stored CONTENT."""
    async with client(server, auth=alice()) as http:
        await http.put(PATH, content=CONTENT, headers=DOCUMENT)
        yield http


@pytest.mark.parametrize(
    ("said", "agent"),
    [
        ("Blink/5.1 (Linux)", "Blink"),
        ("abserver-cli", "abserver-cli"),
        ("(no product)", None),
        ("x" * 65, None),
        ("x" * 64 + "/1", "x" * 64),
    ],
)
async def test_the_sink_is_told_by_which_program_a_change_was_made_rfc9110_10_1_5(
    server: Server, said: str, agent: str | None
) -> None:
    async with client(server, auth=alice()) as http:
        http.headers["User-Agent"] = said
        await http.put(PATH, content=CONTENT, headers=DOCUMENT)
        del http.headers["User-Agent"]
        await http.delete(PATH)
    assert [change.agent for change in server.sink.changes] == [agent, None]


class TestAnswers:
    """RFC 4825 §8."""

    async def test_creating_is_201_and_replacing_200_without_a_body(self, server: Server) -> None:
        """§8.2.7: "A 200 OK response to PUT MUST not contain any content"; both carry the etag."""
        async with client(server, auth=alice()) as http:
            created = await http.put(PATH, content=CONTENT, headers=DOCUMENT)
            replaced = await http.put(PATH, content=CONTENT, headers=DOCUMENT)
        assert (created.status_code, created.headers["etag"]) == (201, ETAG)
        assert (replaced.status_code, replaced.headers["etag"], replaced.content) == (200, ETAG, b"")
        assert replaced.headers["content-length"] == "0"

    async def test_getting_gives_content_type_and_etag(self, http: httpx.AsyncClient) -> None:
        whole = await http.get(PATH)
        element = await http.get(f"{PATH}/~~/notes/n%5B2%5D")
        attribute = await http.get(f"{PATH}/~~/notes/n%5B2%5D/@id")
        assert [answer.status_code for answer in (whole, element, attribute)] == [200] * 3
        assert [answer.headers["etag"] for answer in (whole, element, attribute)] == [ETAG] * 3
        assert (whole.content, whole.headers["content-type"]) == (CONTENT, "application/notes+xml")
        assert (element.content, element.headers["content-type"]) == (b'<n id="b">2</n>', "application/xcap-el+xml")
        assert (attribute.content, attribute.headers["content-type"]) == (b'"b"', "application/xcap-att+xml")

    async def test_head_is_get_without_the_body(self, http: httpx.AsyncClient) -> None:
        got, head = await http.get(PATH), await http.head(PATH)
        assert (head.status_code, head.content) == (200, b"")
        assert dict(head.headers) == dict(got.headers)

    async def test_who_has_the_version_is_told_304_with_the_etag(self, http: httpx.AsyncClient) -> None:
        answer = await http.get(PATH, headers={"If-None-Match": f'"other", {ETAG}'})
        assert (answer.status_code, answer.headers["etag"], answer.content) == (304, ETAG, b"")
        assert "content-length" not in answer.headers

    async def test_conditions_on_several_lines_are_one_list(self, http: httpx.AsyncClient) -> None:
        answer = await http.get(PATH, headers=[("If-None-Match", '"other"'), ("If-None-Match", ETAG)])
        assert answer.status_code == 304

    async def test_deleting_a_node_gives_the_new_etag_and_a_document_none(self, http: httpx.AsyncClient) -> None:
        node = await http.delete(f"{PATH}/~~/notes/n%5B2%5D")
        assert node.status_code == 200
        assert node.headers["etag"] == f'"{etag_of(CONTENT.replace(b"""<n id="b">2</n>""", b""))}"'
        document = await http.delete(PATH)
        assert document.status_code == 200
        assert "etag" not in document.headers
        assert (await http.get(PATH)).status_code == 404

    @pytest.mark.parametrize("etags", ['"other"', 'W/"x"'])
    async def test_a_false_condition_is_412(self, http: httpx.AsyncClient, etags: str) -> None:
        answer = await http.put(PATH, content=CONTENT, headers={**DOCUMENT, "If-Match": etags})
        assert answer.status_code == 412

    async def test_another_content_type_is_415_and_names_the_right_one(self, http: httpx.AsyncClient) -> None:
        answer = await http.put(PATH, content=CONTENT, headers=ELEMENT)
        assert (answer.status_code, NOTES.media_type in answer.text) == (415, True)
        assert (await http.put(PATH, content=CONTENT)).status_code == 415

    async def test_parameters_and_case_of_a_content_type_do_not_matter(self, http: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "Application/NOTES+xml; charset=utf-8"}
        assert (await http.put(PATH, content=CONTENT, headers=headers)).status_code == 200

    async def test_a_conflict_carries_its_report(self, http: httpx.AsyncClient) -> None:
        """§11."""
        answer = await http.put(f"{PATH}/~~/notes/m/k", content=b"<k/>", headers=ELEMENT)
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/xcap-error+xml")
        assert b"<no-parent" in answer.content
        assert b"<ancestor>notes</ancestor>" in answer.content

    @pytest.mark.parametrize("method", ["POST", "PATCH", "PROPFIND"])
    async def test_other_methods_are_405_with_allow(self, http: httpx.AsyncClient, method: str) -> None:
        """§8.1."""
        answer = await http.request(method, PATH, content=b"x")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, PUT, DELETE"

    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    async def test_writing_namespace_bindings_is_405_with_get(self, http: httpx.AsyncClient, method: str) -> None:
        """§8.2, §8.4."""
        answer = await http.request(method, f"{PATH}/~~/notes/namespace::*")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")

    async def test_options_names_the_methods_and_asks_for_no_password(self, server: Server) -> None:
        async with client(server) as http:
            answer = await http.options(PATH)
        assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, PUT, DELETE")

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            (PATH.replace("notes", "no-such-usage"), 404),
            (f"{ROOT}/notes/users/{ALICE}/other", 404),
            (f"{PATH}/~~/notes/n%5B9%5D", 404),
            (f"{PATH}/~~/notes/p:n", 400),
            (f"{PATH}/~~/", 400),
            (f"{PATH}?xmlns(a", 400),
            ("/elsewhere", 404),
            (f"{ROOT}/notes/users/{BOB}/index", 403),
        ],
    )
    async def test_what_cannot_be_served_says_why(self, http: httpx.AsyncClient, path: str, status: int) -> None:
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
        assert answer.text.strip()

    @pytest.mark.parametrize(
        "field", [{"If-Match": "bare"}, {"If-None-Match": '"open'}, {"Content-Range": "bytes 0-1/9"}]
    )
    async def test_malformed_conditions_and_partial_puts_are_400(
        self, http: httpx.AsyncClient, field: dict[str, str]
    ) -> None:
        assert (await http.put(PATH, content=CONTENT, headers={**DOCUMENT, **field})).status_code == 400

    async def test_everyone_reads_the_global_tree(self, server: Server) -> None:
        async with client(server, auth=DigestAuth("bob@example.com", PASSWORD)) as http:
            answer = await http.get(f"{ROOT}/xcap-caps/global/index", headers={"Host": "example.com"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xcap-caps+xml")
        assert "etag" in answer.headers

    async def test_a_fault_of_ours_is_500_without_details(
        self, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def broken(*_: object) -> None:
            raise ZeroDivisionError("a secret of the inside")

        monkeypatch.setattr(XcapService, "get", broken)
        answer = await http.get(PATH)
        assert (answer.status_code, answer.text) == (500, "Internal Server Error\n")
        assert "ZeroDivisionError" in caplog.text

    async def test_too_many_writers_are_503_with_retry_after(
        self, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def contended(*_: object, **options: object) -> None:
            raise Contended

        monkeypatch.setattr(XcapService, "put", contended)
        answer = await http.put(PATH, content=CONTENT, headers=DOCUMENT)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


class Body:
    """An ASGI peer that notes how much of its body was asked for."""

    def __init__(self, *parts: bytes, broken: bool = False) -> None:
        self._parts = list(parts)
        self._broken = broken
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if not self._parts and self._broken:
            return {"type": "http.disconnect"}
        part = self._parts.pop(0) if self._parts else b""
        return {"type": "http.request", "body": part, "more_body": bool(self._parts) or self._broken}


async def put_raw(server: Server, body: Body, *, signed: bool = True, length: str | None = None) -> list[Any]:
    """PUT as an ASGI server would bring it; the events that came back."""
    sent: list[Any] = []
    headers = [(b"host", b"example.com"), (b"content-type", NOTES.media_type.encode())]
    if signed:
        challenge = Challenge("example.com", server.nonces.mint(server.now))
        headers.append(
            (b"authorization", authorization(challenge, "alice", PASSWORD, "PUT", PATH, cnonce="c").encode())
        )
    if length is not None:
        headers.append((b"content-length", length.encode()))

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "PUT", "raw_path": PATH.encode(), "query_string": b"", "headers": headers}
    await server.app()(scope, body.receive, send)
    return sent


class TestBodies:
    async def test_a_strangers_body_is_not_read(self, server: Server) -> None:
        body = Body(CONTENT)
        sent = await put_raw(server, body, signed=False)
        assert (sent[0]["status"], body.asked) == (401, 0)

    async def test_a_body_that_announces_too_much_is_not_read(self, server: Server) -> None:
        body = Body(CONTENT)
        sent = await put_raw(server, body, length="10001")
        assert (sent[0]["status"], body.asked) == (413, 0)
        assert (b"connection", b"close") in sent[0]["headers"]

    async def test_a_body_that_turns_out_too_large_is_not_read_to_its_end(self, server: Server) -> None:
        body = Body(*[b"x" * 4000] * 10)
        sent = await put_raw(server, body)
        assert (sent[0]["status"], body.asked) == (413, 3)

    async def test_a_body_in_parts_is_put_together(self, server: Server) -> None:
        sent = await put_raw(server, Body(CONTENT[:10], b"", CONTENT[10:]))
        assert sent[0]["status"] == 201
        assert (b"etag", ETAG.encode()) in sent[0]["headers"]

    async def test_a_client_that_goes_away_in_the_middle_stores_nothing(self, server: Server) -> None:
        assert await put_raw(server, Body(CONTENT[:10], broken=True)) == []
        assert server.sink.changes == []

    async def test_other_protocols_than_http_are_not_served(self, server: Server) -> None:
        with pytest.raises(NotImplementedError):
            await server.app()({"type": "websocket"}, Body().receive, lambda _: pytest.fail("an answer"))


def challenges(answer: httpx.Response) -> list[Challenge]:
    return [c for value in answer.headers.get_list("www-authenticate") for c in Challenge.parse_all(value)]


class TestAuthentication:
    """RFC 7616."""

    async def test_a_challenge_offers_each_algorithm_the_preferred_first(self, server: Server) -> None:
        async with client(server) as http:
            answer = await http.get(PATH)
        assert answer.status_code == 401
        offered = challenges(answer)
        assert [c.algorithm for c in offered] == [Algorithm.SHA256, Algorithm.MD5]
        assert {(c.realm, c.qops, c.stale) for c in offered} == {("example.com", (Qop.AUTH,), False)}

    @pytest.mark.parametrize("username", ["alice", "alice@example.com", "sip:alice@example.com"])
    @pytest.mark.parametrize("algorithm", [Algorithm.SHA256, Algorithm.MD5])
    async def test_every_spelling_of_a_user_gets_in(self, server: Server, username: str, algorithm: Algorithm) -> None:
        server.rules = AuthenticationRules(domains=("example.com",), algorithms=(algorithm,))
        async with client(server, auth=DigestAuth(username, PASSWORD)) as http:
            assert (await http.put(PATH, content=CONTENT, headers=DOCUMENT)).status_code == 201

    @pytest.mark.parametrize(
        ("username", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("bob@example.org", PASSWORD)]
    )
    async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
        self, server: Server, username: str, password: str
    ) -> None:
        async with client(server, auth=DigestAuth(username, password)) as http:
            answer = await http.get(PATH)
        assert answer.status_code == 401
        assert not any(c.stale for c in challenges(answer))
        assert answer.text == "authentication is needed\n"

    async def test_an_old_nonce_is_stale_and_a_client_goes_on_without_asking(self, server: Server) -> None:
        auth = alice()
        async with client(server, auth=auth) as http:
            assert (await http.put(PATH, content=CONTENT, headers=DOCUMENT)).status_code == 201
            server.now += 3600
            answer = await http.get(PATH)
        assert answer.status_code == 200
        [refused] = answer.history
        assert [c.stale for c in challenges(refused)] == [True, True]

    async def test_a_replayed_request_is_challenged_as_stale(self, server: Server) -> None:
        async with client(server) as http:
            challenge = challenges(await http.get(PATH))[0]
            headers = {"Authorization": authorization(challenge, "alice", PASSWORD, "GET", PATH, cnonce="c")}
            first, again = await http.get(PATH, headers=headers), await http.get(PATH, headers=headers)
        assert (first.status_code, again.status_code) == (404, 401)
        assert all(c.stale for c in challenges(again))

    async def test_a_digest_for_another_uri_is_400(self, server: Server) -> None:
        """RFC 7616 §3.4.6."""
        async with client(server) as http:
            challenge = challenges(await http.get(PATH))[0]
            elsewhere = authorization(challenge, "alice", PASSWORD, "GET", PATH + "x", cnonce="c")
            assert (await http.get(PATH, headers={"Authorization": elsewhere})).status_code == 400

    @pytest.mark.parametrize(
        "uri",
        [
            PATH.replace("sip:alice@example.com", "sip%3Aalice%40example.com") + "/~~/notes/n%5B1%5D?xmlns(a=b)",
            PATH + "/~~/notes/n[1]?xmlns(a=b)",
            "http://example.com" + PATH + "/~~/notes/n[1]?xmlns(a=b)",
        ],
    )
    async def test_escapes_in_the_digest_uri_need_not_be_those_of_the_request(self, server: Server, uri: str) -> None:
        async with client(server) as http:
            challenge = challenges(await http.get(PATH))[0]
            headers = {"Authorization": authorization(challenge, "alice", PASSWORD, "GET", uri, cnonce="c")}
            answer = await http.get(PATH + "/~~/notes/n%5b1%5d?xmlns(a=b)", headers=headers)
        assert answer.status_code == 404  # known, and there is no document

    async def test_the_query_is_covered_by_the_digest(self, server: Server) -> None:
        async with client(server) as http:
            challenge = challenges(await http.get(PATH))[0]
            headers = {"Authorization": authorization(challenge, "alice", PASSWORD, "GET", PATH, cnonce="c")}
            assert (await http.get(PATH + "?xmlns(a=b)", headers=headers)).status_code == 400

    @pytest.mark.parametrize(
        ("header", "status"), [("Basic YWxpY2U6b3Blbg==", 401), ("Digest", 400), ('Digest username="alice"', 400)]
    )
    async def test_other_schemes_are_challenged_and_broken_credentials_refused(
        self, server: Server, header: str, status: int
    ) -> None:
        async with client(server) as http:
            assert (await http.get(PATH, headers={"Authorization": header})).status_code == status

    async def test_two_authorizations_are_one_too_many(self, server: Server) -> None:
        async with client(server) as http:
            answer = await http.get(PATH, headers=[("Authorization", "Digest a=b"), ("Authorization", "Digest a=c")])
        assert answer.status_code == 400

    async def test_an_algorithm_that_is_not_offered_does_not_count(self, server: Server) -> None:
        server.rules = AuthenticationRules(domains=("example.com",), algorithms=(Algorithm.SHA256,))
        async with client(server) as http:
            challenge = Challenge("example.com", server.nonces.mint(server.now), Algorithm.MD5)
            headers = {"Authorization": authorization(challenge, "alice", PASSWORD, "GET", PATH, cnonce="c")}
            assert (await http.get(PATH, headers=headers)).status_code == 401

    @pytest.mark.parametrize(
        ("realm", "host", "owner", "expected"),
        [
            (None, "example.org", ALICE, "example.com"),
            (None, "example.org:8080", None, "example.org"),
            (None, "EXAMPLE.ORG", "sip:alice@elsewhere.net", "example.org"),
            (None, "192.0.2.7", None, "example.com"),
            ("one realm", "example.org", ALICE, "one realm"),
        ],
    )
    async def test_the_realm_is_configured_or_the_domain_of_the_path_or_host_or_the_first(
        self, server: Server, realm: str | None, host: str, owner: str | None, expected: str
    ) -> None:
        server.rules = AuthenticationRules(domains=("example.com", "example.org"), realm=realm)
        path = f"{ROOT}/notes/users/{owner}/index" if owner else f"{ROOT}/xcap-caps/global/index"
        async with client(server, host=host) as http:
            assert {c.realm for c in challenges(await http.get(path))} == {expected}

    async def test_a_failed_login_is_logged_without_what_was_typed_as_a_name(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        async with client(server, auth=DigestAuth("my-password-by-mistake", "x")) as http:
            await http.get(PATH)
        [record] = [record for record in caplog.records if record.name == "xcap.http.authenticator"]
        assert (record.message, record.__dict__["peer"], record.__dict__["user"]) == ("login failed", PEER, None)

    async def test_a_changed_password_counts_at_once(self, server: Server, http: httpx.AsyncClient) -> None:
        assert (await http.get(PATH)).status_code == 200
        await server.credentials.remove(ALICE)
        assert (await http.get(PATH)).status_code == 401


class TestAssertedIdentity:
    """X-XCAP-Asserted-Identity, from configured networks only."""

    @pytest.fixture
    def proxied(self, server: Server) -> Server:
        networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
        server.rules = AuthenticationRules(domains=("example.com",), trusted_peers=networks)
        return server

    @pytest.mark.parametrize("peer", ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::1"])
    @pytest.mark.parametrize(
        "value", [ALICE, f'"{ALICE}"', f"<{ALICE}>", f'"{BOB}", "{ALICE}"', "SIP:alice@Example.COM"]
    )
    async def test_a_trusted_peer_is_believed(self, proxied: Server, peer: str, value: str) -> None:
        async with client(proxied, peer=peer) as http:
            answer = await http.get(PATH, headers={"X-XCAP-Asserted-Identity": value})
        assert answer.status_code == 404

    async def test_the_asserted_user_is_authorized_as_any_other(self, proxied: Server) -> None:
        async with client(proxied, peer="192.0.2.9") as http:
            answer = await http.get(PATH, headers={"X-XCAP-Asserted-Identity": BOB})
        assert answer.status_code == 403

    @pytest.mark.parametrize("peer", ["198.51.100.1", "2001:db9::1", "not an address"])
    async def test_from_anyone_else_the_header_means_nothing(self, proxied: Server, peer: str) -> None:
        headers = {"X-XCAP-Asserted-Identity": ALICE, "X-Forwarded-For": "192.0.2.9"}
        async with client(proxied, peer=peer) as http:
            assert (await http.get(PATH, headers=headers)).status_code == 401

    async def test_a_trusted_peer_that_asserts_nobody_is_asked(self, proxied: Server) -> None:
        async with client(proxied, peer="192.0.2.9") as http:
            assert (await http.get(PATH)).status_code == 401

    async def test_nobody_is_trusted_by_default(self, server: Server) -> None:
        async with client(server, peer="127.0.0.1") as http:
            assert (await http.get(PATH, headers={"X-XCAP-Asserted-Identity": ALICE})).status_code == 401


def test_credentials_survive_the_way_through_a_header() -> None:
    challenge = Challenge("r", "n", Algorithm.SHA256)
    header = authorization(challenge, 'al"ice', "p", "GET", '/~~/a[@b="c"]', cnonce="c")
    assert Credentials.parse(header).uri == '/~~/a[@b="c"]'
