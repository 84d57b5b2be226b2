"""`python -m tests.fuzz SECONDS [SEED]`: half of the time for the codec, half for a real server.

The exit code is 1 for a fault of either. The server has two minutes more: to warm up, and so that memory
is read when all that has to linger is gone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.lasting import GROWTH, lasting

WARM_UP = 40.0
"""Seconds: longer than timer J keeps an answer, so that as much lingers at once as ever will."""


def main() -> int:
    """Tell the figures."""
    half = float(sys.argv[1]) / 2 if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() // 1_000_000
    print(f"fuzz: {half:.0f} s for the codec", flush=True)
    codec = [sys.executable, "-m", "tests.fuzz.codec", f"-max_total_time={half:.0f}", f"-seed={seed % 2**31}"]
    if subprocess.run(codec).returncode:
        return 1
    print(f"fuzz: {half:.0f} s for a server, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="abserver-fuzz-") as folder:
        figures = lasting(Path(folder), half, seed=seed, warm_up=WARM_UP, patient=True)
    print(f"fuzz: {figures.attacks} attacks, and the server was well after each; exit code {figures.exit_code}")
    print(f"fuzz: {figures.before // 1024:,} kB in use before, {figures.after // 1024:,} after: {figures.growth:+.1%}")
    for line in figures.faults:
        print(f"fuzz: in the log: {line}")
    return int(bool(figures.faults) or figures.exit_code != 0 or figures.growth >= GROWTH)


if __name__ == "__main__":
    sys.exit(main())
