"""What there is of the selected resources: the state of an `xcap-diff` subscription.

What is missing and what the subscriber may not read are the same here: not there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xcap.core.xcapdiff import ElementContent, XcapDiff, component_changes, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from abserver.events.xcap_diff.selections import Component
    from xcap.core.xcapdiff import Component as Content

MOST_SHOWN: Final = 32_768
"""Octets of the contents of components, of one subscription in all. An element beyond is told of and not shown: "the
notifier MAY discard the <element> element content" (RFC 5875 §4.7)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A component that exists."""

    content: Content
    """What is told of it."""
    size: int
    """Octets of what can be told of it."""
    digest: str
    """Of what can be told of it: another content has another digest, shown or not."""

    def unshown(self) -> Shown:
        """The same with the content of the element left out; an attribute has no other way to be told."""
        if not isinstance(self.content, ElementContent):
            return self
        return Shown(ElementContent(self.content.selector), self.size, self.digest)


def shown(component: Component, document: bytes | None) -> Shown | None:
    """The component as it is in its document; None where there is none of either."""
    for content in component_changes(component.selector, component.node, None, document):
        told = write(XcapDiff("", (content,)))
        return Shown(content, len(told), hashlib.blake2b(told, digest_size=16).hexdigest())
    return None


@dataclass(frozen=True, slots=True)
class Resources:
    """All that exists of what is selected (a `State` of the notifier's machine)."""

    documents: Mapping[str, str]
    """Selector -> etag."""
    components: Mapping[str, Shown]
    """By selector."""
    tag: str
    """Made of what is selected and of what there is, and of nothing else (RFC 5839 §6.1)."""


def resources(name: str, documents: Mapping[str, str], components: Iterable[Shown]) -> Resources:
    """The state with these documents and components, in the order in which they are to be told.

    name: of what is selected (`Selections.name`).
    """
    within: dict[str, Shown] = {}
    room = MOST_SHOWN
    for component in components:
        fits = component.size <= room
        within[component.content.selector] = component if fits else component.unshown()
        room -= component.size if fits else 0
    texts = [name, *sorted(f"{each}\n{etag}" for each, etag in documents.items())]
    texts += ["", *sorted(f"{each}\n{found.digest}" for each, found in within.items())]
    return Resources(documents, within, hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest())
