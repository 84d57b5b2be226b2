"""What the package fixes (RFC 5875 §4)."""

from __future__ import annotations

from dataclasses import replace

from abserver.events.package import EventPackage
from abserver.events.rates import LIMITS
from abserver.events.xcap_diff.lists import MEDIA_TYPE as RESOURCE_LISTS
from xcap.core.xcapdiff import MEDIA_TYPE, Processing

PACE = 5.0
"""Seconds: "SHOULD NOT generate notifications for a single subscription at a rate of more than once every five
seconds" (§4.10)."""


def xcap_diff(*, pace: float = PACE) -> EventPackage:
    """The package.

    pace: seconds between two NOTIFYs to one subscriber; none gets more by asking (RFC 6446 §5.3). 0 is no distance.
    """
    return EventPackage(
        name="xcap-diff",
        default_expires=3600,
        min_expires=60,
        max_expires=86400,
        body_types=(MEDIA_TYPE,),
        subscribe_types=(RESOURCE_LISTS,),
        max_body=65_536,
        processing="diff-processing",
        several=True,
        pace=pace,
        limits=replace(LIMITS, max_rate=1 / pace) if pace else LIMITS,
    )


PACKAGE = xcap_diff()


def processing_of(wish: str | None) -> Processing:
    """How changes are to be told, by the parameter of the Event field (§4.3).

    Without one it is no-patching. That is the simplest mode too, and so what is left where a subscriber names a mode
    that is not known here: "the notifier MUST NOT use a more complex mode than the one chosen" (§4.7).
    """
    try:
        return Processing((wish or "").lower())
    except ValueError:
        return Processing.NO_PATCHING
