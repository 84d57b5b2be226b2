"""What some user agents need beside the standards (docs/user-agents.md); by the User-Agent of their SUBSCRIBE.

One table. A quirk is here because a program was seen to need it, costs others nothing, and never breaks a MUST: who
sends no User-Agent, or one that is not listed, is served by the standards alone.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache


class Quirks(enum.Flag, boundary=enum.CONFORM):
    """What is done for one user agent. The numbers are kept in journals: they stay."""

    NONE = 0
    BODY_ALWAYS = 1
    """Every NOTIFY of an active subscription has a body: the whole state where nothing changed (RFC 5839 §6.2 would
    leave it out), since one without is dropped before the application hears of it."""
    MD5_LAST = 2
    """Of several digest challenges MD5's is the last (RFC 8760 §2.3 leaves their order to the server), since only the
    last is read, and only MD5 is known."""
    MD5_ALONE = 4
    """Where MD5 is offered, nothing else is, since a challenge with another algorithm ends the attempt."""


@dataclass(frozen=True, slots=True)
class Row:
    """User agents of one kind."""

    pattern: re.Pattern[str]
    """What the User-Agent begins with."""
    quirks: Quirks
    seen: str
    """The version that was seen to need them, and how it shows."""


TABLE = (
    Row(
        re.compile(r"JsSIP\b", re.IGNORECASE),
        Quirks.BODY_ALWAYS | Quirks.MD5_LAST,
        "JsSIP 3.13 raises its `notify` event only for a NOTIFY with a body; of several challenges it keeps the last",
    ),
    Row(
        re.compile(r"SIP\.js/", re.IGNORECASE),
        Quirks.MD5_LAST,
        "SIP.js 0.21 keeps the last of several challenges, and knows only MD5",
    ),
    Row(
        re.compile(r"baresip v1\.", re.IGNORECASE),
        Quirks.MD5_ALONE,
        "baresip 1.0 gives up when any of the challenges has another algorithm than MD5 (`Function not implemented`)",
    ),
)


@lru_cache(maxsize=256)
def quirks_of(user_agent: str | None) -> Quirks:
    """What a user agent needs, by its User-Agent field; None without one."""
    found = Quirks.NONE
    for row in TABLE:
        if row.pattern.match(user_agent or ""):
            found |= row.quirks
    return found
