"""A card as lines to read: one per item, and what changed between two of them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from abserver.domain.contentline import unfold
from abserver.domain.vcard_text import export_vcard
from abserver.events.contact_card import VCARD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abserver.events.card_copy import CardCopy

LONGEST = 160
"""Characters of a line that are shown: a photo has thousands, and nobody reads them."""

_FRAME = (b"BEGIN:", b"VERSION:", b"END:")


def items_of(copy: CardCopy | None) -> list[str]:
    """The items of a copy as lines of text/vcard without the frame; none for no copy."""
    if copy is None:
        return []
    text = copy.content if copy.content_type == VCARD else export_vcard(copy.content)
    return [line.decode(errors="replace") for _, line in unfold(text) if not line.upper().startswith(_FRAME)]


def changed_lines(before: list[str], after: list[str]) -> Iterator[str]:
    """`- line` for what is gone and `+ line` for what is new, in the order of the card."""
    for line in difflib.ndiff(before, after):
        if line[:2] in ("- ", "+ "):
            yield line


def shortened(line: str) -> str:
    """The line, or its beginning and how much there is of it."""
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line)} characters)"
