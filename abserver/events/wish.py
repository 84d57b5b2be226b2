"""What a SUBSCRIBE asks for, read and checked before anybody is authenticated (RFC 6665 §4.2.1.1).

`read_wish` is the notifier's first look: it gives a Wish, or the response that refuses. Checks that need to know who
asks, or whose card it is, come later and elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.events import contact_card
from abserver.sip.uas import make_response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abserver.events.contact_card import Formats
    from abserver.events.package import EventPackage
    from abserver.sip.headers import NameAddr
    from abserver.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class Wish:
    """One SUBSCRIBE that can be served."""

    package: EventPackage
    event_id: str | None
    """To be echoed in every NOTIFY (RFC 6665 §4.5.2)."""
    expires: int
    """Seconds granted; 0 unsubscribes, or polls."""
    formats: Formats
    device: str
    """Which user agent of the watcher asks: see `device_of`."""
    suppress: str | None
    """The entity-tag, or `*`, of Suppress-If-Match (RFC 5839 §5.1)."""


def read_wish(request: Request, packages: Sequence[EventPackage]) -> Wish | Response:
    """Read a SUBSCRIBE; a Response is the refusal: 400, 406, 423 or 489. Raises SipSyntaxError."""
    event = request.event
    package = next((each for each in packages if event is not None and each.name == event.package), None)
    if event is None or package is None:
        return make_response(request, 489, headers=[("Allow-Events", ", ".join(each.name for each in packages))])
    if package.too_brief(request.expires):
        return make_response(request, 423, headers=[("Min-Expires", str(package.min_expires))])
    formats = contact_card.negotiate(request.accept)
    if formats is None:
        return make_response(request, 406, headers=[("Accept", ", ".join(package.body_types))])
    if request.contact is None:
        return make_response(request, 400, reason="Missing Contact")
    return Wish(
        package=package,
        event_id=event.id,
        expires=package.granted(request.expires),
        formats=formats,
        device=device_of(request.contact),
        suppress=request.headers.get("Suppress-If-Match"),
    )


def device_of(contact: NameAddr) -> str:
    """The name of a device: its `+sip.instance` (RFC 5626 §4.1) in lower case, since URNs of that kind compare so
    (RFC 8141 §3.1, RFC 9562 §4); without one the user, host and port of its Contact, which stays as long as the phone
    keeps its address."""
    instance = contact.param("+sip.instance")
    if instance:
        return instance.strip("<>").lower()
    uri = SipUri.parse(contact.uri)
    return f"{uri.userinfo or ''}@{uri.host}:{uri.port or 5060}"
