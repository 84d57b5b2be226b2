"""The examples of `docs/xcap-client.md`, run as they stand against `xcap serve`, with the output that they promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.services.xcap.test_xcap_standalone import run, serving

DOCS = Path(__file__).resolve().parents[3] / "docs"


def blocks(kind: str) -> list[str]:
    page = (DOCS / "xcap-client.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def test_every_example_does_what_the_page_says(tmp_path: Path) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path}/xcap.db")
    assert run("user", "add", "alice@example.com", "--password", "open sesame", *storage)[0] == 0
    with serving(*storage) as served:
        program = tmp_path / "examples.py"
        program.write_text("".join(blocks("python")).replace("http://127.0.0.1:8080/xcap-root", served.root))
        ran = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stderr, ran.stdout) == ("", "".join(blocks("output")))


def test_the_page_has_examples() -> None:
    assert len(blocks("python")) >= 6
