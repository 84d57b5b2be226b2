"""The committed manual and default file say what the settings say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from abserver.config import Settings, load
from abserver.config.reference import default_toml, markdown, sections

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "content"), [("configs/default.toml", default_toml()), ("docs/configuration.md", markdown())]
)
def test_the_committed_file_is_in_step_with_the_settings(name: str, content: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == content, "run `python -m abserver.config` and commit"


def test_the_default_file_sets_every_key_to_its_default() -> None:
    assert load(ROOT / "configs/default.toml") == Settings()


def test_the_development_file_is_valid() -> None:
    assert load(ROOT / "configs/dev.toml") != Settings()


def test_every_key_and_section_has_a_description() -> None:
    for section in sections():
        assert section.description, section.name
        for key in section.keys:
            assert key.description.endswith("."), f"{section.name}.{key.name}"


def test_the_generator_writes_both_files_into_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "docs").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "abserver.config"], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "configs/default.toml").read_text(encoding="utf-8") == default_toml()
    assert (tmp_path / "docs/configuration.md").read_text(encoding="utf-8") == markdown()
