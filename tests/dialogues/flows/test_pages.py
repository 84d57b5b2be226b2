"""The pages in docs/call-flows are those of the scripts: each flow compares its own section, and this the rest."""

from __future__ import annotations

import importlib
import re

from tests.dialogues.flows.flow import FLOWS
from tests.dialogues.flows.pages import FOLDER, heading, index, opening, page_of, scripts, title_of


def test_every_page_has_the_sections_of_its_scripts_and_no_others() -> None:
    for name in scripts():
        page = page_of(name).read_text()
        assert page.startswith(opening(importlib.import_module(name)))
        assert re.findall("^## (.*)$", page, re.MULTILINE) == [heading(each.script) for each in FLOWS[name]]


def test_the_index_lists_all_pages() -> None:
    pages = {page_of(name).name: name for name in scripts()}
    assert {path.name for path in FOLDER.glob("*.md")} == {*pages, "README.md"}
    listed = {
        page: (title_of(importlib.import_module(name)), [heading(each.script) for each in FLOWS[name]])
        for page, name in pages.items()
    }
    assert (FOLDER / "README.md").read_text() == index(listed)
