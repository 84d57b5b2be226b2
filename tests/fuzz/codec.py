"""The codec under atheris, coverage-guided: `python -m tests.fuzz.codec [FOLDER] [libFuzzer's options]`.

FOLDER keeps what atheris found worth keeping. Without atheris (it has wheels for some platforms only) the corpus is
played once, then mutations of it, seeded, for the seconds of `-max_total_time=`.
"""

from __future__ import annotations

import importlib
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.corpus import corpus
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import everything

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = "-max_total_time="


def replay(seconds: float, first_seed: int = 0) -> int:
    """The corpus, then mutations for so long; how many messages that were. A failure names its seed."""
    for data in corpus():
        everything(data)
    until, seed = time.monotonic() + seconds, first_seed
    while time.monotonic() < until:
        attempt(seed)
        seed += 1
    return len(corpus()) + seed - first_seed


def attempt(seed: int) -> None:
    """One mutation, which is the same for the same seed."""
    try:
        everything(mutated(random.Random(seed)))
    except Exception as error:
        error.add_note(f"seed {seed}: mutated(random.Random({seed}))")
        raise


def main(arguments: Sequence[str]) -> None:
    """See the head."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        seconds = next((float(each[len(SECONDS) :]) for each in arguments if each.startswith(SECONDS)), 0.0)
        print(f"no atheris here: {replay(seconds)} messages replayed")
        return
    with tempfile.TemporaryDirectory() as seeds:
        for number, data in enumerate(corpus()):
            (Path(seeds) / str(number)).write_bytes(data)
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], *arguments, seeds], everything)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
