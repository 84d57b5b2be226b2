"""`abserver demo`: the main job from end to end, on one machine, with nothing faked.

A server runs as a process of its own; an owner edits by XCAP and by the command line; the watchers' devices are real
SIP subscribers. Each file has one purpose: `cast` who takes part, `stage` the server and the commands, `owner` and
`devices` the two sides that act on it, `script` the acts, `expectations` what has to hold, `ladder` what is printed.

Laws: nothing is waited for by sleeping, only by messages that arrive, each wait bounded by `expectations.PATIENCE`; the
first expectation that does not hold ends the demo; whatever ends it, the server's process and the folder are gone then.
"""

from __future__ import annotations

from abserver.demo.running import FAILED, run

__all__ = ["FAILED", "run"]
