"""The template: `winfo` applied to an event package (RFC 3857 §4; RFC 6665 §5.2).

`winfo_of(package)` is all that it takes to have watcher information about a package, and about that in turn:
`winfo_of(winfo_of(package))` is `….winfo.winfo`. Two levels are offered and no deeper one, as §4.6 recommends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.events.contact_card import Formats
from abserver.events.package import EventPackage
from abserver.sip.headers import quality

if TYPE_CHECKING:
    from abserver.sip.headers import MediaType

TEMPLATE = ".winfo"
"""What the name of a package ends with that is about the watchers of the package before it (§4.1)."""

WATCHERINFO = "application/watcherinfo+xml"

FORMATS = Formats(full=WATCHERINFO, patches=True)
"""The only bodies there are; whoever takes them keeps a table that partial documents change (RFC 3858 §4)."""


def winfo_of(watched: EventPackage) -> EventPackage:
    """Watcher information about `watched`: one hour (§4.4), one NOTIFY in five seconds (§4.10)."""
    return EventPackage(
        name=watched.name + TEMPLATE,
        default_expires=3600,
        min_expires=watched.min_expires,
        max_expires=max(3600, watched.max_expires),
        body_types=(WATCHERINFO,),
        pace=5.0,
        limits=watched.limits,
    )


def is_template(package: EventPackage) -> bool:
    """Whether the package is about another one: such are not listed in Allow-Events (RFC 6665 §4.4.4)."""
    return package.name.endswith(TEMPLATE)


def negotiate(accept: list[MediaType] | None) -> Formats | None:
    """Choose the bodies for an Accept header; None means 406 (RFC 3857 §4.5: subscribers MUST list the format)."""
    return FORMATS if accept is None or quality(accept, WATCHERINFO) > 0 else None
