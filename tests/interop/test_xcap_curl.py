"""curl against the document server: digest, conditional requests, and selectors in every spelling of the path."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.services.xcap.conftest import ALICE, NOTES, PASSWORD, ROOT, Server, listening
from tests.support.programs import CURL, needs
from xcap.ports import Credential

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = needs(CURL)

CONTENT = '<notes xmlns="urn:test:notes"><n id="a/b">1</n><n id="~~">2</n></notes>'


class Curl:
    """One server's address, and a way to ask it."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}{ROOT}"

    async def __call__(
        self, path: str, *options: str, user: str = "alice", password: str = PASSWORD
    ) -> tuple[str, str]:
        """Status and body of the last answer; the header fields come before the body with `-i`."""
        arguments = ["-sS", "-g", "--path-as-is", "--digest", "-u", f"{user}:{password}", "-w", "\n%{http_code}"]
        process = await asyncio.create_subprocess_exec(
            "curl", *arguments, *options, self._base + path, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        body, _, status = output.decode().rpartition("\n")
        return status, body


@pytest.fixture
async def curl() -> AsyncIterator[Curl]:
    server = Server()
    for user in (ALICE, "sip:a/b@example.com"):
        await server.credentials.put(Credential.of(user, "example.com", PASSWORD))
    async with listening(server.app()) as port:
        yield Curl(port)


def put(content: str, media_type: str = NOTES.media_type) -> tuple[str, ...]:
    return ("-X", "PUT", "--data-binary", content, "-H", f"Content-Type: {media_type}")


async def test_curl_puts_gets_changes_and_deletes(curl: Curl) -> None:
    path = f"/notes/users/{ALICE}/index"
    assert await curl(path, *put(CONTENT)) == ("201", "")
    assert await curl(path) == ("200", CONTENT)
    element = put("<n>3</n>", "application/xcap-el+xml")
    assert await curl(f"{path}/~~/notes/n%5B3%5D", *element, "-H", 'If-Match: "old"') == (
        "412",
        "the document is not in the version that the request names\n",
    )
    assert await curl(f"{path}/~~/notes/n%5B3%5D", *element) == ("201", "")
    assert await curl(path) == ("200", CONTENT.replace("</notes>", "<n>3</n></notes>"))
    assert await curl(path, "-X", "DELETE") == ("200", "")
    assert await curl(path) == ("404", "there is no such document\n")


@pytest.mark.parametrize("user", ["alice", "alice@example.com"])
async def test_curl_gets_in_by_either_form_of_a_name(curl: Curl, user: str) -> None:
    assert await curl(f"/notes/users/{ALICE}/index", *put(CONTENT), user=user) == ("201", "")


async def test_curl_with_a_wrong_password_stays_outside(curl: Curl) -> None:
    status, _ = await curl(f"/notes/users/{ALICE}/index", password="wrong")
    assert status == "401"


@pytest.mark.parametrize(
    "selector",
    [
        "notes/n%5B1%5D",
        "notes/n[1]",
        "notes/n%5B@id=%22a/b%22%5D",
        "notes/n[@id=%22a%2Fb%22]",
        'notes/n[@id="a/b"]',
        "notes/n[@id='a/b']",
        "p:notes/p:n%5b1%5d?xmlns(p=urn:test:notes)",
    ],
)
async def test_a_selector_reaches_the_parser_undecoded_however_it_is_written(curl: Curl, selector: str) -> None:
    path = f"/notes/users/{ALICE}/index"
    await curl(path, *put(CONTENT))
    assert await curl(f"{path}/~~/{selector}") == ("200", '<n id="a/b">1</n>')


async def test_only_the_first_separator_separates(curl: Curl) -> None:
    path = f"/notes/users/{ALICE}/index"
    await curl(path, *put(CONTENT))
    for separator in ("~~", "%7E%7E", "%7e~"):
        assert await curl(f"{path}/{separator}/notes/n[@id=%22~~%22]") == ("200", '<n id="~~">2</n>')


async def test_an_encoded_slash_stays_in_the_name_of_a_user(curl: Curl) -> None:
    path = "/notes/users/sip%3Aa%2Fb%40example.com/index"
    assert await curl(path, *put(CONTENT), user="a/b") == ("201", "")
    assert await curl(path, user="a/b") == ("200", CONTENT)
    status, _ = await curl("/notes/users/sip:a/b@example.com/index", user="a/b")
    assert status == "403"  # the tree of sip:a


async def test_a_large_body_is_not_sent_before_the_user_is_known(curl: Curl) -> None:
    """curl waits for 100 Continue, gets the challenge instead, and sends the body once, with its credentials."""
    large = CONTENT.replace("1</n>", "1</n>" + "<!-- -->" * 1000)
    status, trace = await curl(
        f"/notes/users/{ALICE}/index", *put(large), "-H", "Expect: 100-continue", "--expect100-timeout", "30", "-i"
    )
    assert status == "201"
    assert "401 Unauthorized" in trace
    assert trace.count("100 Continue") <= 1


async def test_curl_over_http_1_0_is_served(curl: Curl) -> None:
    path = f"/notes/users/{ALICE}/index"
    assert await curl(path, *put(CONTENT), "--http1.0") == ("201", "")
    assert await curl(path, "--http1.0") == ("200", CONTENT)


async def test_curl_asks_for_the_head_alone(curl: Curl) -> None:
    path = f"/notes/users/{ALICE}/index"
    await curl(path, *put(CONTENT))
    status, head = await curl(path, "--head")
    assert status == "200"
    assert f"content-length: {len(CONTENT)}" in head
    assert CONTENT not in head


async def test_curl_that_sends_chunks_is_served(curl: Curl) -> None:
    path = f"/notes/users/{ALICE}/index"
    assert await curl(path, *put(CONTENT), "-H", "Transfer-Encoding: chunked") == ("201", "")
    assert await curl(path) == ("200", CONTENT)


async def test_a_compressed_body_is_refused_with_the_reason(curl: Curl) -> None:
    status, said = await curl(f"/notes/users/{ALICE}/index", *put(CONTENT), "-H", "Content-Encoding: gzip", "-i")
    assert status == "415"
    assert "accept-encoding: identity" in said
    assert said.endswith("bodies with a Content-Encoding are not taken\n")


async def test_curl_that_offers_http_2_is_served_as_it_is(curl: Curl) -> None:
    path = f"/notes/users/{ALICE}/index"
    assert await curl(path, *put(CONTENT), "--http2") == ("201", "")
    assert await curl(path, "--http2") == ("200", CONTENT)


async def test_whoever_tries_passwords_is_told_to_wait(curl: Curl) -> None:
    path = f"/notes/users/{ALICE}/index"
    answers = [await curl(path, "-i", password=str(number)) for number in range(5)]
    assert [status for status, _ in answers] == ["401", "401", "401", "429", "429"]
    assert "retry-after: 1" in answers[-1][1]
    assert await curl(path) == ("429", "too many failed logins\n")


async def test_the_page_at_the_root_is_text_for_curl_and_needs_no_login(curl: Curl) -> None:
    status, page = await curl("/", user="nobody")
    assert status == "200"
    assert page.startswith("XCAP server")
