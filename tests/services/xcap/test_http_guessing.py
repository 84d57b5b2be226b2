"""What a guesser of passwords meets: the same answer after the same time, and then waiting."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from tests.services.xcap.conftest import ALICE, BOB, PASSWORD, Server
from tests.services.xcap.test_xcap_http import PATH, alice, challenges, client
from xcap.client import DigestAuth
from xcap.core.digest import Algorithm, authorization
from xcap.http import AuthenticationRules
from xcap.http.authenticator import REFUSAL_TIME
from xcap.ports import Credential
from xcap.storage.memory import MemoryCredentialStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

HOME, AWAY = "192.0.2.1", "198.51.100.1"


async def guess(server: Server, *, username: str = "alice", times: int = 1, peer: str = AWAY) -> list[int]:
    """The answers to wrong passwords."""
    answers = []
    for _ in range(times):
        async with client(server, auth=DigestAuth(username, "wrong"), peer=peer) as http:
            answers.append((await http.get(PATH)).status_code)
    return answers


async def login(server: Server, peer: str = AWAY) -> httpx.Response:
    async with client(server, auth=alice(), peer=peer) as http:
        return await http.get(PATH)


async def test_after_some_failures_the_answer_is_429_with_retry_after(server: Server) -> None:
    """RFC 6585 §4. Not even the right password is looked at."""
    assert await guess(server, times=4) == [401, 401, 401, 429]
    answer = await login(server)
    assert (answer.status_code, answer.text) == (429, "too many failed logins\n")
    assert answer.headers["retry-after"] == "1"
    assert "www-authenticate" not in answer.headers


async def test_after_the_wait_the_right_password_gets_in(server: Server) -> None:
    await guess(server, times=3)
    server.now += 1.0
    assert (await login(server)).status_code == 404


async def test_nobody_is_locked_out_by_guesses_from_elsewhere(server: Server) -> None:
    assert (await login(server, HOME)).status_code == 404
    await guess(server, times=10)
    assert (await login(server, HOME)).status_code == 404
    assert (await login(server, "203.0.113.1")).status_code == 429


async def test_unknown_users_are_held_back_like_known_ones(server: Server) -> None:
    assert await guess(server, username="alice", times=5) == await guess(
        server, username="nobody", times=5, peer="198.51.100.2"
    )


async def test_a_source_is_held_back_whomever_it_names(server: Server) -> None:
    for number in range(5):
        assert await guess(server, username=f"u{number}") == [401]
    assert await guess(server, username="another") == [429]
    assert await guess(server, username="another", peer=HOME) == [401]


async def test_a_forwarding_header_makes_no_new_source(server: Server) -> None:
    for number in range(5):
        await guess(server, username=f"u{number}")
    async with client(server, auth=alice(), peer=AWAY) as http:
        assert (await http.get(PATH, headers={"X-Forwarded-For": HOME})).status_code == 429


async def test_users_behind_a_trusted_proxy_do_not_hold_each_other_back(server: Server) -> None:
    server.rules = AuthenticationRules(domains=("example.com",), trusted_peers=(ip_network("198.51.100.0/24"),))
    for number in range(10):
        await guess(server, username=f"u{number}")
    assert (await login(server)).status_code == 404


async def test_who_only_needs_a_new_nonce_is_no_guesser(server: Server) -> None:
    async with client(server, auth=alice()) as http:
        for _ in range(20):
            server.now += 3600
            assert (await http.get(PATH)).status_code == 404


async def test_requests_without_credentials_are_challenged_however_often(server: Server) -> None:
    async with client(server) as http:
        assert {(await http.get(PATH)).status_code for _ in range(50)} == {401}


@pytest.mark.parametrize("guessed", [("alice", "wrong"), ("nobody", PASSWORD), ("alice", PASSWORD)])
async def test_a_refusal_takes_its_time_whatever_is_wrong(server: Server, guessed: tuple[str, str]) -> None:
    """Of the three, the last is right, and is not delayed."""
    async with client(server) as http:
        challenge = challenges(await http.get(PATH))[0]
        header = authorization(challenge, *guessed, "GET", PATH, cnonce="c")
        before = server.now
        answer = await http.get(PATH, headers={"Authorization": header})
    expected = (404, 0.0) if guessed == ("alice", PASSWORD) else (401, REFUSAL_TIME)
    assert (answer.status_code, server.now - before) == pytest.approx(expected)


async def test_the_answers_to_an_unknown_user_and_a_wrong_password_differ_in_the_nonce_alone(server: Server) -> None:
    answers = []
    async with client(server) as http:
        for username in ("alice", "nobody"):
            challenge = challenges(await http.get(PATH))[0]
            header = authorization(challenge, username, "wrong", "GET", PATH, cnonce="c")
            answers.append(await http.get(PATH, headers={"Authorization": header}))
    assert shown(answers[0]) == shown(answers[1])


def shown(answer: httpx.Response) -> tuple[int, str, Sequence[str], list[tuple[str, Algorithm, bool]]]:
    said = [(challenge.realm, challenge.algorithm, challenge.stale) for challenge in challenges(answer)]
    return answer.status_code, answer.text, sorted(answer.headers), said


class SlowCredentials(MemoryCredentialStore):
    """A store in which others get their turn while one looks something up."""

    async def credential(self, user: str) -> Credential | None:
        await asyncio.sleep(0)
        return await super().credential(user)


async def test_of_many_guesses_at_once_no_more_are_looked_at_than_one_after_the_other(server: Server) -> None:
    """The count is taken in the same step as the comparison."""
    server.credentials = SlowCredentials()
    await server.credentials.put(Credential.of(ALICE, "example.com", PASSWORD))
    async with client(server, peer=AWAY) as http:
        challenge = challenges(await http.get(PATH))[0]
        headers = [
            {"Authorization": authorization(challenge, "alice", str(n), "GET", PATH, nc=n, cnonce="c")}
            for n in range(1, 21)
        ]
        answers = await asyncio.gather(*(http.get(PATH, headers=each) for each in headers))
    assert [answer.status_code for answer in answers].count(401) == 3


async def test_lines_for_fail2ban_have_the_peer_and_no_password(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await guess(server, times=4)
    await guess(server, username="my-password-by-mistake", peer=HOME)
    records = [record for record in caplog.records if record.name == "xcap.http.authenticator"]
    said = [(record.message, record.__dict__["peer"], record.__dict__.get("user", "-")) for record in records]
    assert said == [("login failed", AWAY, ALICE)] * 3 + [("login held back", AWAY, "-"), ("login failed", HOME, None)]


async def test_a_client_that_reads_the_first_challenge_only_gets_the_one_it_knows(server: Server) -> None:
    async with client(server) as http:
        ordinary = challenges(await http.get(PATH))
        urllib = challenges(await http.get(PATH, headers={"User-Agent": "Python-urllib/3.11"}))
    assert [challenge.algorithm for challenge in ordinary] == [Algorithm.SHA256, Algorithm.MD5]
    assert [challenge.algorithm for challenge in urllib] == [Algorithm.MD5, Algorithm.SHA256]


async def test_an_algorithm_that_is_not_offered_is_not_offered_to_it_either(server: Server) -> None:
    server.rules = AuthenticationRules(domains=("example.com",), algorithms=(Algorithm.SHA256,))
    async with client(server) as http:
        offered = challenges(await http.get(PATH, headers={"User-Agent": "Python-urllib/3.11"}))
    assert [challenge.algorithm for challenge in offered] == [Algorithm.SHA256]


async def test_bob_is_not_alice(server: Server) -> None:
    async with client(server, auth=DigestAuth(BOB, PASSWORD)) as http:
        assert (await http.put(PATH, content=b"<a/>")).status_code == 403
        assert (await http.delete(PATH)).status_code == 403
