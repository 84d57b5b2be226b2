"""`abserver demo`: the main job from end to end, shown and checked."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import Annotated

import typer

Keep = Annotated[
    bool, typer.Option("--keep", help="Leave the folder with database, server log and the trace of all messages.")
]


def demo(keep: Keep = False) -> None:
    """Run the main job on loopback: a server, an owner, four watchers; exit code 1 if an expectation fails."""
    from rich.console import Console

    from abserver.demo import run

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without arrows is no reason to stop
    try:
        raise typer.Exit(asyncio.run(run(Console(highlight=False), keep=keep)))
    except asyncio.CancelledError:
        raise typer.Exit(143) from None  # what a shell expects after SIGTERM
