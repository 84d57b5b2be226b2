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
from abserver.events.package import EventPackage
from abserver.sip.headers import quality
from xcap.core import patch

if TYPE_CHECKING:
    from abserver.domain.view import View
    from abserver.sip.headers import MediaType

XCARD = "application/vcard+xml"
PATCH = "application/xml-patch+xml"
VCARD = "text/vcard"

PACKAGE = EventPackage(
    name="contact-card",
    default_expires=3600,
    min_expires=60,
    max_expires=86400,
    body_types=(XCARD, PATCH, VCARD),
    pace=1.0,
)

TEXT_SUFFIX = "-text"
"""A tag names one presentation (RFC 5839 §6.1): the vCard text of a view has another tag than its xCard."""


@dataclass(frozen=True, slots=True)
class Formats:
    """What one subscriber takes: its full form, and whether it keeps a copy that patches apply to."""

    full: str
    patches: bool

    def entity_tag(self, view_tag: str) -> str:
        """The SIP-ETag of a view in this subscriber's full form."""
        return view_tag + TEXT_SUFFIX if self.full == VCARD else view_tag

    def view_tag(self, entity_tag: str) -> str | None:
        """The view that an entity-tag in this form names; None when it is of another form."""
        if self.full != VCARD:
            return entity_tag
        return entity_tag.removesuffix(TEXT_SUFFIX) if entity_tag.endswith(TEXT_SUFFIX) else None


DEFAULT_FORMATS = Formats(full=XCARD, patches=False)


def negotiate(accept: list[MediaType] | None) -> Formats | None:
    """Choose the bodies for an Accept header (RFC 6665 §4.1.2.1, RFC 3261 §20.1); None means 406.

    accept: None when the SUBSCRIBE has no Accept: then the package's default. A patch needs a full form beside it,
    since the first NOTIFY has nothing to patch; only xCard can be patched.
    """
    if accept is None:
        return DEFAULT_FORMATS
    xcard, text = quality(accept, XCARD), quality(accept, VCARD)
    if xcard <= 0 and text <= 0:
        return None
    if text > xcard:
        return Formats(full=VCARD, patches=False)
    named = any(each.name == PATCH for each in accept)  # `*/*` is no promise to keep a copy
    return Formats(full=XCARD, patches=named and quality(accept, PATCH) > 0)


@dataclass(frozen=True, slots=True)
class Entity:
    """A NOTIFY body with its media type; `base` names the view that a patch applies to."""

    content_type: str
    body: bytes
    base: str | None = None


def entity(view: View, *, base: View | None, formats: Formats) -> Entity:
    """The body that takes a subscriber from `base` to `view`: the patch if it may have one and that is smaller."""
    if formats.full == VCARD:
        return Entity(VCARD, text_of(view))
    if formats.patches and base is not None:
        difference = patch.diff(base.content, view.content)
        if len(difference) < len(view.content):
            return Entity(PATCH, difference, base=base.tag)
    return Entity(XCARD, view.content)
