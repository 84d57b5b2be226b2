"""One run of the demo, from the temporary folder to the exit code; whatever happens, nothing of it is left behind."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.text import Text

from abserver.demo.expectations import Unmet
from abserver.demo.ladder import Ladder
from abserver.demo.script import Play
from abserver.demo.stage import Stage
from xcap.client import Refused

if TYPE_CHECKING:
    from rich.console import Console

FAILED = 1
"""The exit code when an expectation did not hold."""


async def run(console: Console, *, keep: bool = False) -> int:
    """Play the demo; 0 if everything held, else FAILED.

    keep: leave the folder with the database, the server's log and the trace of all messages.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    folder = Path(tempfile.mkdtemp(prefix="abserver-demo-"))
    try:
        return await _play(folder, console)
    finally:
        if keep:
            console.print(Text(f"\nKept: {folder} (abserver.db, server.log, messages.txt, …)"), soft_wrap=True)
        else:
            shutil.rmtree(folder)
        loop.remove_signal_handler(signal.SIGTERM)


async def _play(folder: Path, console: Console) -> int:
    ladder = Ladder(console, folder / "messages.txt")
    stage = Stage(folder, ladder)
    play = Play(stage, ladder)
    try:
        await play.perform()
    except (Unmet, Refused, httpx.HTTPError) as error:
        ladder.failed(f"{play.scene}: {error}")
        ladder.lines(stage.complaints()[-3:])
        return FAILED
    else:
        return 0
    finally:
        stage.kill()
        await stage.gone()
        await play.clear()
        ladder.close()
