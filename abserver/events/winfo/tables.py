"""The subscriber's end of watcher information: coherent tables out of documents (RFC 3858 §4)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from abserver.events.winfo.document import Row, Status

if TYPE_CHECKING:
    from abserver.events.winfo.document import WatcherInfo, WatcherList


class Applied(enum.Enum):
    """What came of a document."""

    DONE = "the tables are as the notifier says"
    GAP = "processed, but one before it is missing: refresh the subscription to get everything"
    OLD = "discarded: what it says was known before"


class Tables:
    """The tables of one subscription: a row for each watcher, in a table for each resource."""

    def __init__(self) -> None:
        self.version: int | None = None
        """That of the last document; None before the first."""
        self.rows: dict[str, dict[str, Row]] = {}
        """By resource and id. Terminated rows are taken out at once, as §4 allows."""

    def apply(self, document: WatcherInfo) -> Applied:
        """Process a document in the order of its arrival.

        A version that was processed before is discarded like a lower one, which is all that §4 speaks of. A partial
        document that is the first leaves a gap: what it changes is missing.
        """
        if self.version is not None and document.version <= self.version:
            return Applied.OLD
        expected = self.version is not None and document.version == self.version + 1
        self.version = document.version
        if document.full:
            self.rows.clear()
        for each in document.lists:
            self._update(each)
        return Applied.DONE if expected or document.full else Applied.GAP

    def _update(self, changed: WatcherList) -> None:
        table = self.rows.setdefault(changed.resource, {})
        for row in changed.rows:
            if row.status is Status.TERMINATED:
                table.pop(row.id, None)
            else:
                table[row.id] = row
