"""What a process that serves for long asks of Python's interpreter: of its collector of garbage, and of its lock.

The modules, schemas and settings of a server are some hundred thousand objects that stay. A full collection goes
through all of them, and nothing else happens for 40 ms: that was the slowest hundredth of all requests.

The thread that writes gives the interpreter's lock away with each step of the database, and gets it back when the event
loop waits for something, or when the interval has passed in which threads take turns. That is 5 ms by default, so in a
busy server a commit of a few hundred rows took 30 to 170 ms, of which it worked for 5.
"""

from __future__ import annotations

import gc
import sys

THRESHOLDS = (10_000, 4, 250)
"""More objects than before at which the young are collected, such collections before one of the middle-aged, and those
before one of all. A request makes hundreds of objects that go without the collector, by their reference counts; what
collects is what stays, and each time that it is gone through is time in which nothing else happens: 3 ms for the young,
15 ms for the middle-aged."""

SWITCH_INTERVAL = 0.0002
"""Seconds after which a thread that works has to let another one that waits."""


def spare_what_stays() -> None:
    """Never look again at what exists now, and less often at the rest.

    To be called when a server has its modules, and again when it has taken up what it serves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def share_the_lock() -> None:
    """Let the thread that writes get on with its commits while the event loop is busy."""
    sys.setswitchinterval(SWITCH_INTERVAL)
