"""What a process that serves for long asks of Python's collector of garbage.

The modules, schemas and settings of a server are some hundred thousand objects that stay. A full collection goes
through all of them, and nothing else happens for 40 ms: that was the slowest hundredth of all requests.
"""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 100)
"""New objects before a collection of the young, such collections before one of the middle-aged, and of all. A request
makes hundreds of objects that go without the collector, by their reference counts."""


def spare_what_stays() -> None:
    """Never look again at what exists now, and less often at the rest.

    To be called when a server has its modules, and again when it has taken up what it serves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
