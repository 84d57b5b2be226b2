"""A subscriber's copy of one contact card, and what each NOTIFY makes of it (docs/contact-card-event-package.md).

Law: the copy always is some view that the notifier had sent, whole, under that view's entity-tag. A difference is
applied only to the copy that it names as its base; whatever else comes leaves the copy alone and is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.events import contact_card
from xcap.core import patch
from xcap.core.errors import XcapError

if TYPE_CHECKING:
    from abserver.sip.message import Request

NO_COPY = "none"
"""An entity-tag that no notifier mints, for Suppress-If-Match: "send me the full view" (RFC 5839 §5.2)."""


@dataclass(frozen=True, slots=True)
class CardCopy:
    """What the watcher has of the owner's card."""

    content: bytes
    content_type: str
    """`application/vcard+xml` or `text/vcard`."""
    etag: str | None
    """The SIP-ETag that came with it; None from a notifier that knows no RFC 5839."""


class BehindNotifier(Exception):
    """The NOTIFY speaks of a view that can't be reached from the copy."""


def copy_after(copy: CardCopy | None, notify: Request) -> CardCopy | None:
    """The copy after `notify`. Raises BehindNotifier, also for a body of another type, and SipSyntaxError."""
    etag = notify.headers.get("SIP-ETag")
    if not notify.body:
        return _unchanged(copy, etag)
    content_type = notify.content_type
    match content_type and content_type.name:
        case contact_card.XCARD | contact_card.VCARD as name:
            return CardCopy(notify.body, name, etag)
        case contact_card.PATCH:
            return _patched(copy, notify, etag)
        case _:
            raise BehindNotifier


def _unchanged(copy: CardCopy | None, etag: str | None) -> CardCopy | None:
    """Without a body the view is the one that the tag names, or the subscription's state is all that is told."""
    if etag is not None and (copy is None or copy.etag != etag):
        raise BehindNotifier
    return copy


def _patched(copy: CardCopy | None, notify: Request, etag: str | None) -> CardCopy:
    if copy is not None and etag is not None and copy.etag == etag:
        return copy  # told before, by a notifier that crashed before our 200 counted
    event = notify.event
    base = event and event.params.get("base")
    if copy is None or base is None or copy.etag != base or copy.content_type != contact_card.XCARD:
        raise BehindNotifier
    try:
        return CardCopy(patch.apply(notify.body, copy.content), contact_card.XCARD, etag)
    except (patch.PatchError, XcapError) as error:
        raise BehindNotifier from error
