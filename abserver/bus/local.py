"""The change bus of one node: a change is handed on at once, in the order of the commits.

Handlers run before the answer to the edit leaves, so they must only take note; the work happens elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abserver.domain.identity import Owner

Handler = Callable[["Owner"], None]
"""Told whose card or rules changed. A hint: what changed is read again from the documents."""


class LocalBus:
    """Carries change hints between the rooms of one process."""

    def __init__(self) -> None:
        self._handlers: list[Handler] = []

    def subscribe(self, handler: Handler) -> None:
        """Have `handler` called for every change from now on."""
        self._handlers.append(handler)

    def publish(self, owner: Owner) -> None:
        """The owner's card or rules were committed in a new version."""
        for handler in self._handlers:
            handler(owner)
