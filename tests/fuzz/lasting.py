"""One server under attack for a while: what it holds afterwards, and what its log says."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fuzz.attacks import ATTACKS, attack
from tests.fuzz.live import Target
from tests.soak.leftovers import resident
from tests.support.process import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

LINGERING = 33.0
"""Seconds until timer J has let go of every answer."""
GROWTH = 0.10
"""Part by which the memory in use may grow."""
_FAULT = re.compile(r"^.*(?:Traceback| ERROR | CRITICAL ).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it."""

    attacks: int
    before: int
    """Octets in use after the warm-up."""
    after: int
    faults: tuple[str, ...]
    """Lines of the log that tell of one."""
    exit_code: int

    @property
    def growth(self) -> float:
        return self.after / self.before - 1


def lasting(folder: Path, seconds: float, *, seed: int, warm_up: float, patient: bool) -> Figures:
    """Attack a server of its own for so long, after `warm_up` seconds of the same. Raises Unwell.

    patient: wait for timer J before memory is read. The server has no bound for one source, or it would ignore most.
    """
    with (
        ServerProcess(folder, OVERLOAD__SOURCE_RATE="0", LOG__LEVEL="warning") as server,
        Target(server.sip, server.http) as target,
    ):
        begun = _attacks(target, warm_up, seed)
        time.sleep(LINGERING if patient else 0)
        before = resident(server.pid)
        done = _attacks(target, seconds, seed + begun)
        time.sleep(LINGERING if patient else 0)
        after = resident(server.pid)
        exit_code = server.stop()
        return Figures(done, before, after, tuple(_FAULT.findall(server.log)), exit_code)


def _attacks(target: Target, seconds: float, seed: int) -> int:
    """All of them in turn for so long, each at least once; how many."""
    until = time.monotonic() + seconds
    for done in itertools.count():
        if time.monotonic() >= until and done >= len(ATTACKS):
            break
        attack(target, done, seed + done)
    return done
