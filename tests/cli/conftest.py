"""What the tests of configuration and command line share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tester's own ABSERVER_ variables stay out."""
    for name in list(os.environ):
        if name.upper().startswith("ABSERVER_"):
            monkeypatch.delenv(name)
