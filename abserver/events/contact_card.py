"""The `contact-card` event package: what a NOTIFY carries (docs/contact-card-event-package.md).

Three bodies: the full view as xCard (RFC 6351) or as vCard text (RFC 6350), and for a subscriber that keeps its copy
the difference between the view it holds and the view it should hold, as an XML patch (RFC 5261, RFC 7351). The
difference is taken between two views, never cut out of a difference of the card: what is hidden from a watcher cannot
show in a patch, in its size or in the fact that there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.domain.view import text_of
from abserver.events import codings, filters
from abserver.events.formats import TEXT_SUFFIX as TEXT_SUFFIX
from abserver.events.formats import VCARD as VCARD
from abserver.events.formats import Formats as Formats
from abserver.events.package import EventPackage
from xcap.core import patch

if TYPE_CHECKING:
    from abserver.domain.view import View

XCARD = "application/vcard+xml"
PATCH = "application/xml-patch+xml"

PACKAGE = EventPackage(
    name="contact-card",
    default_expires=3600,
    min_expires=60,
    max_expires=86400,
    body_types=(XCARD, PATCH, VCARD),
    patch_type=PATCH,
    subscribe_types=(filters.MEDIA_TYPE,),
    pace=1.0,
)

DEFAULT_FORMATS = Formats(full=XCARD, patches=False)


@dataclass(frozen=True, slots=True)
class Entity:
    """A NOTIFY body with its media type; `base` names the view that a patch applies to."""

    content_type: str
    body: bytes
    base: str | None = None
    coding: str | None = None
    """The Content-Encoding of `body`."""


def entity(view: View, *, base: View | None, formats: Formats) -> Entity:
    """The body that takes a subscriber from `base` to `view`: the patch if it may have one and that is smaller (before
    either is packed)."""
    content_type, body, patched = _plain(view, base, formats)
    coding, packed = codings.pack(body, formats.coding, always=formats.always_coded)
    return Entity(content_type, packed, patched, coding)


def _plain(view: View, base: View | None, formats: Formats) -> tuple[str, bytes, str | None]:
    """Media type, body, and the tag of the view that a patch applies to."""
    if formats.full == VCARD:
        return VCARD, text_of(view), None
    if formats.patches and base is not None:
        difference = patch.diff(base.content, view.content)
        if len(difference) < len(view.content):
            return PATCH, difference, base.tag
    return XCARD, view.content, None
