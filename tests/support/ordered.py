"""A program of ours that does what it is told and tells what happened: JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

PATIENCE = 20.0
"""Seconds until something that must happen has happened."""


class OrderedProcess:
    """The program as a process; a context manager that leaves none behind."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """folder: where it works. The end of its input is its end."""
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # else a library speaks
                self._told.put(json.loads(line))

    def order(self, *words: str) -> None:
        assert self._process.stdin is not None
        print(json.dumps(words), file=self._process.stdin, flush=True)

    def told(self, event: str) -> dict[str, Any]:
        """The next thing that it tells, which has to be this."""
        told = self._told.get(timeout=PATIENCE)
        assert told.pop("event") == event, told
        return told

    def finish(self) -> None:
        """End it in good order."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(PATIENCE) == 0
        self._reader.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
