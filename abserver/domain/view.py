"""What one watcher sees of a card: the filtered xCard as canonical bytes.

The law of this room is non-interference: a view is a function of the items that the grant gives and of the owner's
address, and of nothing else. Two cards that differ in hidden items only, and no card at all beside a card with
nothing visible, give equal bytes and so equal tags. Watchers with equal grants share one view.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.domain.card import DEFAULT_LEVELS, UNLISTED_LEVEL, VCARD, Card, Item, parse_card
from abserver.domain.trees import attribute, escaped
from abserver.domain.vcard_text import export_vcard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abserver.domain.identity import Owner
    from abserver.domain.rules import Grant

_HEAD = f'<vcards xmlns="{VCARD}"><vcard>'
_TAIL = "</vcard></vcards>"


@dataclass(frozen=True, slots=True)
class View:
    """The card as some watchers see it."""

    content: bytes
    """application/vcard+xml; always one valid vCard."""
    tag: str
    """32 hexadecimal digits made of `content` alone: the entity-tag of the view, in SIP and XCAP alike."""

    @classmethod
    def of(cls, content: bytes) -> View:
        """The view that is `content`."""
        return cls(content, hashlib.blake2b(content, digest_size=16).hexdigest())


def view_of(
    card: Card | bytes | None, grant: Grant, owner: Owner, defaults: Mapping[str, str] = DEFAULT_LEVELS
) -> View:
    """Show `card` (None: the owner has none) as far as `grant` goes.

    card: bytes are parsed; pass a Card where several grants meet one card. Raises InvalidDocument for bytes.
    defaults: property name -> level of items without one (`DEFAULT_LEVELS`).

    Every vCard needs an FN (RFC 6350 §6.2.1): where none is visible, the owner's address stands in, which the watcher
    knows already.
    """
    if isinstance(card, bytes):
        card = parse_card(card)
    named = False
    written: list[str] = []
    for run in card.runs if card else ():
        seen = [item for item in run.items if is_visible(item, grant, defaults)]
        if not seen:
            continue
        named = named or any(item.name == "fn" for item in seen)
        shown = "".join([item.content for item in seen])
        written.append(shown if run.group is None else f'<group name="{attribute(run.group)}">{shown}</group>')
    name = "" if named else f"<fn><text>{escaped(owner)}</text></fn>"
    content = f"{_HEAD}{name}{''.join(written)}{_TAIL}".encode()
    return View.of(content)


def text_of(view: View) -> bytes:
    """The view as text/vcard 4.0, for clients that do not take XML."""
    return export_vcard(view.content)


def is_visible(item: Item, grant: Grant, defaults: Mapping[str, str]) -> bool:
    """Whether the grant gives the item; defaults: as for `view_of`."""
    if grant.everything:
        return True
    if item.levels is None:
        by_level = defaults.get(item.name, UNLISTED_LEVEL) in grant.levels
    else:
        by_level = not grant.levels.isdisjoint(item.levels)
    return by_level or grant.provides(item.name, item.types)
