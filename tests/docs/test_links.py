"""The Markdown pages: whatever one names of the tree is there, and so is the heading that a link leads to.

A link is looked at as a forge shows it: relative to the folder of its page, after `#` the name that a heading is given.
Links out of the tree are not followed.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1\s*?$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_CODE = re.compile(r"`+[^`\n]*`+")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)
_NAMED = re.compile(r"`((?:abserver|xcap|docs|configs|tests)/[\w./-]*)`")
_OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def _pages() -> list[Path]:
    """The Markdown files of the tree: those of git, or of the folders that have any where there is no git."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return sorted(ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists())
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("configs/**/*.md")])


PAGES = _pages()


def anchors(text: str) -> set[str]:
    """The names that a page's headings have in links, with the numbers that repeated ones get."""
    seen: Counter[str] = Counter()
    names = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def links(text: str) -> list[str]:
    """Where a page's links and images lead, but for those out of the tree; examples in code are none."""
    targets = _LINK.findall(_CODE.sub("`code`", _FENCE.sub("", text)))
    return [target for target in targets if not _OUTSIDE.match(target)]


def broken(page: Path, root: Path = ROOT) -> list[str]:
    """The links of a page that lead nowhere, or out of the tree."""
    wrong = []
    for target in links(page.read_text("utf-8")):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        lost = anchor and file.suffix == ".md" and file.exists() and anchor not in anchors(file.read_text("utf-8"))
        if not file.exists() or not file.is_relative_to(root) or lost:
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = _NAMED.findall(_FENCE.sub("", page.read_text("utf-8")))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    found = {ROOT / "README.md"}
    ahead = list(found)
    while ahead:
        page = ahead.pop()
        for target in links(page.read_text("utf-8")):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.exists() and file not in found:
                found.add(file)
                ahead.append(file)
    expected = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert sorted(str(page.relative_to(ROOT)) for page in expected - found) == []


def test_a_lost_page_and_a_lost_heading_are_seen(tmp_path: Path) -> None:
    text = "# One `two`, *three*\n\n[a](#one-two-three) [b](#four) [c](gone.md) [d](https://example.com/x)\n```\n[e](no)\n```\n"
    copy = tmp_path / "page.md"
    copy.write_text(text, "utf-8")
    assert links(text) == ["#one-two-three", "#four", "gone.md"]
    assert anchors(text) == {"one-two-three"}
    assert broken(copy, tmp_path) == ["#four", "gone.md"]


def test_headings_of_the_same_words_are_numbered() -> None:
    assert anchors("# A b\n## A b\n### [A](x) b\n") == {"a-b", "a-b-1", "a-b-2"}


def test_a_fence_ends_where_it_began() -> None:
    assert anchors("````\n```\n# no\n````\n# yes\n") == {"yes"}
