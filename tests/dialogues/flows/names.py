"""Stable names for what differs from run to run, so that a page changes only when the server does.

Ports get the addresses of a documentation network, entity-tags and tags are numbered as they appear, time stands still.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.dialogues.flows.record import Said

SLACK = 20
"""Seconds that a flow may take: a duration that is shorter than a granted one by no more is shown as granted."""

_TAG = re.compile(r"[0-9a-f]{16,64}")
_DIGEST = re.compile(r'\b(nonce|cnonce|response|opaque)="[^"]*"')
_EXPIRES = re.compile(r"""(?<=;expires=)\d+|(?<=\bexpiration=")\d+""")
_SUBSCRIBED = re.compile(r'(?<=\bduration-subscribed=")\d+')
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


class Names:
    """The names of one flow."""

    def __init__(self, addresses: Iterable[tuple[str, str]]) -> None:
        """addresses: `host:port` and what is shown in its place."""
        self._names = dict(addresses)
        self._counts: dict[str, int] = {}
        self._granted: set[int] = set()

    def learn(self, said: Said) -> None:
        """Name what the message names first."""
        for name, value in said.fields:
            match name:
                case "SIP-ETag" | "Suppress-If-Match":
                    self._number("view", value)
                case "Event":
                    self._number("view", value.partition(";base=")[2])
                case "ETag" | "If-Match":
                    self._number("version", value)
                case "From" | "To":
                    self._number("server", value.partition(";tag=")[2])
                case "Expires":
                    self._granted.add(int(value))

    def _number(self, kind: str, text: str) -> None:
        found = _TAG.search(text)
        if found is not None and found[0] not in self._names:
            self._counts[kind] = count = self._counts.get(kind, 0) + 1
            self._names[found[0]] = f"{kind}-{count}"

    def told(self, text: str) -> str:
        """The text with all names in it."""
        for value in sorted(self._names, key=len, reverse=True):
            text = text.replace(value, self._names[value])
        text = _DIGEST.sub(r'\1="…"', text)
        text = _EXPIRES.sub(lambda found: str(self._as_granted(int(found[0]))), text)
        text = _SUBSCRIBED.sub("0", text)
        return _INSTANT.sub("2026-03-02T09:00:00Z", text)

    def _as_granted(self, seconds: int) -> int:
        near = [granted for granted in self._granted if 0 <= granted - seconds <= SLACK]
        return min(near, default=seconds)
