"""What a server asks of the interpreter: to leave alone what stays, to find what is lost, to let threads take turns."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

import pytest

from xcap.interpreter import THRESHOLDS, spare_what_stays

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def spared() -> Iterator[None]:
    """As in a server; afterwards as before."""
    before = gc.get_threshold()
    spare_what_stays()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Circle:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("spared")
def test_a_full_collection_no_longer_goes_through_what_was_there() -> None:
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 10_000
    assert gc.get_threshold() == THRESHOLDS


@pytest.mark.usefixtures("spared")
def test_what_is_lost_later_is_still_found() -> None:
    lost = weakref.ref(Circle())
    gc.collect()
    assert lost() is None


STAND_IN = """
import gc, sys, typer
import {server} as server
from {command} import serve

async def stand_in(settings):
    return 0 if gc.get_freeze_count() > 10_000 and sys.getswitchinterval() < 0.001 else 1

server.serve = stand_in
try:
    serve(None)
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


@pytest.mark.parametrize(
    ("command", "server"), [("xcap.standalone.cli", "xcap.standalone.server"), ("abserver.cli.serving", "abserver.app")]
)
def test_both_servers_see_to_both_before_they_serve(command: str, server: str, tmp_path: Path) -> None:
    program = STAND_IN.format(command=command, server=server)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60)
