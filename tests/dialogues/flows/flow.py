"""A script, played: on a stage of its own, and compared with its part of the page.

`python -m tests.dialogues.flows` plays all scripts and writes the pages (`make docs`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import CoroutineType
from typing import TYPE_CHECKING

from tests.dialogues.flows.house import House
from tests.dialogues.flows.names import Names
from tests.dialogues.flows.pages import section, written
from tests.dialogues.flows.record import Record
from tests.dialogues.flows.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from tests.dialogues.flows.house import Settings

    Script = Callable[[Stage], Coroutine[Any, Any, None]]
    Test = Callable[[Path], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Flow:
    """One script."""

    script: Script
    settings: Settings = field(default_factory=dict)
    own_process: bool = False
    """Whether the server runs as a process, so that it can be killed."""

    async def play(self, folder: Path) -> str:
        """Play it in a folder that is empty; its section of the page."""
        house = House(folder, self.settings, own_process=self.own_process)
        stage = Stage(Record(), house)
        try:
            await house.start()
            script = self.script(stage)
            assert isinstance(script, CoroutineType)
            stage.record.script = script
            await script
            await stage.is_quiet()
        finally:
            await stage.close()
            await house.stop()
        house.has_no_complaints()
        return section(self.script, stage.record, stage.actors, Names(stage.names))


FLOWS: dict[str, list[Flow]] = {}
"""By the modules of their scripts, in their order."""


def flow(script: Script) -> Test:
    """Make a test of a script."""
    return _test(Flow(script))


def flow_with(*, own_process: bool = False, **settings: Any) -> Callable[[Script], Test]:
    """Make a test of a script whose server has these settings, section by section."""
    return lambda script: _test(Flow(script, settings, own_process))


def _test(played: Flow) -> Test:
    module, name = played.script.__module__, played.script.__name__
    FLOWS.setdefault(module, []).append(played)

    async def run(tmp_path: Path) -> None:
        played_now = await played.play(tmp_path)
        assert written(played.script) == played_now, "the page is not in step with the script: make docs"

    run.__name__ = run.__qualname__ = name
    run.__module__, run.__doc__ = module, played.script.__doc__
    return run
