"""Plays all flows, and writes their pages in docs/call-flows."""

from __future__ import annotations

import asyncio
import importlib
import tempfile
from pathlib import Path

from tests.dialogues.flows.flow import FLOWS
from tests.dialogues.flows.pages import FOLDER, heading, index, opening, page_of, scripts, title_of


async def main() -> None:
    """Write every page, and the index."""
    pages = {}
    for name in scripts():
        module = importlib.import_module(name)
        sections = []
        for each in FLOWS[name]:
            with tempfile.TemporaryDirectory() as folder:
                sections.append(await each.play(Path(folder)))
        page_of(name).write_text(opening(module) + "".join(sections))
        pages[page_of(name).name] = (title_of(module), [heading(each.script) for each in FLOWS[name]])
    (FOLDER / "README.md").write_text(index(pages))


if __name__ == "__main__":
    asyncio.run(main())
