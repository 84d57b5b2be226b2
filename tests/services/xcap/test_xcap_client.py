"""The client, sync and async, against a server on a real socket."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.services.xcap.conftest import ALICE, BOB, NOTES, PASSWORD, ROOT, Server
from xcap.client import AsyncXcapClient, DigestAuth, Refused, XcapClient
from xcap.client.speaker import ATTEMPTS
from xcap.core.digest import Algorithm, Challenge, Nonces, Qop
from xcap.core.errorbody import error_body
from xcap.core.errors import Conflict, NoParent, NotUnique, UniquenessFailure
from xcap.core.etag import etag_of
from xcap.core.uri import ResourceUri
from xcap.ports import Credential, DocumentKey

KEY = DocumentKey("notes", ALICE, "index")
CONTENT = b'<notes xmlns="urn:test:notes"><n id="a">1</n></notes>'


def root(port: int) -> str:
    return f"http://127.0.0.1:{port}{ROOT}"


async def test_documents_and_nodes_are_put_fetched_and_deleted(port: int) -> None:
    async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
        created = await client.put(KEY, CONTENT, media_type=NOTES.media_type)
        assert created.created
        assert created.etag == etag_of(CONTENT)
        node = ResourceUri(KEY, 'q:notes/q:n[@id="a"]', {"q": "urn:test:notes"})
        attribute = ResourceUri(KEY, 'notes/n[@id="a"]/@lang')
        changed = await client.put(node, b'<n id="a">\xc3\xbc</n>', if_match=created.etag)
        assert not changed.created
        assert (await client.put(attribute, b'"de"')).created
        fetched = await client.get(node)
        assert fetched is not None
        assert (fetched.content, fetched.media_type) == (b'<n id="a" lang="de">\xc3\xbc</n>', "application/xcap-el+xml")
        assert await client.get(KEY, if_none_match=fetched.etag) is None
        left = await client.delete(node, if_match=fetched.etag)
        assert left == etag_of(b'<notes xmlns="urn:test:notes"></notes>')
        assert await client.delete(KEY) is None


async def test_clients_say_what_they_are(server: Server, port: int) -> None:
    async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
        await client.put(KEY, CONTENT, media_type=NOTES.media_type)
    async with AsyncXcapClient(root(port), "alice", PASSWORD, agent="robot/2") as client:
        await client.delete(KEY)
    assert [change.agent for change in server.sink.changes] == ["xcap", "robot"]


async def test_the_blocking_client_says_the_same(port: int) -> None:
    def story() -> bytes:
        with XcapClient(root(port), "alice@example.com", PASSWORD) as client:
            version = client.put(KEY, CONTENT, media_type=NOTES.media_type, only_new=True)
            client.put(ResourceUri(KEY, "notes/m"), b"<m/>", if_match=version.etag)
            client.delete(ResourceUri(KEY, "notes/n"))
            fetched = client.get(KEY)
            assert fetched is not None
            return fetched.content

    assert await asyncio.to_thread(story) == b'<notes xmlns="urn:test:notes"><m/></notes>'


async def test_refusals_carry_status_condition_and_phrase(port: int) -> None:
    async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
        with pytest.raises(Refused) as conflict:
            await client.put(ResourceUri(KEY, "notes/n"), b"<n/>")
        assert (conflict.value.status, conflict.value.condition) == (409, "no-parent")
        with pytest.raises(Refused) as missing:
            await client.get(KEY)
        assert str(missing.value) == "404 there is no such document"
        await client.put(KEY, CONTENT, media_type=NOTES.media_type)
        with pytest.raises(Refused, match="412"):
            await client.put(KEY, CONTENT, media_type=NOTES.media_type, only_new=True)
        with pytest.raises(Refused, match="403"):
            await client.delete(DocumentKey("notes", BOB, "index"))


async def test_a_document_needs_its_media_type(port: int) -> None:
    async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
        with pytest.raises(ValueError, match="media type"):
            await client.put(KEY, CONTENT)


async def test_a_wrong_password_is_refused_after_one_try(port: int) -> None:
    async with AsyncXcapClient(root(port), "alice", "wrong") as client:
        with pytest.raises(Refused, match="401"):
            await client.get(KEY)


async def test_hashes_serve_instead_of_a_password(server: Server, port: int) -> None:
    """What the command line does: it reads the database and knows no password."""
    credential = await server.credentials.credential(ALICE)
    assert credential is not None
    async with AsyncXcapClient(root(port), "alice", credential.ha1) as client:
        await client.put(KEY, CONTENT, media_type=NOTES.media_type)
    only_md5 = {key: ha1 for key, ha1 in credential.ha1.items() if key[0] is Algorithm.MD5}
    async with AsyncXcapClient(root(port), "alice", only_md5) as client:
        assert await client.get(KEY) is not None


async def test_a_nonce_is_used_for_many_requests_and_replaced_when_stale(server: Server, port: int) -> None:
    async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
        await client.put(KEY, CONTENT, media_type=NOTES.media_type)
        await asyncio.gather(*(client.get(KEY) for _ in range(20)))
        server.now += 3600
        assert await client.get(KEY) is not None


async def test_of_many_requests_at_once_one_creates_and_every_node_stays(port: int) -> None:
    async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
        creations = await asyncio.gather(
            *(client.put(KEY, CONTENT, media_type=NOTES.media_type, only_new=True) for _ in range(10)),
            return_exceptions=True,
        )
        assert sorted(getattr(result, "status", 201) for result in creations) == [201] + [412] * 9
        nodes = [ResourceUri(KEY, f'notes/m[@id="{n}"]') for n in range(20)]
        await asyncio.gather(*(client.put(node, f'<m id="{n}"/>'.encode()) for n, node in enumerate(nodes)))
        fetched = await client.get(KEY)
        assert fetched is not None
        assert all(f'<m id="{n}"/>'.encode() in fetched.content for n in range(20))


async def test_a_changed_password_is_noticed_in_the_middle(server: Server, port: int) -> None:
    async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
        await client.put(KEY, CONTENT, media_type=NOTES.media_type)
        await server.credentials.put(Credential.of(ALICE, "example.com", "another"))
        with pytest.raises(Refused, match="401"):
            await client.get(KEY)


class TestUpdates:
    """Read, change, write on condition that nobody else wrote meanwhile; else again."""

    NODE = ResourceUri(KEY, "notes/count")

    @staticmethod
    def increment(content: bytes | None) -> bytes:
        count = 0 if content is None else int(content.removeprefix(b"<count>").removesuffix(b"</count>"))
        return b"<count>%d</count>" % (count + 1)

    async def test_of_many_updates_at_once_none_is_lost(self, port: int) -> None:
        async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
            await client.put(KEY, CONTENT, media_type=NOTES.media_type)
            await asyncio.gather(*(client.update(self.NODE, self.increment) for _ in range(10)))
            fetched = await client.get(self.NODE)
        assert fetched is not None
        assert fetched.content == b"<count>10</count>"

    async def test_the_blocking_client_updates_too(self, port: int) -> None:
        def story() -> list[tuple[bool, str]]:
            with XcapClient(root(port), "alice", PASSWORD) as client:
                made = client.update(KEY, lambda _: CONTENT, media_type=NOTES.media_type)
                same = client.update(KEY, lambda content: content or b"")
                first = client.update(self.NODE, self.increment)
                second = client.update(self.NODE, self.increment)
            return [(each.created, each.etag) for each in (made, same, first, second)]

        done = await asyncio.to_thread(story)
        assert [created for created, _ in done] == [True, False, True, False]
        assert len({etag for _, etag in done}) == 3

    async def test_a_document_that_exists_needs_no_media_type_and_a_new_one_does(self, port: int) -> None:
        async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
            with pytest.raises(ValueError, match="media type"):
                await client.update(KEY, lambda _: CONTENT)
            await client.put(KEY, CONTENT, media_type=NOTES.media_type)
            await client.update(KEY, lambda content: (content or b"").replace(b"1", b"2"))
            fetched = await client.get(KEY)
        assert fetched is not None
        assert fetched.content == CONTENT.replace(b"1", b"2")

    async def test_a_node_of_no_document_is_refused_with_the_reason(self, port: int) -> None:
        async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
            with pytest.raises(Refused, match="no-parent"):
                await client.update(self.NODE, self.increment)

    async def test_what_the_change_raises_ends_the_update(self, port: int) -> None:
        async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
            await client.put(KEY, CONTENT, media_type=NOTES.media_type)
            with pytest.raises(ZeroDivisionError):
                await client.update(KEY, lambda _: b"%d" % (1 // 0))
            fetched = await client.get(KEY)
        assert fetched is not None
        assert fetched.content == CONTENT

    async def test_what_is_refused_before_the_change_never_asks_for_it(self, port: int) -> None:
        async with AsyncXcapClient(root(port), "alice", PASSWORD) as client:
            with pytest.raises(Refused, match="403"):
                await client.update(DocumentKey("notes", BOB, "index"), lambda _: pytest.fail("called"))

    async def test_who_always_comes_too_late_is_told_in_the_end(self) -> None:
        puts = 0

        def others_were_faster(request: httpx.Request) -> httpx.Response:
            nonlocal puts
            if request.method != "PUT":
                return httpx.Response(200, content=CONTENT, headers={"ETag": f'"{puts}"', "Content-Type": "a/b"})
            assert request.headers["if-match"] == f'"{puts}"'
            puts += 1
            return httpx.Response(412)

        transport = httpx.MockTransport(others_were_faster)
        async with AsyncXcapClient("http://h/r", "alice", PASSWORD, transport=transport) as client:
            with pytest.raises(Refused) as refused:
                await client.update(KEY, lambda _: b"<new/>")
        assert (refused.value.status, puts) == (412, ATTEMPTS)


class TestRefusals:
    """What an answer says beside its status."""

    @staticmethod
    async def refusal(answer: httpx.Response) -> Refused:
        transport = httpx.MockTransport(lambda _: answer)
        async with AsyncXcapClient("http://h/r", "alice", PASSWORD, transport=transport) as client:
            with pytest.raises(Refused) as refused:
                await client.get(KEY)
        return refused.value

    @staticmethod
    def conflict(error: Conflict) -> httpx.Response:
        return httpx.Response(409, content=error_body(error), headers={"Content-Type": "application/xcap-error+xml"})

    async def test_the_closest_parent_that_exists(self) -> None:
        refused = await self.refusal(self.conflict(NoParent("notes/n%5B1%5D")))
        assert (refused.condition, refused.ancestor) == ("no-parent", "notes/n%5B1%5D")

    async def test_what_is_not_unique_and_what_would_be(self) -> None:
        fields = (NotUnique("a/@b", ("1", "2")), NotUnique("a/@c"))
        refused = await self.refusal(self.conflict(UniquenessFailure(fields)))
        assert (refused.condition, refused.fields) == ("uniqueness-failure", fields)

    @pytest.mark.parametrize(
        ("field", "seconds"), [({"Retry-After": "7"}, 7), ({"Retry-After": "soon"}, None), ({}, None)]
    )
    async def test_when_to_try_again(self, field: dict[str, str], seconds: int | None) -> None:
        refused = await self.refusal(httpx.Response(429, headers=field))
        assert (refused.status, refused.retry_after) == (429, seconds)


class TestDigestAuth:
    """The flow of requests, without a server."""

    @staticmethod
    def refuse(*challenges: Challenge) -> httpx.Response:
        return httpx.Response(401, headers=[("WWW-Authenticate", str(challenge)) for challenge in challenges])

    @staticmethod
    def tries(auth: DigestAuth, *responses: httpx.Response) -> list[str | None]:
        """The Authorization of each request that is sent while these responses come."""
        request = httpx.Request("GET", "http://h/x")
        flow = auth.auth_flow(request)
        sent = [next(flow).headers.get("authorization")]
        for response in responses:
            try:
                sent.append(flow.send(response).headers.get("authorization"))
            except StopIteration:
                break
        return sent

    def test_the_first_challenge_that_can_be_answered_is(self) -> None:
        known = {(Algorithm.MD5, "u"): "0" * 32}
        offered = self.refuse(Challenge("r", "n", Algorithm.SHA256), Challenge("r", "n", Algorithm.MD5))
        [first, second] = self.tries(DigestAuth("u", known), offered)
        assert first is None
        assert "algorithm=MD5" in str(second)

    def test_without_an_answerable_challenge_the_refusal_stands(self) -> None:
        auth = DigestAuth("u", {})
        assert self.tries(auth, self.refuse(Challenge("r", "n"))) == [None]
        assert self.tries(
            DigestAuth("u", "p"), httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="r"'})
        ) == [None]

    def test_counts_go_up_and_start_again_with_a_new_nonce(self) -> None:
        auth = DigestAuth("u", "p")
        nonces = Nonces(b"s" * 16)
        self.tries(auth, self.refuse(Challenge("r", nonces.mint(1.0))))
        [second] = self.tries(auth)
        assert "nc=00000002" in str(second)
        [third, fourth] = self.tries(auth, self.refuse(Challenge("r", nonces.mint(2.0), stale=True)))
        assert "nc=00000003" in str(third)
        assert "nc=00000001" in str(fourth)

    def test_another_realm_is_answered_and_the_same_one_is_not(self) -> None:
        auth = DigestAuth("u", "p")
        self.tries(auth, self.refuse(Challenge("r", "1")))
        assert len(self.tries(auth, self.refuse(Challenge("r", "2")))) == 1
        assert len(self.tries(auth, self.refuse(Challenge("s", "3")))) == 2

    def test_auth_int_alone_is_answered_too(self) -> None:
        [_, second] = self.tries(DigestAuth("u", "p"), self.refuse(Challenge("r", "n", qops=(Qop.AUTH_INT,))))
        assert "qop=auth-int" in str(second)


@pytest.mark.parametrize("body", [b"", b"<", b'<xcap-error xmlns="urn:ietf:params:xml:ns:xcap-error"/>'])
async def test_a_report_that_cannot_be_read_is_a_refusal_all_the_same(body: bytes) -> None:
    answer = httpx.Response(409, content=body, headers={"Content-Type": "application/xcap-error+xml"})
    transport = httpx.MockTransport(lambda _: answer)
    async with AsyncXcapClient("http://h/r", "alice", PASSWORD, transport=transport) as client:
        with pytest.raises(Refused) as refusal:
            await client.get(KEY)
    assert (refusal.value.status, refusal.value.condition) == (409, None)
