"""What each device shall show: as the rules grant it, and as a person would say it.

`granted` computes it from the owner's two documents with the pure functions of the domain, and asks no server what it
believes. `SEEN` says in plain words what is left in the end, written by hand.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from abserver.demo.cast import (
    DEFAULT_LEVELS,
    IDRIS_PHONE,
    IDRIS_TABLET,
    JUNO_SOFT,
    MAREN,
    OTTO_PHONE,
    WANDA_DESK,
    Part,
)
from abserver.domain.contentline import unfold
from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.rules import decide, parse_rules
from abserver.domain.vcard_text import export_vcard
from abserver.domain.view import text_of, view_of
from abserver.events.contact_card import VCARD

if TYPE_CHECKING:
    from abserver.domain.view import View
    from abserver.events.card_copy import CardCopy


def granted(card: bytes, rules: bytes, part: Part) -> View:
    """The view of the device's watcher, from the owner's documents."""
    decision = decide(parse_rules(rules), Watcher(Aor(part.person.aor)), datetime.datetime.now(datetime.UTC))
    return view_of(card, decision.grant, Owner(Aor(MAREN.aor)), DEFAULT_LEVELS)


def body_for(view: View, part: Part) -> bytes:
    """The view in the form that the device takes."""
    return text_of(view) if VCARD in part.accept else view.content


def items_of(copy: CardCopy | None) -> tuple[str, ...]:
    """A copy as lines of text/vcard, without the frame and the inside of pictures; none for no copy."""
    if copy is None:
        return ()
    text = copy.content if copy.content_type == VCARD else export_vcard(copy.content)
    lines = (line.decode() for _, line in unfold(text))
    return tuple(_shortened(line) for line in lines if not line.startswith(("BEGIN:", "VERSION:", "END:")))


def _shortened(line: str) -> str:
    head, comma, picture = line.partition(";base64,")
    return f"{head}{comma}({len(picture)} characters)" if comma else line


_NAME = ("N:Håkonsdatter;Maren;Solveig;Dr.;", "FN:Dr. Maren Håkonsdatter")
_OFFICE = "ORG:Institutt for havvarsling;Tidevannsgruppa;"
_HOME = (
    "EMAIL;TYPE=home:solveig83@fjordpost.example",
    "TEL;PREF=1;TYPE=cell,voice:+47 555 01 199",
    "TEL;TYPE=home,voice:+47 555 01 144",
    "item1.ADR;PREF=1;TYPE=home:;;Øvregaten 3;Bergen;;5013;Norway",
    "BDAY:19830517",
    "PHOTO:data:image/jpeg;base64,(616 characters)",
)
_WORK = ("EMAIL;PREF=1;TYPE=work:maren@havvarsling.example", "TEL;TYPE=work,voice:+47 555 01 188")

SEEN: dict[Part, tuple[str, ...]] = {
    IDRIS_PHONE: (*_NAME, _OFFICE, "TITLE:Director", *_HOME),
    IDRIS_TABLET: (*_NAME, _OFFICE, "TITLE:Director", *_HOME),
    WANDA_DESK: (*_NAME, _OFFICE, "TITLE:Head of wave forecasting", *_WORK),
    JUNO_SOFT: (f"FN:{MAREN.aor}",),
    OTTO_PHONE: (),
}
"""The items that each device shows in the end."""
