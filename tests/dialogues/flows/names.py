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
_SEALED = re.compile(r'(?<=tgruu\.)[A-Za-z0-9_-]{38}|(?<=[0-9a-f]/)[0-9a-f]{20}(?=[">])')
"""What seals GRUUs."""
_IN_BODIES = {
    "version": re.compile(rb'-etag="([0-9a-f]{16,64})"'),
    "watcher": re.compile(rb'<watcher id="([0-9a-f]{16,64})"'),
}
"""What is named in documents: versions in those of RFC 5874, subscriptions in those of RFC 3858."""
_NOW = "2026-03-02T09:00:00Z"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


class Names:
    """The names of one flow."""

    def __init__(self, given: Iterable[tuple[str, str]]) -> None:
        """given: names that are known already, by what they are shown in place of."""
        self._names = dict(given)
        self._counts: dict[str, int] = {}
        self._granted: set[int] = set()

    def learn(self, said: Said) -> None:
        """Name what the message names first."""
        about_a_card = dict(said.fields).get("Event", "contact-card").partition(";")[0] == "contact-card"
        for name, value in said.fields:
            match name:
                case "SIP-ETag" | "Suppress-If-Match":
                    self._number("view" if about_a_card else "state", value)
                case "Event":
                    self._number("view", value.partition(";base=")[2])
                case "ETag" | "If-Match":
                    self._number("version", value)
                case "From" | "To":
                    self._number("server", value.partition(";tag=")[2])
                case "Expires":
                    self._granted.add(int(value))
        for kind, pattern in _IN_BODIES.items():
            for found in pattern.finditer(said.body):
                self._number(kind, found[1].decode())

    def _number(self, kind: str, text: str) -> None:
        found = _TAG.search(text)
        if found is not None and found[0] not in self._names:
            self._counts[kind] = count = self._counts.get(kind, 0) + 1
            self._names[found[0]] = f"{kind}-{count}"

    def told(self, text: str) -> str:
        """The text with all names in it."""
        text = _INSTANT.sub(lambda found: self._names.get(found[0], _NOW), text)
        for value in sorted(self._names, key=len, reverse=True):
            text = text.replace(value, self._names[value])
        text = _DIGEST.sub(r'\1="…"', text)
        text = _SEALED.sub("…", text)
        text = _EXPIRES.sub(lambda found: str(self._as_granted(int(found[0]))), text)
        return _SUBSCRIBED.sub("0", text)

    def _as_granted(self, seconds: int) -> int:
        near = [granted for granted in self._granted if 0 <= granted - seconds <= SLACK]
        return min(near, default=seconds)
