"""`docs/xcap-usages.md` says what is served, and shows how to add a usage: both are held to here."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abserver.domain.usages import OURS
from xcap.core.errors import SchemaValidationError, UniquenessFailure
from xcap.core.etag import Conditions
from xcap.core.selector import NodeKind
from xcap.core.uri import ResourceUri
from xcap.core.usage import ApplicationUsage, Usages
from xcap.core.usages import STANDARD
from xcap.ports import Change, DocumentKey
from xcap.service import Representation, XcapService
from xcap.sources import standard_sources
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[3] / "docs" / "xcap-usages.md").read_text(encoding="utf-8")
ALICE, BOB = "sip:alice@example.com", "sip:bob@example.com"
ALWAYS = Conditions()


def block(name: str, language: str) -> str:
    """The code block that follows the name of its file."""
    found = re.search(rf"`{re.escape(name)}`[^\n]*:\n\n```{language}\n(.*?)```\n", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def bookmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApplicationUsage]:
    """The usage of the page, in a package of its own."""
    package = tmp_path / "example_usages"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "bookmarks.xsd").write_text(block("bookmarks.xsd", "xml"), encoding="utf-8")
    (package / "bookmarks.py").write_text(block("bookmarks.py", "python"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    usage = importlib.import_module("example_usages.bookmarks").BOOKMARKS
    assert isinstance(usage, ApplicationUsage)
    yield usage
    for module in ("example_usages.bookmarks", "example_usages"):
        del sys.modules[module]


class World:
    def __init__(self, usage: ApplicationUsage) -> None:
        self.usage = usage
        usages, store = Usages([*STANDARD, usage]), MemoryDocumentStore()
        self.service = XcapService(usages, store, self, sources=standard_sources(usages, store, "/xcap-root"))

    def changed(self, change: Change) -> None:
        """Nobody listens."""

    async def put(self, user: str, links: str) -> None:
        content = f'<bookmarks xmlns="urn:example:bookmarks">{links}</bookmarks>'.encode()
        await self.service.put(user, self.at(user), content, self.usage.media_type, ALWAYS)

    async def get(self, user: str, resource: ResourceUri) -> bytes:
        found = await self.service.get(user, resource, ALWAYS)
        assert isinstance(found, Representation)
        return found.content

    def at(self, user: str, node: str | None = None) -> ResourceUri:
        return ResourceUri(DocumentKey(self.usage.auid, user, "index"), node)


@pytest.fixture
def world(bookmarks: ApplicationUsage) -> World:
    return World(bookmarks)


async def test_the_usage_of_the_page_keeps_and_checks_its_documents(world: World) -> None:
    await world.put(ALICE, '<link href="https://a.example" shared-as="news">A</link>')
    node = world.at(ALICE, 'bookmarks/link[@href="https://b.example"]')
    link = b'<link href="https://b.example">B</link>'
    await world.service.put(ALICE, node, link, NodeKind.ELEMENT.value, ALWAYS)
    assert await world.get(ALICE, node) == link
    with pytest.raises(SchemaValidationError):
        await world.put(ALICE, "<link/>")
    with pytest.raises(UniquenessFailure) as twice:
        await world.put(ALICE, '<link href="https://a.example"/>' * 2)
    assert [field.field for field in twice.value.fields] == ["bookmarks/link%5B2%5D/@href"]
    with pytest.raises(UniquenessFailure) as taken:
        await world.put(BOB, '<link href="https://a.example" shared-as="news"/>')
    [field] = taken.value.fields
    assert (field.field, field.alternatives) == ("bookmarks/link%5B1%5D/@shared-as", ("news-2", "news-3", "news-4"))


async def test_a_usage_that_was_added_is_announced_and_listed(world: World) -> None:
    await world.put(ALICE, "")
    capabilities = await world.get(ALICE, ResourceUri(DocumentKey("xcap-caps", None, "index")))
    assert b"<auid>com.example.bookmarks</auid>" in capabilities
    assert b"<namespace>urn:example:bookmarks</namespace>" in capabilities
    directory = DocumentKey("org.openmobilealliance.xcap-directory", ALICE, "directory.xml")
    assert b"/xcap-root/com.example.bookmarks/users/" in await world.get(ALICE, ResourceUri(directory))


def test_the_table_of_the_page_is_what_is_served() -> None:
    rows = {
        cells[0]: cells
        for cells in re.findall(r"^\| `([\w.-]+)` \| ([^|]*) \| `([^|]*)` \| `([^|]*)` \|", PAGE, re.MULTILINE)
    }
    usages = [*STANDARD, *OURS]
    assert list(rows) == [usage.auid for usage in usages]
    for usage in usages:
        _, documents, media_type, namespace = rows[usage.auid]
        assert (media_type, namespace) == (usage.media_type, usage.default_namespace)
        known = DocumentKey(usage.auid, None if "global/" in documents else ALICE, "index")
        assert ("computed" in documents) == usage.computed(known)
        if usage.names is not None:
            assert usage.names <= set(re.findall(r"`(?:global/)?([^`]+)`", documents))
