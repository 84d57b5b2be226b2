"""The template: `winfo` applied to an event package (RFC 3857 §4; RFC 6665 §5.2).

`winfo_of(package)` is all that it takes to have watcher information about a package, and about that in turn:
`winfo_of(winfo_of(package))` is `….winfo.winfo`. Two levels are offered and no deeper one, as §4.6 recommends.
"""

from __future__ import annotations

from dataclasses import replace

from abserver.events import filters
from abserver.events.package import EventPackage

TEMPLATE = ".winfo"
"""What the name of a package ends with that is about the watchers of the package before it (§4.1)."""

WATCHERINFO = "application/watcherinfo+xml"


def winfo_of(watched: EventPackage, *, pace: float = 5.0) -> EventPackage:
    """Watcher information about `watched`, for one hour if nothing else is asked for (§4.4).

    pace: seconds between two NOTIFYs. What is too much for one subscriber (§4.10) is so if it asks for more as well, so
    none can (RFC 6446 §5.3). 0 leaves it at the limits of the watched package.
    """
    return EventPackage(
        name=watched.name + TEMPLATE,
        default_expires=3600,
        min_expires=watched.min_expires,
        max_expires=max(3600, watched.max_expires),
        body_types=(WATCHERINFO,),
        subscribe_types=(filters.MEDIA_TYPE,),
        pace=pace,
        limits=replace(watched.limits, max_rate=1 / pace) if pace else watched.limits,
    )
