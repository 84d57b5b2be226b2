"""Python's urllib, on which XCAP clients are built, as they use it: raw quotes in selectors, its own digest."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.services.xcap.conftest import ALICE, NOTES, PASSWORD, ROOT, Server, listening
from xcap.ports import Credential

PROGRAM = Path(__file__).with_name("urllib_client.py")
CONTENT = b'<notes xmlns="urn:test:notes"><n id="a">1</n><n id="b c">2</n></notes>'
DOCUMENT = f"notes/users/{ALICE}/index"
ELEMENT = "application/xcap-el+xml"


class Urllib:
    """A server with one user, and a way to ask it."""

    async def start(self) -> Urllib:
        self._server = Server()
        await self._server.credentials.put(Credential.of(ALICE, "example.com", PASSWORD))
        return self

    async def __call__(
        self, *asked: tuple[str, str, bytes, str] | tuple[str, str], password: str = PASSWORD
    ) -> list[tuple[int, bytes]]:
        """The answers to requests, each (method, path) or (method, path, body, type)."""
        answers = []
        async with listening(self._server.app()) as port:
            for method, path, *rest in asked:
                root = f"http://127.0.0.1:{port}{ROOT}/"
                body, kind = rest or (b"", "")
                line = [root, "alice", password, method, path, str(kind)]
                process = await asyncio.create_subprocess_exec(
                    sys.executable, PROGRAM, *line, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
                )
                output, _ = await process.communicate(body if isinstance(body, bytes) else None)
                status, _, said = output.partition(b"\n")
                answers.append((int(status), said))
        return answers


@pytest.fixture
async def urllib() -> Urllib:
    return await Urllib().start()


async def test_urllib_puts_gets_and_deletes(urllib: Urllib) -> None:
    assert await urllib(
        ("PUT", DOCUMENT, CONTENT, NOTES.media_type), ("GET", DOCUMENT), ("DELETE", DOCUMENT), ("GET", DOCUMENT)
    ) == [(201, b""), (200, CONTENT), (200, b""), (404, b"there is no such document\n")]


async def test_raw_quotes_in_a_selector_end_in_no_loop_of_401(urllib: Urllib) -> None:
    """The digest's `uri` repeats them without escapes, and is read all the same."""
    first, second = (200, b'<n id="a">1</n>'), (200, b'<n id="b c">2</n>')
    assert await urllib(
        ("PUT", DOCUMENT, CONTENT, NOTES.media_type),
        ("GET", f'{DOCUMENT}/~~/notes/n[@id="a"]'),
        ("GET", f"{DOCUMENT}/~~/notes/n[@id='a']"),
        ("GET", f"{DOCUMENT}/~~/notes/n%5B@id=%22b%20c%22%5D"),
        ("GET", f'{DOCUMENT}/~~/p:notes/p:n[@id="a"]?xmlns(p=urn:test:notes)'),
    ) == [(201, b""), first, first, second, first]


async def test_an_element_is_put_at_a_selector_with_raw_quotes(urllib: Urllib) -> None:
    node = f'{DOCUMENT}/~~/notes/n[@id="a"]'
    assert await urllib(
        ("PUT", DOCUMENT, CONTENT, NOTES.media_type), ("PUT", node, b'<n id="a">3</n>', ELEMENT), ("GET", node)
    ) == [(201, b""), (200, b""), (200, b'<n id="a">3</n>')]


async def test_a_body_beyond_the_bound_gets_its_answer_and_no_reset(urllib: Urllib) -> None:
    """urllib sends it all before it reads: what it sends is read to the end, or the answer would be lost."""
    [(status, said)] = await urllib(("PUT", DOCUMENT, b" " * 1_500_000, NOTES.media_type))
    assert (status, said) == (413, b"more than 10000 bytes\n")


async def test_a_wrong_password_stays_outside(urllib: Urllib) -> None:
    """urllib tries several times, and is held back then."""
    [(status, _)] = await urllib(("GET", DOCUMENT), password="wrong")
    assert status in (401, 429)
