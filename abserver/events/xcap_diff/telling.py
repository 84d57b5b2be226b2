"""What one subscriber was told, and what to tell it next (RFC 5875 §4.7).

Laws: what was told to exist is told to be gone when it is, however many NOTIFYs in between were never acknowledged; a
difference is told only to a subscriber who acknowledged the state that it starts from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

from xcap.core.xcapdiff import DocumentChange, Version, XcapDiff, changes, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abserver.events.xcap_diff.resources import Resources
    from xcap.core.xcapdiff import Component, Processing

Entry: TypeAlias = "DocumentChange | Component"
Histories: TypeAlias = Mapping[str, Sequence[Version]]

LARGEST: Final = 49_152
"""Octets of a document with contents: with its header fields it fits into a datagram. What would be larger goes without
patches and elements, since "the NOTIFY body becomes impractically large" (§4.7)."""


class Telling:
    """What one subscriber was told."""

    __slots__ = ("_held", "_sent", "_whole")

    def __init__(self, held: Resources | None = None) -> None:
        """held: the state that the subscriber is known to have; without one all is to be told."""
        self._held = held
        self._sent: list[Resources] = []
        """What was sent since `_held` was acknowledged: the subscriber may have any of these."""
        self._whole = held is None

    @property
    def last(self) -> Resources | None:
        """What was sent last, from which the next difference may start; None if all is told next."""
        if self._whole:
            return None
        return self._sent[-1] if self._sent else self._held

    def start_over(self) -> None:
        """A SUBSCRIBE was accepted: all is told again, and the subscriber forgets what it had (§4.7, §4.8)."""
        self._held = None
        self._sent.clear()
        self._whole = True

    def entries(self, state: Resources, histories: Histories, processing: Processing) -> list[Entry]:
        """What takes the subscriber to `state`; a NOTIFY with it leaves now."""
        if self._whole:
            told = everything(state)
        elif self._held is not None and not self._sent:
            told = difference(self._held, state, histories, processing)
        else:
            told = [*everything(state), *gone([*([self._held] if self._held else []), *self._sent], state)]
        self.sent(state)
        return told

    def sent(self, state: Resources) -> None:
        """A NOTIFY with `state`, or with word that it is still the same, leaves now."""
        self._whole = False
        self._sent.append(state)

    def acknowledged(self, state: Resources) -> None:
        """The subscriber has the state that was sent last."""
        self._held = state
        self._sent.clear()


def document(root: str, entries: Sequence[Entry]) -> bytes:
    """The XCAP diff document with these entries. root: the XCAP root URI."""
    diff = XcapDiff(root, tuple(entries))
    content = write(diff)
    return content if len(content) <= LARGEST else write(diff.without_contents())


def everything(state: Resources) -> list[Entry]:
    """References to all documents, and all components with their contents."""
    return [
        *(DocumentChange(selector, None, etag) for selector, etag in state.documents.items()),
        *(shown.content for shown in state.components.values()),
    ]


def difference(before: Resources, now: Resources, histories: Histories, processing: Processing) -> list[Entry]:
    """What changed from one state to another.

    histories: selector -> the versions of a document from that of `before` to that of `now`. Of those that have none
    from the one to the other it is told that they changed.
    """
    told: list[Entry] = []
    for selector, etag in now.documents.items():
        was = before.documents.get(selector)
        if was != etag:
            told.extend(changes(selector, _versions(histories.get(selector, ()), was, etag), processing))
    for selector, shown in now.components.items():
        if selector not in before.components or before.components[selector].digest != shown.digest:
            told.append(shown.content)
    return [*told, *gone([before], now)]


def _versions(history: Sequence[Version], was: str | None, etag: str) -> Sequence[Version | None]:
    """The history if it leads from one etag to the other; else only these two."""
    if history and (history[0].etag, history[-1].etag) == (was, etag):
        return history
    return [None if was is None else Version(was, None), Version(etag, None)]


def gone(told: Sequence[Resources], now: Resources) -> Iterator[Entry]:
    """That there is no more of what was told to be there; of a document for each version that was told, since a client
    believes it of the one that it has (RFC 5874 §6)."""
    documents = dict.fromkeys(chain.from_iterable(each.documents.items() for each in told))
    components = dict(chain.from_iterable(each.components.items() for each in told))
    for selector, etag in documents:
        if selector not in now.documents:
            yield DocumentChange(selector, etag, None)
    for selector, shown in components.items():
        if selector not in now.components:
            yield type(shown.content)(selector, exists=False)
