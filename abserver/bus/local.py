"""The change bus of one node: a change is handed on at once, in the order of the commits.

Handlers run before the answer to the edit leaves, so they must only take note; the work happens elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abserver.domain.identity import Owner
    from xcap.ports import Change

Handler = Callable[["Owner"], None]
"""Told whose card or rules changed. A hint: what changed is read again from the documents."""

ChangeHandler = Callable[["Change"], None]
"""Told of the change of any document. A hint, too."""


class LocalBus:
    """Carries change hints between the rooms of one process (a `xcap.ports.ChangeSink`)."""

    def __init__(self) -> None:
        self._handlers: list[Handler] = []
        self._change_handlers: list[ChangeHandler] = []

    def subscribe(self, handler: Handler) -> None:
        """Have `handler` called for every change from now on."""
        self._handlers.append(handler)

    def publish(self, owner: Owner) -> None:
        """The owner's card or rules were committed in a new version."""
        for handler in self._handlers:
            handler(owner)

    def subscribe_changes(self, handler: ChangeHandler) -> None:
        """Have `handler` called for every change of a document from now on."""
        self._change_handlers.append(handler)

    def changed(self, change: Change) -> None:
        """A document was committed in a new version, or removed."""
        for handler in self._change_handlers:
            handler(change)
