"""What can be wrong with filters."""

from __future__ import annotations

LONGEST = 200


class BadFilter(Exception):
    """A filter-set that is not served: 488, with the reason in a Warning (RFC 4660 §5.4).

    The reason is one line, and says nothing of what is filtered.
    """

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.split())[:LONGEST]
        super().__init__(self.reason)
