"""Pages of coverage: each statement of an RFC beside the tests that hold the server to it.

The statements are in a TOML file; tests name theirs with `@pytest.mark.rfc(number, section, title)`, wherever they are.
The sources are read, nothing is run.

    [server."6.1"]   title = "what the RFC says of servers"
    [differs."6.2"]  title = ["what it says", "what is done here, and why"]
    [other."6.3"]    title = ["whom it is about", "what it says"]
    [apart]          "sections" = "why nothing in them is for this server"
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, order=True)
class Test:
    """A test function."""

    path: str
    """Of its file, from the root of the repository."""
    name: str


Key = tuple[str, str]
"""Section and title."""


@dataclass(frozen=True)
class Coverage:
    """One RFC."""

    number: str
    folder: Path
    """Where `statements.toml` is."""
    head: str
    tail: str = ""

    @property
    def path(self) -> Path:
        """Of the page."""
        return ROOT / "docs" / f"rfc{self.number}-coverage.md"

    @property
    def statements(self) -> dict[str, dict[str, str]]:
        """Those about servers: section -> title -> text."""
        return dict(self._read()["server"])

    def _read(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "statements.toml").read_text())

    def titles(self) -> set[Key]:
        """All that a test has to name."""
        return {(section, title) for section, entries in self.statements.items() for title in entries}

    def marks(self) -> Mapping[Key, Sequence[Test]]:
        """The tests of each statement, by the marks of test functions."""
        found: dict[Key, list[Test]] = {}
        for path in sorted((ROOT / "tests").rglob("test_*.py")):
            for test, key in self._marked(ast.parse(path.read_bytes()), path.relative_to(ROOT).as_posix()):
                found.setdefault(key, []).append(test)
        return found

    def _marked(self, tree: ast.AST, path: str) -> Iterator[tuple[Test, Key]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.rfc":
                        rfc, section, title = map(ast.literal_eval, decorator.args)
                        if rfc == self.number:
                            yield Test(path, node.name), (section, title)

    def page(self) -> str:
        """The page as it should be."""
        read, tests = self._read(), self.marks()
        parts = [self.head]
        for section, titles in sorted(self.statements.items(), key=lambda item: _order(item[0])):
            parts.append(f"## {section}\n\n| level | statement | tests |\n|---|---|---|\n")
            parts.extend(_row(text, tests.get((section, title), ())) for title, text in titles.items())
            parts.append("\n")
        parts += _differs(read.get("differs", {}))
        parts += _others(read.get("other", {}))
        parts += _apart(read.get("apart", {}))
        return "".join(parts) + self.tail

    def write(self) -> None:
        """Write the page."""
        self.path.write_text(self.page())


def _order(section: str) -> list[int]:
    return [int(part) for part in section.split(".")]


def _differs(entries: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    if entries:
        yield "## Where it is done in another way\n\n| section | statement | here |\n|---|---|---|\n"
        for section, titles in sorted(entries.items(), key=lambda item: _order(item[0])):
            yield from (f"| {section} | {_cell(text)} | {_cell(why)} |\n" for text, why in titles.values())
        yield "\n"


def _others(entries: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    if entries:
        yield "## About others\n\nStatements of the same sections that no server can be held to.\n\n"
        yield "| section | about | statement |\n|---|---|---|\n"
        for section, titles in entries.items():
            yield from (f"| {section} | {who} | {_cell(text)} |\n" for who, text in titles.values())


def _apart(entries: Mapping[str, str]) -> Iterator[str]:
    if entries:
        yield "\n## Sections apart\n\n| sections | why they are not here |\n|---|---|\n"
        yield from (f"| {sections} | {_cell(why)} |\n" for sections, why in entries.items())


def _row(text: str, tests: Sequence[Test]) -> str:
    names = ", ".join(
        f"[{test.name.removeprefix('test_').replace('_', ' ')}](../{test.path})" for test in sorted(tests)
    )
    levels = dict.fromkeys(re.findall(r"\b(?:MUST|SHOULD)(?: NOT| not)?\b|\bMAY\b|\bRECOMMENDED\b", text))
    return f"| {', '.join(levels) or '–'} | {_cell(text)} | {names} |\n"


def _cell(text: str) -> str:
    """Text in a table of Markdown."""
    return re.sub(r"([|<>*_\[\]])", r"\\\1", " ".join(text.split()))
