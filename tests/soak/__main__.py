"""`python -m tests.soak SECONDS`: the churn for so long, at a real server; prints figures, and what is wrong."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.churn import MEGABYTE, Churn

EXPIRES = 60
FLAT = 6.0
"""Megabytes by which the memory may grow over the server's last life: what is kept in memory because it may be needed
again, and the allocator's reserve."""


def main() -> None:
    """Run, and tell."""
    seconds, seed = float(sys.argv[1]), int(time.time())
    print(f"soak: {seconds:.0f} s of churn, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(Churn(Path(folder), seconds, seed=seed, expires=EXPIRES).run())
    sizes = [size / MEGABYTE for _, size in figures.resident]
    growth = figures.growth / MEGABYTE
    print(
        f"{figures.edits} edits, {figures.decisions} decisions, {figures.comings} devices came, {figures.goings} went"
    )
    print(f"{figures.kills} times killed and started again")
    print(f"resident: {sizes[0]:.1f} MB at first, {sizes[-1]:.1f} MB at last, {max(sizes):.1f} MB at most")
    print(f"growth of the last life, from its first third to its last: {growth:+.1f} MB (at most {FLAT:.0f})")
    print(f"kept: {figures.kept}")
    if growth > FLAT:
        figures.wrong.append(f"the memory grew by {growth:.1f} MB")
    sys.exit("\n".join(["wrong:", *figures.wrong]) if figures.wrong else None)


if __name__ == "__main__":
    main()
